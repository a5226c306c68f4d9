//! quinn beside the others in benchmarks: the same work, nothing else.

mod bulk;
pub mod client;
mod datagrams;
mod handshakes;
mod requests;
pub mod server;

use std::sync::Arc;

use quinn::TransportConfig;

/// What all benchmarks of QUIC set, as far as it can be set: see bench/native/quic_library.cc.
fn transport() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(None)
        .max_concurrent_bidi_streams(4_096u32.into())
        .max_concurrent_uni_streams(4_096u32.into());
    Arc::new(config)
}
