//! One stream: what is asked for on streams of ours, and what is done with those of a peer.

use std::sync::Arc;

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use serde_json::{json, Value};
use tokio::sync::Barrier;

use crate::{
    payload::{chunks, Tally},
    report::Failure,
};

const MAX_CHUNK_BYTES: usize = 64 * 1024;
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A peer's bidirectional stream, sent back whole.
pub async fn echo(mut send: SendStream, mut receive: RecvStream) -> Result<Tally, Failure> {
    let mut tally = Tally::new();
    while let Some(chunk) = receive.read_chunk(MAX_CHUNK_BYTES, true).await? {
        tally.add(&chunk.bytes);
        send.write_chunk(chunk.bytes).await?;
    }
    send.finish()?;
    Ok(tally)
}

/// All of a stream, counted and hashed.
pub async fn drain(receive: RecvStream) -> Result<Tally, Failure> {
    let mut tally = Tally::new();
    drain_into(receive, &mut tally).await?;
    Ok(tally)
}

async fn drain_into(mut receive: RecvStream, tally: &mut Tally) -> Result<(), Failure> {
    while let Some(chunk) = receive.read_chunk(MAX_CHUNK_BYTES, true).await? {
        tally.add(&chunk.bytes);
    }
    Ok(())
}

/// Has `bytes` echoed on each of `count` streams. The peer has all of them before the first one ends.
pub async fn exchange(connection: &Connection, count: usize, bytes: usize) -> Result<Value, Failure> {
    let all_open = Arc::new(Barrier::new(count));
    let mut tasks = Vec::with_capacity(count);
    for seed in 0..count {
        let stream = connection.open_bi().await?;
        tasks.push(tokio::spawn(exchange_one(stream, seed, bytes, all_open.clone())));
    }
    let mut intact = 0;
    for task in tasks {
        let (sent, received) = task.await.map_err(Failure::local)??;
        intact += usize::from(sent == received);
    }
    Ok(json!({ "intact": intact }))
}

/// Sends the first chunk, and the rest once something of it came back on every stream.
async fn exchange_one(
    (mut send, mut receive): (SendStream, RecvStream),
    seed: usize,
    bytes: usize,
    all_open: Arc<Barrier>,
) -> Result<(String, String), Failure> {
    let (mut sent, mut received) = (Tally::new(), Tally::new());
    let mut rest = chunks(seed, bytes);
    if let Some(first) = rest.next() {
        sent.add(&first);
        send.write_chunk(first).await?;
        if let Some(chunk) = receive.read_chunk(MAX_CHUNK_BYTES, true).await? {
            received.add(&chunk.bytes);
        }
    }
    all_open.wait().await;
    tokio::try_join!(fill(send, rest, &mut sent), drain_into(receive, &mut received))?;
    Ok((sent.sha256(), received.sha256()))
}

/// Sends chunks and the end.
async fn fill(
    mut send: SendStream,
    chunks: impl Iterator<Item = Bytes>,
    tally: &mut Tally,
) -> Result<(), Failure> {
    for chunk in chunks {
        tally.add(&chunk);
        send.write_chunk(chunk).await?;
    }
    send.finish()?;
    Ok(())
}

pub async fn ask(connection: &Connection, text: &str) -> Result<Value, Failure> {
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(text.as_bytes()).await?;
    send.finish()?;
    let answer = receive.read_to_end(MAX_ANSWER_BYTES).await.map_err(|error| match error {
        quinn::ReadToEndError::Read(error) => error.into(),
        too_long => Failure::local(too_long),
    })?;
    Ok(json!({ "answer": String::from_utf8_lossy(&answer) }))
}

pub async fn send_uni(connection: &Connection, bytes: usize) -> Result<Value, Failure> {
    let mut tally = Tally::new();
    fill(connection.open_uni().await?, chunks(0, bytes), &mut tally).await?;
    Ok(json!({ "sha256": tally.sha256() }))
}

pub async fn reset(connection: &Connection, text: &str, code: VarInt) -> Result<Value, Failure> {
    let (mut send, receive) = connection.open_bi().await?;
    send.write_all(text.as_bytes()).await?;
    send.reset(code)?;
    ended(receive).await
}

pub async fn stop_sending(connection: &Connection, text: &str, code: VarInt) -> Result<Value, Failure> {
    let (mut send, mut receive) = connection.open_bi().await?;
    send.write_all(text.as_bytes()).await?;
    receive.stop(code)?;
    send.finish()?;
    Ok(json!({}))
}

pub async fn send_until_stopped(connection: &Connection) -> Result<Value, Failure> {
    let (mut send, receive) = connection.open_bi().await?;
    let chunk = Bytes::from(vec![0; MAX_CHUNK_BYTES]);
    loop {
        if let Err(error) = send.write_chunk(chunk.clone()).await {
            ended(receive).await?;
            return Err(error.into());
        }
    }
}

/// Waits until a stream whose bytes matter no more has ended, so that dropping it says nothing to the peer.
async fn ended(receive: RecvStream) -> Result<Value, Failure> {
    match drain(receive).await {
        Ok(_) => Ok(json!({})),
        Err(failure) if failure.kind == "reset" => Ok(json!({ "answeredBy": failure })),
        Err(failure) => Err(failure),
    }
}
