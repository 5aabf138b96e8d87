//! How the console is started: on a context, or on a demo that is thrown away.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use color_eyre::eyre::{Context as _, Result};
use mlconsole::cli::{self, CliError, Common, Need, note};
use mlconsole::client::{Workspace, sample};
use mlconsole::config::{self, Config, ContextKind};
use mlconsole::console::answer::recipe::quote;
use mlconsole::console::app::options::Settings;
use mlconsole::console::{self, Access, ConsoleOptions, ContextEntry};
use mlconsole::load::{LoadReport, Stop};
use mlconsole::server::{Options, Running};
use tokio::sync::Mutex;

use crate::home::{self, Place};

const AGENT: &str = concat!("mlconsole-console/", env!("CARGO_PKG_VERSION"));

/// How long requests in flight may go on once the console is left: nearly all take less.
const GRACE: Duration = Duration::from_millis(30);

/// Workspaces that the console started, to be stopped when it ends.
type Owned = Arc<Mutex<Vec<Running>>>;

/// The console on the context the flags name.
pub async fn run(common: &Common) -> Result<()> {
    let place = Place::of(common)?;
    let owned = Owned::default();
    let options = ConsoleOptions {
        contexts: place.config.contexts.iter().map(|(name, context)| entry(name, context)).collect(),
        context: place.name.clone(),
        owns_workspace: place.would_start()?,
        settings: settings(&place.config)?,
        reload: Some(reload(common.config.clone())),
        config_file: common.config.clone().or_else(config::default_path),
        state_file: config::default_state_dir().map(|dir| dir.join("console.json")),
        demo: false,
        flags: flags(common),
        open: opener(place, &owned),
    };
    let outcome = console::run(options).await;
    stop(&owned, GRACE).await;
    outcome
}

/// Stops the workspaces this process serves, so soon that nobody waits for the prompt: the user was told that endpoints
/// stop with the console, and a request that hangs would hang for long.
async fn stop(owned: &Owned, grace: Duration) {
    /// For everything. What is not written down by then is measurements: changes were durable before their answers.
    const PATIENCE: Duration = Duration::from_millis(70);
    let all = std::mem::take(&mut *owned.lock().await);
    let (told, heard) = std::sync::mpsc::channel();
    tokio::spawn(async move {
        let stopping: Vec<_> = all.into_iter().map(|running| tokio::spawn(running.shutdown_within(grace))).collect();
        for one in stopping {
            // A panic in it was reported where it happened.
            let _ = one.await;
        }
        // Nobody listens any more when it took too long.
        let _ = told.send(());
    });
    // Not by the runtime's clock, whose threads give way: on a busy machine it would tell too late. This thread serves
    // nothing else. A workspace that does not stop in time is ended with the process, as if killed.
    let _ = heard.recv_timeout(PATIENCE);
}

/// Opens contexts by name; the first one as the flags describe it, `--data-dir` included.
fn opener(first: Place, owned: &Owned) -> Arc<dyn Fn(&str) -> console::Opening + Send + Sync> {
    let owned = Arc::clone(owned);
    // Commands whose workspace is used here wait for the console to end.
    let visits = Arc::new(Mutex::new(Vec::new()));
    Arc::new(move |name| {
        let (first, owned, name) = (first.clone(), Arc::clone(&owned), name.to_owned());
        let visits = Arc::clone(&visits);
        Box::pin(async move {
            let place = if name == first.name { first } else { Place::named(&first.config, Some(&name))? };
            let home = place.open(AGENT, Need::Workspace).await?;
            owned.lock().await.extend(home.own.map(|own| own.running));
            visits.lock().await.extend(home.visit);
            Ok(home.workspace)
        })
    })
}

fn entry(name: &str, context: &config::Context) -> ContextEntry {
    let kind = match context.kind {
        ContextKind::Local { .. } => "local workspace",
        ContextKind::Azure { .. } => "Azure workspace",
    };
    ContextEntry { name: name.to_owned(), kind: kind.to_owned(), access: context.access }
}

