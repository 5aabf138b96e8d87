//! Asking before something cannot be undone.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::Session;
use super::error::CliError;
use super::output::one_line;
use crate::config::Access;

/// Whether a change may be made in this context at all, and without being asked.
///
/// # Errors
/// In a read-only context; in a protected one without a yes.
pub(super) fn access(session: &Session) -> Result<(), CliError> {
    let context = one_line(&session.context);
    match session.access {
        Access::Open => Ok(()),
        Access::ReadOnly => Err(CliError::failed(format!(
            "the context {context} is read-only: nothing was done. Its `access` in the configuration says so"
        ))),
        Access::Protected if session.yes => Ok(()),
        Access::Protected if !std::io::stdin().is_terminal() => Err(CliError::usage(format!(
            "the context {context} is protected: add --yes to change it without being asked"
        ))),
        Access::Protected => {
            let answer = ask(&format!("The context {context} is protected. Go on? [y/N] "))?;
            let yes = ["y", "yes"].contains(&answer.to_ascii_lowercase().as_str());
            if yes { Ok(()) } else { Err(CliError::failed("nothing was done")) }
        }
    }
}

fn ask(question: &str) -> Result<String, CliError> {
    let mut error = std::io::stderr();
    let _ = write!(error, "{question}");
    let _ = error.flush();
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| CliError::failed(format!("the answer cannot be read: {e}; nothing was done")))?;
    Ok(answer.trim().to_owned())
}

/// The user says yes to go on. `what` completes "This …".
///
/// # Errors
/// Without a terminal to ask on, or without a yes: nothing has been done then.
pub(super) fn by_yes(what: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::usage(format!("this {what}: add --yes to do it without being asked")));
    }
    let answer = ask(&format!("This {}. Go on? [y/N] ", one_line(what)))?;
    if ["y", "yes"].contains(&answer.to_ascii_lowercase().as_str()) {
        Ok(())
    } else {
        Err(CliError::failed("nothing was done"))
    }
}

/// The user types `name` to go on. `what` completes "This …".
///
/// # Errors
/// Without a terminal to ask on, or when something else is typed: nothing has been done then.
pub(super) fn by_typing(name: &str, what: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::usage(format!("this {what}: add --yes to do it without being asked")));
    }
    let name = one_line(name);
    let answer = ask(&format!("This {what}.\nType its name ({name}) to go on: "))?;
    if answer == name { Ok(()) } else { Err(CliError::failed("that is not its name: nothing was done")) }
}
