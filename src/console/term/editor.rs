//! `$EDITOR` and `$PAGER`, while the terminal is lent to them.

use std::io::Write as _;
use std::process::Command;

/// Edits text in `$VISUAL`, `$EDITOR` or `vi`; gives the text as it was left.
pub fn edit(text: &str, suffix: &str) -> Result<String, String> {
    let editor = program(&["VISUAL", "EDITOR"], "vi");
    let mut file = tempfile::Builder::new()
        .prefix("mlconsole-")
        .suffix(suffix)
        .tempfile()
        .map_err(|error| format!("no file for the editor: {error}"))?;
    file.write_all(text.as_bytes()).map_err(|error| format!("no file for the editor: {error}"))?;
    run(&editor, file.path())?;
    std::fs::read_to_string(file.path()).map_err(|error| format!("the edited text cannot be read: {error}"))
}

/// Shows text in `$PAGER` or `less`.
pub fn page(text: &str) -> Result<(), String> {
    let pager = program(&["PAGER"], "less");
    let mut file = tempfile::NamedTempFile::new().map_err(|error| format!("no file for the pager: {error}"))?;
    file.write_all(text.as_bytes()).map_err(|error| format!("no file for the pager: {error}"))?;
    run(&pager, file.path())
}

fn program(variables: &[&str], fallback: &str) -> String {
    let set = variables.iter().filter_map(|name| std::env::var(name).ok());
    set.map(|value| value.trim().to_string()).find(|value| !value.is_empty()).unwrap_or_else(|| fallback.into())
}

fn run(program: &str, path: &std::path::Path) -> Result<(), String> {
    let mut words = program.split_whitespace();
    let name = words.next().unwrap_or("vi");
    match Command::new(name).args(words).arg(path).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} ended with {status}; nothing was taken over")),
        Err(error) => Err(format!("cannot start {name}: {error}; set EDITOR to an editor that is installed")),
    }
}
