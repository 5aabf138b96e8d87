//! Sockets and the threads behind them.
//!
//! One thread accepts and hands each connection to the least busy of the serving threads, of which there is one a
//! core, each with a runtime of its own: requests never cross threads on their way, few connections spread evenly, and
//! the address stays ours alone (with `SO_REUSEPORT` a second process could share it unnoticed).

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use super::connection::{self, Accepted};
use super::http::{Request, Response};
use super::router::Router;

/// Very short calls of models run on the serving threads; only what is used takes memory.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Control plane and scoring, for this machine.
    Workspace,
    /// Without TLS: the identity route, and scoring if switched on.
    Plain { scoring: bool },
    /// Scoring alone, for other machines too: any Host passes.
    Scoring,
}

/// Who asks, and where.
#[derive(Debug, Clone, Copy)]
pub struct PeerInfo {
    pub address: SocketAddr,
    /// The control plane answers all routes on [`Role::Workspace`] and the identity route alone on [`Role::Plain`];
    /// [`Role::Scoring`] never reaches it.
    pub role: Role,
    pub tls: bool,
}

/// The control plane: gets every request that is not scoring, on the runtime given to [`listen`]. Once begun it runs to
/// its end even if the caller goes away.
pub trait Dispatch: Send + Sync + 'static {
    fn handle(self: Arc<Self>, request: Request, peer: PeerInfo) -> Pin<Box<dyn Future<Output = Response> + Send>>;
}

/// What callers may ask of the gateway.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest body of a scoring request; more is 413.
    pub body_bytes: usize,
    /// Longest pause within a body.
    pub body_idle: Duration,
    /// From the first byte of a head to its end.
    pub head: Duration,
    pub handshake: Duration,
    /// Unused connections are closed after this.
    pub idle: Duration,
    /// Longest time a reader may read nothing of its answer.
    pub write: Duration,
    /// Open connections; more are closed at once.
    pub connections: usize,
    /// Hosts that pass besides localhost, when the control plane listens elsewhere.
    pub hosts: Vec<String>,
    /// Serving threads; `None`: one a core.
    pub threads: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024 * 1024,
            body_idle: Duration::from_secs(30),
            head: Duration::from_secs(15),
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(180),
            write: Duration::from_secs(60),
            connections: 10_000,
            hosts: Vec::new(),
            threads: None,
        }
    }
}

/// A socket that listens; nobody is served before [`listen`].
#[derive(Debug)]
pub struct Bound {
    socket: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// With the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Takes an address for this process alone; fails with `AddrInUse` when somebody has it.
pub fn bind(address: SocketAddr) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for old connections to be forgotten; on Windows the option would mean sharing.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    socket.set_nonblocking(true)?;
    let socket: TcpListener = socket.into();
    let address = socket.local_addr()?;
    Ok(Bound { socket, address })
}

/// A socket with its purpose.
pub struct Listener {
    pub bound: Bound,
    pub role: Role,
    pub tls: Option<Arc<ServerConfig>>,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Run,
    /// Finish what is under way, accept nothing.
    Drain,
    Abort,
}

/// What every connection needs.
pub(super) struct Plane {
    pub router: Arc<Router>,
    pub dispatch: Arc<dyn Dispatch>,
    pub control: Handle,
    pub limits: Limits,
}

struct Server {
    connections: Arc<AtomicUsize>,
    hand_over: mpsc::UnboundedSender<Accepted>,
}

/// The running gateway. Dropping it ends everything at once.
pub struct Gateway {
    addresses: Vec<SocketAddr>,
    stage: watch::Sender<Stage>,
    threads: Vec<JoinHandle<()>>,
    ended: mpsc::Receiver<()>,
}

/// Serves on the listeners until shut down. `control` is the runtime for the control plane.
pub fn listen(
    listeners: Vec<Listener>,
    router: Arc<Router>,
    dispatch: Arc<dyn Dispatch>,
    control: Handle,
    limits: Limits,
) -> io::Result<Gateway> {
    let (stage, watched) = watch::channel(Stage::Run);
    let (alive, ended) = mpsc::channel(1);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let count = limits.threads.unwrap_or(cores).max(1);
    let plane = Arc::new(Plane { router, dispatch, control, limits });
    let mut gateway =
        Gateway { addresses: listeners.iter().map(|l| l.bound.address).collect(), stage, threads: Vec::new(), ended };
    let mut servers = Vec::new();
    for n in 0..count {
        let (hand_over, accepted) = mpsc::unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let work = serve(accepted, Arc::clone(&plane), watched.clone(), Arc::clone(&connections), alive.clone());
        gateway.threads.push(runtime_thread(&format!("gateway {n}"), work)?);
        servers.push(Server { connections, hand_over });
    }
    gateway.threads.push(runtime_thread("gateway accept", accept(listeners, servers, plane, watched))?);
    Ok(gateway)
}

