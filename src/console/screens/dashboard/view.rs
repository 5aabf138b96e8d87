//! The picture of the dashboard.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::COLUMNS;
use crate::console::actions::{self, Action};
use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::data::{Data, EndpointView, Finding, Link, Series, Severity, Summary};
use crate::console::look::ui::span;
use crate::console::look::{Ui, layout, numbers};
use crate::console::screens::figures;
use crate::console::widgets::table::{Table, first};
use crate::console::widgets::{bar, spark};

/// Seconds of the small course in the table.
const SPARK_S: i64 = 300;

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    if !model.data.known {
        return waiting(model, ui, area);
    }
    let rows = model.dashboard.list.keys.len().max(3) as u16;
    let attention = (area.height / 8).clamp(3, 6) + 1;
    let least = if area.height >= 20 { 8 } else { 0 };
    let room = area.height.saturating_sub(attention + least + 2);
    let (top, rest) = layout::split_top(area, (rows + 2).min(room));
    table(model, ui, top);
    let (_, rest) = layout::split_top(rest, 1);
    let (middle, rest) = layout::split_top(rest, attention);
    findings(model, ui, middle);
    let (_, rest) = layout::split_top(rest, 1);
    if rest.height >= 5
        && let Some(view) = chosen(model)
    {
        figures::pictures(model, ui, rest, view, false, true);
    }
}

fn waiting(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    ui.section(area, "Endpoints", "", true);
    let turn = (model.now / 300).rem_euclid(4) as usize;
    let text = match &model.data.link {
        Link::Opening { since_ms } if model.now - since_ms < 300 => String::new(),
        Link::Opening { .. } => format!("{} opening the {}", theme.glyphs.spinner[turn], model.context.kind),
        Link::Live { .. } => format!("{} reading the endpoints", theme.glyphs.spinner[turn]),
        Link::Lost { .. } => "nothing is known yet: the workspace does not answer".into(),
        Link::Failed { .. } => "the workspace could not be opened; : and a context's name goes to another one".into(),
    };
    ui.text(area.x + 3, area.y + 2, area.width, &text, theme.dim);
}

/// The endpoint whose courses are shown: the selected one, or the one of the selected finding.
fn chosen(model: &Model) -> Option<&EndpointView> {
    let name = model.subject().endpoint?;
    model.shown().endpoints.get(&name)
}

fn table(model: &Model, ui: &mut Ui, area: Rect) {
    let state = &model.dashboard;
    let list = &state.list;
    let (title, rest) = layout::split_top(area, 1);
    let arrow = if list.descending { ui.theme.glyphs.down } else { ui.theme.glyphs.up };
    let mut note = format!("by {} {arrow}", COLUMNS[list.sort.min(COLUMNS.len() - 1)].title.to_lowercase());
    if !list.filter.text.is_empty() || state.problems_only {
        let filter =
            if list.filter.text.is_empty() { "problems only".into() } else { format!("/{}", list.filter.text) };
        note = format!("{filter}: {} of {}   {note}", list.keys.len(), list.total);
    }
    ui.section(title, "Endpoints", &note, !state.in_findings);
    if list.keys.is_empty() {
        let text = if state.problems_only {
            "no endpoint has a problem; p shows all"
        } else {
            "no endpoint matches; Esc drops the filter"
        };
        ui.text(rest.x + 3, rest.y + 1, rest.width, text, ui.theme.dim);
        return;
    }
    let data = model.shown();
    let top = first(list.cursor, usize::from(rest.height.saturating_sub(1)), list.keys.len());
    let visible: Vec<Option<(&EndpointView, Summary)>> = list
        .keys
        .iter()
        .skip(top)
        .take(usize::from(rest.height))
        .map(|name| data.endpoints.get(name).map(|view| (view, view.recent(data))))
        .collect();
    let cell = |row: usize, column: usize, width: u16| match visible.get(row - top) {
        Some(Some((view, recent))) => cell(model, data, view, recent, column, width),
        _ => Line::default(),
    };
    Table { columns: &COLUMNS, list, focused: !state.in_findings, pane: 0, cell: &cell }.draw(ui, rest);
}

