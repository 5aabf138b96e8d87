//! `mlconsole operation …`

use clap::Subcommand;

use super::error::CliError;
use super::output::{Table, note, one_line, print_json};
use super::{Session, output};
use crate::resources::Operation;
use crate::resources::brief::cut;

/// Longest step shown, in characters: an error leaves the table one. JSON, the log and `deployment show` have all of it.
const STEP: usize = 100;

/// What is being done, and what was.
#[derive(Debug, Subcommand)]
pub enum OperationCommand {
    /// Operations in flight and finished, newest first
    List,
    /// Ask for an operation to be given up
    Cancel {
        /// Its name, as `operation list` prints it
        name: String,
    },
}

pub(super) async fn run(command: OperationCommand, session: &Session) -> Result<(), CliError> {
    match command {
        OperationCommand::List => list(session).await,
        OperationCommand::Cancel { name } => {
            session.workspace.cancel(&name).await?;
            if session.json() {
                return print_json(&serde_json::json!({"name": name, "cancelled": true}));
            }
            note(&format!(
                "operation {} is asked to stop; `mlconsole operation list` shows how it ends",
                one_line(&name)
            ));
            Ok(())
        }
    }
}

async fn list(session: &Session) -> Result<(), CliError> {
    let mut operations = session.workspace.operations().await?;
    operations.sort_by(|a, b| b.start_time.cmp(&a.start_time));
    if session.json() {
        return print_json(&operations);
    }
    if operations.is_empty() {
        note("nothing has been created, changed or deleted yet");
        return Ok(());
    }
    let mut table = Table::new(&["STARTED", "WHAT", "STATE", "STEP", "WHO", "NAME"]);
    for operation in operations {
        table.row(row(operation));
    }
    table.print()
}

fn row(operation: Operation) -> [String; 6] {
    let details = operation.properties.unwrap_or_default();
    let target = match &details.deployment {
        Some(deployment) => format!("{}/{deployment}", details.endpoint),
        None => details.endpoint.clone(),
    };
    let step = match (&operation.error, details.running()) {
        (Some(error), _) => cut(&error.message, STEP),
        (None, Some(phase)) => phase.said(),
        (None, None) => String::new(),
    };
    let started = operation.start_time.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond);
    let what = format!("{} {target}", details.verb);
    [output::time(started), what, operation.status, step, details.who, operation.name]
}
