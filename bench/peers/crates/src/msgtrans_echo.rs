use crate::flags::Flags;
use crate::{around, free_port, until_told_to_end, Failure};
use async_trait::async_trait;
use msgtrans::{
    CloseReason, ConnectionInfo, Packet, QuicServerConfig, Responder, SessionHandler, SessionId,
    SessionSender, TcpServerConfig, TransportServerBuilder, WebSocketServerConfig,
};
use std::sync::Arc;

/// The smallest handler, as in the crate's own load test.
struct Echo;

#[async_trait]
impl SessionHandler for Echo {
    async fn on_message(&self, _session: SessionId, packet: Packet, sender: SessionSender) {
        let _ = sender.send_data(packet.into_payload()).await;
    }

    async fn on_request(&self, _session: SessionId, request: Packet, responder: Responder) {
        let _ = responder.respond(request.into_payload()).await;
    }

    async fn on_connected(&self, _session: SessionId, _info: ConnectionInfo) {}

    async fn on_disconnected(&self, _session: SessionId, _reason: CloseReason) {}
}

pub async fn serve(flags: &Flags) -> Result<(), Failure> {
    let transport = flags.text("transport", "WebSocket");
    let size = flags.number("size", 64)?;
    let port = free_port(transport == "QUIC")?;
    let address = format!("127.0.0.1:{port}");
    let builder = TransportServerBuilder::new().max_connections(20_000).actor_buffer_size(4096);
    let builder = match transport.as_str() {
        "QUIC" => {
            let certificate = std::fs::read_to_string(flags.text("cert", ""))?;
            let key = std::fs::read_to_string(flags.text("key", ""))?;
            builder.protocol(QuicServerConfig::new(&address)?.cert_pem(certificate).key_pem(key))
        }
        "TCP" => builder.protocol(TcpServerConfig::new(&address)?.nodelay(true)),
        _ => builder.protocol(WebSocketServerConfig::new(&address)?),
    };
    let server = builder.build(Arc::new(Echo)).await?;
    tokio::spawn(async move { server.serve().await });
    until_listening(&transport, port).await;
    let payload = vec![1; size];
    let (message, _) = around(&Packet::one_way(1, payload.clone()).try_encode()?, &payload)?;
    let (request, _) = around(&Packet::request(1, payload.clone()).try_encode()?, &payload)?;
    println!(r#"{{"port":{port},"head":"{message}","tail":"","opening":"","requestHead":"{request}"}}"#);
    until_told_to_end().await;
    Ok(())
}

/// Over UDP the socket is bound before `serve`.
async fn until_listening(transport: &str, port: u16) {
    while transport != "QUIC" && tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}