fn cell(model: &Model, data: &Data, view: &EndpointView, recent: &Summary, column: usize, width: u16) -> Line<'static> {
    let theme = &model.theme;
    let number = |text: String| Line::from(span(text, theme.text));
    match column {
        0 => Line::from(span(crate::console::look::ui::cut(&view.name, width).into_owned(), theme.strong)),
        1 => figures::state(model, view),
        2 => traffic(model, view, width),
        3 => number(numbers::rate(view.rate())),
        4 => {
            let series: Vec<&Series> = view.deployments.values().map(|deployment| &deployment.series).collect();
            let values = Series::rates(&series, data.second, SPARK_S, usize::from(width), &data.coverage);
            let quiet = values.iter().flatten().all(|value| *value <= 0.0);
            if quiet {
                return Line::default();
            }
            Line::from(span(
                spark::spark(theme.glyphs, &values),
                theme.dim.remove_modifier(ratatui::style::Modifier::DIM),
            ))
        }
        5 => {
            let share = recent.error_percent();
            let style = match share {
                Some(share) if share >= 10.0 => theme.bad,
                Some(share) if share >= 1.0 => theme.warn,
                _ => theme.text,
            };
            Line::from(span(numbers::percent(share), style))
        }
        6 => number(numbers::maybe(recent.p50)),
        7 => number(numbers::maybe(recent.p95)),
        _ => number(numbers::maybe(recent.p99)),
    }
}

fn traffic(model: &Model, view: &EndpointView, width: u16) -> Line<'static> {
    let theme = &model.theme;
    let long = width >= 30;
    if view.deployments.is_empty() {
        return Line::from(span(if long { "no deployment: callers get 404" } else { "404: empty" }, theme.dim));
    }
    if view.is_weightless() {
        return Line::from(span(if long { "no weight set: callers get 404" } else { "404: no weight" }, theme.warn));
    }
    let shares: Vec<_> = figures::marks(model, view)
        .into_iter()
        .map(|(name, mut mark)| {
            let fresh = view.deployments.get(&name).is_some_and(|one| one.fresh.weight.is_fresh(model.now));
            mark.style = figures::stand_out(mark.style, fresh);
            (mark, name.clone(), view.weight(&name))
        })
        .collect();
    bar::traffic(theme, &shares, width)
}

fn findings(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let state = &model.dashboard;
    let all = &model.shown().findings;
    let (title, rest) = layout::split_top(area, 1);
    let rows = usize::from(rest.height);
    let note = if all.len() > rows { format!("{} of {}, Tab", rows, all.len()) } else { String::new() };
    ui.section(title, "Needs attention", &note, state.in_findings);
    if all.is_empty() {
        let x = ui.text(rest.x + 1, rest.y, 2, theme.glyphs.dot, theme.ok);
        ui.text(x + 1, rest.y, rest.width, "nothing: every endpoint does what it was asked to", theme.dim);
        return;
    }
    let cursor = if state.in_findings { state.findings.cursor.min(all.len() - 1) } else { 0 };
    let top = first(cursor, rows, all.len());
    let subject = |finding: &Finding| match &finding.deployment {
        Some(deployment) => format!("{} / {deployment}", finding.endpoint),
        None if finding.endpoint.is_empty() => "workspace".into(),
        None => finding.endpoint.clone(),
    };
    let longest = all.iter().skip(top).take(rows).map(|finding| ui.measure(&subject(finding))).max().unwrap_or(0);
    let wide = longest.clamp(8, (area.width / 4).clamp(16, 28));
    let open = model.keymap.first(actions::row(Action::Open));
    for (y, (index, finding)) in (rest.y..rest.bottom()).zip(all.iter().enumerate().skip(top)) {
        let (glyph, style) = figures::severity(theme, finding.severity);
        let line = Rect { y, height: 1, ..rest };
        ui.text(rest.x + 1, y, 1, glyph, style);
        ui.text(rest.x + 3, y, wide, &subject(finding), theme.strong);
        let x = rest.x + 5 + wide;
        let selected = state.in_findings && index == cursor;
        let step = if selected { format!("{open} {}", finding.step) } else { String::new() };
        let room = rest.right().saturating_sub(x + if selected { ui.measure(&step) + 2 } else { 1 });
        let text = if theme.is_mono() && finding.severity == Severity::Critical { theme.strong } else { theme.text };
        ui.text(x, y, room, &finding.text, text);
        if selected {
            ui.right(rest.right() - 1, y, 24, &step, theme.key);
            ui.paint(line, theme.selected);
        }
        ui.hit(line, Hit::Row { pane: 1, index });
    }
}
