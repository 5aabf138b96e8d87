//! What several screens show of an endpoint: its courses, its latencies, its state in a word.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::console::app::model::Model;
use crate::console::data::{EndpointView, Series, Severity};
use crate::console::look::mark::{Mark, mark};
use crate::console::look::theme::Theme;
use crate::console::look::ui::span;
use crate::console::look::{Ui, layout, numbers};
use crate::console::widgets::chart::{self, Chart, Course};
use crate::console::widgets::histogram::{self, Shape};
use crate::resources::ProvisioningState;
use crate::stats::histogram::Histogram;

/// At most so many courses in one picture.
const MOST: usize = 6;

/// Marks of the deployments of an endpoint, by name.
pub fn marks(model: &Model, view: &EndpointView) -> Vec<(String, Mark)> {
    let names = view.names();
    names.iter().map(|name| (name.clone(), mark(&model.theme, name, &names))).collect()
}

/// What changed just now stands out for a moment.
pub fn stand_out(style: Style, fresh: bool) -> Style {
    if fresh { style.add_modifier(Modifier::BOLD) } else { style }
}

/// Glyph and word for how an endpoint is.
pub fn state(model: &Model, view: &EndpointView) -> Line<'static> {
    let theme = &model.theme;
    let worst = super::dashboard::severity(model, &view.name);
    let (glyph, word, style) = match view.state() {
        ProvisioningState::Creating => (theme.glyphs.ring, "creating", theme.accent),
        ProvisioningState::Updating | ProvisioningState::Scaling => (theme.glyphs.ring, "updating", theme.accent),
        ProvisioningState::Deleting => (theme.glyphs.ring, "deleting", theme.warn),
        ProvisioningState::Failed => ("!", "failed", theme.bad),
        _ => match worst {
            Some(Severity::Critical) => ("!", "failing", theme.bad),
            Some(Severity::Warning) => ("!", "warning", theme.warn),
            _ if view.is_serving() => (theme.glyphs.dot, "serving", theme.ok),
            _ => (theme.glyphs.ring, "idle", theme.dim),
        },
    };
    let of_word = if style == theme.ok { theme.text } else { style };
    let fresh = view.fresh.state.is_fresh(model.now);
    Line::from(vec![span(format!("{glyph} "), style), span(word, stand_out(of_word, fresh))])
}

/// Shape and figure of each deployment, for the title of a chart.
fn legend(
    model: &Model,
    marks: &[(String, Mark)],
    figures: &[Option<f64>],
    figure: fn(f64) -> String,
) -> Line<'static> {
    let mut line = Line::default();
    for ((name, mark), value) in marks.iter().zip(figures).take(MOST) {
        if !line.spans.is_empty() {
            line.push_span(Span::raw("  "));
        }
        line.push_span(span(format!("{} {name} ", mark.shape), mark.style));
        let value = value.map_or_else(|| "–".into(), figure);
        line.push_span(span(value, model.theme.strong));
    }
    line
}

fn end(model: &Model) -> String {
    match &model.frozen {
        Some(frozen) => model.clock(frozen.second * 1_000, true),
        None => "now".into(),
    }
}

/// The sign of a finding.
pub fn severity(theme: &Theme, severity: Severity) -> (&str, Style) {
    match severity {
        Severity::Critical => ("!", theme.bad),
        Severity::Warning => ("!", theme.warn),
        Severity::Note => (theme.glyphs.bullet, theme.dim),
    }
}

/// A chart of the shown window.
fn windowed<'a>(model: &Model, courses: &'a [Course], peak: f64, empty: &'a str) -> Chart<'a> {
    Chart { courses, peak, window: model.window(), cursor: model.chart.cursor, end: end(model), empty }
}

