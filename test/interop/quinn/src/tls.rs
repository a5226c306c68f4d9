//! TLS configurations of quinn from PEM files.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::Args;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::{
    client::WebPkiServerVerifier,
    pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
    RootCertStore,
};

use crate::tickets::ToldTickets;

/// QUIC allows no other amount than none or all (RFC 9001 section 4.6.1).
const EARLY_DATA_BYTES: u32 = u32::MAX;

/// Who a server is, and whom it lets in.
#[derive(Args, Clone)]
pub struct ServerIdentity {
    /// The certificate with its chain, PEM.
    #[arg(long)]
    cert: PathBuf,
    /// Its private key, PEM.
    #[arg(long)]
    key: PathBuf,
    /// Ask for a client certificate, signed by this CA.
    #[arg(long)]
    client_ca: Option<PathBuf>,
}

/// Whom a client trusts, and who it is.
#[derive(Args, Clone)]
pub struct ClientTrust {
    /// The CA whose servers are trusted, PEM.
    #[arg(long)]
    ca: PathBuf,
    /// A client certificate, PEM.
    #[arg(long, requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long)]
    key: Option<PathBuf>,
}

/// Whether sessions are resumed (RFC 8446 section 2.2). `WithEarlyData` accepts 0-RTT, each ticket for one use.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    Off,
    On,
    WithEarlyData,
}

pub fn server_config(
    identity: &ServerIdentity,
    alpn: &[String],
    resumption: Resumption,
) -> anyhow::Result<quinn::ServerConfig> {
    let builder = rustls::ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13]);
    let builder = match &identity.client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => builder.with_client_cert_verifier(WebPkiClientVerifier::builder(roots(ca)?).build()?),
    };
    let mut tls = builder.with_single_cert(certificates(&identity.cert)?, private_key(&identity.key)?)?;
    tls.alpn_protocols = protocol_names(alpn);
    match resumption {
        Resumption::Off => tls.send_tls13_tickets = 0,
        Resumption::On => {}
        Resumption::WithEarlyData => tls.max_early_data_size = EARLY_DATA_BYTES,
    }
    Ok(quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?)))
}

/// Connections that share a client's configuration resume each other's sessions.
pub fn client_config(
    trust: &ClientTrust,
    alpn: &[String],
    resumption: Resumption,
) -> anyhow::Result<quinn::ClientConfig> {
    let builder = rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_webpki_verifier(WebPkiServerVerifier::builder(roots(&trust.ca)?).build()?);
    let mut tls = match (&trust.cert, &trust.key) {
        (Some(cert), Some(key)) => builder.with_client_auth_cert(certificates(cert)?, private_key(key)?)?,
        _ => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = protocol_names(alpn);
    tls.resumption = match resumption {
        Resumption::Off => rustls::client::Resumption::disabled(),
        Resumption::On | Resumption::WithEarlyData => {
            rustls::client::Resumption::store(Arc::new(ToldTickets::new()))
        }
    };
    tls.enable_early_data = resumption == Resumption::WithEarlyData;
    Ok(quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)))
}

fn roots(path: &PathBuf) -> anyhow::Result<Arc<RootCertStore>> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate)?;
    }
    Ok(Arc::new(store))
}

fn certificates(path: &PathBuf) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .with_context(|| format!("reading {}", path.display()))
}

fn private_key(path: &PathBuf) -> anyhow::Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).with_context(|| format!("reading {}", path.display()))
}

fn protocol_names(alpn: &[String]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}
