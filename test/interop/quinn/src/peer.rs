//! The endpoint that a test drives.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    time::Duration,
};

use clap::Args;
use quinn::{Connection, Endpoint, Incoming, TransportConfig, VarInt};
use serde_json::{json, Value};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    command::{Action, Command, Request},
    connection::{act, peer_certificates, protocol, watch},
    report::{answer, tell, Event, Failure},
    tls,
};

/// More than the largest test opens at once.
const MAX_STREAMS: u32 = 1_024;

#[derive(Args)]
pub struct ServerOptions {
    #[arg(long, default_value_t = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0))]
    bind: SocketAddr,
    #[arg(long, required = true)]
    alpn: Vec<String>,
    #[command(flatten)]
    identity: tls::ServerIdentity,
    /// Has every client prove its address by a Retry packet (RFC 9000 section 8.1.2).
    #[arg(long)]
    retry: bool,
    /// Sends tickets.
    #[arg(long)]
    resumption: bool,
    /// Sends tickets that allow 0-RTT.
    #[arg(long)]
    early_data: bool,
}

#[derive(Args)]
pub struct ClientOptions {
    #[arg(long)]
    server: SocketAddr,
    #[arg(long, default_value = "localhost")]
    server_name: String,
    #[arg(long, required = true)]
    alpn: Vec<String>,
    #[command(flatten)]
    trust: tls::ClientTrust,
}

impl ServerOptions {
    fn resumption(&self) -> tls::Resumption {
        match (self.early_data, self.resumption) {
            (true, _) => tls::Resumption::WithEarlyData,
            (false, true) => tls::Resumption::On,
            (false, false) => tls::Resumption::Off,
        }
    }
}

/// The endpoint and its connections, numbered from 0 in the order in which they opened.
struct Peer {
    endpoint: Endpoint,
    connections: Mutex<Vec<Connection>>,
    /// Whom a client connects to, and by which name.
    target: Option<(SocketAddr, String)>,
}

pub async fn serve(options: ServerOptions) -> anyhow::Result<()> {
    let mut config = tls::server_config(&options.identity, &options.alpn, options.resumption())?;
    config.transport_config(transport());
    let peer = Arc::new(Peer {
        endpoint: Endpoint::server(config, options.bind)?,
        connections: Mutex::default(),
        target: None,
    });
    tell(&Event::Ready { address: peer.endpoint.local_addr()? });
    let accepting = peer.clone();
    tokio::spawn(async move {
        while let Some(incoming) = accepting.endpoint.accept().await {
            if options.retry && !incoming.remote_address_validated() {
                incoming.retry().expect("an address that is not validated can be asked to retry");
                continue;
            }
            tokio::spawn(accept(accepting.clone(), incoming, options.early_data));
        }
    });
    take_commands(peer).await
}

pub async fn run_client(options: ClientOptions) -> anyhow::Result<()> {
    let mut config = tls::client_config(&options.trust, &options.alpn, tls::Resumption::WithEarlyData)?;
    config.transport_config(transport());
    let mut endpoint = Endpoint::client(SocketAddr::new(any_of(options.server), 0))?;
    endpoint.set_default_client_config(config);
    tell(&Event::Ready { address: endpoint.local_addr()? });
    let target = Some((options.server, options.server_name));
    take_commands(Arc::new(Peer { endpoint, connections: Mutex::default(), target })).await
}

fn transport() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(MAX_STREAMS.into())
        .max_concurrent_uni_streams(MAX_STREAMS.into())
        .keep_alive_interval(Some(Duration::from_secs(5)));
    Arc::new(config)
}

async fn accept(peer: Arc<Peer>, incoming: Incoming, early_data: bool) {
    let retried = incoming.remote_address_validated();
    let opened = match incoming.accept() {
        Err(error) => Err(error),
        // Streams of the first flight are there before the handshake has ended.
        Ok(connecting) if early_data => {
            Ok(connecting.into_0rtt().map(|(connection, _)| connection).expect("a server always can"))
        }
        Ok(connecting) => connecting.await,
    };
    match opened {
        Ok(connection) => {
            let alpn = protocol(&connection);
            let client_certificates = peer_certificates(&connection);
            let number = peer.add(connection);
            tell(&Event::Accepted { connection: number, alpn, retried, client_certificates });
        }
        Err(error) => tell(&Event::Refused { failure: error.into() }),
    }
}

/// Does what stdin says, each command on its own, until stdin ends.
async fn take_commands(peer: Arc<Peer>) -> anyhow::Result<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let Request { id, command } = serde_json::from_str(&line)?;
        let peer = peer.clone();
        tokio::spawn(async move { answer(id, peer.run(command).await) });
    }
    peer.endpoint.close(VarInt::from_u32(0), b"");
    // Time to say so; whoever did not answer by then is not waited for.
    let _ = tokio::time::timeout(Duration::from_millis(50), peer.endpoint.wait_idle()).await;
    Ok(())
}

impl Peer {
    fn add(&self, connection: Connection) -> usize {
        let mut connections = self.connections.lock().expect("no holder panics");
        let number = connections.len();
        connections.push(connection.clone());
        watch(number, &connection);
        number
    }

    async fn run(&self, command: Command) -> Result<Value, Failure> {
        match command {
            Command::Connect { early } => self.connect(early).await,
            Command::Rebind => self.rebind(),
            Command::Connection { connection, action } => self.act(connection, action).await,
        }
    }

    async fn act(&self, number: usize, action: Action) -> Result<Value, Failure> {
        let found = self.connections.lock().expect("no holder panics").get(number).cloned();
        let connection = found.ok_or_else(|| Failure::local(format!("there is no connection {number}")))?;
        act(&connection, action).await
    }

    /// Connects; with `early`, asks that in 0-RTT where a ticket of an earlier connection allows it, else afterwards.
    async fn connect(&self, early: Option<String>) -> Result<Value, Failure> {
        let (address, name) =
            self.target.as_ref().ok_or_else(|| Failure::local("a server does not connect"))?;
        let connecting = self.endpoint.connect(*address, name).map_err(Failure::local)?;
        let Some(text) = early else {
            let connection = connecting.await?;
            return Ok(json!({ "alpn": protocol(&connection), "connection": self.add(connection) }));
        };
        // It stays, whatever becomes of the question.
        let (connection, accepted) = match connecting.into_0rtt() {
            Err(connecting) => (connecting.await?, None),
            Ok((connection, accepted)) => (connection, Some(accepted)),
        };
        let number = self.add(connection.clone());
        let asked = ask(&connection, &text).await;
        let taken = match accepted {
            None => None,
            Some(accepted) => Some(accepted.await),
        };
        let (early, answer) = match taken {
            None => ("unavailable", asked?),
            Some(true) => ("accepted", asked?),
            Some(false) => ("rejected", ask(&connection, &text).await?),
        };
        Ok(json!({ "early": early, "answer": answer, "connection": number }))
    }

    fn rebind(&self) -> Result<Value, Failure> {
        let address = self.endpoint.local_addr().map_err(Failure::local)?;
        let socket = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).map_err(Failure::local)?;
        self.endpoint.rebind(socket).map_err(Failure::local)?;
        Ok(json!({ "address": self.endpoint.local_addr().map_err(Failure::local)? }))
    }
}

async fn ask(connection: &Connection, text: &str) -> Result<Value, Failure> {
    Ok(crate::stream::ask(connection, text).await?["answer"].take())
}

/// The address that stands for all of this machine, of the same family.
pub fn any_of(address: SocketAddr) -> IpAddr {
    match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    }
}
