use bytes::Bytes;
use quinn::Connection;
use serde_json::{json, Value};

use super::client::Clock;

const CHUNK_BYTES: usize = 64 * 1024;

/// One bidirectional stream, written until the time is up; the time ends when the server has all of it.
pub async fn measure(connection: &Connection, clock: Clock) -> anyhow::Result<Value> {
    let chunk = Bytes::from(vec![0x61; CHUNK_BYTES]);
    let (mut send, _receive) = connection.open_bi().await?;
    let mut bytes = 0u64;
    while clock.running() {
        send.write_chunk(chunk.clone()).await?;
        bytes += CHUNK_BYTES as u64;
    }
    send.finish()?;
    send.stopped().await?;
    let seconds = clock.seconds();
    Ok(
        json!({ "work": "bulk", "seconds": seconds, "bytes": bytes, "bytesPerSecond": bytes as f64 / seconds }),
    )
}
