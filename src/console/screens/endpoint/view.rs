//! The picture of the endpoint screen: a column of figures per deployment, and their pictures below.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::console::actions::{self, Action};
use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::data::{DeploymentView, EndpointView, Finding};
use crate::console::look::mark::Mark;
use crate::console::look::ui::span;
use crate::console::look::{Ui, layout, numbers};
use crate::console::screens::figures;
use crate::resources::{AuthMode, Operation, Phase, ProvisioningState, Trouble};

/// Columns for the labels.
const LABELS: u16 = 13;

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let name = model.nav.here().endpoint().unwrap_or_default();
    let Some(view) = model.shown().endpoints.get(name) else {
        ui.section(area, name, "", true);
        let text = if model.data.known { "this endpoint does not exist any more; Esc goes back" } else { "reading" };
        ui.text(area.x + 3, area.y + 2, area.width, text, model.theme.dim);
        return;
    };
    let (head, rest) = layout::split_top(area, 2);
    header(model, ui, head, view);
    if view.deployments.is_empty() {
        return empty(model, ui, rest);
    }
    let all = rows(rest.height);
    let (top, rest) = layout::split_top(rest, all.len() as u16 + 1);
    let taken = LABELS + 42 * view.deployments.len() as u16 + 2;
    let beside = top.height >= 8 && area.width >= taken + 40;
    let (left, right) = layout::split_left(top, if beside { taken } else { top.width }, 0);
    columns(model, ui, left, view, &all);
    if beside {
        figures::distribution(model, ui, right, view);
    }
    let (gap, rest) = layout::split_top(rest, 1);
    attention(model, ui, gap, view);
    if rest.height >= 5 {
        figures::pictures(model, ui, rest, view, model.endpoint.second, !beside);
    }
}

fn header(model: &Model, ui: &mut Ui, area: Rect, view: &EndpointView) {
    let theme = &model.theme;
    let auth = view.resource.as_ref().map(|resource| match resource.properties.auth_mode {
        AuthMode::Key => "keys",
        AuthMode::AMLToken => "aml token",
        AuthMode::AADToken => "aad token",
    });
    let compute = view.resource.as_ref().and_then(|resource| resource.properties.compute.as_deref());
    let compute = compute.and_then(|id| id.rsplit('/').next());
    let compute = compute.map_or_else(String::new, |name| format!("kubernetes: {name}   "));
    let note = format!("{compute}auth: {}   generation {}", auth.unwrap_or("–"), view.generation);
    ui.section(area, &view.name, &note, true);
    let mut line = figures::state(model, view);
    let properties = view.resource.as_ref().map(|resource| &resource.properties);
    if let Some(uri) = properties.and_then(|properties| properties.scoring_uri.as_deref()) {
        line.push_span(span(format!("   POST {uri}"), theme.dim));
    }
    if let Some(text) = properties.and_then(|properties| properties.description.as_deref()) {
        line.push_span(span(format!("   {text}"), theme.dim));
    }
    ui.line(area.x + 1, area.y + 1, area.width.saturating_sub(2), &line);
}

/// The worst of what needs attention about the selected deployment: why it failed, above all.
fn attention(model: &Model, ui: &mut Ui, area: Rect, view: &EndpointView) {
    let Some((_, Some(deployment))) = super::selected(model) else { return };
    let about = |finding: &&Finding| {
        finding.endpoint == view.name && finding.deployment.as_deref() == Some(deployment.name.as_str())
    };
    let Some(finding) = model.shown().findings.iter().find(about) else { return };
    if area.height > 0 {
        let (sign, style) = figures::severity(&model.theme, finding.severity);
        ui.text(area.x + 1, area.y, 1, sign, style);
        let text = format!("{}: {}", deployment.name, finding.text);
        ui.text(area.x + 3, area.y, area.width.saturating_sub(4), &text, model.theme.text);
    }
}

fn empty(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let key = model.keymap.first(
        actions::rows().find(|row| row.id == "endpoint.deployment.new").unwrap_or(actions::row(Action::NewDeployment)),
    );
    ui.text(area.x + 3, area.y + 1, area.width, "No deployment yet: callers get 404.", theme.strong);
    ui.text(
        area.x + 3,
        area.y + 2,
        area.width,
        &format!("A deployment is a model, and where and how it runs; {key} makes one."),
        theme.dim,
    );
}

/// A figure of a deployment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Figure {
    State,
    Model,
    Instances,
    Weight,
    Measured,
    Mirror,
    Rate,
    Requests,
    Errors,
    Statuses,
    InFlight,
    Latency,
}

