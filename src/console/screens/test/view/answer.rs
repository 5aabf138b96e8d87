//! The answer: its body as a tree, its headers, or what differs between two.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{load, of, severity, who};
use crate::console::answer::diff::{Difference, Kind};
use crate::console::answer::tree::{self, Shape};
use crate::console::app::call::Scored;
use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::look::ui::{self, span};
use crate::console::look::{Ui, numbers};
use crate::console::screens::test::{Comparison, Face, Pane, Reading, Series, words};
use crate::console::widgets::table::first;

/// Draws what the answer's place shows.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let state = &model.test;
    match state.face {
        Face::Load => load::draw(model, ui, area),
        Face::Diff => difference(model, ui, area),
        Face::Body | Face::Headers => answer(model, ui, area),
    }
}

fn focused(model: &Model) -> bool {
    model.test.pane == Pane::Answer
}

fn answer(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let state = &model.test;
    let title = if state.face == Face::Headers { "Answer: headers" } else { "Answer" };
    let flying = state.flights.first();
    let width = area.width.saturating_sub(4);
    let Some(reading) = &state.reading else {
        ui.section(area, title, "", focused(model));
        let (text, style) = match (flying, &state.failure) {
            (Some(flight), _) if model.now - flight.at_ms > 300 => {
                (format!("waiting for {}; ctrl-x gives up", numbers::span_ms(model.now - flight.at_ms)), theme.accent)
            }
            (Some(_), _) => ("waiting".into(), theme.dim),
            (None, Some(why)) => (why.clone(), theme.bad),
            (None, None) => ("Enter sends the request; the answer appears here".into(), theme.dim),
        };
        for (y, line) in (area.y + 2..area.bottom()).zip(ui::wrap(&text, width)) {
            ui.text(area.x + 3, y, width, &line, style);
        }
        return;
    };
    ui.section_with(area, title, &summary(model, &reading.scored), focused(model));
    let mut y = area.y + 1;
    ui.line(area.x + 3, y, width, &timing(model, &reading.scored));
    y += 1;
    let scored = &reading.scored;
    if scored.status != 200 {
        let text = words::status(scored.status, scored.deployment.as_deref());
        for line in ui::wrap(&text, width) {
            ui.text(area.x + 3, y, width, &line, severity(theme, scored.status));
            y += 1;
        }
    }
    if let Some(series) = &state.series {
        ui.line(area.x + 3, y, width, &counted(model, series));
        y += 1;
    }
    if let Some(flight) = flying.filter(|flight| model.now - flight.at_ms > 300) {
        let text = format!("sending again: {} so far; ctrl-x gives up", numbers::span_ms(model.now - flight.at_ms));
        ui.text(area.x + 3, y, width, &text, theme.accent);
        y += 1;
    }
    if !reading.find.is_empty() {
        let found = reading.found();
        let text = format!("/{}   {found} found{}", reading.find, if reading.only { "" } else { ", & hides the rest" });
        ui.text(area.x + 3, y, width, &text, if found == 0 { theme.warn } else { theme.found });
        y += 1;
    }
    let body = Rect { y, height: area.bottom().saturating_sub(y), ..area };
    match state.face {
        Face::Headers => headers(model, ui, body, scored),
        _ => self::body(model, ui, body, reading),
    }
}

/// `200 OK · ▲ green · 1.31 ms · 412 B`.
fn summary(model: &Model, scored: &Scored) -> Line<'static> {
    let theme = &model.theme;
    let mut line = outcome(model, scored);
    let rest = line.spans.split_off(1);
    line.push_span(span(" · ", theme.dim));
    match &scored.deployment {
        Some(name) => line.spans.extend(who(model, name).spans),
        None => line.push_span(span("gateway", theme.dim)),
    }
    line.spans.extend(rest);
    line
}

/// The same without who answered.
fn outcome(model: &Model, scored: &Scored) -> Line<'static> {
    let theme = &model.theme;
    let word = format!("{} {}", scored.status, words::reason(scored.status));
    Line::from(vec![
        span(word.trim_end().to_string(), severity(theme, scored.status)),
        span(" · ", theme.dim),
        span(format!("{} ms", numbers::figure(scored.total_ms)), theme.strong),
        span(" · ", theme.dim),
        span(numbers::bytes(scored.body.len() as u64), theme.dim),
    ])
}

