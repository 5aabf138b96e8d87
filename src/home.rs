//! The workspace a context stands for: at Azure, somebody else's on this machine, or one started here.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use color_eyre::eyre::{Context as _, Result, eyre};
use mlconsole::cli::{CliError, Common, Need, ServeArgs, note};
use mlconsole::client::{self, ErrorKind, Workspace};
use mlconsole::config::{Access, Config, Context, ContextKind, Split};
use mlconsole::resources::Connection;
use mlconsole::server::{self, ClosedDoor, Options, Running, StartError, Visit, environments};

/// How often a file that others hold is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// A context, and what the configuration says about it.
#[derive(Clone)]
pub struct Place {
    pub config: Config,
    pub name: String,
    pub context: Context,
    /// Folder of a local workspace; `None` at Azure.
    pub data_dir: Option<PathBuf>,
}

impl Place {
    /// The context the flags name. `--data-dir` without `--context` means the local workspace.
    pub fn of(common: &Common) -> Result<Self> {
        let config = Config::load(common.config.as_deref()).map_err(|e| CliError::usage(e.to_string()))?;
        let wanted = match (&common.context, &common.data_dir) {
            (Some(name), _) => Some(name.as_str()),
            (None, Some(_)) => Some(mlconsole::config::LOCAL),
            (None, None) => None,
        };
        let mut place = Self::named(&config, wanted)?;
        if let Some(dir) = &common.data_dir {
            if place.data_dir.is_none() {
                let name = place.name;
                return Err(
                    CliError::usage(format!("--data-dir means a local workspace, but {name} is at Azure")).into()
                );
            }
            place.data_dir = Some(std::path::absolute(dir).wrap_err("the data folder's path cannot be used")?);
        } else if let Some(dir) = std::env::var_os("MLCONSOLE_DATA_DIR").filter(|dir| !dir.is_empty())
            && place.name == mlconsole::config::LOCAL
        {
            // Weaker than a flag: it does not pull a context that was named elsewhere to this machine.
            place.data_dir = Some(std::path::absolute(dir).wrap_err("the data folder's path cannot be used")?);
        }
        Ok(place)
    }

    /// A context by name; the current one for `None`.
    pub fn named(config: &Config, name: Option<&str>) -> Result<Self> {
        let (name, context) = config.context(name).map_err(CliError::Usage)?;
        let data_dir = match (&context.kind, config.data_dir(context)) {
            (ContextKind::Azure { .. }, _) => None,
            (_, Some(dir)) => Some(std::path::absolute(dir).wrap_err("the data folder's path cannot be used")?),
            (_, None) => return Err(CliError::usage("there is no home folder: give --data-dir").into()),
        };
        Ok(Self { name: name.to_owned(), context: context.clone(), data_dir, config: config.clone() })
    }

    pub fn access(&self) -> Access {
        self.context.access
    }

    /// How the configuration says the local workspace is to be started.
    fn options(&self, data_dir: &Path) -> Options {
        let local = &self.config.local;
        let mut options = Options::new(data_dir);
        options.listen = local.listen;
        options.plain_http = local.plain_http;
        options.scoring_listen = local.scoring_listen;
        options.scoring_certificate.clone_from(&local.scoring_certificate);
        options.max_body_bytes = usize::try_from(local.max_body_mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX);
        options.record_bodies = local.record_bodies;
        options.random_routing = local.split == Split::Random;
        options.drain = Duration::from_secs(local.drain_seconds);
        options.onnxruntime_library.clone_from(&local.onnxruntime_library);
        let python = &self.config.python;
        options.python = environments::Settings {
            search_paths: python.search_paths.clone(),
            allow_download: python.allow_download,
            uv: python.uv.clone(),
            mlflow_full: python.mlflow_full,
        };
        options
    }

    /// Starts the local workspace to serve until told otherwise; flags win over the configuration.
    pub async fn serve(&self, args: ServeArgs) -> Result<Running> {
        let Some(data_dir) = &self.data_dir else {
            return Err(
                CliError::usage(format!("{} is at Azure: only a local workspace can be served", self.name)).into()
            );
        };
        let mut options = self.options(data_dir);
        options.listen = args.listen.or(options.listen);
        options.ready_file = args.ready_file;
        options.plain_http = args.plain_http.or(options.plain_http);
        options.scoring_listen = args.scoring_listen.or(options.scoring_listen);
        start(options).await.map_err(|e| CliError::failed(e.to_string()).into())
    }

    /// Whether opening it would start a workspace in this process.
    pub fn would_start(&self) -> Result<bool> {
        Ok(match &self.data_dir {
            Some(dir) => !server::is_owned(dir)?,
            None => false,
        })
    }

