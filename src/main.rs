//! Arguments to the console, the local workspace or a command.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;

use clap::Parser as _;
use color_eyre::eyre::{Context as _, Result, eyre};
use mlconsole::cli::{self, Args, CliError, Command, Common, Interrupts, Need, OutputFormat, ServeArgs, Session, note};
use mlconsole::client::{Workspace, sample};
use mlconsole::load::Stop;
use mlconsole::server::{self, Options, Running};

fn main() -> ExitCode {
    // Help and wrong usage end here, with 0 and 2.
    let args = Args::parse();
    let outcome = color_eyre::config::HookBuilder::default()
        .display_env_section(false)
        .display_location_section(false)
        .install()
        .and_then(|()| run(args));
    let Err(report) = outcome else { return ExitCode::SUCCESS };
    let code = report.downcast_ref::<CliError>().map_or(1, CliError::exit_code);
    let silent = matches!(report.downcast_ref(), Some(CliError::Said | CliError::ReaderGone));
    if !silent {
        let developer = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
        note(&if developer { format!("error: {report:?}") } else { format!("error: {report:#}") });
    }
    ExitCode::from(code)
}

fn run(args: Args) -> Result<()> {
    if let Some(Command::Completions { shell }) = args.command {
        return Ok(cli::completions(shell)?);
    }
    if let Some(Command::Model(command)) = &args.command
        && let Some((path, model_type)) = command.local_inspection()
    {
        return inspect(path, model_type, args.common.output);
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .wrap_err("the asynchronous runtime cannot be started")?
        .block_on(start(args))
}

async fn start(args: Args) -> Result<()> {
    let interrupts = Interrupts::listen().wrap_err("ctrl-c and SIGTERM cannot be listened to")?;
    let Args { common, demo, command } = args;
    if demo {
        return self::demo(&common, interrupts).await;
    }
    match command {
        Some(Command::Serve(serve)) => self::serve(&common, serve, interrupts).await,
        Some(command) => {
            let home = Home::find(&common, command.need()).await?;
            let session = home.session(&common, interrupts)?;
            let result = cli::run(command, &session).await;
            home.leave().await;
            Ok(result?)
        }
        None => {
            let home = Home::find(&common, Need::Workspace).await?;
            let session = home.session(&common, interrupts)?;
            let result = cli::watch(&session).await;
            home.leave().await;
            Ok(result?)
        }
    }
}

/// The workspace a command works with: somebody else's, or one started for its length.
struct Home {
    connection: mlconsole::resources::Connection,
    own: Option<Running>,
}

impl Home {
    async fn find(common: &Common, need: Need) -> Result<Self> {
        let data_dir = data_dir(common)?;
        if let Some(connection) = server::attach(&data_dir)? {
            return Ok(Self { connection, own: None });
        }
        if need == Need::RunningWorkspace {
            return Err(eyre!(
                "no workspace is running on {}: start one with `mlconsole serve --data-dir {}`",
                data_dir.display(),
                data_dir.display()
            ));
        }
        let own = embed(Options::new(&data_dir)).await?;
        note(
            "no workspace was running: this command started one, which stops with it. Endpoints serve only while a \
             workspace runs: `mlconsole serve`",
        );
        Ok(Self { connection: own.connection().clone(), own: Some(own) })
    }

    fn session(&self, common: &Common, interrupts: Interrupts) -> Result<Session> {
        let workspace = Workspace::connect(&self.connection, cli::AGENT)?;
        Ok(Session { workspace, output: common.output, yes: common.yes, interrupts })
    }

    async fn leave(self) {
        if let Some(own) = self.own {
            own.shutdown().await;
        }
    }
}

async fn serve(common: &Common, args: ServeArgs, interrupts: Interrupts) -> Result<()> {
    let data_dir = data_dir(common)?;
    let mut options = Options::new(&data_dir);
    options.listen = args.listen;
    options.ready_file = args.ready_file;
    options.plain_http = args.plain_http;
    options.scoring_listen = args.scoring_listen;
    let running = embed(options).await?;
    let at = running.connection();
    note(&format!("serving {} from {}; ctrl-c stops", at.base_url, data_dir.display()));
    if let Some(plain) = &at.plain_http {
        note(&format!("scoring over plain http on {plain}"));
    }
    interrupts.reached(1).await;
    note("finishing the requests under way; ctrl-c again stops at once");
    tokio::select! {
        () = running.shutdown() => note("stopped"),
        () = interrupts.reached(2) => note("stopped at once"),
    }
    Ok(())
}

/// A throw-away workspace with the sample under gentle traffic, until ctrl-c.
async fn demo(common: &Common, interrupts: Interrupts) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("mlconsole-demo-").tempdir().wrap_err("no folder for the demo")?;
    let running = embed(Options::new(folder.path())).await?;
    let workspace = Workspace::connect(running.connection(), cli::AGENT)?;
    let session = Session {
        workspace: workspace.clone(),
        output: common.output,
        yes: common.yes,
        interrupts: interrupts.clone(),
    };
    note(&format!("a throw-away workspace on {}; everything goes with it", running.connection().base_url));
    let result = tokio::select! {
        result = show_demo(&session, workspace) => result,
        () = interrupts.reached(1) => Ok(()),
    };
    running.shutdown().await;
    folder.close().wrap_err("the demo's folder could not be removed")?;
    result
}