/// Where the time went: `queue 0.02   model 0.19   rest 1.10 ms`.
fn timing(model: &Model, scored: &Scored) -> Line<'static> {
    let theme = &model.theme;
    let mut line = Line::default();
    let known = [("queue", scored.queue_ms), ("model", scored.model_ms)];
    for (name, value) in known.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        line.push_span(span(format!("{name} "), theme.dim));
        line.push_span(span(format!("{}   ", numbers::figure(value)), theme.text));
    }
    let rest = scored.total_ms - known.iter().filter_map(|(_, value)| *value).sum::<f64>();
    if known.iter().any(|(_, value)| value.is_some()) {
        line.push_span(span("rest ", theme.dim));
        line.push_span(span(numbers::figure(rest.max(0.0)), theme.text));
        line.push_span(span(" ms", theme.dim));
    } else {
        line.push_span(span("the service does not say how long queue and model took", theme.dim));
    }
    if let Some(generation) = scored.generation {
        line.push_span(span(format!("   routing {generation}"), theme.dim));
    }
    line
}

/// `20 of 20: 200 × 18, 429 × 2; ■ blue 17, ▲ green 1; half under 1.2 ms`.
fn counted(model: &Model, series: &Series) -> Line<'static> {
    let theme = &model.theme;
    let mut line = Line::from(vec![span(format!("{} of {}", series.done, series.wanted), theme.strong)]);
    for (status, count) in &series.statuses {
        let (word, style) = match status {
            0 => ("no answer".to_string(), theme.bad),
            status => (status.to_string(), severity(theme, *status)),
        };
        line.push_span(span("   ", theme.dim));
        line.push_span(span(word, style));
        line.push_span(span(format!(" × {count}"), theme.text));
    }
    for (name, count) in &series.by {
        line.push_span(span("   ", theme.dim));
        line.spans.extend(who(model, name).spans);
        line.push_span(span(format!(" {count}"), theme.text));
    }
    if let Some(middle) = series.middle_ms() {
        line.push_span(span(format!("   half under {} ms", numbers::figure(middle)), theme.dim));
    }
    line
}

fn headers(model: &Model, ui: &mut Ui, area: Rect, scored: &Scored) {
    let theme = &model.theme;
    let longest = scored.headers.iter().map(|(name, _)| ui.measure(name)).max().unwrap_or(0).min(32);
    for (y, (name, value)) in (area.y..area.bottom()).zip(&scored.headers) {
        ui.text(area.x + 3, y, longest, name, theme.json_key);
        let x = area.x + 5 + longest;
        ui.text(x, y, area.right().saturating_sub(x + 1), value, theme.text);
    }
}

fn body(model: &Model, ui: &mut Ui, area: Rect, reading: &Reading) {
    let theme = &model.theme;
    let (rows, width) = (usize::from(area.height), area.width.saturating_sub(4));
    if reading.is_empty() {
        let text = if reading.find.is_empty() {
            "the answer has no body"
        } else {
            "nothing in it matches; Esc drops the filter"
        };
        ui.text(area.x + 3, area.y, width, text, theme.dim);
        return;
    }
    let top = first(reading.cursor, rows, reading.len());
    for (index, y) in (top..reading.len()).zip(area.y..area.bottom()) {
        let row = Rect { y, height: 1, ..area };
        match reading.lines().get(index) {
            Some(line) => node(model, ui, row, line, &reading.find),
            None => {
                ui.text(area.x + 3, y, width, brief(reading.plain(index), width), theme.text);
            }
        }
        if index == reading.cursor && focused(model) {
            ui.paint(row, theme.selected);
        }
        ui.hit(row, Hit::Spot(index as u32 + 1));
    }
    let path = reading.path();
    if focused(model) && !path.is_empty() && rows > 1 && reading.len() < rows {
        ui.right(area.right() - 1, area.bottom() - 1, width, &path, theme.dim);
    }
}

fn node(model: &Model, ui: &mut Ui, row: Rect, line: &tree::Line, find: &str) {
    let theme = &model.theme;
    let fold = match line.folded {
        Some(true) => theme.glyphs.fold_closed,
        Some(false) => theme.glyphs.fold_open,
        None => " ",
    };
    ui.text(row.x + 1, row.y, 1, fold, theme.dim);
    let indent = (line.depth * 2).min(row.width / 2);
    let x = row.x + 3 + indent;
    let room = row.right().saturating_sub(x + 1);
    let found = |text: &str| !find.is_empty() && text.to_lowercase().contains(&find.to_lowercase());
    let style = match line.shape {
        Shape::Text => theme.json_text,
        Shape::Number | Shape::Bool => theme.json_number,
        Shape::Null => theme.dim,
        Shape::Array | Shape::Object if line.folded == Some(true) => theme.dim,
        Shape::Array | Shape::Object => theme.text,
    };
    let key = if found(&line.label) { theme.found } else { theme.json_key };
    let x2 = ui.text(x, row.y, room, &line.label, key);
    let room = row.right().saturating_sub(x2 + 1);
    let inline = matches!(line.shape, Shape::Array | Shape::Object) && line.folded.is_none() && !line.closing;
    if inline && !found(&line.text) {
        ui.line(x2, row.y, room, &super::request::colours(model, &line.text));
    } else {
        ui.text(x2, row.y, room, brief(&line.text, room + 1), if found(&line.text) { theme.found } else { style });
    }
}

