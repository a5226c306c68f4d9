//! What a test hears: one line of JSON each.

use std::{io::Write, net::SocketAddr};

use serde::Serialize;
use serde_json::Value;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// The endpoint is bound.
    Ready {
        address: SocketAddr,
    },
    /// A peer has connected.
    Accepted {
        connection: usize,
        alpn: String,
        retried: bool,
        client_certificates: usize,
    },
    /// A connection attempt of a peer came to nothing.
    Refused {
        failure: Failure,
    },
    /// All of a peer's stream was read. `early`: it began in 0-RTT.
    Stream {
        connection: usize,
        direction: &'static str,
        bytes: usize,
        sha256: String,
        early: bool,
    },
    /// A peer's stream ended otherwise.
    StreamFailed {
        connection: usize,
        failure: Failure,
    },
    Datagram {
        connection: usize,
        text: String,
    },
    Closed {
        connection: usize,
        failure: Failure,
    },
    /// A client has got a ticket, with which its next connection can resume.
    Ticket,
}

/// Why something ended early.
#[derive(Serialize)]
pub struct Failure {
    /// `reset` and `stopped` for streams; `application` and `transport` for what the peer closed, else `local`.
    pub kind: &'static str,
    /// The error code on the wire, where there was one.
    pub code: Option<u64>,
    pub reason: String,
}

#[derive(Serialize)]
struct Answer {
    id: u64,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Result(Value),
    Failure(Failure),
}

/// Tells what happened.
pub fn tell(event: &Event) {
    print_line(event);
}

/// Answers a command.
pub fn answer(id: u64, result: Result<Value, Failure>) {
    let outcome = match result {
        Ok(value) => Outcome::Result(value),
        Err(failure) => Outcome::Failure(failure),
    };
    print_line(&Answer { id, outcome });
}

/// Prints one line. Whoever reads them has gone when that fails, and this program goes too.
pub fn print_line(value: &impl Serialize) {
    let mut line = serde_json::to_vec(value).expect("reports are plain data");
    line.push(b'\n');
    let mut output = std::io::stdout().lock();
    if output.write_all(&line).and_then(|()| output.flush()).is_err() {
        std::process::exit(1);
    }
}

impl Failure {
    pub fn local(reason: impl ToString) -> Self {
        Self { kind: "local", code: None, reason: reason.to_string() }
    }
}

impl From<quinn::ConnectionError> for Failure {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError::{ApplicationClosed, ConnectionClosed, TransportError};
        match error {
            ApplicationClosed(close) => Self {
                kind: "application",
                code: Some(close.error_code.into_inner()),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            ConnectionClosed(close) => Self {
                kind: "transport",
                code: Some(close.error_code.into()),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            TransportError(error) => {
                Self { kind: "local", code: Some(error.code.into()), reason: error.to_string() }
            }
            other => Self::local(other),
        }
    }
}

impl From<quinn::ReadError> for Failure {
    fn from(error: quinn::ReadError) -> Self {
        match error {
            quinn::ReadError::Reset(code) => {
                Self { kind: "reset", code: Some(code.into_inner()), reason: String::new() }
            }
            quinn::ReadError::ConnectionLost(error) => error.into(),
            other => Self::local(other),
        }
    }
}

impl From<quinn::WriteError> for Failure {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::Stopped(code) => {
                Self { kind: "stopped", code: Some(code.into_inner()), reason: String::new() }
            }
            quinn::WriteError::ConnectionLost(error) => error.into(),
            other => Self::local(other),
        }
    }
}

impl From<quinn::ClosedStream> for Failure {
    fn from(error: quinn::ClosedStream) -> Self {
        Self::local(error)
    }
}
