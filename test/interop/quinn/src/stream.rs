//! One stream: what is asked for on streams of ours, and what is done with those of a peer.

use bytes::Bytes;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use serde_json::{json, Value};

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
pub async fn drain(mut receive: RecvStream) -> Result<Tally, Failure> {
    let mut tally = Tally::new();
    while let Some(chunk) = receive.read_chunk(MAX_CHUNK_BYTES, true).await? {
        tally.add(&chunk.bytes);
    }
    Ok(tally)
}

/// Has `bytes` echoed on each of `count` streams, which are all open at the same time.
pub async fn exchange(connection: &Connection, count: usize, bytes: usize) -> Result<Value, Failure> {
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        streams.push(connection.open_bi().await?);
    }
    let tasks: Vec<_> = streams
        .into_iter()
        .enumerate()
        .map(|(seed, stream)| tokio::spawn(exchange_one(stream, seed, bytes)))
        .collect();
    let mut intact = 0;
    for task in tasks {
        let (sent, received) = task.await.map_err(Failure::local)??;
        intact += usize::from(sent == received);
    }
    Ok(json!({ "intact": intact }))
}

async fn exchange_one(
    (send, receive): (SendStream, RecvStream),
    seed: usize,
    bytes: usize,
) -> Result<(String, String), Failure> {
    let (sent, received) = tokio::try_join!(fill(send, seed, bytes), drain(receive))?;
    Ok((sent.sha256(), received.sha256()))
}

/// Sends `bytes` and the end.
async fn fill(mut send: SendStream, seed: usize, bytes: usize) -> Result<Tally, Failure> {
    let mut tally = Tally::new();
    for chunk in chunks(seed, bytes) {
        tally.add(&chunk);
        send.write_chunk(chunk).await?;
    }
    send.finish()?;
    Ok(tally)
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
    let tally = fill(connection.open_uni().await?, 0, bytes).await?;
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
    let (mut send, _receive) = connection.open_bi().await?;
    let chunk = Bytes::from(vec![0; MAX_CHUNK_BYTES]);
    loop {
        send.write_chunk(chunk.clone()).await?;
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
