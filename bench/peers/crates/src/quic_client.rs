//! Loads a QUIC echo server of either crate: both put frames with a length (32 bits, big-endian) on one bidirectional
//! stream of the client's. The flags are those of bench/native/message_format.h, as far as these need them.

use crate::flags::{parse_hex, Flags};
use crate::histogram::Histogram;
use crate::Failure;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

struct Load {
    depth: usize,
    payload: Vec<u8>,
    framed: Vec<u8>,
    opening: Vec<Option<Vec<u8>>>,
    record: RefCell<Record>,
}

struct Record {
    histogram: Histogram,
    measuring: bool,
    stopping: bool,
    operations: u64,
    errors: u64,
}

pub async fn run(flags: &Flags) -> Result<(), Failure> {
    let connections = flags.number("connections", 1)?;
    let load = Rc::new(read_load(flags)?);
    let endpoint = endpoint(&flags.text("alpn", ""))?;
    let address = format!("127.0.0.1:{}", flags.number("port", 0)?).parse()?;
    let tasks = LocalSet::new();
    tasks
        .run_until(async {
            let opened = open_all(&endpoint, address, connections, &load).await?;
            if flags.text("hold", "0") == "1" {
                println!(r#"{{"connections":{connections}}}"#);
                crate::until_told_to_end().await;
            }
            for (connection, (send, receive)) in opened {
                tokio::task::spawn_local(drive(connection, send, receive, load.clone()));
            }
            tokio::time::sleep(milliseconds(flags, "warmup-ms")?).await;
            load.record.borrow_mut().measuring = true;
            let begun = Instant::now();
            tokio::time::sleep(milliseconds(flags, "duration-ms")?).await;
            let seconds = begun.elapsed().as_secs_f64();
            let mut record = load.record.borrow_mut();
            record.measuring = false;
            record.stopping = true;
            print(&record, seconds);
            Ok(())
        })
        .await
}

type Opened = (Connection, (SendStream, Frames));

/// As many are opened at once: some servers let each wait for a while.
const IN_FLIGHT: usize = 32;

async fn open_all(
    endpoint: &Endpoint,
    address: SocketAddr,
    connections: usize,
    load: &Rc<Load>,
) -> Result<Vec<Opened>, Failure> {
    let opened = Rc::new(RefCell::new(Vec::new()));
    let left = Rc::new(Cell::new(connections));
    let mut tasks = Vec::new();
    for _ in 0..IN_FLIGHT {
        let (endpoint, load, opened, left) = (endpoint.clone(), load.clone(), opened.clone(), left.clone());
        tasks.push(tokio::task::spawn_local(async move {
            while left.get() > 0 {
                left.set(left.get() - 1);
                let connection = endpoint.connect(address, "localhost")?.await?;
                let stream = open(&connection, &load).await?;
                opened.borrow_mut().push((connection, stream));
            }
            Ok::<_, Failure>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(opened.take())
}

fn read_load(flags: &Flags) -> Result<Load, Failure> {
    let payload: Vec<u8> = (0..flags.number("size", 64)?).map(|at| at as u8).collect();
    let message = [flags.bytes("head")?, payload.clone(), flags.bytes("tail")?].concat();
    let opening = flags.text("opening", "");
    let steps = opening.split(',').filter(|step| !step.is_empty());
    Ok(Load {
        depth: flags.number("depth", 1)?,
        payload,
        framed: frame(&message),
        opening: steps
            .map(|step| Ok(if step == "-" { None } else { Some(frame(&parse_hex(step)?)) }))
            .collect::<Result<_, Failure>>()?,
        record: RefCell::new(Record {
            histogram: Histogram::new(),
            measuring: false,
            stopping: false,
            operations: 0,
            errors: 0,
        }),
    })
}

fn frame(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes(), message].concat()
}

fn milliseconds(flags: &Flags, name: &str) -> Result<Duration, Failure> {
    Ok(Duration::from_millis(flags.number(name, 1000)? as u64))
}

async fn open(connection: &Connection, load: &Load) -> Result<(SendStream, Frames), Failure> {
    let (mut send, receive) = connection.open_bi().await?;
    let mut frames = Frames { receive, bytes: Vec::new(), at: 0 };
    for step in &load.opening {
        match step {
            Some(bytes) => send.write_all(bytes).await?,
            None => drop(frames.next().await?),
        }
    }
    // Who sends nothing by itself has to be heard of before its stream is there.
    if load.opening.is_empty() {
        send.write_all(&load.framed).await?;
        frames.next().await?;
    }
    Ok((send, frames))
}

/// Keeps so many messages outstanding.
async fn drive(connection: Connection, mut send: SendStream, mut frames: Frames, load: Rc<Load>) {
    let mut sent_at = VecDeque::from(vec![Instant::now(); load.depth]);
    let mut broken = send.write_all(&load.framed.repeat(load.depth)).await.is_err();
    while !broken {
        let mut answers = 0;
        let mut next = frames.next().await;
        loop {
            let right = match &next {
                Ok(answer) => contains(answer, &load.payload),
                Err(_) => break,
            };
            answers += 1;
            let mut record = load.record.borrow_mut();
            record.operations += 1;
            record.errors += u64::from(!right);
            let time = sent_at.pop_front().map_or(0, |at| at.elapsed().as_nanos() as u64);
            if record.measuring {
                record.histogram.record(time);
            }
            drop(record);
            match frames.whole() {
                Some(frame) => next = Ok(frame),
                None => break,
            }
        }
        if load.record.borrow().stopping {
            return;
        }
        sent_at.extend(std::iter::repeat_n(Instant::now(), answers));
        broken = answers == 0 || send.write_all(&load.framed.repeat(answers)).await.is_err();
    }
    load.record.borrow_mut().errors += 1;
    drop(connection);
}

/// What stands around a payload in an answer is the server's own.
fn contains(answer: &[u8], payload: &[u8]) -> bool {
    let Some(last) = answer.len().checked_sub(payload.len()) else {
        return false;
    };
    (0..=last).rev().any(|at| &answer[at..at + payload.len()] == payload)
}

struct Frames {
    receive: RecvStream,
    bytes: Vec<u8>,
    at: usize,
}

impl Frames {
    async fn next(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(frame) = self.whole() {
                return Ok(frame);
            }
            self.bytes.drain(..self.at);
            self.at = 0;
            let chunk =
                self.receive.read_chunk(64 * 1024, true).await?.ok_or("the server ended the stream")?;
            self.bytes.extend_from_slice(&chunk.bytes);
        }
    }

    /// One that is here already.
    fn whole(&mut self) -> Option<Vec<u8>> {
        let head = self.bytes.get(self.at..self.at + 4)?;
        let length = u32::from_be_bytes(head.try_into().ok()?) as usize;
        let frame = self.bytes.get(self.at + 4..self.at + 4 + length)?.to_vec();
        self.at += 4 + length;
        Some(frame)
    }
}

fn print(record: &Record, seconds: f64) {
    let Record { histogram, operations, errors, .. } = record;
    println!(
        r#"{{"errors":{errors},"operations":{operations},"perSecond":{:.0},"p50Us":{:.1},"p99Us":{:.1}}}"#,
        histogram.total() as f64 / seconds,
        histogram.percentile(0.5),
        histogram.percentile(0.99)
    );
    if *errors > 0 || histogram.total() == 0 {
        std::process::exit(1);
    }
}

fn endpoint(alpn: &str) -> Result<Endpoint, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
        .with_no_client_auth();
    if !alpn.is_empty() {
        tls.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    }
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse()?)?;
    let mut config = ClientConfig::new(Arc::new(quinn::crypto::rustls::QuicClientConfig::try_from(tls)?));
    let mut transport = quinn::TransportConfig::default();
    transport.max_idle_timeout(None);
    transport.keep_alive_interval(Some(Duration::from_secs(5)));
    config.transport_config(Arc::new(transport));
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}

/// The servers here make their own certificates.
#[derive(Debug)]
struct AnyServer(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &rustls::pki_types::CertificateDer<'_>,
        _intermediates: &[rustls::pki_types::CertificateDer<'_>],
        _server_name: &rustls::pki_types::ServerName<'_>,
        _ocsp: &[u8],
        _now: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &rustls::pki_types::CertificateDer<'_>,
        _signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &rustls::pki_types::CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