/// As much of a text as can be seen: values may be megabytes long.
fn brief(text: &str, most: u16) -> &str {
    text.char_indices().nth(usize::from(most)).map_or(text, |(at, _)| &text[..at])
}

fn difference(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let Some(comparison) = &model.test.comparison else {
        ui.section(area, "Difference", "", focused(model));
        ui.text(area.x + 3, area.y + 2, area.width, "d sends the request to blue and green and compares", theme.dim);
        return;
    };
    let tolerance = format!("numbers within {} count as equal: + -", exponent(model.test.tolerance.relative));
    ui.section(area, "Difference", &tolerance, focused(model));
    let width = area.width.saturating_sub(4);
    let mut y = area.y + 1;
    for (name, answer) in comparison.names.iter().zip(&comparison.answers) {
        let end = ui.line(area.x + 3, y, 20, &who(model, name));
        let x = (area.x + 3 + 12).max(end + 2);
        match answer {
            None => ui.text(x, y, width, "waiting", theme.dim),
            Some(Err(why)) => ui.text(x, y, width.saturating_sub(14), why, theme.bad),
            Some(Ok(scored)) => ui.line(x, y, width.saturating_sub(14), &outcome(model, scored)),
        };
        y += 1;
    }
    let Some(report) = &comparison.report else { return };
    y += 1;
    let (text, style) = match (report.found, report.compared) {
        (0, 1) => ("the one value is the same".into(), theme.ok),
        (0, n) => (format!("all {} values are the same", numbers::count(n as u64)), theme.ok),
        (found, n) => (
            format!("{} of {} differ", numbers::count(found as u64), numbers::count((n.max(found)) as u64)),
            theme.warn,
        ),
    };
    ui.text(area.x + 3, y, width, &text, style);
    y += 1;
    let below = Rect { y, height: area.bottom().saturating_sub(y), ..area };
    table(model, ui, below, comparison, &report.differences);
}

/// A tolerance as a power of ten.
fn exponent(value: f64) -> String {
    format!("1e{}", value.log10().round() as i32)
}

fn table(model: &Model, ui: &mut Ui, area: Rect, comparison: &Comparison, all: &[Difference]) {
    let theme = &model.theme;
    if all.is_empty() || area.height < 2 {
        return;
    }
    let columns = area.width.saturating_sub(6);
    let value = (columns / 4).min(24);
    let path = columns.saturating_sub(2 * value + 14).min(40);
    let x = [area.x + 3, area.x + 3 + path + 2, area.x + 3 + path + value + 4];
    let right = (x[2] + value + 12).min(area.right());
    ui.text(x[0], area.y, path, "field", theme.dim);
    for (at, name) in comparison.names.iter().enumerate() {
        let marked = who(model, name);
        ui.line_right(x[at + 1] + value, area.y, value, &marked);
    }
    ui.right(right, area.y, 8, theme.glyphs.delta, theme.dim);
    let rows = usize::from(area.height - 1);
    let top = first(comparison.cursor, rows, all.len());
    for (at, (y, difference)) in (area.y + 1..area.bottom()).zip(all.iter().skip(top)).enumerate() {
        let name = if difference.path.is_empty() { "(whole answer)" } else { &difference.path };
        ui.text(x[0], y, path, name, theme.json_key);
        for (at, text) in [&difference.first, &difference.second].into_iter().enumerate() {
            let style = of(model, &comparison.names[at]).style;
            ui.right(x[at + 1] + value, y, value, text, style);
        }
        let delta = match difference.kind {
            Kind::Value(Some(delta)) => signed(delta),
            Kind::Value(None) => String::new(),
            Kind::Missing => "gone".into(),
            Kind::Extra => "new".into(),
            Kind::Type => "type".into(),
            Kind::Length => "length".into(),
        };
        ui.right(right, y, 10, &delta, theme.strong);
        if top + at == comparison.cursor && focused(model) && all.len() > rows {
            ui.text(area.x + 1, y, 1, theme.glyphs.cursor, theme.accent);
        }
    }
}

/// With its sign and three significant digits.
fn signed(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        _ if value.fract() == 0.0 && size < 1e6 => format!("{size}"),
        _ if !(1e-4..1e6).contains(&size) => format!("{size:.2e}"),
        _ if size < 1.0 => format!("{size:.4}"),
        _ => numbers::figure(size),
    };
    format!("{}{text}", if value < 0.0 { "-" } else { "+" })
}
