//! Servers that send each message back, of crates which promise what sessions of millrace do, and a QUIC client for
//! them: bench/native speaks their protocols over WebSocket and TCP, but flare-core's QUIC agrees on no ALPN, which
//! msquic insists on. Each server prints one line of JSON when it listens: its port, and what a client has to send.

mod flags;
mod flare;
mod histogram;
mod msgtrans_echo;
mod quic_client;

use flags::Flags;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One thread for all: each end of a benchmark has one core.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let flags = Flags::read(arguments)?;
    match command.as_str() {
        "msgtrans" => msgtrans_echo::serve(&flags).await,
        "flare-core" => flare::serve(&flags).await,
        "quic-client" => quic_client::run(&flags).await,
        _ => Err("usage: millrace-bench-crates msgtrans|flare-core|quic-client --name value...".into()),
    }
}

/// A port that nobody listens on: both crates want to be told one.
fn free_port(udp: bool) -> Result<u16, Failure> {
    if udp {
        return Ok(std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port());
    }
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ends with its standard input.
async fn until_told_to_end() {
    let mut rest = String::new();
    let mut input = tokio::io::stdin();
    let _ = tokio::io::AsyncReadExt::read_to_string(&mut input, &mut rest).await;
    std::process::exit(0);
}

/// What stands before and behind a payload, in a message whose payload is all ones.
fn around(message: &[u8], payload: &[u8]) -> Result<(String, String), Failure> {
    let at = message
        .windows(payload.len())
        .position(|part| part == payload)
        .ok_or("the payload is not in the message as it is")?;
    Ok((hex(&message[..at]), hex(&message[at + payload.len()..])))
}
