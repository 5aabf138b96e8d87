//! The picture of the environments.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::COLUMNS;
use crate::console::app::call::Call;
use crate::console::app::model::Model;
use crate::console::look::theme::Theme;
use crate::console::look::ui::{cut, span, wrap};
use crate::console::look::{Ui, layout, numbers};
use crate::console::widgets::bar;
use crate::console::widgets::table::Table;
use crate::resources::brief::few;
use crate::resources::python::HeldEnvironment;

const BAR: u16 = 24;

/// What the SDK and the CLI call an environment that stands in a deployment's file.
const UNNAMED: &str = "CliV2AnonymousEnvironment:";

/// What an environment on disk is called: the names people gave it, or who asked for it.
pub(super) fn called(held: &HeldEnvironment) -> String {
    let given: Vec<&str> = held.names.iter().map(String::as_str).filter(|name| !name.starts_with(UNNAMED)).collect();
    match (given.is_empty(), held.used_by.is_empty()) {
        (false, _) => few(&given),
        (true, false) => format!("(unnamed, for {})", few(&held.used_by)),
        (true, true) => format!("(unnamed {})", held.key.get(..8).unwrap_or(&held.key)),
    }
}

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let working = model
        .tasks
        .all
        .iter()
        .filter(|task| task.is_running() && matches!(task.call, Call::BuildEnvironment(_) | Call::InstallUv));
    let mut area = area;
    for task in working {
        let (line, rest) = layout::split_top(area, 1);
        area = rest;
        let running = task.operation.as_ref().and_then(|operation| operation.running());
        let mut x = ui.text(line.x + 3, line.y, line.width / 2, &task.title, ui.theme.strong) + 2;
        if let Some(share) = running.and_then(|phase| phase.share) {
            let bar = bar::share(ui.theme, share, BAR.min(line.width / 5));
            x = ui.line(x, line.y, BAR, &bar) + 1;
        }
        let said = running.map_or("begins", |phase| phase.name.as_str());
        ui.text(x, line.y, line.right().saturating_sub(x + 1), said, ui.theme.dim);
    }
    let (top, bottom) = if area.width < 140 {
        let rows = model.environments.list.keys.len() as u16;
        layout::split_top(area, (rows + 3).clamp(6, (area.height * 3 / 5).max(6)))
    } else {
        layout::split_left(area, area.width * 3 / 5, 2)
    };
    table(model, ui, top);
    details(model, ui, bottom);
}

fn table(model: &Model, ui: &mut Ui, area: Rect) {
    let (theme, state) = (&model.theme, &model.environments);
    let (head, rest) = layout::split_top(area, 1);
    let filter = &state.list.filter.text;
    let note = match &state.held {
        _ if !filter.is_empty() => format!("/{filter}: {} of {}", state.list.keys.len(), state.list.total),
        None => String::new(),
        Some(held) => {
            let size: u64 = held.value.iter().map(|held| held.size_bytes).sum();
            let tool = if held.uv.is_some() { "uv builds" } else { "pip builds: slow, i installs uv" };
            format!("{} on disk, {}; {tool}", held.value.len(), numbers::bytes(size))
        }
    };
    ui.section(head, "Environments", &note, true);
    if state.list.keys.is_empty() {
        let (text, style) = match (&state.held, &state.failure) {
            (_, Some(why)) => (format!("the environments cannot be read: {why}"), theme.bad),
            (None, None) => ("reading the environments".to_owned(), theme.dim),
            (Some(_), _) if !filter.is_empty() => ("no environment matches; Esc drops the filter".to_owned(), theme.dim),
            (Some(_), _) => (
                "none is built or registered yet. A deployment with a scoring script builds what it needs; n builds one ahead"
                    .to_owned(),
                theme.dim,
            ),
        };
        words(ui, Rect { y: rest.y + 1, height: rest.height.saturating_sub(1), ..rest }, &text, style);
        return;
    }
    let cell = |row: usize, column: usize, width: u16| {
        let Some(key) = state.list.keys.get(row) else { return Line::default() };
        let (text, style) = match state.on_disk(key) {
            Some(held) => built(model, held, column),
            None => match column {
                0 => (key.clone(), theme.strong),
                1 => ("not built".to_owned(), theme.dim),
                _ => ("–".to_owned(), theme.dim),
            },
        };
        Line::from(span(cut(&text, width).into_owned(), style))
    };
    Table { columns: &COLUMNS, list: &state.list, focused: true, pane: 0, cell: &cell }.draw(ui, rest);
}

