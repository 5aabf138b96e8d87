//! The workspace a context stands for: at Azure, somebody else's on this machine, or one started here.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use color_eyre::eyre::{Context as _, Result, eyre};
use mlconsole::cli::{CliError, Common, Need, ServeArgs, note};
use mlconsole::client::{self, ErrorKind, Workspace};
use mlconsole::config::{Access, Config, Context, ContextKind, Split};
use mlconsole::resources::Connection;
use mlconsole::server::{self, Options, Running, StartError};

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
            Some(dir) => server::attach(dir)?.is_none(),
            None => false,
        })
    }

    /// Connects, starting a local workspace here when none runs.
    pub async fn open(&self, agent: &str, need: Need) -> Result<Home> {
        let connect = |connection: &Connection| Workspace::connect(connection, agent).map_err(CliError::from);
        let data_dir = match (&self.context.kind, &self.data_dir) {
            (ContextKind::Azure { subscription_id, resource_group, workspace, cloud }, _) => {
                let azure = client::azure(subscription_id, resource_group, workspace, cloud);
                return Ok(Home { workspace: connect(&azure.map_err(CliError::from)?)?, own: None });
            }
            (_, Some(data_dir)) => data_dir,
            (_, None) => return Err(eyre!("the context {} has no data folder", self.name)),
        };
        // A workspace that another command started ends with that command, maybe at this moment: look again then.
        for _ in 0..4 {
            let (connection, own) = self.find_or_start(data_dir, need).await?;
            let workspace = connect(&connection)?;
            match workspace.check().await {
                Err(error) if error.kind == ErrorKind::Unreachable && own.is_none() => {}
                _ => return Ok(Home { workspace, own }),
            }
        }
        let next = "start one to stay with `mlconsole serve`";
        Err(CliError::failed(format!("the workspace in {} comes and goes: {next}", data_dir.display())).into())
    }

    async fn find_or_start(&self, data_dir: &Path, need: Need) -> Result<(Connection, Option<Running>)> {
        // It may wait for a process that is just starting.
        let dir = data_dir.to_owned();
        let attached = tokio::task::spawn_blocking(move || server::attach(&dir)).await?;
        if let Some(connection) = attached.map_err(|e| CliError::failed(e.to_string()))? {
            return Ok((connection, None));
        }
        if need == Need::RunningWorkspace {
            let dir = data_dir.display();
            let next = format!("start one with `mlconsole serve --data-dir {dir}`");
            return Err(CliError::failed(format!("no workspace is running on {dir}: {next}")).into());
        }
        match start(self.options(data_dir)).await {
            Ok(own) => Ok((own.connection().clone(), Some(own))),
            // Somebody else was a moment faster: theirs serves as well.
            Err(error @ StartError::Owned { .. }) => {
                let dir = data_dir.to_owned();
                let attached = tokio::task::spawn_blocking(move || server::attach(&dir)).await?;
                match attached.map_err(|e| CliError::failed(e.to_string()))? {
                    Some(connection) => Ok((connection, None)),
                    None => Err(CliError::failed(error.to_string()).into()),
                }
            }
            Err(error) => Err(CliError::failed(error.to_string()).into()),
        }
    }
}

/// A connected workspace, and the process part of it when it was started here.
pub struct Home {
    pub workspace: Workspace,
    pub own: Option<Running>,
}

impl Home {
    pub async fn leave(self) {
        if let Some(own) = self.own {
            own.shutdown().await;
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
