//! One connection: what the peer does on it is reported, and echoed where it can be.

use std::{future::Future, sync::Arc};

use quinn::{crypto::rustls::HandshakeData, Connection, VarInt};
use rustls::pki_types::CertificateDer;
use serde_json::{json, Value};

use crate::{
    command::Action,
    payload::Tally,
    report::{tell, Event, Failure},
    stream,
};

/// Starts to watch a connection until it ends.
pub fn watch(number: usize, connection: &Connection) {
    let connection = Arc::new(connection.clone());
    tokio::spawn(take_bidirectional(number, connection.clone()));
    tokio::spawn(take_unidirectional(number, connection.clone()));
    tokio::spawn(take_datagrams(number, connection.clone()));
    tokio::spawn(async move {
        let failure = connection.closed().await.into();
        tell(&Event::Closed { connection: number, failure });
    });
}

async fn take_bidirectional(number: usize, connection: Arc<Connection>) {
    while let Ok((send, receive)) = connection.accept_bi().await {
        let early = receive.is_0rtt();
        tokio::spawn(report(number, "bidirectional", early, stream::echo(send, receive)));
    }
}

async fn take_unidirectional(number: usize, connection: Arc<Connection>) {
    while let Ok(receive) = connection.accept_uni().await {
        let early = receive.is_0rtt();
        tokio::spawn(report(number, "unidirectional", early, stream::drain(receive)));
    }
}

async fn report(
    connection: usize,
    direction: &'static str,
    early: bool,
    read: impl Future<Output = Result<Tally, Failure>>,
) {
    tell(&match read.await {
        Ok(tally) => {
            let bytes = tally.bytes;
            Event::Stream { connection, direction, bytes, sha256: tally.sha256(), early }
        }
        Err(failure) => Event::StreamFailed { connection, failure },
    });
}

async fn take_datagrams(number: usize, connection: Arc<Connection>) {
    while let Ok(bytes) = connection.read_datagram().await {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        tell(&Event::Datagram { connection: number, text });
    }
}

/// Does what a test asks for.
pub async fn act(connection: &Connection, action: Action) -> Result<Value, Failure> {
    match action {
        Action::Exchange { streams, bytes } => stream::exchange(connection, streams, bytes).await,
        Action::Ask { text } => stream::ask(connection, &text).await,
        Action::SendUni { bytes } => stream::send_uni(connection, bytes).await,
        Action::SendDatagram { text } => {
            connection.send_datagram(text.into()).map_err(Failure::local)?;
            Ok(json!({}))
        }
        Action::Reset { text, code } => stream::reset(connection, &text, var_int(code)?).await,
        Action::StopSending { text, code } => stream::stop_sending(connection, &text, var_int(code)?).await,
        Action::SendUntilStopped => stream::send_until_stopped(connection).await,
        Action::UpdateKeys => {
            connection.force_key_update();
            Ok(json!({}))
        }
        Action::Remote => Ok(json!({ "remote": connection.remote_address() })),
        Action::Close { code, reason } => {
            connection.close(var_int(code)?, reason.as_bytes());
            Ok(json!({}))
        }
    }
}

/// The negotiated protocol, once the handshake has come so far.
pub fn protocol(connection: &Connection) -> String {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    let name = data.and_then(|data| data.protocol).unwrap_or_default();
    String::from_utf8_lossy(&name).into_owned()
}

/// How many certificates the peer's chain has.
pub fn peer_certificates(connection: &Connection) -> usize {
    let chain = connection.peer_identity().and_then(|chain| chain.downcast::<Vec<CertificateDer>>().ok());
    chain.map_or(0, |chain| chain.len())
}

fn var_int(code: u64) -> Result<VarInt, Failure> {
    VarInt::from_u64(code).map_err(Failure::local)
}
