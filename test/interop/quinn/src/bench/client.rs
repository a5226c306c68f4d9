//! The load generator: one measurement, one line of JSON.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use quinn::{Connection, Endpoint};

use crate::{peer::any_of, report::print_line, tls};

#[derive(Clone, Copy, ValueEnum)]
enum Work {
    /// One stream to the server, as fast as it goes.
    Bulk,
    /// Requests on many streams of one connection.
    Requests,
    /// Connections, opened and closed.
    Handshakes,
    /// Datagrams to the server, as fast as they go.
    Datagrams,
}

#[derive(Args)]
pub struct Options {
    work: Work,
    #[arg(long, default_value_t = Ipv4Addr::LOCALHOST.into())]
    host: IpAddr,
    #[arg(long)]
    port: u16,
    #[arg(long, default_value = "localhost")]
    server_name: String,
    #[arg(long, default_value = "bench")]
    alpn: Vec<String>,
    #[command(flatten)]
    trust: tls::ClientTrust,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// How many requests are under way at once, or handshakes.
    #[arg(long, default_value_t = 100)]
    in_flight: usize,
    #[arg(long, default_value_t = 512)]
    request_bytes: usize,
    #[arg(long, default_value_t = 4096)]
    answer_bytes: usize,
    /// Every request has a stream of its own, not every worker.
    #[arg(long)]
    stream_per_request: bool,
    #[arg(long, default_value_t = 1000)]
    datagram_bytes: usize,
}

/// A measurement that ends at its deadline.
#[derive(Clone, Copy)]
pub struct Clock {
    started: Instant,
    duration: Duration,
}

impl Clock {
    fn start(seconds: f64) -> Self {
        Self { started: Instant::now(), duration: Duration::from_secs_f64(seconds) }
    }

    pub fn running(self) -> bool {
        self.started.elapsed() < self.duration
    }

    pub fn seconds(self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut config = tls::client_config(&options.trust, &options.alpn, tls::Resumption::Off)?;
    config.transport_config(super::transport());
    let server = SocketAddr::new(options.host, options.port);
    let mut endpoint = Endpoint::client(SocketAddr::new(any_of(server), 0))?;
    endpoint.set_default_client_config(config);
    let target = Target { endpoint, server, name: options.server_name.clone() };

    let result = match options.work {
        Work::Handshakes => {
            super::handshakes::measure(&target, options.in_flight, Clock::start(options.seconds)).await?
        }
        Work::Bulk => {
            let connection = target.connect().await?;
            super::bulk::measure(&connection, Clock::start(options.seconds)).await?
        }
        Work::Requests => {
            let connection = target.connect().await?;
            super::requests::measure(&connection, options.load(), Clock::start(options.seconds)).await?
        }
        Work::Datagrams => {
            let connection = target.connect().await?;
            super::datagrams::measure(&connection, options.datagram_bytes, Clock::start(options.seconds))
                .await?
        }
    };
    print_line(&result);
    target.endpoint.close(0u32.into(), b"");
    target.endpoint.wait_idle().await;
    Ok(())
}

impl Options {
    fn load(&self) -> super::requests::Load {
        super::requests::Load {
            in_flight: self.in_flight,
            request_bytes: self.request_bytes,
            answer_bytes: self.answer_bytes,
            stream_per_request: self.stream_per_request,
        }
    }
}

/// Where connections go.
#[derive(Clone)]
pub struct Target {
    pub endpoint: Endpoint,
    server: SocketAddr,
    name: String,
}

impl Target {
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        Ok(self.endpoint.connect(self.server, &self.name)?.await?)
    }
}
