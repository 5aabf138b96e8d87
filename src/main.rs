//! Arguments to the console, the local workspace or a command.

mod home;
mod screen;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use color_eyre::eyre::{Context as _, Result, eyre};
use mlconsole::cli::{self, Args, CliError, Command, Common, Interrupts, Need, OutputFormat, ServeArgs, Session, note};
use mlconsole::server;

use home::Place;
use screen::Demo;

fn main() -> ExitCode {
    // Help and wrong usage end here, with 0 and 2.
    let args = Args::parse();
    let outcome = color_eyre::config::HookBuilder::default()
        .display_env_section(false)
        .display_location_section(false)
        .install()
        .and_then(|()| {
            hush_engine();
            run(args)
        });
    let Err(report) = outcome else { return ExitCode::SUCCESS };
    let error = report.downcast_ref::<CliError>();
    match error {
        Some(CliError::Said | CliError::ReaderGone) => {}
        // Every refusal is meant for the user: no backtrace, even where one is asked for. Panics show theirs.
        Some(error) => note(&format!("error: {error}")),
        None => note(&format!("error: {report:#}")),
    }
    ExitCode::from(error.map_or(1, CliError::exit_code))
}

/// A panic over a broken model is caught where the model is planned, and told as an error: the terminal needs no second
/// account of it.
fn hush_engine() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() == Some(server::engine::PLANNING) {
            tracing::error!("{info}");
        } else {
            before(info);
        }
    }));
}

fn run(args: Args) -> Result<()> {
    match &args.command {
        Some(Command::Completions { shell }) => return Ok(cli::completions(*shell)?),
        Some(Command::Context(command)) => return Ok(cli::context(command, &args.common)?),
        Some(Command::Model(command)) => {
            if let Some((path, model_type)) = command.local_inspection() {
                return inspect(path, model_type, args.common.output);
            }
        }
        _ => {}
    }
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if args.command.is_none() {
        // The screen has a thread that this one starts. Whatever else runs in the process, and all it starts, give way.
        let niceness = niceness() + 10;
        builder.on_thread_start(move || give_way(niceness));
    }
    let runtime = builder.enable_all().build().wrap_err("the asynchronous runtime cannot be started")?;
    let outcome = runtime.block_on(start(args));
    // Whatever still runs belongs to nobody any more: a thread that hangs must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// How readily this thread lets others go first.
fn niceness() -> i32 {
    // SAFETY: getpriority takes plain numbers.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// Lets other threads go first: a key is to show at once while the models of the workspace keep all cores busy. A few
/// steps would do among the threads of this process; but Linux weighs sessions against each other too, and of the
/// session's weight the screen gets the part that its threads have.
fn give_way(niceness: i32) {
    // On Linux it belongs to a thread, whose own threads inherit it; elsewhere to the whole process.
    #[cfg(target_os = "linux")]
    // SAFETY: setpriority takes plain numbers. If it fails, the thread goes on as it was.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, niceness);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = niceness;
}

async fn start(args: Args) -> Result<()> {
    let Args { common, demo, command } = args;
    if demo && command.is_some() {
        return Err(CliError::usage("--demo is the console on a workspace of its own: it takes no command").into());
    }
    let draws = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    match command {
        // The console listens to signals itself: it has a terminal to give back.
        None if demo && draws => {
            let demo = Demo::new()?;
            let result = demo.run(&common).await;
            demo.end().await.and(result)
        }
        None if draws => screen::run(&common).await,
        None if demo => plain_demo(&common).await,
        None => command_line(&common, None).await,
        Some(Command::Serve(args)) => serve(&common, args).await,
        Some(command) => command_line(&common, Some(command)).await,
    }
}

fn listen() -> Result<Interrupts> {
    Interrupts::listen().wrap_err("ctrl-c and SIGTERM cannot be listened to")
}

/// A command, or the live table without one.
async fn command_line(common: &Common, command: Option<Command>) -> Result<()> {
    let interrupts = listen()?;
    let place = Place::of(common)?;
    let need = command.as_ref().map_or(Need::Workspace, Command::need);
    let home = tokio::select! {
        home = place.open(cli::AGENT, need) => home?,
        () = interrupts.reached(1) => return Err(CliError::failed("interrupted").into()),
    };
    if home.own.is_some() {
        note(
            "no workspace was running: this command started one, which stops with it. Endpoints serve only while a \
             workspace runs: `mlconsole serve`",
        );
    }
    let session = Session {
        workspace: home.workspace.clone(),
        context: place.name.clone(),
        access: place.access(),
        output: common.output,
        yes: common.yes,
        interrupts: interrupts.clone(),
    };
    let result = match command {
        Some(command) => cli::run(command, &session).await,
        None => cli::watch(&session).await,
    };
    drop(session);
    home.leave(interrupts.reached(1)).await;
    Ok(result?)
}

async fn serve(common: &Common, args: ServeArgs) -> Result<()> {
    let interrupts = listen()?;
    let place = Place::of(common)?;
    let running = place.serve(args).await?;
    let at = running.connection();
    let folder = place.data_dir.as_deref().unwrap_or(std::path::Path::new("")).display();
    note(&format!("serving {} from {folder}; ctrl-c stops", at.base_url));
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

/// The demo as a live table, for where there is no terminal to draw on.
async fn plain_demo(common: &Common) -> Result<()> {
    let interrupts = listen()?;
    let demo = Demo::new()?;
    let shown = async {
        let (workspace, traffic) = demo.open().await?;
        let session = Session {
            workspace,
            context: "demo".into(),
            access: mlconsole::config::Access::Open,
            output: common.output,
            yes: common.yes,
            interrupts: interrupts.clone(),
        };
        tokio::select! {
            watched = cli::watch(&session) => Ok(watched?),
            ended = traffic => Err(eyre!("the demo's traffic ended: {:?}", ended.map(|result| result.map(|_| ())))),
        }
    };
    let result = tokio::select! {
        result = shown => result,
        () = interrupts.reached(1) => Ok(()),
    };
    demo.end().await.and(result)
}

/// Reads a model on this machine, on a thread of its own: deep graphs recurse.
fn inspect(path: PathBuf, model_type: &'static str, output: OutputFormat) -> Result<()> {
    const STACK: usize = 64 << 20;
    cli::check_readable(&path)?;
    let report = std::thread::Builder::new()
        .name("inspect".into())
        .stack_size(STACK)
        .spawn(move || server::mlflow::inspect(&path, model_type))
        .wrap_err("no thread to read the model on")?
        .join()
        .map_err(|_| eyre!("reading the model failed in a way it should not: please report it with the model"))??;
    Ok(cli::print_report(&report, output)?)
}
