use std::time::Instant;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream};
use serde_json::{json, Value};

use super::client::Clock;

#[derive(Clone, Copy)]
pub struct Load {
    pub in_flight: usize,
    pub request_bytes: usize,
    pub answer_bytes: usize,
    pub stream_per_request: bool,
}

/// `in_flight` workers, each with one request under way at a time.
pub async fn measure(connection: &Connection, load: Load, clock: Clock) -> anyhow::Result<Value> {
    let workers: Vec<_> =
        (0..load.in_flight).map(|_| tokio::spawn(work(connection.clone(), load, clock))).collect();
    let mut latencies_us = Vec::new();
    for worker in workers {
        latencies_us.append(&mut worker.await??);
    }
    let seconds = clock.seconds();
    latencies_us.sort_unstable();
    let percentile = |part: f64| {
        let last = latencies_us.len().saturating_sub(1);
        latencies_us.get((last as f64 * part) as usize).copied().unwrap_or(0)
    };
    Ok(json!({
        "work": "requests",
        "seconds": seconds,
        "requests": latencies_us.len(),
        "requestsPerSecond": latencies_us.len() as f64 / seconds,
        "p50Us": percentile(0.5),
        "p99Us": percentile(0.99),
    }))
}

async fn work(connection: Connection, load: Load, clock: Clock) -> anyhow::Result<Vec<u32>> {
    let request = Bytes::from(vec![0x61; load.request_bytes]);
    let mut answer = vec![0; load.answer_bytes];
    let mut latencies_us = Vec::new();
    let mut open: Option<(SendStream, RecvStream)> = None;
    while clock.running() {
        let started = Instant::now();
        let (mut send, mut receive) = match open.take() {
            Some(stream) => stream,
            None => connection.open_bi().await?,
        };
        send.write_chunk(request.clone()).await?;
        if load.stream_per_request {
            send.finish()?;
        }
        receive.read_exact(&mut answer).await?;
        latencies_us.push(started.elapsed().as_micros() as u32);
        if !load.stream_per_request {
            open = Some((send, receive));
        }
    }
    Ok(latencies_us)
}
