//! The picture of the logs.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::trace::Mark;
use super::{CONTAINERS, Level, State};
use crate::console::app::model::Model;
use crate::console::look::mark::mark;
use crate::console::look::ui::{span, wrap};
use crate::console::look::{Ui, layout, numbers};
use crate::resources::LogLine;

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let state = &model.logs;
    let Some((endpoint, deployment)) = &state.of else { return };
    let (top, rest) = layout::split_top(area, 1);
    title(model, ui, top, endpoint, deployment);
    if state.buffer.count() == 0 {
        return empty(model, ui, rest, deployment);
    }
    let (lines, foot) = layout::split_top(rest, rest.height.saturating_sub(1));
    let room = usize::from(lines.height);
    let mut shown: Vec<Line<'static>> = Vec::with_capacity(room);
    for (line, mark) in state.buffer.marked(state.at) {
        if shown.len() >= room {
            break;
        }
        shown.extend(rows(model, state, (line, mark), lines.width.saturating_sub(2)).into_iter().rev());
    }
    // A line that does not fit whole shows its end: the lower edge is where reading goes on.
    shown.truncate(room);
    for (y, row) in (lines.y..).zip(shown.iter().rev()) {
        ui.line(lines.x + 1, y, lines.width.saturating_sub(2), row);
    }
    status(model, ui, foot);
}

fn title(model: &Model, ui: &mut Ui, area: Rect, endpoint: &str, deployment: &str) {
    let (theme, state) = (&model.theme, &model.logs);
    let names = model.shown().endpoints.get(endpoint).map(|view| view.names()).unwrap_or_default();
    let mark = mark(theme, deployment, &names);
    let mut note = vec![span(format!("{} {deployment}", mark.shape), mark.style)];
    note.push(span(format!("  {}", CONTAINERS[state.container % CONTAINERS.len()]), theme.dim));
    if state.level > Level::Debug {
        note.push(span(format!("  {}", state.level.words()), theme.dim));
    }
    if let Some(instance) = state.instance {
        note.push(span(format!("  instance {instance}"), theme.dim));
    }
    ui.section_with(area, "Logs", &Line::from(note), true);
}

fn empty(model: &Model, ui: &mut Ui, area: Rect, deployment: &str) {
    let (theme, state) = (&model.theme, &model.logs);
    let text = match &state.ended {
        Some((why, _)) => format!("the logs of {deployment} cannot be read: {why}; r asks again"),
        None if !state.buffer.is_empty() => {
            format!(
                "none of {} lines match; Esc drops the filter, e shows all levels",
                numbers::count(state.buffer.len() as u64)
            )
        }
        None => format!(
            "{deployment} has written nothing in {} yet; c shows the other container",
            CONTAINERS[state.container % CONTAINERS.len()]
        ),
    };
    let style = if state.ended.is_some() { theme.bad } else { theme.dim };
    for (y, line) in (area.y + 1..area.bottom()).zip(wrap(&text, area.width.saturating_sub(6))) {
        ui.text(area.x + 3, y, area.width.saturating_sub(6), &line, style);
    }
}

/// A line of the log as lines of the screen.
fn rows(model: &Model, state: &State, (line, mark): (&LogLine, Mark), width: u16) -> Vec<Line<'static>> {
    let theme = &model.theme;
    let mut head: Vec<Span<'static>> = Vec::new();
    if !state.no_times {
        let millis = line.at_ms.rem_euclid(1_000);
        head.push(span(format!("{}.{millis:03}  ", model.clock(line.at_ms, true)), theme.dim));
    }
    let instance = line.instance.map_or("  ".to_owned(), |instance| format!("#{instance}"));
    head.push(span(format!("{instance:<4}"), theme.dim));
    let (letter, style) = match Level::of(&line.level) {
        Level::Error => ("E ", theme.bad),
        Level::Warning => ("W ", theme.warn),
        Level::Info => ("  ", theme.text),
        Level::Debug => ("D ", theme.dim),
    };
    head.push(span(letter, style));
    let indent: u16 = head.iter().map(|span| span.content.len() as u16).sum();
    let mut rows = Vec::new();
    if line.dropped > 0 {
        let text =
            format!("{} lines before this one were dropped: they came faster than they could be sent", line.dropped);
        rows.push(Line::from(span(text, theme.warn)));
    }
    if mark.after > 0 && !state.unfolded {
        let frames = if mark.after == 1 { "1 frame".to_owned() } else { format!("{} frames", mark.after) };
        let text =
            format!("{}{} {frames} of libraries; z shows them", " ".repeat(indent.into()), theme.glyphs.fold_closed);
        rows.push(Line::from(span(text, theme.dim)));
    }
    let text = line.message();
    let texts = if state.wrap && indent + 10 < width { wrap(text, width - indent) } else { vec![text.to_owned()] };
    for (at, text) in texts.into_iter().enumerate() {
        let mut spans =
            if at == 0 { std::mem::take(&mut head) } else { vec![span(" ".repeat(indent.into()), theme.dim)] };
        spans.push(span(text, style));
        rows.push(Line::from(spans));
    }
    rows
}

fn status(model: &Model, ui: &mut Ui, area: Rect) {
    let (theme, state) = (&model.theme, &model.logs);
    let below = state.buffer.below(state.at);
    let (text, style) = match (&state.ended, state.at) {
        (Some((why, _)), _) => (format!("{} the feed ended: {why}", theme.glyphs.ring), theme.warn),
        (None, None) => (format!("{} following", theme.glyphs.dot), theme.ok),
        (None, Some(_)) => {
            let newer = numbers::count(below as u64);
            (format!("{} paused, {newer} newer lines below; f follows", theme.glyphs.ring), theme.warn)
        }
    };
    let mut note = format!("{} lines", numbers::count(state.buffer.len() as u64));
    if state.buffer.count() < state.buffer.len() {
        note = format!("{} of {note}", numbers::count(state.buffer.count() as u64));
    }
    if !state.list.filter.text.is_empty() {
        note = format!("/{}: {note}", state.list.filter.text);
    }
    if state.buffer.let_go > 0 {
        note.push_str(&format!(", {} older let go", numbers::count(state.buffer.let_go)));
    }
    if state.buffer.dropped > 0 {
        note.push_str(&format!(", {} dropped", numbers::count(state.buffer.dropped)));
    }
    let x = ui.right(area.right() - 1, area.y, area.width / 2, &note, theme.dim);
    ui.text(area.x + 1, area.y, x.saturating_sub(area.x + 2), &text, style);
}
