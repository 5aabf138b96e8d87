//! Lists, charts, overlays and the line being typed.

use crate::console::screens;

use super::table::{
    Action, Row,
    Scope::{Chart, Dialog, List, Overlay, Prompt, Welcome},
};

/// The rows.
pub const ROWS: &[Row] = &[
    Row::new(Action::Up, "up", "Up", List, &["up", "k"]).unlisted(),
    Row::new(Action::Down, "down", "Down", List, &["down", "j"]).unlisted(),
    Row::new(Action::PageUp, "page.up", "A page up", List, &["pageup", "ctrl-b"]).unlisted(),
    Row::new(Action::PageDown, "page.down", "A page down", List, &["pagedown", "ctrl-f"]).unlisted(),
    Row::new(Action::Top, "top", "To the top", List, &["home", "g"]).unlisted(),
    Row::new(Action::Bottom, "bottom", "To the bottom", List, &["end", "shift-g"]).unlisted(),
    Row::new(Action::NextPane, "pane.next", "Next pane", List, &["tab"]),
    Row::new(Action::PreviousPane, "pane.previous", "Previous pane", List, &["backtab"]).unlisted(),
    Row::new(Action::Filter, "filter", "Filter (fuzzy, ~regex, !not)", List, &["/"])
        .footer(5, "filter")
        .unless(screens::no_filter),
    Row::new(Action::ClearFilter, "filter.clear", "Drop the filter", List, &["ctrl-u"]),
    Row::new(Action::SortNext, "sort.next", "Sort by the next column", List, &["s"]).unless(screens::no_order),
    Row::new(Action::SortReverse, "sort.reverse", "Turn the order round", List, &["shift-s"]).unless(screens::no_order),
    Row::new(Action::Freeze, "freeze", "Freeze the picture, or go on", Chart, &["f"]),
    Row::new(Action::ZoomIn, "zoom.in", "Shorter window", Chart, &["+", "="]),
    Row::new(Action::ZoomOut, "zoom.out", "Longer window", Chart, &["-"]),
    Row::new(Action::CursorLeft, "cursor.left", "Read the chart: earlier", Chart, &["["]),
    Row::new(Action::CursorRight, "cursor.right", "Read the chart: later", Chart, &["]"]),
    Row::new(Action::CursorOff, "cursor.off", "Stop reading the chart", Chart, &["\\"]),
    Row::new(Action::InstallSample, "sample.install", "Install the sample endpoint", Welcome, &["i"])
        .write()
        .footer(90, "install the sample")
        .command("mlconsole --demo"),
    Row::new(Action::ServeFile, "model.serve", "Serve a model file", Welcome, &["o"])
        .write()
        .footer(80, "serve a model file")
        .command("mlconsole model register --name NAME --path FILE"),
    Row::new(Action::ApplyYaml, "yaml.apply", "Create from a YAML file", Welcome, &["a"])
        .write()
        .footer(70, "from YAML")
        .command("mlconsole endpoint create -f FILE"),
    Row::new(Action::NewEndpoint, "welcome.endpoint", "New endpoint, by a form", Welcome, &["n"])
        .write()
        .footer(60, "new endpoint")
        .command("mlconsole endpoint create -f FILE"),
    Row::new(Action::Cancel, "overlay.cancel", "Close", Overlay, &["esc", "ctrl-g"]).footer(80, "close").unlisted(),
    Row::new(Action::Accept, "overlay.accept", "Take the selected line", Overlay, &["enter"])
        .footer(90, "choose")
        .unlisted(),
    Row::new(Action::Complete, "overlay.complete", "Complete", Overlay, &["tab"]).footer(70, "complete").unlisted(),
    Row::new(Action::OverlayUp, "overlay.up", "Up", Overlay, &["up", "ctrl-p"]).unlisted(),
    Row::new(Action::OverlayDown, "overlay.down", "Down", Overlay, &["down", "ctrl-n"]).unlisted(),
    Row::new(Action::OverlayPageUp, "overlay.page.up", "A page up", Overlay, &["pageup"]).unlisted(),
    Row::new(Action::OverlayPageDown, "overlay.page.down", "A page down", Overlay, &["pagedown"]).unlisted(),
    Row::new(Action::CancelTask, "task.cancel", "Cancel what is in flight", Overlay, &["ctrl-x"]).unlisted(),
    Row::new(Action::Accept, "dialog.accept", "Press the focused button", Dialog, &["enter"])
        .footer(90, "choose")
        .unlisted(),
    Row::new(Action::Cancel, "dialog.cancel", "Leave everything as it is", Dialog, &["esc"])
        .footer(80, "cancel")
        .unlisted(),
    Row::new(Action::Toggle, "dialog.toggle", "The other button", Dialog, &["tab", "left", "right", "backtab"])
        .footer(70, "other button")
        .unlisted(),
    Row::new(Action::Accept, "prompt.accept", "Take what is typed", Prompt, &["enter"]).footer(90, "take").unlisted(),
    Row::new(Action::Cancel, "prompt.cancel", "Drop what is typed", Prompt, &["esc", "ctrl-g"])
        .footer(80, "drop")
        .unlisted(),
    Row::new(Action::Complete, "prompt.complete", "Complete", Prompt, &["tab"]).footer(70, "complete").unlisted(),
];
