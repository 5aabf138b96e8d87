//! Bringing the workspace up, and down again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::api::convert;
use super::api::tokens::Tokens;
use super::app::{App, Options};
use super::engine;
use super::environments::Environments;
use super::gateway::{Gateway, Mode, Router};
use super::lock::Lock;
use super::reconcile::Reconciler;
use super::sockets::{Sockets, reachable};
use super::store::files::write_atomic;
use super::store::{Change, Store, StoreError, TOKEN_SIGNING_SECRET};
use super::telemetry::Telemetry;
use super::tls;
use crate::resources::Connection;

/// Subscription of every local workspace.
pub const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
/// Resource group, workspace and location of every local workspace.
pub const LOCAL: &str = "local";

/// Why the workspace does not start. Each names the next step.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "the workspace in \"{}\" is in use by {}. Connect to that one (any mlconsole command with the same --data-dir does), stop it, or start with another --data-dir.",
        dir.display(), process(*pid)
    )]
    Owned { dir: PathBuf, pid: Option<u32> },
    #[error(
        "{} owns \"{}\" but has not said how to reach it. It may be starting or hanging; try again, or stop it.",
        process(*pid), dir.display()
    )]
    Silent { dir: PathBuf, pid: Option<u32> },
    #[error("\"{}\" cannot be used as data folder: {cause}. Check the folder's owner and rights, or give another --data-dir.", path.display())]
    Folder { path: PathBuf, cause: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot listen on {address}: {cause}. {next}")]
    Listen { address: SocketAddr, cause: String, next: &'static str },
    #[error("{0}")]
    Certificate(String),
    #[error("the connection file could not be written: {0}. Try again.")]
    Connection(String),
}

impl StartError {
    pub(super) fn folder(path: &Path, error: &std::io::Error) -> Self {
        Self::Folder { path: path.to_owned(), cause: error.to_string() }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// A running workspace. Dropped without [`Running::shutdown`] it stops at once, as if killed.
pub struct Running {
    app: Arc<App>,
    gateway: Gateway,
    minutes: Background,
    lock: Lock,
}

/// A task that ends with its owner.
struct Background(tokio::task::JoinHandle<()>);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Running {
    /// How to reach the workspace.
    pub fn connection(&self) -> &Connection {
        &self.app.connection
    }

    /// What the rooms of the workspace share.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Takes no new requests, lets those in flight finish (at most `Options::drain`), writes everything down and stops.
    /// Operations that have not ended are taken up again at the next start.
    pub async fn shutdown(self) {
        let grace = self.app.options.drain;
        self.shutdown_within(grace).await;
    }

    /// The same with another grace for the requests in flight.
    pub async fn shutdown_within(self, grace: Duration) {
        let Self { app, gateway, minutes, lock } = self;
        if let Some(file) = &app.options.ready_file {
            // Whoever waits on the file must not believe a workspace that is gone.
            let _ = std::fs::remove_file(file);
        }
        app.closing.send_replace(true);
        gateway.shutdown(grace).await;
        drop(minutes);
        super::minutes::flush(&app.store, &app.telemetry).await;
        app.reconciler.stop();
        app.store.close();
        drop(lock);
    }
}

/// Starts a local workspace on the current (multi-threaded) runtime and returns once it answers; deployments of an
/// earlier process follow as they are loaded.
///
/// # Errors
/// Another process owns the data folder, the folder cannot be used, or an address cannot be had.
pub async fn start(options: Options) -> Result<Running, StartError> {
    private_dir(&options.data_dir)?;
    let lock = Lock::acquire(&options.data_dir)?;
    let store = Store::open(&options.data_dir)?;
    let secrets = Secrets::of(&store)?;
    let sockets = Sockets::bind(&options, &store)?;
    let tls = tls::prepare(&options.data_dir, &sockets.names())?;
    let telemetry = Telemetry::new(Some(options.data_dir.join("logs")));
    telemetry.record_bodies(options.record_bodies);
    super::minutes::load(&store, &telemetry)?;
    let router = Router::new(Arc::clone(&telemetry));
    let connection = Connection {
        base_url: format!("https://{}", reachable(sockets.workspace.address())),
        ca_file: tls.ca_bundle.clone(),
        identity_endpoint: format!("http://{}/msi/token", reachable(sockets.plain.address())),
        identity_header: secrets.identity_header,
        subscription_id: SUBSCRIPTION.to_owned(),
        resource_group: LOCAL.to_owned(),
        workspace: LOCAL.to_owned(),
        pid: std::process::id(),
        plain_http: options.plain_http.map(|_| reachable(sockets.plain.address()).to_string()),
    };
    let tokens = Arc::new(Tokens::new(&secrets.signing, &connection.base_url, &secrets.workspace_guid));
    let mode = if options.random_routing { Mode::Random } else { Mode::Block };
    let environments = Arc::new(Environments::new(&options.data_dir, options.python.clone()));
    engine::look_in(engine::Places {
        library: options.onnxruntime_library.clone(),
        environments: vec![options.data_dir.join("environments")],
    });
    let reconciler = Reconciler::new(
        store.clone(),
        Arc::clone(&router),
        Arc::clone(&telemetry),
        Arc::clone(&tokens),
        mode,
        Arc::new(engine::load),
        Arc::clone(&environments),
    );
    let app = Arc::new(App {
        environments,
        options,
        connection,
        store,
        reconciler,
        router,
        telemetry,
        tokens,
        workspace_guid: secrets.workspace_guid,
        started: Instant::now(),
        closing: tokio::sync::watch::Sender::new(false),
    });
    // Before the first request can come in, so that none meets an endpoint that is not there yet.
    app.reconciler.resume().await?;
    convert::resume(&app)?;
    let gateway = sockets.listen(&app, &tls)?;
    let minutes = super::minutes::keep(app.store.clone(), Arc::clone(&app.telemetry));
    let minutes = Background(tokio::spawn(minutes));
    let running = Running { app, gateway, minutes, lock };
    running.lock.publish(running.connection())?;
    if let Some(file) = &running.app.options.ready_file {
        let json = serde_json::to_vec(running.connection()).map_err(|e| StartError::Connection(e.to_string()))?;
        write_atomic(file, &json, 0o600)?;
    }
    Ok(running)
}

/// What a workspace makes at random at its first start and keeps.
struct Secrets {
    signing: Vec<u8>,
    identity_header: String,
    workspace_guid: String,
}

impl Secrets {
    fn of(store: &Store) -> Result<Self, StoreError> {
        let guid = || uuid::Uuid::new_v4().to_string();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let keep = |name: &str, make: &dyn Fn() -> Vec<u8>| match store.secret(name)? {
            Some(value) => Ok(value),
            None => {
                let value = make();
                store.commit(Change::new().secret(name, value.clone()))?;
                Ok::<_, StoreError>(value)
            }
        };
        // Two version 4 guids carry 244 random bits from the operating system.
        let random = || format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple()).into_bytes();
        Ok(Self {
            signing: keep(TOKEN_SIGNING_SECRET, &random)?,
            identity_header: text(keep("identity-header", &random)?),
            workspace_guid: text(keep("workspace-guid", &|| guid().into_bytes())?),
        })
    }
}

/// Creates the data folder for its owner alone.
fn private_dir(dir: &Path) -> Result<(), StartError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let folder = |e: std::io::Error| StartError::folder(dir, &e);
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent).map_err(folder)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && dir.is_dir() => {
            if std::fs::metadata(dir).map_err(folder)?.permissions().mode() & 0o077 != 0 {
                std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(folder)?;
            }
            Ok(())
        }
        Err(e) => Err(folder(e)),
    }
}
