use crate::flags::Flags;
use crate::{around, free_port, hex, until_told_to_end, Failure};
use async_trait::async_trait;
use flare_core::common::compression::CompressionAlgorithm;
use flare_core::common::config_types::{HeartbeatConfig, TransportProtocol};
use flare_core::common::encryption::EncryptionAlgorithm;
use flare_core::common::error::Result as FlareResult;
use flare_core::common::message::parser::{MessageParser, PRE_NEGOTIATION_PARSER};
use flare_core::common::protocol::builder::{
    connect, data_message, frame_with_payload_command, frame_with_system_command,
};
use flare_core::common::protocol::flare::core::commands::system_command::Type as SystemType;
use flare_core::common::protocol::flare::core::commands::SystemCommand;
use flare_core::common::protocol::{Frame, PayloadCommand, Reliability, SerializationFormat};
use flare_core::server::events::handler::ServerEventHandler;
use flare_core::server::ObserverServerBuilder;
use std::collections::HashMap;
use std::sync::Arc;

/// The smallest handler: data go back as data.
struct Echo;

#[async_trait]
impl ServerEventHandler for Echo {
    async fn handle_data(&self, command: &PayloadCommand, _connection: &str) -> FlareResult<Option<Frame>> {
        Ok(Some(frame_of(command.payload.clone())))
    }
}

fn frame_of(payload: Vec<u8>) -> Frame {
    frame_with_payload_command(data_message(String::new(), payload, None, None), Reliability::BestEffort)
}

pub async fn serve(flags: &Flags) -> Result<(), Failure> {
    let transport = flags.text("transport", "WebSocket");
    let size = flags.number("size", 64)?;
    let port = free_port(transport == "QUIC")?;
    // It looks for its certificate in the folder where it runs, and makes one there.
    if let Some(folder) = std::path::Path::new(&flags.text("cert", "")).parent() {
        std::env::set_current_dir(folder)?;
    }
    let address = format!("127.0.0.1:{port}");
    let protocol = match transport.as_str() {
        "QUIC" => TransportProtocol::QUIC,
        "TCP" => TransportProtocol::TCP,
        _ => TransportProtocol::WebSocket,
    };
    let mut server = ObserverServerBuilder::new(address.clone(), Arc::new(Echo))
        .with_protocols(vec![protocol])
        .with_protocol_address(protocol, address)
        .with_max_connections(20_000)
        .with_heartbeat(HeartbeatConfig::new().disable())
        .with_default_format(SerializationFormat::Protobuf)
        .build()?;
    server.start().await?;

    // The shortest that there is on the wire: protobuf, neither compressed nor encrypted.
    let plain = MessageParser::new(
        SerializationFormat::Protobuf,
        CompressionAlgorithm::None,
        EncryptionAlgorithm::None,
    );
    let payload = vec![1; size];
    let (head, tail) = around(&plain.serialize(&frame_of(payload.clone()))?, &payload)?;
    let opening = format!("{},-,{}", hex(&hello()?), hex(&ready()?));
    println!(r#"{{"port":{port},"head":"{head}","tail":"{tail}","opening":"{opening}"}}"#);
    until_told_to_end().await;
    Ok(())
}

/// What its client opens a connection with.
fn hello() -> Result<Vec<u8>, Failure> {
    let metadata = HashMap::from([
        ("format".to_string(), b"protobuf".to_vec()),
        ("user_id".to_string(), b"bench".to_vec()),
    ]);
    let command = connect(SerializationFormat::Json, metadata);
    Ok(PRE_NEGOTIATION_PARSER.serialize(&frame_with_system_command(command, Reliability::AtLeastOnce))?)
}

/// And what it confirms it with.
fn ready() -> Result<Vec<u8>, Failure> {
    let command = SystemCommand { r#type: SystemType::NegotiationReady as i32, ..Default::default() };
    Ok(PRE_NEGOTIATION_PARSER.serialize(&frame_with_system_command(command, Reliability::AtLeastOnce))?)
}
