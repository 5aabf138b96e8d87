//! What the rooms of the workspace share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::tokens::Tokens;
use super::environments::{self, Environments};
use super::gateway::Router;
use super::reconcile::Reconciler;
use super::store::Store;
use super::telemetry::Telemetry;
use crate::resources::Connection;

/// Address of the control plane unless told otherwise.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8443);

/// How a local workspace is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder; created (mode 0700) when missing.
    pub data_dir: PathBuf,
    /// Address of the TLS listener. `None`: [`DEFAULT_LISTEN`], or any free loopback port when that is taken.
    pub listen: Option<SocketAddr>,
    /// Address for scoring over plain http; loopback only.
    pub plain_http: Option<SocketAddr>,
    /// An own address for scoring, for other machines.
    pub scoring_listen: Option<SocketAddr>,
    /// Certificate chain and key (PEM files) for `scoring_listen`; the workspace's own certificate otherwise.
    pub scoring_certificate: Option<(PathBuf, PathBuf)>,
    /// Written, as one JSON object ([`Connection`]), once the workspace answers.
    pub ready_file: Option<PathBuf>,
    /// Largest accepted scoring request, in bytes; beyond it 413.
    pub max_body_bytes: usize,
    /// Keep the bodies of recent requests for the console. Off by default: they may be personal data.
    pub record_bodies: bool,
    /// Draw each request independently instead of in exact shuffled blocks of 1,000 (rollout semantics §1).
    pub random_routing: bool,
    /// How long [`super::Running::shutdown`] waits for requests in flight.
    pub drain: Duration,
    /// The ONNX Runtime library that deployments may run on. `None`: found by other ways.
    pub onnxruntime_library: Option<PathBuf>,
    /// How Python environments are built.
    pub python: environments::Settings,
}

impl Options {
    /// The defaults of `config.example.toml` for a data folder.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: None,
            plain_http: None,
            scoring_listen: None,
            scoring_certificate: None,
            ready_file: None,
            max_body_bytes: 64 * 1024 * 1024,
            record_bodies: false,
            random_routing: false,
            drain: Duration::from_secs(10),
            onnxruntime_library: None,
            python: environments::Settings::default(),
        }
    }
}

/// The running workspace, as its rooms see it.
pub struct App {
    pub options: Options,
    pub connection: Connection,
    pub store: Store,
    pub reconciler: Arc<Reconciler>,
    pub router: Arc<Router>,
    pub telemetry: Arc<Telemetry>,
    pub tokens: Arc<Tokens>,
    pub environments: Arc<Environments>,
    /// The workspace's guid: made once, kept.
    pub workspace_guid: String,
    pub started: Instant,
    /// True once feeds are to end, because the workspace shuts down.
    pub closing: tokio::sync::watch::Sender<bool>,
}
