//! Reads what comes, and answers where it is told to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use clap::Args;
use quinn::{Connection, Endpoint, Incoming, RecvStream, SendStream};
use serde_json::json;

use crate::{report::print_line, tls};

const MAX_CHUNK_BYTES: usize = 64 * 1024;

#[derive(Args)]
pub struct Options {
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    host: IpAddr,
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[arg(long, default_value = "bench")]
    alpn: Vec<String>,
    #[command(flatten)]
    identity: tls::ServerIdentity,
    /// Each so many bytes of a bidirectional stream are a request.
    #[arg(long, default_value_t = 512)]
    request_bytes: usize,
    /// The length of each answer; 0 reads only.
    #[arg(long, default_value_t = 0)]
    answer_bytes: usize,
    /// Sends each datagram back.
    #[arg(long)]
    echo_datagrams: bool,
}

/// What every connection gets.
#[derive(Clone)]
struct Service {
    request_bytes: usize,
    answer: Bytes,
    echo_datagrams: bool,
}

/// Prints `{"port": …}` and serves until it is killed.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut config = tls::server_config(&options.identity, &options.alpn, tls::Resumption::Off)?;
    config.transport_config(super::transport());
    let endpoint = Endpoint::server(config, SocketAddr::new(options.host, options.port))?;
    print_line(&json!({ "port": endpoint.local_addr()?.port() }));
    let service = Service {
        request_bytes: options.request_bytes.max(1),
        answer: Bytes::from(vec![0x61; options.answer_bytes]),
        echo_datagrams: options.echo_datagrams,
    };
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(serve(incoming, service.clone()));
    }
    Ok(())
}

async fn serve(incoming: Incoming, service: Service) {
    let Ok(connection) = incoming.await else { return };
    tokio::join!(
        take_bidirectional(&connection, &service),
        take_unidirectional(&connection),
        take_datagrams(&connection, service.echo_datagrams),
    );
}

async fn take_bidirectional(connection: &Connection, service: &Service) {
    while let Ok((send, receive)) = connection.accept_bi().await {
        tokio::spawn(answer(send, receive, service.clone()));
    }
}

/// What goes wrong with a stream is its client's affair.
async fn answer(mut send: SendStream, mut receive: RecvStream, service: Service) {
    let mut unanswered = 0;
    while let Ok(Some(chunk)) = receive.read_chunk(MAX_CHUNK_BYTES, true).await {
        if service.answer.is_empty() {
            continue;
        }
        unanswered += chunk.bytes.len();
        while unanswered >= service.request_bytes {
            unanswered -= service.request_bytes;
            if send.write_chunk(service.answer.clone()).await.is_err() {
                return;
            }
        }
    }
    let _ = send.finish();
}

async fn take_unidirectional(connection: &Connection) {
    while let Ok(mut receive) = connection.accept_uni().await {
        tokio::spawn(
            async move { while let Ok(Some(_)) = receive.read_chunk(MAX_CHUNK_BYTES, true).await {} },
        );
    }
}

async fn take_datagrams(connection: &Connection, echo: bool) {
    while let Ok(datagram) = connection.read_datagram().await {
        if echo && connection.send_datagram(datagram).is_err() {
            return;
        }
    }
}