fn built(model: &Model, held: &HeldEnvironment, column: usize) -> (String, Style) {
    let theme = &model.theme;
    let dash = |text: String| if text.is_empty() { "–".to_owned() } else { text };
    match column {
        0 => (called(held), theme.strong),
        1 => (held.state.clone(), state_style(theme, held)),
        2 => (dash(held.python.clone()), theme.text),
        3 => (held.packages.len().to_string(), theme.text),
        4 => (numbers::bytes(held.size_bytes), theme.text),
        5 => (format!("{} ago", numbers::age_ms(model.now - held.last_used_ms)), theme.dim),
        _ => (dash(held.used_by.join(", ")), theme.text),
    }
}

fn state_style(theme: &Theme, held: &HeldEnvironment) -> Style {
    match held.state.as_str() {
        "in use" => theme.ok,
        "building" => theme.accent,
        "broken" => theme.warn,
        _ => theme.text,
    }
}

fn details(model: &Model, ui: &mut Ui, area: Rect) {
    let (theme, state) = (&model.theme, &model.environments);
    let Some(key) = state.list.selected() else { return };
    let (head, rest) = layout::split_top(area, 1);
    let Some(held) = state.on_disk(key) else {
        ui.section(head, key, "not built", false);
        let text = "It is built when a deployment needs it, or now with b.";
        let y = words(ui, rest, text, theme.dim);
        let (name, version) = key.rsplit_once(':').unwrap_or((key, ""));
        let versions = state.registered.get(name).map(Vec::as_slice).unwrap_or_default();
        let found = versions.iter().find(|found| found.name == version);
        if let Some(conda) = found.and_then(|found| found.properties.conda_file.as_deref()) {
            for (y, line) in (y + 1..rest.bottom()).zip(conda.lines()) {
                ui.text(rest.x + 3, y, rest.width.saturating_sub(4), line, theme.text);
            }
        }
        return;
    };
    ui.section(head, &called(held), &format!("key {}", held.key.get(..12).unwrap_or(&held.key)), false);
    let mut y = rest.y;
    let users = if held.used_by.is_empty() { "nobody".to_owned() } else { held.used_by.join(", ") };
    let built = if held.built_ms > 0 { model.clock(held.built_ms, true) } else { "–".to_owned() };
    for (label, value) in [("used by", users), ("built", built)] {
        if y < rest.bottom() {
            ui.text(rest.x + 3, y, 10, label, theme.dim);
            ui.text(rest.x + 13, y, rest.width.saturating_sub(14), &value, theme.text);
            y += 1;
        }
    }
    if held.state == "broken" {
        y = words(ui, Rect { y, height: rest.bottom().saturating_sub(y), ..rest }, BROKEN, theme.warn);
    }
    packages(model, ui, Rect { y: y + 1, height: rest.bottom().saturating_sub(y + 1), ..rest }, held);
}

const BROKEN: &str =
    "A build was killed here. What is left is of no use: the next deployment that needs it builds it anew.";

/// The packages in columns, as many as there is room for.
fn packages(model: &Model, ui: &mut Ui, area: Rect, held: &HeldEnvironment) {
    const WIDTH: u16 = 38;
    let columns = (area.width.saturating_sub(3) / WIDTH).max(1);
    let room = usize::from(area.height) * usize::from(columns);
    let shown = if held.packages.len() > room { room.saturating_sub(1) } else { room };
    for (at, package) in held.packages.iter().take(shown).enumerate() {
        let (column, row) = (at / usize::from(area.height.max(1)), at % usize::from(area.height.max(1)));
        let x = area.x + 3 + column as u16 * WIDTH;
        ui.text(x, area.y + row as u16, (WIDTH - 2).min(area.right().saturating_sub(x + 1)), package, model.theme.text);
    }
    if held.packages.len() > shown && area.height > 0 {
        let x = area.x + 3 + (columns - 1) * WIDTH;
        let text = format!("and {} more; y copies all", held.packages.len() - shown);
        ui.text(x, area.bottom() - 1, area.right().saturating_sub(x + 1), &text, model.theme.dim);
    }
}

fn words(ui: &mut Ui, area: Rect, text: &str, style: Style) -> u16 {
    let mut y = area.y;
    for line in wrap(text, area.width.saturating_sub(4)) {
        if y >= area.bottom() {
            break;
        }
        ui.text(area.x + 3, y, area.width.saturating_sub(4), &line, style);
        y += 1;
    }
    y
}