fn runtime_thread(name: &str, work: impl Future<Output = ()> + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(move || runtime.block_on(work))
}

/// Accepts on all listeners until draining begins.
async fn accept(listeners: Vec<Listener>, servers: Vec<Server>, plane: Arc<Plane>, mut stage: watch::Receiver<Stage>) {
    let servers = Arc::new(servers);
    for listener in listeners {
        tokio::spawn(accept_one(listener, Arc::clone(&servers), Arc::clone(&plane)));
    }
    drop(servers);
    // An error means that the gateway itself has gone; dropping this runtime closes the sockets.
    let _ = stage.wait_for(|s| *s != Stage::Run).await;
}

async fn accept_one(listener: Listener, servers: Arc<Vec<Server>>, plane: Arc<Plane>) {
    let Listener { bound, role, tls } = listener;
    let socket = match tokio::net::TcpListener::from_std(bound.socket) {
        Ok(socket) => socket,
        Err(error) => return tracing::error!(address = %bound.address, %error, "cannot listen"),
    };
    let tls = tls.map(tokio_rustls::TlsAcceptor::from);
    loop {
        let (stream, peer) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, or a caller that left already: others must not suffer.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let open: usize = servers.iter().map(|s| s.connections.load(Ordering::Relaxed)).sum();
        let Some(server) = servers.iter().min_by_key(|s| s.connections.load(Ordering::Relaxed)) else { return };
        if open >= plane.limits.connections {
            tracing::warn!(open, "a connection was refused: the limit is reached");
            continue;
        }
        // Latency over packets: answers are written whole.
        let _ = stream.set_nodelay(true);
        let Ok(stream) = stream.into_std() else { continue };
        server.connections.fetch_add(1, Ordering::Relaxed);
        let peer = PeerInfo { address: peer, role, tls: tls.is_some() };
        let accepted = Accepted { stream, peer, port: bound.address.port(), tls: tls.clone() };
        if server.hand_over.send(accepted).is_err() {
            return;
        }
    }
}

/// One serving thread.
async fn serve(
    mut accepted: mpsc::UnboundedReceiver<Accepted>,
    plane: Arc<Plane>,
    mut stage: watch::Receiver<Stage>,
    connections: Arc<AtomicUsize>,
    alive: mpsc::Sender<()>,
) {
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    let watched = stage.clone();
    let work = async {
        while let Some(accepted) = accepted.recv().await {
            let (plane, stage, open, connections) =
                (Arc::clone(&plane), watched.clone(), open.clone(), Arc::clone(&connections));
            tokio::spawn(async move {
                let counted = plane.router.telemetry().connection();
                connection::serve(accepted, plane, stage).await;
                connections.fetch_sub(1, Ordering::Relaxed);
                drop((counted, open));
            });
        }
        drop(open);
        // Never receives anything: ends when the last connection has dropped its half.
        let _ = all_closed.recv().await;
    };
    tokio::select! {
        () = work => {}
        _ = async { stage.wait_for(|s| *s == Stage::Abort).await.map(drop) } => {}
    }
    drop(alive);
}

impl Gateway {
    /// The addresses served, in the order of the listeners.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts nothing more, lets requests under way finish for at most `grace`, closes the rest.
    pub async fn shutdown(mut self, grace: Duration) {
        self.stage.send_replace(Stage::Drain);
        // Ends when the last serving thread has dropped its half.
        let drained = tokio::time::timeout(grace, self.ended.recv()).await;
        if drained.is_err() {
            self.stage.send_replace(Stage::Abort);
            let _ = self.ended.recv().await;
        }
        for thread in self.threads.drain(..) {
            // All have nothing left to do; a panic in one was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.stage.send_replace(Stage::Abort);
    }
}
