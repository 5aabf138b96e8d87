//! One-shot commands, a file a noun. Each is a client of the workspace it is given; none starts one.

mod args;
mod asset;
mod built;
mod check;
mod confirm;
mod context;
mod convert;
mod deployment;
mod endpoint;
mod env;
mod environment;
mod error;
mod files;
mod interrupt;
mod invoke;
mod load;
mod model;
mod now;
mod operation;
mod output;
mod progress;
mod report;
mod traffic;
mod watch;

use std::io::IsTerminal as _;

pub use args::{Args, Command, Common, ContextCommand, Need, OutputFormat, ServeArgs};
pub use context::run as context;
pub use error::CliError;
pub use interrupt::Interrupts;
pub use model::check_readable;
pub use output::note;
pub use report::print_report;
pub use watch::{demo_load, watch};

use crate::client::Workspace;
use crate::config::Access;

/// What this program calls itself to a workspace.
pub const AGENT: &str = concat!("mlconsole-cli/", env!("CARGO_PKG_VERSION"));

/// What a command works with.
#[derive(Clone)]
pub struct Session {
    pub workspace: Workspace,
    /// Name of the context it is.
    pub context: String,
    pub access: Access,
    pub output: OutputFormat,
    /// Do not ask.
    pub yes: bool,
    pub interrupts: Interrupts,
}

impl Session {
    /// Whether results are for a program.
    fn json(&self) -> bool {
        self.output == OutputFormat::Json
    }
}

/// Runs a command that needs a workspace.
///
/// # Errors
/// With the message for the user and the exit code.
pub async fn run(command: Command, session: &Session) -> Result<(), CliError> {
    if command.changes() {
        confirm::access(session)?;
    }
    // Commands that follow something deal with the first ctrl-c themselves; the second ends any.
    let patience = if command.handles_interrupt() { 2 } else { 1 };
    // On a thread of its own: reading a large file, or waiting for somebody to type, must not make us deaf.
    let own = session.clone();
    let mut running = tokio::spawn(async move { dispatch(command, &own).await });
    tokio::select! {
        result = &mut running => {
            result.unwrap_or_else(|e| Err(CliError::failed(format!("a defect in mlconsole was met: {e}"))))
        }
        () = session.interrupts.reached(patience) => {
            running.abort();
            Err(CliError::failed("interrupted"))
        }
    }
}

async fn dispatch(command: Command, session: &Session) -> Result<(), CliError> {
    match command {
        Command::Endpoint(command) => endpoint::run(command, session).await,
        Command::Deployment(command) => deployment::run(command, session).await,
        Command::Traffic(command) => traffic::run(command, session).await,
        Command::Model(command) => model::run(command, session).await,
        Command::Environment(command) => environment::run(command, session).await,
        Command::Operation(command) => operation::run(command, session).await,
        Command::Load(command) => load::run(command, session).await,
        Command::Env(command) => env::run(&command, session.json(), session.workspace.connection()),
        Command::Serve(_) | Command::Context(_) | Command::Completions { .. } => {
            Err(CliError::usage("this command needs no workspace"))
        }
    }
}

/// Prints a completion script for `shell`.
pub fn completions(shell: clap_complete::Shell) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut <Args as clap::CommandFactory>::command(), "mlconsole", &mut script);
    output::print_bytes(&script)
}

/// Whether a person looks at standard error.
fn person_watches() -> bool {
    std::io::stderr().is_terminal()
}
