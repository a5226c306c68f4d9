use std::sync::{
    atomic::{AtomicU64, Ordering},
    Arc,
};

use bytes::Bytes;
use quinn::Connection;
use serde_json::{json, Value};

use super::client::Clock;

/// Datagrams as fast as the congestion window lets them go; those that the server sends back are counted.
pub async fn measure(connection: &Connection, bytes: usize, clock: Clock) -> anyhow::Result<Value> {
    let echoes = Arc::new(AtomicU64::new(0));
    let (counter, receiving) = (echoes.clone(), connection.clone());
    tokio::spawn(async move {
        while receiving.read_datagram().await.is_ok() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    let datagram = Bytes::from(vec![0x61; bytes]);
    let mut sent = 0u64;
    while clock.running() {
        connection.send_datagram_wait(datagram.clone()).await?;
        sent += 1;
    }
    let seconds = clock.seconds();
    let received = echoes.load(Ordering::Relaxed);
    Ok(json!({
        "work": "datagrams",
        "seconds": seconds,
        "sent": sent,
        "sentPerSecond": sent as f64 / seconds,
        "received": received,
        "receivedPerSecond": received as f64 / seconds,
    }))
}