/// The rows there is room for beside the pictures.
fn rows(height: u16) -> Vec<Figure> {
    use Figure::*;
    let small = vec![State, Model, Instances, Weight, Rate, Errors, InFlight, Latency];
    let large =
        vec![State, Model, Instances, Weight, Measured, Mirror, Rate, Requests, Errors, Statuses, InFlight, Latency];
    if height >= 28 { large } else { small }
}

fn label(figure: Figure, small: bool) -> &'static str {
    match figure {
        Figure::State => "state",
        Figure::Model => "model",
        Figure::Instances => "instances",
        Figure::Weight if small => "weight, real",
        Figure::Weight => "weight",
        Figure::Measured => "measured",
        Figure::Mirror => "mirrored",
        Figure::Rate => "requests/s",
        Figure::Requests => "last 60 s",
        Figure::Errors => "errors",
        Figure::Statuses => "statuses",
        Figure::InFlight => "in flight",
        Figure::Latency => "p50 p95 p99",
    }
}

/// Least width of a deployment's column.
const NARROWEST: u16 = 26;

fn columns(model: &Model, ui: &mut Ui, area: Rect, view: &EndpointView, rows: &[Figure]) {
    let theme = &model.theme;
    let marks = figures::marks(model, view);
    let count = marks.len() as u16;
    let width = ((area.width - LABELS) / count.max(1)).clamp(NARROWEST.min(area.width - LABELS), 42);
    let fits = usize::from(((area.width - LABELS) / width).max(1));
    let selected =
        super::selected(model).and_then(|(_, deployment)| deployment).map(|deployment| deployment.name.as_str());
    let at = marks.iter().position(|(name, _)| Some(name.as_str()) == selected).unwrap_or(0);
    let from = (at + 1).saturating_sub(fits);
    let small = rows.len() < 10;
    for (y, figure) in (area.y + 1..area.bottom()).zip(rows) {
        ui.text(area.x + 1, y, LABELS - 1, label(*figure, small), theme.dim);
    }
    let shown = view.deployments.values().zip(&marks).enumerate().skip(from).take(fits);
    for (column, (index, (deployment, (name, mark)))) in shown.enumerate() {
        let x = area.x + LABELS + width * column as u16;
        let title = Rect { x, y: area.y, width: width - 1, height: 1 };
        let chosen = index == at;
        let pointer = if chosen { theme.glyphs.cursor } else { " " };
        let end = ui.text(x, area.y, 2, &format!("{pointer} "), theme.accent);
        let style = if chosen { mark.style.add_modifier(ratatui::style::Modifier::BOLD) } else { mark.style };
        ui.text(end, area.y, width - 3, &format!("{} {name}", mark.shape), style);
        if chosen {
            ui.paint(title, theme.selected_faint);
        }
        ui.hit(Rect { height: area.height, ..title }, Hit::Spot(index as u32));
        for (y, figure) in (area.y + 1..area.bottom()).zip(rows) {
            let mut line = value(model, view, deployment, *mark, *figure, small);
            if let Some(first) = line.spans.first_mut().filter(|_| fresh(model, deployment, *figure)) {
                first.style = figures::stand_out(first.style, true);
            }
            ui.line(x + 2, y, width - 3, &line);
        }
    }
    if marks.len() > fits {
        let note = format!("{} of {} deployments", fits, marks.len());
        ui.right(area.right() - 1, area.y, 24, &note, theme.dim);
    }
}

/// What is wrong with an instance, and the seconds until it is started again: short, or the narrowest column cuts these.
fn back_off(trouble: &Trouble, now: i64) -> String {
    format!("! {} {} s", trouble.kind, (trouble.retry_ms - now).max(0).saturating_add(999) / 1000)
}

/// Whether a figure changed by a step just now. Those that move all the time never do.
fn fresh(model: &Model, deployment: &DeploymentView, figure: Figure) -> bool {
    let (now, fresh) = (model.now, &deployment.fresh);
    match figure {
        Figure::State => fresh.state.is_fresh(now),
        Figure::Model => fresh.model.is_fresh(now),
        Figure::Instances => fresh.instances.is_fresh(now),
        Figure::Weight => fresh.weight.is_fresh(now),
        Figure::Mirror => fresh.mirror.is_fresh(now),
        _ => false,
    }
}

fn measured(view: &EndpointView, deployment: &DeploymentView) -> Option<f64> {
    let total: u64 = view.deployments.values().map(|other| other.recent.counts.total()).sum();
    (total > 0).then(|| deployment.recent.counts.total() as f64 * 100.0 / total as f64)
}