/// Requests per second of each deployment.
pub fn rates(model: &Model, ui: &mut Ui, area: Rect, view: &EndpointView) {
    let data = model.shown();
    let marks = marks(model, view);
    let window = i64::from(model.window());
    let parts = chart::parts(area.width);
    let mut peak = 0.0f64;
    let mut courses = Vec::new();
    let mut figures = Vec::new();
    for (deployment, (_, mark)) in view.deployments.values().zip(&marks).take(MOST) {
        let series = [&deployment.series];
        let values = Series::rates(&series, data.second, window, parts, &data.coverage);
        let held = Series::rates(&series, data.second, window * 2, parts * 2, &data.coverage);
        peak = held.iter().chain(&values).flatten().fold(peak, |a, b| a.max(*b));
        figures.push(match model.chart.cursor {
            Some(ago) => chart::value_at(&values, model.window(), ago),
            None => Some(deployment.recent.rate).filter(|_| deployment.recent.seconds > 0),
        });
        courses.push(Course { style: mark.style, shape: mark.shape, dotted: false, values });
    }
    let (title, plot) = layout::split_top(area, 1);
    let what = if model.chart.cursor.is_some() { "requests/s there" } else { "requests/s" };
    ui.section_with(title, what, &legend(model, &marks, &figures, numbers::rate), false);
    windowed(model, &courses, peak, "no requests seen").draw(ui, plot);
}

/// p50 (dotted) and p99 of each deployment.
pub fn latencies(model: &Model, ui: &mut Ui, area: Rect, view: &EndpointView) {
    let data = model.shown();
    let marks = marks(model, view);
    let window = i64::from(model.window());
    let parts = chart::parts(area.width);
    let mut peak = 0.0f64;
    let mut courses = Vec::new();
    let mut figures = Vec::new();
    for (deployment, (_, mark)) in view.deployments.values().zip(&marks).take(MOST) {
        let upper = deployment.series.quantiles(data.second, window, parts, 0.99);
        let lower = deployment.series.quantiles(data.second, window, parts, 0.5);
        let held = deployment.series.quantiles(data.second, window * 2, parts * 2, 0.99);
        peak = held.iter().chain(&upper).flatten().fold(peak, |a, b| a.max(*b));
        figures.push(match model.chart.cursor {
            Some(ago) => chart::value_at(&upper, model.window(), ago),
            None => deployment.recent.p99,
        });
        courses.push(Course { style: mark.style, shape: mark.shape, dotted: true, values: lower });
        courses.push(Course { style: mark.style, shape: mark.shape, dotted: false, values: upper });
    }
    let (title, plot) = layout::split_top(area, 1);
    let what = match (model.chart.cursor.is_some(), area.width >= 60) {
        (true, _) => "p99 there, ms",
        (false, true) => "latency: p50 dotted, p99, ms",
        (false, false) => "p50, p99 ms",
    };
    ui.section_with(title, what, &legend(model, &marks, &figures, numbers::figure), false);
    windowed(model, &courses, peak, "too few requests to tell").draw(ui, plot);
}

/// Latencies of the first two deployments with requests (blue and green, if there are such) laid over one another.
pub fn distribution(model: &Model, ui: &mut Ui, area: Rect, view: &EndpointView) {
    let data = model.shown();
    let theme = &model.theme;
    let window = i64::from(model.window());
    let mut all: Vec<(String, Mark, Histogram)> = view
        .deployments
        .values()
        .zip(marks(model, view))
        .map(|(deployment, (name, mark))| (name, mark, Series::histogram(&[&deployment.series], data.second, window)))
        .filter(|(_, _, histogram)| !histogram.is_empty())
        .collect();
    all.sort_by_key(|(name, mark, histogram)| {
        (mark.other.is_some(), std::cmp::Reverse(histogram.count()), name.clone())
    });
    all.truncate(2);
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let (title, rest) = layout::split_top(area, 1);
    let note = format!("last {}", numbers::window(model.window()));
    ui.section(title, "latency, share of requests", &note, false);
    let words = u16::from(rest.height > 4) * 2;
    let plot = Rect { height: rest.height - words, ..rest };
    let shapes: Vec<Shape> = all.iter().map(|(_, mark, histogram)| Shape { mark: *mark, histogram }).collect();
    histogram::draw(ui, Rect { x: plot.x + 1, width: plot.width.saturating_sub(1), ..plot }, &shapes);
    if words == 0 || all.is_empty() {
        return;
    }
    let mut counts = Line::default();
    for (name, mark, histogram) in &all {
        counts.push_span(span(format!(" {} {name} ", mark.shape), mark.style));
        counts.push_span(span(format!("{} ", numbers::count(histogram.count())), theme.dim));
    }
    counts.push_span(span("requests", theme.dim));
    ui.line(rest.x, plot.bottom(), rest.width, &counts);
    let full = comparison(model, &all, true);
    let line = if full.width() <= usize::from(rest.width) { full } else { comparison(model, &all, false) };
    ui.line(rest.x, plot.bottom() + 1, rest.width, &line);
}

