//! A burst as it runs: how fast, how slow, who answered what.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{of, severity, who};
use crate::console::app::model::Model;
use crate::console::look::ui::span;
use crate::console::look::{Ui, layout, numbers};
use crate::console::screens::test::{Load, Pane};
use crate::console::widgets::histogram::{self, Shape};
use crate::console::widgets::spark;

/// Draws it.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let focused = model.test.pane == Pane::Answer;
    let Some(load) = &model.test.load else {
        ui.section(area, "Load", "", focused);
        ui.text(
            area.x + 3,
            area.y + 2,
            area.width,
            "l sends the request at a rate and shows latency as it comes",
            theme.dim,
        );
        return;
    };
    let note = match (load.task, &load.ended) {
        (Some(_), _) => Line::styled("running; ctrl-x stops", theme.accent),
        (None, Some(why)) if why == "given up" => Line::styled("stopped", theme.warn),
        (None, Some(_)) => Line::styled("failed", theme.bad),
        (None, None) => Line::styled("done", theme.ok),
    };
    ui.section_with(area, "Load", &note, focused);
    let width = area.width.saturating_sub(4);
    let (x, mut y) = (area.x + 3, area.y + 1);
    ui.line(x, y, width, &wanted(model, load));
    y += 1;
    if let Some(why) = load.ended.as_ref().filter(|why| *why != "given up") {
        ui.text(x, y, width, why, theme.bad);
        y += 1;
    }
    if load.progress.finished == 0 {
        ui.text(x, y + 1, width, "the first second has not passed yet", theme.dim);
        return;
    }
    ui.line(x, y, width, &finished(model, load));
    y += 1;
    ui.line(x, y, width, &statuses(model, load));
    y += 2;
    y = colours(model, ui, Rect { x, y, width, height: area.bottom().saturating_sub(y) }, load);
    let rest = Rect { x, y: y + 1, width, height: area.bottom().saturating_sub(y + 1) };
    let (plot, line) = layout::split_top(rest, rest.height.saturating_sub(2));
    let shapes: Vec<Shape> =
        load.latency.iter().map(|(name, histogram)| Shape { mark: of(model, name), histogram }).collect();
    if !shapes.is_empty() && plot.height >= 3 {
        histogram::draw(ui, Rect { height: plot.height.min(14), ..plot }, &shapes);
    }
    if line.height >= 2 && plot.height >= 3 {
        let y = plot.y + plot.height.min(14) + 1;
        let end = ui.text(x, y, width, "requests/s ", theme.dim);
        let room = usize::from(area.right().saturating_sub(end + 2));
        let pace = &load.pace[load.pace.len().saturating_sub(room)..];
        let values: Vec<Option<f64>> = pace.iter().copied().map(Some).collect();
        ui.text(end, y, room as u16, &spark::spark(theme.glyphs, &values), theme.accent);
    }
}

fn wanted(model: &Model, load: &Load) -> Line<'static> {
    let theme = &model.theme;
    let elapsed = load.progress.elapsed.as_secs().min(load.seconds);
    Line::from(vec![
        span(numbers::rate(load.rate), theme.strong),
        span(" requests/s wanted for ", theme.dim),
        span(format!("{elapsed} / {} s", load.seconds), theme.text),
        span(format!(" over {} connections, at random gaps", load.connections), theme.dim),
    ])
}

fn finished(model: &Model, load: &Load) -> Line<'static> {
    let theme = &model.theme;
    let progress = &load.progress;
    let rate = load.report.as_ref().map_or(progress.per_second, |report| report.achieved_rate);
    let finished = load.report.as_ref().map_or(progress.finished, |report| report.answered + report.failed);
    let mut line = Line::from(vec![
        span(numbers::count(finished), theme.strong),
        span(" finished, ", theme.dim),
        span(numbers::rate(rate), theme.strong),
        span(" /s", theme.dim),
    ]);
    if progress.waiting > 0 && load.task.is_some() {
        let text = format!("   {} wait for a free connection", numbers::count(progress.waiting));
        line.push_span(span(text, theme.warn));
    }
    line
}

fn statuses(model: &Model, load: &Load) -> Line<'static> {
    let theme = &model.theme;
    let all = load.report.as_ref().map_or(&load.progress.statuses, |report| &report.statuses);
    let mut line = Line::default();
    for (status, count) in all {
        line.push_span(span(status.to_string(), severity(theme, *status)));
        line.push_span(span(format!(" × {}   ", numbers::count(*count)), theme.text));
    }
    for (kind, count) in load.report.iter().flat_map(|report| &report.errors) {
        line.push_span(span(kind.clone(), theme.bad));
        line.push_span(span(format!(" × {}   ", numbers::count(*count)), theme.text));
    }
    line
}

/// A row a deployment: share and percentiles.
fn colours(model: &Model, ui: &mut Ui, area: Rect, load: &Load) -> u16 {
    let theme = &model.theme;
    let right = |column: u16| area.x + 20 + column * 10;
    for (at, title) in ["answers", "share %", "p50 ms", "p95 ms", "p99 ms"].iter().enumerate() {
        ui.right(right(at as u16 + 1), area.y, 9, title, theme.dim);
    }
    let all: u64 = load.progress.deployments.iter().map(|(_, count)| count).sum();
    let mut y = area.y + 1;
    for (name, latency) in &load.latency {
        if y >= area.bottom() {
            break;
        }
        ui.line(area.x, y, 18, &who(model, name));
        let count = latency.count();
        let ms = |q: f64| numbers::maybe(latency.quantile(q).map(|us| us / 1_000.0));
        let share = numbers::percent((all > 0).then(|| count as f64 * 100.0 / all as f64));
        for (at, text) in [numbers::count(count), share, ms(0.5), ms(0.95), ms(0.99)].iter().enumerate() {
            ui.right(right(at as u16 + 1), y, 9, text, if at == 0 { theme.dim } else { theme.text });
        }
        y += 1;
    }
    y
}
