use serde_json::{json, Value};

use super::client::{Clock, Target};

/// `in_flight` workers that open a connection, close it, and open the next.
pub async fn measure(target: &Target, in_flight: usize, clock: Clock) -> anyhow::Result<Value> {
    let workers: Vec<_> = (0..in_flight).map(|_| tokio::spawn(work(target.clone(), clock))).collect();
    let mut handshakes = 0u64;
    for worker in workers {
        handshakes += worker.await??;
    }
    let seconds = clock.seconds();
    Ok(json!({
        "work": "handshakes",
        "seconds": seconds,
        "handshakes": handshakes,
        "handshakesPerSecond": handshakes as f64 / seconds,
    }))
}

async fn work(target: Target, clock: Clock) -> anyhow::Result<u64> {
    let mut handshakes = 0;
    while clock.running() {
        target.connect().await?.close(0u32.into(), b"");
        handshakes += 1;
    }
    Ok(handshakes)
}