/// Flags by which a command reaches the workspace of this console.
fn flags(common: &Common) -> String {
    let folder = common.data_dir.as_ref().map(|dir| format!("--data-dir {}", quote(&dir.to_string_lossy())));
    let context = common.context.as_ref().map(|name| format!("--context {}", quote(name)));
    [folder, context].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn settings(config: &Config) -> Result<Settings> {
    let theme = serde_json::from_value(config.ui.theme.as_str().into())
        .map_err(|_| CliError::usage(format!("there is no theme \"{}\"", config.ui.theme)))?;
    Ok(Settings { theme, ascii: config.ui.ascii, mouse: config.ui.mouse, keys: config.keys.clone() })
}

fn reload(path: Option<PathBuf>) -> Arc<dyn Fn() -> Result<Settings, String> + Send + Sync> {
    Arc::new(move || {
        let config = Config::load(path.as_deref()).map_err(|e| e.to_string())?;
        settings(&config).map_err(|e| e.to_string())
    })
}

/// A throw-away workspace with the sample under gentle traffic. Everything goes when it is dropped.
pub struct Demo {
    folder: tempfile::TempDir,
    running: Owned,
    stop: Stop,
}

impl Demo {
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mlconsole-demo-").tempdir().wrap_err("no folder for the demo")?;
        Ok(Self { folder, running: Owned::default(), stop: Stop::default() })
    }

    /// The demo in the console.
    pub async fn run(&self, common: &Common) -> Result<()> {
        let config = Config::load(common.config.as_deref()).map_err(|e| CliError::usage(e.to_string()))?;
        let (folder, running, stop) = (self.folder.path().to_owned(), Arc::clone(&self.running), self.stop.clone());
        let options = ConsoleOptions {
            contexts: vec![ContextEntry { name: "demo".into(), kind: "demo".into(), access: Access::Open }],
            context: "demo".into(),
            owns_workspace: true,
            settings: settings(&config)?,
            reload: Some(reload(common.config.clone())),
            config_file: common.config.clone().or_else(config::default_path),
            state_file: None,
            demo: true,
            flags: format!("--data-dir {}", self.folder.path().display()),
            open: Arc::new(move |_| {
                let (folder, running, stop) = (folder.clone(), Arc::clone(&running), stop.clone());
                Box::pin(async move { open_demo(&folder, &running, stop, AGENT, |_| {}).await.map(|(ws, _)| ws) })
            }),
        };
        console::run(options).await
    }

    /// The workspace and its traffic, for where there is no terminal to draw on.
    pub async fn open(&self) -> Result<(Workspace, Traffic)> {
        open_demo(self.folder.path(), &self.running, self.stop.clone(), cli::AGENT, note).await
    }

    pub async fn end(self) -> Result<()> {
        self.stop.stop();
        // Nobody waits for an answer of a demo.
        stop(&self.running, Duration::ZERO).await;
        let folder = self.folder.keep();
        let mut removed = std::fs::remove_dir_all(&folder);
        for _ in 0..3 {
            if removed.is_ok() {
                break;
            }
            // A thread that was just about to write something down put it there.
            removed = std::fs::remove_dir_all(&folder);
        }
        removed.wrap_err_with(|| format!("the demo's folder {} could not be removed", folder.display()))
    }
}

/// The demo's callers, until they are stopped.
pub type Traffic = tokio::task::JoinHandle<Result<LoadReport, CliError>>;

async fn open_demo(
    folder: &Path,
    running: &Owned,
    stop: Stop,
    agent: &str,
    progress: impl Fn(&str) + Send + Sync,
) -> Result<(Workspace, Traffic)> {
    // Nothing here is anybody's: the request pane can show what the callers sent.
    let options = Options { record_bodies: true, ..Options::new(folder) };
    let started = home::start(options).await.map_err(|e| CliError::failed(e.to_string()))?;
    let connection = started.connection().clone();
    running.lock().await.push(started);
    progress(&format!("a throw-away workspace on {}; everything goes with it", connection.base_url));
    let workspace = Workspace::connect(&connection, agent)?;
    sample::install_all(&workspace, &mut |step| progress(step)).await?;
    let traffic = tokio::spawn(cli::demo_load(workspace.clone(), stop));
    Ok((workspace, traffic))
}
