//! The picture of the activity.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use serde_json::Value;

use super::{JOURNAL, OPERATIONS, place, target};
use crate::console::app::list::List;
use crate::console::app::model::Model;
use crate::console::look::ui::{cut, span};
use crate::console::look::{Ui, layout, numbers};
use crate::console::widgets::table::{Column, Table};
use crate::resources::{JournalEntry, Operation};

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let state = &model.activity;
    let rows = (state.operations.keys.len() as u16 + 2).clamp(5, area.height / 2);
    let (top, rest) = layout::split_top(area, rows);
    let (_, bottom) = layout::split_top(rest, 1);
    let operations: Vec<&Operation> = state
        .operations
        .keys
        .iter()
        .map_while(|name| model.data.operations.iter().find(|operation| operation.name == *name))
        .collect();
    let cell = |row: usize, column: usize, width: u16| {
        operations.get(row).map_or_else(Line::default, |operation| operation_cell(model, operation, column, width))
    };
    let empty = "nothing has been created, changed or deleted since this workspace was made";
    pane(
        ui,
        top,
        "Operations",
        empty,
        &Table { columns: &OPERATIONS, list: &state.operations, focused: !state.in_journal, pane: 0, cell: &cell },
    );
    let entry = |row: usize| {
        let seq: u64 = state.journal.keys.get(row)?.parse().ok()?;
        model.data.journal.iter().find(|entry| entry.seq == seq)
    };
    let cell = |row: usize, column: usize, width: u16| {
        entry(row).map_or_else(Line::default, |entry| entry_cell(model, entry, column, width))
    };
    let empty = "every change of traffic, deployments and keys will be listed here, with who, when, from and to";
    pane(
        ui,
        bottom,
        "Journal",
        empty,
        &Table { columns: &JOURNAL, list: &state.journal, focused: state.in_journal, pane: 1, cell: &cell },
    );
}

fn pane(ui: &mut Ui, area: Rect, title: &str, empty: &str, table: &Table) {
    let (head, rest) = layout::split_top(area, 1);
    ui.section(head, title, &note(table.list, table.columns), table.focused);
    if !table.list.keys.is_empty() {
        return table.draw(ui, rest);
    }
    let text = if table.list.filter.text.is_empty() { empty } else { "nothing matches; Esc drops the filter" };
    ui.text(rest.x + 3, rest.y + 1, rest.width.saturating_sub(4), text, ui.theme.dim);
}

fn note(list: &List, columns: &[Column]) -> String {
    let by = columns.get(list.sort).map_or(String::new(), |column| format!("by {}", column.title.to_lowercase()));
    if list.filter.text.is_empty() {
        format!("{}   {by}", numbers::count(list.total as u64))
    } else {
        format!("/{}: {} of {}   {by}", list.filter.text, list.keys.len(), list.total)
    }
}

fn millis(time: &str) -> Option<i64> {
    time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// How long it took, or has taken so far.
fn took(model: &Model, operation: &Operation) -> Option<i64> {
    let from = millis(&operation.start_time)?;
    let to = operation.end_time.as_deref().and_then(millis).unwrap_or(model.now);
    Some((to - from).max(0))
}

fn state(model: &Model, operation: &Operation) -> (&'static str, Style) {
    let theme = &model.theme;
    match operation.status.to_ascii_lowercase().as_str() {
        "succeeded" => (theme.glyphs.dot, theme.ok),
        "failed" => (theme.glyphs.times, theme.bad),
        "canceled" => (theme.glyphs.ring, theme.dim),
        _ => (theme.glyphs.diamond_hollow, theme.warn),
    }
}

fn operation_cell(model: &Model, operation: &Operation, column: usize, width: u16) -> Line<'static> {
    let theme = &model.theme;
    let details = operation.properties.clone().unwrap_or_default();
    match column {
        0 => Line::from(span(millis(&operation.start_time).map_or("–".into(), |at| model.clock(at, true)), theme.dim)),
        1 => {
            let text = format!("{} {}", details.verb, target(operation));
            Line::from(span(cut(text.trim(), width).into_owned(), theme.strong))
        }
        2 => {
            let (glyph, style) = state(model, operation);
            let word = if operation.is_terminal() { operation.status.to_lowercase() } else { "running".into() };
            Line::from(vec![span(format!("{glyph} "), style), span(word, style)])
        }
        3 => {
            let text = match (&operation.error, operation.running()) {
                (Some(error), _) => error.message.lines().next().unwrap_or_default().to_owned(),
                (None, Some(phase)) => phase.said(),
                (None, None) => String::new(),
            };
            Line::from(span(text, if operation.error.is_some() { theme.bad } else { theme.text }))
        }
        4 => Line::from(span(took(model, operation).map_or("–".into(), numbers::took_ms), theme.text)),
        _ => Line::from(span(details.who, theme.dim)),
    }
}

