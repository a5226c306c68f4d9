//! An independent QUIC stack, quinn, at the other end of a test or a benchmark.
//!
//! `server` and `client` are driven by a test: a line of JSON on stdin is a command ([`command`]), a line on stdout
//! an answer or an event ([`report`]). They end when stdin does. `bench-server` and `bench-client` ([`bench`]) are
//! programs of their own, and print one line each.

mod bench;
mod command;
mod connection;
mod payload;
mod peer;
mod report;
mod stream;
mod tls;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Accepts connections, echoes what comes on bidirectional streams, and takes commands.
    Server(peer::ServerOptions),
    /// Connects when it is told to; otherwise like the server.
    Client(peer::ClientOptions),
    /// Serves bench-client, or another load generator, until it is killed.
    BenchServer(bench::server::Options),
    /// Measures for some seconds and prints the result.
    BenchClient(bench::client::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().role {
        Role::Server(options) => peer::serve(options).await,
        Role::Client(options) => peer::run_client(options).await,
        Role::BenchServer(options) => bench::server::run(options).await,
        Role::BenchClient(options) => bench::client::run(options).await,
    }
}
