//! Actions that are in force everywhere.

use super::table::{Action, Row, Scope::Global};
use crate::console::app::{global, model::Model};

fn no_forward(model: &Model) -> Option<String> {
    model.nav.forward.is_empty().then(|| "nothing to go forward to".into())
}

fn no_error(model: &Model) -> Option<String> {
    model.tasks.last_failure().is_none().then(|| "nothing has failed so far".into())
}

/// The rows.
pub const ROWS: &[Row] = &[
    Row::new(Action::Help, "help", "Show all keys", Global, &["?", "f1"]).footer(3, "all keys"),
    Row::new(Action::Palette, "palette", "Go to anything, do anything", Global, &[":", "ctrl-p"]).footer(4, "go to"),
    Row::new(Action::Menu, "menu", "All actions on the selection", Global, &["m"]),
    Row::new(Action::Back, "back", "One level back", Global, &["esc", "alt-left"]).footer(2, "back").unlisted(),
    Row::new(Action::Forward, "forward", "Forward again", Global, &["alt-right"]).unless(no_forward),
    Row::new(Action::GoDashboard, "go.endpoints", "Endpoints", Global, &["1"]).command("mlconsole endpoint list"),
    Row::new(Action::GoModels, "go.models", "Models", Global, &["2"]).command("mlconsole model list"),
    Row::new(Action::GoActivity, "go.activity", "Activity: operations and journal", Global, &["3"])
        .command("mlconsole operation list"),
    Row::new(Action::GoWorkspace, "go.workspace", "Workspace", Global, &["4"]).command("mlconsole context show"),
    Row::new(Action::Copy, "copy", "Copy what is selected", Global, &["y"]).unless(global::nothing_to_copy),
    Row::new(Action::Refresh, "refresh", "Ask the workspace again", Global, &["r"]),
    Row::new(Action::Tasks, "tasks", "What is in flight", Global, &["shift-t"]),
    Row::new(Action::Details, "details", "Details of the last failure", Global, &["!"]).unless(no_error),
    Row::new(Action::ShowCommand, "command", "Show the commands for this screen", Global, &["shift-c"]),
    Row::new(Action::NextTheme, "theme.next", "Next theme", Global, &["f2"]),
    Row::new(Action::ToggleMouse, "mouse", "Mouse on or off", Global, &["f3"]),
    Row::new(Action::ReloadConfig, "config.reload", "Read the configuration again", Global, &["f5"]),
    Row::new(Action::Redraw, "redraw", "Paint the screen anew", Global, &["ctrl-l"]),
    Row::new(Action::Suspend, "suspend", "Suspend to the shell", Global, &["ctrl-z"]),
    Row::new(Action::Quit, "quit", "Quit", Global, &["q"]).footer(1, "quit"),
    Row::new(Action::ForceQuit, "quit.now", "Quit at once, from anywhere", Global, &["ctrl-c"]).unlisted(),
];