/// `100 / 0 → 90 / 10`, or the fields that say most.
fn change(entry: &JournalEntry) -> String {
    let (from, to) = (short(&entry.from), short(&entry.to));
    match (from.as_str(), to.as_str()) {
        ("", "") => String::new(),
        ("", to) => to.to_owned(),
        (from, "") => format!("was {from}"),
        (from, to) => format!("{from} → {to}"),
    }
}

/// The fields that say most of a resource, in the order in which they are read.
const TELLING: [&str; 6] = ["model", "instances", "instanceType", "name", "version", "authMode"];

fn short(value: &Value) -> String {
    let scalar = |value: &Value| match value {
        Value::String(text) => {
            text.rsplit_once("/models/").map_or(text.as_str(), |(_, name)| name).replace("/versions/", ":")
        }
        other => other.to_string(),
    };
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(fields) if fields.values().all(Value::is_number) => {
            fields.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
        }
        Value::Object(fields) => {
            let telling = TELLING.iter().filter_map(|name| Some((name, fields.get(*name)?)));
            let said =
                telling.filter(|(_, value)| !value.is_null()).map(|(name, value)| format!("{name} {}", scalar(value)));
            said.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn entry_cell(model: &Model, entry: &JournalEntry, column: usize, width: u16) -> Line<'static> {
    let theme = &model.theme;
    match column {
        0 => Line::from(span(model.clock(entry.at_ms, true), theme.dim)),
        1 => Line::from(span(entry.who.clone(), theme.text)),
        2 => Line::from(span(entry.action.clone(), theme.strong)),
        3 => {
            let text = place(&entry.endpoint, entry.deployment.as_deref());
            Line::from(span(cut(&text, width).into_owned(), theme.text))
        }
        4 => Line::from(span(change(entry), theme.text)),
        _ => {
            let style = match entry.outcome.as_str() {
                "done" => theme.dim,
                "failed" => theme.bad,
                _ => theme.warn,
            };
            Line::from(span(entry.outcome.clone(), style))
        }
    }
}

/// An operation in full.
pub fn operation_text(model: &Model, operation: &Operation) -> String {
    let details = operation.properties.clone().unwrap_or_default();
    let mut lines = vec![format!("{} {}: {}", details.verb, target(operation), operation.status.to_lowercase())];
    let started = millis(&operation.start_time).map_or("–".into(), |at| model.clock(at, true));
    let took = took(model, operation).map_or("–".into(), numbers::took_ms);
    lines.push(format!("asked for by {} at {started}, took {took}", details.who));
    lines.push(String::new());
    for phase in &details.phases {
        let state = match (phase.started_ms, phase.ended_ms) {
            (0, _) => "waiting".into(),
            (_, 0) => "running".into(),
            (from, to) => numbers::took_ms(to - from),
        };
        let note = phase.note.as_deref().map_or(String::new(), |note| format!("  {note}"));
        lines.push(format!("{}: {state}{note}", phase.name));
    }
    if let Some(error) = &operation.error {
        lines.extend([String::new(), format!("{}:", error.code), error.message.clone()]);
        lines.extend(error.details.iter().map(|detail| format!("{}: {}", detail.code, detail.message)));
    }
    lines.push(String::new());
    lines.push(operation.name.clone());
    lines.join("\n")
}

/// A change in full.
pub fn entry_text(model: &Model, entry: &JournalEntry) -> String {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    format!(
        "{} of {}\nby {} at {}, number {} of the journal: {}\n\nfrom {}\n\nto {}",
        entry.action,
        place(&entry.endpoint, entry.deployment.as_deref()),
        entry.who,
        model.clock(entry.at_ms, true),
        entry.seq,
        entry.outcome,
        pretty(&entry.from),
        pretty(&entry.to)
    )
}
