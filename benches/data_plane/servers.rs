//! The servers to compare, each in a child process: this binary again with `serve` and a description.

use std::convert::Infallible;
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::service::TowerToHyperService;
use mlconsole::resources::{TrafficMap, Weight};
use mlconsole::server::gateway::{
    AuthPolicy, Dispatch, EndpointRoute, Gateway, Limits, Listener, Mode, PeerInfo, Pool, PoolSettings, Request,
    Response, Role, Router, bind, http as answers, listen,
};
use mlconsole::server::telemetry::Telemetry;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::models;

pub const KEY: &str = "key-of-the-benchmark";

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Hyper,
    Axum,
    House,
}

/// A server as a case describes it.
#[derive(Debug, Clone)]
pub struct Server {
    pub kind: Kind,
    pub model: &'static str,
    pub instances: u32,
    pub concurrent: u32,
    /// Two deployments at 80/20 instead of one.
    pub split: bool,
    pub tls: bool,
}

impl Server {
    fn arguments(&self) -> [String; 7] {
        let kind = match self.kind {
            Kind::Hyper => "hyper",
            Kind::Axum => "axum",
            Kind::House => "house",
        };
        let (instances, concurrent) = (self.instances.to_string(), self.concurrent.to_string());
        let (split, tls) = (self.split.to_string(), self.tls.to_string());
        ["serve".into(), kind.into(), self.model.into(), instances, concurrent, split, tls]
    }

    /// The description in a child's arguments.
    pub fn from_arguments(arguments: &[String]) -> Option<Self> {
        let place = arguments.iter().position(|a| a == "serve")?;
        let [kind, model, instances, concurrent, split, tls] = arguments.get(place + 1..)?.first_chunk()?;
        Some(Self {
            kind: match kind.as_str() {
                "hyper" => Kind::Hyper,
                "axum" => Kind::Axum,
                _ => Kind::House,
            },
            model: ["echo", "echo on its thread", "small", "big", "image"].into_iter().find(|m| m == model)?,
            instances: instances.parse().ok()?,
            concurrent: concurrent.parse().ok()?,
            split: split.parse().ok()?,
            tls: tls.parse().ok()?,
        })
    }
}

/// A running server process. Ends when dropped.
pub struct Child {
    process: std::process::Child,
    ask: ChildStdin,
    told: BufReader<ChildStdout>,
    pub address: SocketAddr,
    pub tls: bool,
}

impl Child {
    pub fn start(server: &Server) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program's path"))
            .args(server.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child process");
        let ask = process.stdin.take().expect("its input");
        let mut told = BufReader::new(process.stdout.take().expect("its output"));
        let mut line = String::new();
        told.read_line(&mut line).expect("its address");
        let address = line.trim().parse().expect("an address");
        Self { process, ask, told, address, tls: server.tls }
    }

    /// CPU time used so far, in µs.
    pub fn cpu_us(&mut self) -> f64 {
        self.ask.write_all(b"cpu\n").expect("a question");
        let mut line = String::new();
        self.told.read_line(&mut line).expect("an answer");
        line.trim().parse::<f64>().expect("milliseconds") * 1e3
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The child: says its address, then its CPU time whenever asked.
pub fn serve(server: &Server) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (address, _house) = match server.kind {
        Kind::Hyper => (runtime.block_on(hyper_echo()), None),
        Kind::Axum => (runtime.block_on(axum_echo()), None),
        Kind::House => {
            let gateway = runtime.block_on(house(server));
            (gateway.addresses()[0], Some(gateway))
        }
    };
    println!("{address}");
    let pid = Pid::from_u32(std::process::id());
    let mut system = System::new().expect("a system that tells of its processes");
    for _question in std::io::stdin().lines() {
        let what = ProcessRefreshKind::nothing().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
        println!("{}", system.process(pid).expect("this process").accumulated_cpu_time());
    }
}

async fn hyper_echo() -> SocketAddr {
    let echo = service_fn(|request: hyper::Request<Incoming>| async {
        let body = request.into_body().collect().await.expect("a body").to_bytes();
        Ok::<_, Infallible>(hyper::Response::new(Full::new(body)))
    });
    serve_each(echo).await
}

async fn axum_echo() -> SocketAddr {
    let app = axum::Router::new().fallback(|body: bytes::Bytes| async { body });
    serve_each(TowerToHyperService::new(app)).await
}

/// The usual loop: a task a connection on one shared runtime.
async fn serve_each<S, B>(service: S) -> SocketAddr
where
    S: Service<hyper::Request<Incoming>, Response = hyper::Response<B>, Future: Send> + Clone + Send + 'static,
    S::Error: std::error::Error + Send + Sync,
    B: hyper::body::Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    let socket = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = socket.local_addr().expect("its number");
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            stream.set_nodelay(true).expect("an option");
            let service = service.clone();
            tokio::spawn(async move {
                let io = hyper_util::rt::TokioIo::new(stream);
                // Ends with the client.
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            });
        }
    });
    address
}

/// No control plane: the benchmark never asks it.
struct Nobody;

impl Dispatch for Nobody {
    fn handle(self: Arc<Self>, _: Request, _: PeerInfo) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        Box::pin(async { answers::text(http::StatusCode::NOT_FOUND, "") })
    }
}

async fn house(server: &Server) -> Gateway {
    let telemetry = Telemetry::new(None);
    let router = Router::new(Arc::clone(&telemetry));
    let settings = PoolSettings {
        instances: server.instances,
        max_concurrent_per_instance: server.concurrent,
        ..PoolSettings::default()
    };
    let names = if server.split { vec![("blue", 80), ("green", 20)] } else { vec![("blue", 100)] };
    let start = |name: &str| {
        let servable = models::load(server.model);
        let log = telemetry.deployment("bench", name);
        Pool::start(&format!("bench/{name}"), servable, settings.clone(), log).expect("a pool")
    };
    router.publish(EndpointRoute {
        name: "bench".into(),
        auth: AuthPolicy::Keys { primary: KEY.into(), secondary: "another-key-of-that-length".into() },
        weights: names.iter().map(|(n, w)| ((*n).to_owned(), Weight::percent(*w))).collect(),
        mirror: TrafficMap::new(),
        deployments: names.iter().map(|(n, _)| ((*n).to_owned(), Some(start(n)))).collect(),
        starting: Vec::new(),
        mode: Mode::Block,
        kubernetes: false,
    });
    let bound = bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let listener = Listener { bound, role: Role::Workspace, tls: server.tls.then(certificate) };
    let control = tokio::runtime::Handle::current();
    listen(vec![listener], router, Arc::new(Nobody), control, Limits::default()).expect("a gateway")
}

fn certificate() -> Arc<rustls::ServerConfig> {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("its key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.expect("versions").with_no_client_auth();
    Arc::new(config.with_single_cert(vec![signed.cert.der().clone()], key).expect("a certificate with its key"))
}
