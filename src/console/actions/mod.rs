//! The table of actions: everything the console can do, once.

mod browse;
mod endpoints;
mod forms;
mod global;
/// Keys to actions.
pub mod keymap;
mod more;
mod table;
mod watch;

pub use keymap::{KeyConflict, Keymap};
pub use table::{Action, Danger, Question, Row, Scope};

use crate::console::app::model::Model;

/// All rows, in the order of help and README.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [global::ROWS, browse::ROWS, endpoints::ROWS, more::ROWS, forms::ROWS, watch::ROWS].into_iter().flatten()
}

/// The first row of an action (overlays share a few); every action has one, which a test checks.
pub fn row(action: Action) -> &'static Row {
    rows().find(|row| row.action == action).unwrap_or(&global::ROWS[0])
}

/// Why an action cannot run now, in a sentence; `None` when it can.
pub fn refusal(model: &Model, row: &Row) -> Option<String> {
    if row.write && model.context.access.is_read_only() {
        return Some(format!("{} is read-only: nothing can be changed from here", model.context.name));
    }
    if row.write && !model.data.link.is_live() {
        return Some("the workspace does not answer: nothing can be changed until it does".into());
    }
    (row.disabled)(model)
}

/// How carefully an action is to be asked for: its own level, raised in protected contexts.
pub fn danger(model: &Model, row: &Row) -> Danger {
    if row.write && model.context.access.is_protected() { row.danger.max(Danger::Change) } else { row.danger }
}

/// The table of keys for the README: default keys by scope, and the command that does the same.
pub fn markdown() -> String {
    let mut text = String::new();
    let mut scopes: Vec<Scope> = Vec::new();
    for row in rows() {
        if !scopes.contains(&row.scope) {
            scopes.push(row.scope);
        }
    }
    for scope in scopes {
        text.push_str(&format!("**{}**\n\n| Keys | Does | Command |\n| --- | --- | --- |\n", scope.title()));
        for row in rows().filter(|row| row.scope == scope) {
            let shown = row.keys.iter().filter_map(|key| crokey::parse(key).ok()).map(keymap::show);
            let keys: Vec<String> = shown.map(|key| format!("`{}`", key.replace('|', "\\|"))).collect();
            let command = if row.command.is_empty() { String::new() } else { format!("`{}`", row.command) };
            text.push_str(&format!("| {} | {} | {command} |\n", keys.join(" "), row.title));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text
}

/// The command that does the same as an action on the current selection.
pub fn command(model: &Model, row: &Row) -> Option<String> {
    if row.command.is_empty() {
        return None;
    }
    let subject = model.subject();
    let fill = |text: String, mark: &str, value: Option<&str>| match value {
        Some(value) => text.replace(mark, value),
        None => text,
    };
    let text = fill(row.command.to_string(), "{endpoint}", subject.endpoint.as_deref());
    let text = fill(text, "{deployment}", subject.deployment.as_deref());
    Some(fill(text, "{weights}", subject.weights.as_deref()))
}