fn value(
    model: &Model,
    view: &EndpointView,
    deployment: &DeploymentView,
    mark: Mark,
    figure: Figure,
    small: bool,
) -> Line<'static> {
    let theme = &model.theme;
    let recent = &deployment.recent;
    let live = deployment.live.as_ref();
    let plain = |text: String, style: Style| Line::from(span(text, style));
    match figure {
        Figure::State if live.is_some_and(|live| live.trouble.is_some()) => {
            let trouble = live.and_then(|live| live.trouble.clone()).unwrap_or_default();
            plain(back_off(&trouble, model.now), theme.bad)
        }
        Figure::State => match deployment.state() {
            ProvisioningState::Succeeded if deployment.ready() > 0 => {
                Line::from(vec![span(theme.glyphs.dot, theme.ok), span(" ready", theme.text)])
            }
            ProvisioningState::Succeeded => plain("! not ready".into(), theme.bad),
            ProvisioningState::Failed => plain("! failed".into(), theme.bad),
            other => {
                let doing = model.data.operation_on(&view.name, &deployment.name).and_then(Operation::running);
                let word = doing.map_or_else(|| format!("{other:?}").to_lowercase(), Phase::said);
                plain(format!("{} {word}", theme.glyphs.ring), theme.accent)
            }
        },
        Figure::Model => plain(deployment.model().unwrap_or_else(|| "no model".into()), theme.text),
        Figure::Instances => {
            let style = if deployment.ready() < deployment.wanted() { theme.warn } else { theme.text };
            let kind = deployment.resource.as_ref().and_then(|resource| resource.properties.instance_type.clone());
            let mut line = plain(format!("{} of {}", deployment.ready(), deployment.wanted()), style);
            line.push_span(span(kind.map_or(String::new(), |kind| format!("  {kind}")), theme.dim));
            if let Some(live) = live.filter(|live| live.restarts > 0) {
                line.push_span(span(format!("  {} replaced", live.restarts), theme.warn));
            }
            line
        }
        Figure::Weight => {
            let mut line = plain(format!("{} %", view.weight(&deployment.name)), mark.style);
            if small {
                line.push_span(span(format!("   {} %", numbers::percent(measured(view, deployment))), theme.text));
            }
            line
        }
        Figure::Measured => plain(format!("{} %", numbers::percent(measured(view, deployment))), theme.text),
        Figure::Mirror => match live {
            Some(live) if live.mirror > 0 || live.mirrored.sent > 0 => plain(
                format!(
                    "{} %, {} sent, {} failed, {} dropped",
                    f64::from(live.mirror) / 100.0,
                    numbers::count(live.mirrored.sent),
                    numbers::count(live.mirrored.failed),
                    numbers::count(live.mirrored.dropped)
                ),
                theme.text,
            ),
            _ => plain("–".into(), theme.dim),
        },
        Figure::Rate => plain(numbers::rate(recent.rate), theme.strong),
        Figure::Requests => plain(numbers::count(recent.counts.total()), theme.text),
        Figure::Errors => {
            let share = recent.error_percent();
            let style = if share.is_some_and(|share| share >= 1.0) { theme.warn } else { theme.text };
            let mut line = plain(format!("{} %", numbers::percent(share)), style);
            if recent.counts.refused > 0 {
                line.push_span(span(format!("   {} refused (429)", numbers::count(recent.counts.refused)), theme.warn));
            }
            line
        }
        Figure::Statuses => {
            let counts = &recent.counts;
            let kinds = [
                (counts.ok, "ok"),
                (counts.client_error, "4xx"),
                (counts.timeout, "408"),
                (counts.model_error, "424"),
                (counts.refused, "429"),
                (counts.server_error, "5xx"),
                (counts.abandoned, "left"),
            ];
            let shown: Vec<String> = kinds
                .iter()
                .filter(|(n, _)| *n > 0)
                .map(|(n, word)| format!("{} {word}", numbers::count(*n)))
                .collect();
            plain(if shown.is_empty() { "–".into() } else { shown.join("  ") }, theme.text)
        }
        Figure::InFlight => match live {
            Some(live) => {
                let style = if live.queued > 0 { theme.warn } else { theme.text };
                plain(format!("{} of {} slots, {} queued", live.in_flight, live.slots, live.queued), style)
            }
            None => plain("–".into(), theme.dim),
        },
        Figure::Latency => {
            let figures = [recent.p50, recent.p95, recent.p99].map(numbers::maybe);
            let mut line = plain(figures.join("  "), theme.text);
            line.push_span(span(" ms", theme.dim));
            line
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_countdown_of_a_crash_loop_fits_into_the_narrowest_column() {
        let trouble = Trouble { kind: "CrashLoopBackOff".to_owned(), retry_ms: 29_100, ..Trouble::default() };
        let text = back_off(&trouble, 0);
        assert_eq!(text, "! CrashLoopBackOff 30 s");
        assert!(text.len() <= usize::from(NARROWEST - 3), "else its end is cut");
        assert_eq!(back_off(&trouble, 30_000), "! CrashLoopBackOff 0 s", "overdue");
    }
}
