//! Logs, models, activity and workspace.

use super::table::{Action, Row, Scope::Logs};
use crate::console::screens::logs;

/// The rows.
pub const ROWS: &[Row] = &[
    Row::new(Action::Up, "logs.up", "A line up: pauses", Logs, &["up", "k"]).unlisted(),
    Row::new(Action::Down, "logs.down", "A line down", Logs, &["down", "j"]).unlisted(),
    Row::new(Action::PageUp, "logs.page.up", "A page up: pauses", Logs, &["pageup", "ctrl-b"]).unlisted(),
    Row::new(Action::PageDown, "logs.page.down", "A page down", Logs, &["pagedown", "ctrl-f", "space"]).unlisted(),
    Row::new(Action::Top, "logs.top", "To the oldest line", Logs, &["home", "g"]).unlisted(),
    Row::new(Action::Bottom, "logs.bottom", "To the newest line", Logs, &["end", "shift-g"]).unlisted(),
    Row::new(Action::LogFollow, "logs.follow", "Follow the newest lines", Logs, &["f"])
        .footer(95, "follow")
        .unless(logs::not_paused)
        .command("mlconsole deployment logs {deployment} --endpoint {endpoint} --follow"),
    Row::new(Action::LogLevel, "logs.level", "Least level shown", Logs, &["e"]).footer(90, "level"),
    Row::new(Action::LogContainer, "logs.container", "The other container", Logs, &["c"])
        .footer(85, "container")
        .command("mlconsole deployment logs {deployment} --endpoint {endpoint} --container storage-initializer"),
    Row::new(Action::LogInstance, "logs.instance", "One instance after another, then all", Logs, &["i"])
        .footer(80, "instance"),
    Row::new(Action::LogWrap, "logs.wrap", "Wrap long lines, or cut them", Logs, &["w"]).footer(75, "wrap"),
    Row::new(Action::LogTimes, "logs.times", "Show or hide the times", Logs, &["t"]).footer(40, "times"),
    Row::new(Action::LogPage, "logs.page", "Read in the pager", Logs, &["v"]).footer(30, "pager"),
];