async fn show_demo(session: &Session, workspace: Workspace) -> Result<()> {
    sample::install(&workspace, &mut |step| note(step)).await?;
    let stop = Stop::default();
    let traffic = tokio::spawn(cli::demo_load(workspace, stop.clone()));
    let watched = cli::watch(session).await;
    stop.stop();
    traffic.await.wrap_err("the demo's traffic stopped")??;
    Ok(watched?)
}

/// Starts a workspace in this process; from now on its doings are written to `mlconsole.log` in the data folder.
async fn embed(options: Options) -> Result<Running> {
    let data_dir = options.data_dir.clone();
    let running = server::start(options).await?;
    // Without a log file the workspace is worth having all the same.
    if let Err(error) = log_to(&data_dir) {
        note(&format!("no log is written: {error}"));
    }
    Ok(running)
}

fn log_to(data_dir: &Path) -> std::io::Result<()> {
    const LARGEST: u64 = 16 << 20;
    let path = data_dir.join("mlconsole.log");
    if std::fs::metadata(&path).is_ok_and(|meta| meta.len() > LARGEST) {
        std::fs::rename(&path, data_dir.join("mlconsole.log.1"))?;
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("MLCONSOLE_LOG").unwrap_or_else(|_| "info".into());
    // A second subscriber (a test that starts two workspaces) is refused, and the first goes on.
    let _ = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(file)).with_env_filter(filter).try_init();
    Ok(())
}

/// Reads a model on this machine, on a thread of its own: deep graphs recurse.
fn inspect(path: PathBuf, model_type: &'static str, output: OutputFormat) -> Result<()> {
    const STACK: usize = 64 << 20;
    let report = std::thread::Builder::new()
        .name("inspect".into())
        .stack_size(STACK)
        .spawn(move || server::engine::inspect(&path, model_type))
        .wrap_err("no thread to read the model on")?
        .join()
        .map_err(|_| eyre!("reading the model failed in a way it should not: please report it with the model"))??;
    Ok(cli::print_report(&report, output)?)
}

/// `--data-dir`, or `mlconsole` in the user's data folder.
fn data_dir(common: &Common) -> Result<PathBuf> {
    use etcetera::BaseStrategy as _;
    if let Some(dir) = &common.data_dir {
        return std::path::absolute(dir).wrap_err("the data folder's path cannot be used");
    }
    let base = etcetera::choose_base_strategy().wrap_err("there is no home folder: give --data-dir")?;
    Ok(base.data_dir().join("mlconsole"))
}
