//! A frugal closed-loop client: it shares the machine with the server it measures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::servers::{Child, KEY};

/// A request, without its head.
#[derive(Debug, Clone)]
pub struct Request {
    /// Under the endpoint's base.
    pub path: String,
    pub body: Bytes,
    /// Of the JSON part, in a body with binary tensors.
    pub header_length: Option<usize>,
}

/// What a run showed.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// Requests a second.
    pub rate: f64,
    /// Server CPU time a request, in µs.
    pub cpu_us: f64,
}

fn wire(request: &Request, port: u16) -> Bytes {
    let extra = request.header_length.map_or(String::new(), |n| format!("inference-header-content-length: {n}\r\n"));
    let head = format!(
        "POST /endpoints/bench{} HTTP/1.1\r\nhost: localhost:{port}\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\n{extra}content-length: {}\r\n\r\n",
        request.path,
        request.body.len()
    );
    [head.as_bytes(), &request.body].concat().into()
}

/// Loads the child with so many callers for so long, after a short warm-up.
pub async fn run(child: &mut Child, request: &Request, connections: usize, seconds: f64) -> Measure {
    let (done, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let wire = wire(request, child.address.port());
    let mut callers = Vec::new();
    for _ in 0..connections {
        let stream = connect(child.address).await;
        let (done, count, wire) = (Arc::clone(&done), Arc::clone(&count), wire.clone());
        if child.tls {
            let name = ServerName::try_from("localhost").expect("a name");
            let stream = connector().connect(name, stream).await.expect("a handshake");
            callers.push(tokio::spawn(call(stream, wire, done, count)));
        } else {
            callers.push(tokio::spawn(call(stream, wire, done, count)));
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (cpu, calls, start) = (child.cpu_us(), count.load(Ordering::Relaxed), Instant::now());
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let (calls, took, cpu) = (count.load(Ordering::Relaxed) - calls, start.elapsed(), child.cpu_us() - cpu);
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("a caller without complaints");
    }
    Measure { rate: calls as f64 / took.as_secs_f64(), cpu_us: cpu / calls.max(1) as f64 }
}

async fn call<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    wire: Bytes,
    done: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; 4 * 1024 * 1024];
    while !done.load(Ordering::Relaxed) {
        assert!(exchange(&mut stream, &wire, &mut buffer).await, "the server closed the connection");
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// One request and its answer. False when the server keeps the connection no longer.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, wire: &[u8], buffer: &mut [u8]) -> bool {
    stream.write_all(wire).await.expect("a request sent");
    let (mut filled, mut whole) = (0, None);
    while whole.is_none_or(|(wanted, _)| filled < wanted) {
        let n = stream.read(&mut buffer[filled..]).await.expect("an answer");
        assert!(n > 0, "the server hung up");
        filled += n;
        whole = whole.or_else(|| read_head(&buffer[..filled]));
    }
    whole.is_some_and(|(_, kept)| kept)
}

/// Length of the answer with its head, once the head is there, and whether the connection is kept.
fn read_head(answer: &[u8]) -> Option<(usize, bool)> {
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).expect("a head of text");
    assert!(text.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(answer));
    let fields = || text.lines().filter_map(|line| line.split_once(": "));
    let field = |name: &str| fields().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let length = field("content-length").expect("a length").parse::<usize>().expect("a number");
    Some((head + length, !field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))))
}

/// Sends the same bytes to any server for so long; the answer is how long each request took, in µs and in order of length.
/// Connections that the server does not keep are opened anew.
pub async fn drive(address: SocketAddr, wire: Bytes, connections: usize, seconds: f64) -> Vec<u64> {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let caller = || {
        let wire = wire.clone();
        async move {
            let (mut stream, mut times, mut buffer) = (None, Vec::new(), vec![0; 256 * 1024]);
            let mut began = Instant::now();
            while began < until {
                let mut open = match stream.take() {
                    Some(open) => open,
                    None => connect(address).await,
                };
                stream = exchange(&mut open, &wire, &mut buffer).await.then_some(open);
                let ended = Instant::now();
                times.push(u64::try_from((ended - began).as_micros()).expect("a short time"));
                began = ended;
            }
            times
        }
    };
    let callers: Vec<_> = (0..connections).map(|_| tokio::spawn(caller())).collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await.expect("a caller without complaints"));
    }
    times.sort_unstable();
    times
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("an option");
    stream
}

/// The benchmark measures encryption, not trust.
#[derive(Debug)]
struct AnyServer;

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn connector() -> tokio_rustls::TlsConnector {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.expect("versions").dangerous().with_custom_certificate_verifier(Arc::new(AnyServer));
    tokio_rustls::TlsConnector::from(Arc::new(config.with_no_client_auth()))
}
