//! Asking before something cannot be undone.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use super::error::CliError;
use super::output::one_line;

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
    let mut error = std::io::stderr();
    let _ = write!(error, "This {what}.\nType its name ({name}) to go on: ");
    let _ = error.flush();
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|e| CliError::failed(format!("the answer cannot be read: {e}; nothing was done")))?;
    if answer.trim() == name { Ok(()) } else { Err(CliError::failed("that is not its name: nothing was done")) }
}