/// Percentiles of one or two distributions, with the change from the first to the second; the values themselves give way
/// where only the changes have room.
fn comparison(model: &Model, all: &[(String, Mark, Histogram)], full: bool) -> Line<'static> {
    let theme = &model.theme;
    let mut line = Line::default();
    for (label, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
        line.push_span(span(format!(" {label} "), theme.dim));
        let ms = |histogram: &Histogram| histogram.quantile(q).map(|us| us / 1_000.0);
        let values: Vec<Option<f64>> = all.iter().map(|(_, _, histogram)| ms(histogram)).collect();
        if full || values.len() < 2 {
            for (value, (_, mark, _)) in values.iter().zip(all) {
                line.push_span(span(format!("{}{} ", mark.shape, numbers::maybe(*value)), mark.style));
            }
        }
        match values[..] {
            [Some(a), Some(b)] if a > 0.0 => {
                let change = (b / a - 1.0) * 100.0;
                let style = if change > 20.0 { theme.warn } else { theme.dim };
                // "× 13" is read, and has room, where "+1227 %" does not.
                let change = match b > 3.0 * a {
                    true => format!("{} {:.1} ", theme.glyphs.times, b / a),
                    false => format!("{} {change:+.0} % ", theme.glyphs.delta),
                };
                line.push_span(span(change, style));
            }
            [_, _] if !full => line.push_span(span(format!("{} ", theme.glyphs.dash), theme.dim)),
            _ => {}
        }
    }
    line
}

/// One of the pictures.
type Drawer = fn(&Model, &mut Ui, Rect, &EndpointView);

/// The pictures of an endpoint side by side, as many as have room; `second` ends with the last one, which is the
/// distribution if `all` are wanted.
pub fn pictures(model: &Model, ui: &mut Ui, area: Rect, view: &EndpointView, second: bool, all: bool) {
    let drawers: &[Drawer] = if all { &[rates, latencies, distribution] } else { &[rates, latencies] };
    let room = match area.width {
        0..64 => 1,
        64..150 => 2,
        _ => 3,
    };
    let rows = if area.height >= 24 && room < drawers.len() { 2 } else { 1 };
    let start = if second && room * rows < drawers.len() { drawers.len() - room } else { 0 };
    let gap = 2;
    for row in 0..rows {
        let height = area.height / rows as u16;
        let shown: Vec<_> = drawers.iter().skip(start + row * room).take(room).collect();
        let across = shown.len().max(1) as u16;
        let wide = (area.width + gap) / across;
        for (at, draw) in shown.into_iter().enumerate() {
            let x = area.x + wide * at as u16;
            let width = if at as u16 + 1 == across { area.right() - x } else { wide - gap };
            let y = area.y + height * row as u16;
            let height = if row + 1 == rows { area.bottom() - y } else { height - 1 };
            draw(model, ui, Rect { x, y, width, height }, view);
        }
    }
}
