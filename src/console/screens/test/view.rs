//! The picture of the request pane: the request at the left, the answer at the right, what was sent below.

mod answer;
mod load;
mod request;

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::{Pane, send};
use crate::console::answer::history::Sent;
use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::look::mark::{Mark, mark};
use crate::console::look::theme::Theme;
use crate::console::look::ui::span;
use crate::console::look::{Ui, layout, numbers};
use crate::console::widgets::table::first;

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let state = &model.test;
    let history = match (state.pane, area.height) {
        (Pane::History, height) => (height / 2).max(6),
        (_, 0..20) => 3,
        (_, height) => (height / 4).clamp(4, 14),
    };
    let (upper, lower) = layout::split_top(area, area.height.saturating_sub(history));
    if area.width >= 100 {
        let (left, right) = layout::split_left(upper, area.width * 9 / 20, 2);
        request::draw(model, ui, left);
        answer::draw(model, ui, right);
    } else {
        let part = match state.pane {
            _ if state.editing => upper.height * 2 / 3,
            Pane::Request => upper.height / 2,
            _ => (upper.height / 3).max(5),
        };
        let (above, below) = layout::split_top(upper, part);
        request::draw(model, ui, above);
        answer::draw(model, ui, below);
    }
    sent(model, ui, lower);
}

/// The mark of a deployment of this endpoint.
fn of(model: &Model, name: &str) -> Mark {
    let view = model.data.endpoints.get(&model.test.endpoint);
    mark(&model.theme, name, &view.map(|view| view.names()).unwrap_or_default())
}

/// Who answers, with its mark: `▲ green`.
fn who(model: &Model, name: &str) -> Line<'static> {
    let mark = of(model, name);
    Line::from(vec![span(format!("{} {name}", mark.shape), mark.style)])
}

/// How bad a status is.
fn severity(theme: &Theme, status: u16) -> Style {
    match status {
        200..=299 => theme.ok,
        300..=499 if status != 424 && status != 429 && status != 408 => theme.warn,
        _ => theme.bad,
    }
}

/// What was sent before, newest first.
fn sent(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let state = &model.test;
    let focused = state.pane == Pane::History;
    let all = state.list.keys.len();
    let note = match all {
        0 => String::new(),
        1 => "1 request".into(),
        n => format!("{} requests", numbers::count(n as u64)),
    };
    ui.section(area, "Sent", &note, focused);
    if all == 0 {
        let text = "what you send is listed here, with who answered; r sends it again";
        ui.text(area.x + 3, area.y + 1, area.width.saturating_sub(4), text, theme.dim);
        return;
    }
    let rows = usize::from(area.height.saturating_sub(1));
    let top = first(state.list.cursor, rows, all);
    let entries: Vec<&Sent> = send::entries(model).skip(top).take(rows).collect();
    for (at, (y, sent)) in (area.y + 1..area.bottom()).zip(entries).enumerate() {
        let index = top + at;
        let line = Rect { y, height: 1, ..area };
        row(model, ui, line, sent);
        if index == state.list.cursor && focused {
            ui.paint(line, theme.selected);
            ui.text(area.x + 1, y, 1, theme.glyphs.cursor, theme.selected);
        }
        ui.hit(line, Hit::Row { pane: 0, index });
    }
}

fn row(model: &Model, ui: &mut Ui, area: Rect, sent: &Sent) {
    let theme = &model.theme;
    let y = area.y;
    ui.text(area.x + 3, y, 8, &model.clock(sent.at_ms, true), theme.dim);
    let mut line = match &sent.to {
        Some(name) => who(model, name),
        None => Line::from(vec![span(format!("split {} ", theme.glyphs.arrow), theme.dim)]),
    };
    if let (None, Some(by)) = (&sent.to, &sent.by) {
        line.spans.extend(who(model, by).spans);
    }
    ui.line(area.x + 13, y, 18, &line);
    let (text, style) = match sent.status {
        Some(status) => (status.to_string(), severity(theme, status)),
        None => (theme.glyphs.dash.into(), theme.bad),
    };
    ui.right(area.x + 36, y, 4, &text, style);
    let time = if sent.status.is_some() { numbers::figure(sent.total_ms) } else { theme.glyphs.dash.into() };
    ui.right(area.x + 45, y, 8, &time, theme.text);
    ui.text(area.x + 46, y, 2, "ms", theme.dim);
    let mut x = area.x + 50;
    if area.width >= 100 {
        ui.right(x + 7, y, 8, &numbers::bytes(sent.response_bytes), theme.dim);
        x += 10;
    }
    let room = area.right().saturating_sub(x + 1);
    match (&sent.note, &sent.name) {
        (Some(note), _) => ui.text(x, y, room, note, severity(theme, sent.status.unwrap_or(599))),
        (None, Some(name)) if sent.path == "/score" => ui.text(x, y, room, name, theme.dim),
        _ => ui.text(x, y, room, &format!("{} {}", sent.method, sent.path), theme.dim),
    };
}