    /// Connects, starting a local workspace here when none runs.
    pub async fn open(&self, agent: &str, need: Need) -> Result<Home> {
        let connect = |connection: &Connection| Workspace::connect(connection, agent).map_err(CliError::from);
        let data_dir = match (&self.context.kind, &self.data_dir) {
            (ContextKind::Azure { subscription_id, resource_group, workspace, cloud }, _) => {
                let azure = client::azure(subscription_id, resource_group, workspace, cloud);
                return Ok(Home { workspace: connect(&azure.map_err(CliError::from)?)?, own: None, visit: None });
            }
            (_, Some(data_dir)) => data_dir,
            (_, None) => return Err(eyre!("the context {} has no data folder", self.name)),
        };
        // A workspace that another command started ends with that command, but not under a visitor.
        let mut visit = self.visit(data_dir).await?;
        for _ in 0..8 {
            match self.find_or_start(data_dir, need).await? {
                Found::Own(own) => {
                    let workspace = connect(own.connection())?;
                    let own = Some(Own { running: own, data_dir: data_dir.clone() });
                    return Ok(Home { workspace, own, visit: None });
                }
                Found::Other(connection) if visit.counts() => {
                    let workspace = connect(&connection)?;
                    match workspace.check().await {
                        // One that is told to stop does not wait for its visitors: look again.
                        Err(error) if error.kind == ErrorKind::Unreachable => {}
                        _ => return Ok(Home { workspace, own: None, visit: Some(visit) }),
                    }
                }
                // The folder was made only now.
                Found::Other(_) | Found::None => visit = self.visit(data_dir).await?,
            }
        }
        let next = "start one to stay with `mlconsole serve`";
        Err(CliError::failed(format!("the workspace in {} comes and goes: {next}", data_dir.display())).into())
    }

    /// Waits for a workspace that is closing to be gone, so that the next one is found or started.
    async fn visit(&self, data_dir: &Path) -> Result<Visit> {
        let patience = Duration::from_secs(self.config.local.drain_seconds) + Duration::from_secs(20);
        let begun = async {
            loop {
                match Visit::begin(data_dir) {
                    Ok(Some(visit)) => return Ok(visit),
                    Ok(None) => tokio::time::sleep(PAUSE).await,
                    Err(error) => return Err(CliError::failed(error.to_string())),
                }
            }
        };
        let dir = data_dir.display();
        match tokio::time::timeout(patience, begun).await {
            Ok(begun) => Ok(begun?),
            Err(_) => Err(CliError::failed(format!(
                "the workspace in {dir} has been closing for {} s: stop the command that started it, or try again",
                patience.as_secs()
            ))
            .into()),
        }
    }

    async fn find_or_start(&self, data_dir: &Path, need: Need) -> Result<Found> {
        // It may wait for a process that is just starting.
        let dir = data_dir.to_owned();
        let attached = tokio::task::spawn_blocking(move || server::attach(&dir)).await?;
        if let Some(connection) = attached.map_err(|e| CliError::failed(e.to_string()))? {
            return Ok(Found::Other(connection));
        }
        if need == Need::RunningWorkspace {
            let dir = data_dir.display();
            let next = format!("start one with `mlconsole serve --data-dir {dir}`");
            return Err(CliError::failed(format!("no workspace is running on {dir}: {next}")).into());
        }
        match start(self.options(data_dir)).await {
            Ok(own) => Ok(Found::Own(own)),
            // Somebody else was a moment faster: theirs serves as well.
            Err(StartError::Owned { .. }) => Ok(Found::None),
            Err(error) => Err(CliError::failed(error.to_string()).into()),
        }
    }
}

/// What there is of a local workspace.
enum Found {
    /// Nothing yet: another process is about to start it.
    None,
    Other(Connection),
    Own(Running),
}

/// A connected workspace, and the process part of it when it was started here.
pub struct Home {
    pub workspace: Workspace,
    pub own: Option<Own>,
    /// While somebody else's is used.
    pub visit: Option<Visit>,
}

impl Home {
    /// Lets go of the workspace. One that was started here stops when nobody else uses it any more, at the latest
    /// when `impatience` returns.
    pub async fn leave(self, impatience: impl Future<Output = ()>) {
        let Some(own) = self.own else { return };
        let door = tokio::select! {
            biased;
            () = impatience => None,
            door = own.empty() => door,
        };
        own.running.shutdown().await;
        drop(door);
    }
}

/// A workspace that this process started.
pub struct Own {
    pub running: Running,
    data_dir: PathBuf,
}

impl Own {
    /// Returns when nobody else uses it; from then on others wait until it is gone.
    async fn empty(&self) -> Option<ClosedDoor> {
        const SILENCE: Duration = Duration::from_secs(1);
        let began = Instant::now();
        let mut told = false;
        loop {
            match ClosedDoor::close(&self.data_dir) {
                Ok(Some(door)) => return Some(door),
                Ok(None) => {}
                // A folder that cannot be locked has no visitors who could be told either.
                Err(_) => return None,
            }
            if !told && began.elapsed() > SILENCE {
                told = true;
                note(
                    "others use the workspace that this command started: it stops when they are done; ctrl-c stops it now",
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Starts a workspace in this process; its doings are written to `mlconsole.log` in the data folder.
pub async fn start(options: Options) -> Result<Running, StartError> {
    // At the very first start there is no folder yet: that start's beginning goes unlogged.
    let early = log_to(&options.data_dir);
    let data_dir = options.data_dir.clone();
    let running = server::start(options).await?;
    // Without a log file the workspace is worth having all the same.
    if let Err(error) = early.or_else(|_| log_to(&data_dir)) {
        note(&format!("no log is written: {error}"));
    }
    let at = running.connection();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pid = at.pid, address = at.base_url, "serving");
    Ok(running)
}

fn log_to(data_dir: &Path) -> std::io::Result<()> {
    const LARGEST: u64 = 16 << 20;
    let path = data_dir.join("mlconsole.log");
    if std::fs::metadata(&path).is_ok_and(|meta| meta.len() > LARGEST) {
        std::fs::rename(&path, data_dir.join("mlconsole.log.1"))?;
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("MLCONSOLE_LOG").unwrap_or_else(|_| "info".into());
    // A second workspace in this process is refused its own subscriber, and logs with the first.
    let _ = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(file)).with_env_filter(filter).try_init();
    Ok(())
}
