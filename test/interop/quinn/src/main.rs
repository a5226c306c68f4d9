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
mod tickets;
mod tls;

use std::io;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

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

fn main() -> anyhow::Result<()> {
    match Arguments::parse().role {
        Role::Server(options) => in_turns()?.block_on(peer::serve(options)),
        Role::Client(options) => in_turns()?.block_on(peer::run_client(options)),
        Role::BenchServer(options) => in_parallel()?.block_on(bench::server::run(options)),
        Role::BenchClient(options) => in_parallel()?.block_on(bench::client::run(options)),
    }
}

/// One thread, so that whatever a command does before it first waits is done before quinn sends a packet: early data
/// is early however late the machine runs this.
fn in_turns() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// As quick as the machine allows.
fn in_parallel() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}
