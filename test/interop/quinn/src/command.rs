//! What a test asks for: one line of JSON each, `{"id": 1, "op": "exchange", "connection": 1, …}`.

use serde::Deserialize;

/// A command, and the number that its answer carries.
#[derive(Deserialize)]
pub struct Request {
    pub id: u64,
    #[serde(flatten)]
    pub command: Command,
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Opens a connection. `early` is a request that is sent in 0-RTT where a ticket allows it.
    Connect { early: Option<String> },
    /// Moves the endpoint, with all its connections, to another port.
    Rebind,
    /// Asks for something of one connection.
    #[serde(untagged)]
    Connection {
        connection: usize,
        #[serde(flatten)]
        action: Action,
    },
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub enum Action {
    /// Has `bytes` on each of `streams` bidirectional streams echoed. All are open before the first ends.
    Exchange {
        streams: usize,
        bytes: usize,
    },
    /// Sends a text on a bidirectional stream and reads the answer.
    Ask {
        text: String,
    },
    /// Sends `bytes` on a unidirectional stream.
    SendUni {
        bytes: usize,
    },
    SendDatagram {
        text: String,
    },
    /// Opens a bidirectional stream, sends a text, and resets it.
    Reset {
        text: String,
        code: u64,
    },
    /// Opens a bidirectional stream, sends a text, and asks for no answer.
    StopSending {
        text: String,
        code: u64,
    },
    /// Opens a bidirectional stream and sends until it is told to stop.
    SendUntilStopped,
    UpdateKeys,
    /// Where the peer is, as seen now.
    Remote,
    Close {
        code: u64,
        reason: String,
    },
}
