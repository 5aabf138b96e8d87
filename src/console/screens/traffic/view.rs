//! The picture of the traffic screen: sliders, what would happen, what does, and what was.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::Draft;
use super::words;
use crate::console::app::event::Hit;
use crate::console::app::model::{Model, weights};
use crate::console::data::{EndpointView, Series, Summary};
use crate::console::look::mark::Mark;
use crate::console::look::ui::span;
use crate::console::look::{Ui, layout, numbers, ui};
use crate::console::screens::figures;
use crate::console::widgets::slider::{self, Slider};
use crate::console::widgets::table::first;
use crate::resources::{JournalEntry, TrafficMap};

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let name = model.nav.here().endpoint().unwrap_or_default();
    let (Some(view), Some(draft)) = (model.shown().endpoints.get(name), &model.traffic.draft) else {
        ui.section(area, "Traffic", "", true);
        let text = if !model.data.known {
            "reading"
        } else if model.data.endpoints.contains_key(name) {
            "there is nothing to send traffic to yet: Esc, then n makes a deployment"
        } else {
            "this endpoint does not exist any more; Esc goes back"
        };
        ui.text(area.x + 3, area.y + 2, area.width, text, model.theme.dim);
        return;
    };
    let marks = figures::marks(model, view);
    let (top, rest) = layout::split_top(area, draft.sliders() as u16 + 3);
    sliders(model, ui, top, view, draft, &marks);
    let preview = words::preview(model, view, draft);
    let width = area.width.saturating_sub(4);
    let lines: Vec<(String, bool)> = preview
        .into_iter()
        .flat_map(|(text, warn)| ui::wrap(&text, width).into_iter().map(move |line| (line, warn)))
        .collect();
    // the place below does not move while the words change
    let height = if area.height >= 30 { 6 } else { 5 };
    let (middle, rest) = layout::split_top(rest, height);
    let row = crate::console::actions::rows().find(|row| row.id == "traffic.apply");
    let hint = row.map_or_else(String::new, |row| {
        let key = model.keymap.first(row);
        match crate::console::actions::refusal(model, row) {
            None if draft.is_changed() => format!("{key} applies, Esc drops the draft"),
            Some(reason) if draft.is_changed() => reason,
            _ => String::new(),
        }
    });
    ui.section(middle, "If you apply", &hint, false);
    for (y, (text, warn)) in (middle.y + 1..middle.bottom()).zip(&lines) {
        let style = if *warn { model.theme.warn } else { model.theme.text };
        ui.text(middle.x + 3, y, width, text, style);
    }
    let (_, rest) = layout::split_top(rest, u16::from(area.height >= 26));
    if rest.width >= 120 {
        let spare = rest.height.saturating_sub(12);
        let (upper, below) =
            layout::split_top(rest, if spare >= 6 { 9.max(marks.len() as u16 + 2) } else { rest.height });
        let (left, right) = layout::split_left(upper, rest.width * 3 / 5, 2);
        let (above, below_it) = layout::split_top(left, marks.len() as u16 + 3);
        measured(model, ui, above, view, &marks);
        rollout(model, ui, below_it);
        history(model, ui, right, name);
        let (_, below) = layout::split_top(below, 1);
        if below.height >= 6 {
            figures::pictures(model, ui, below, view, false, false);
        }
    } else {
        let (upper, rest) = layout::split_top(rest, marks.len() as u16 + 2);
        measured(model, ui, upper, view, &marks);
        let (_, rest) = layout::split_top(rest, u16::from(rest.height > 7));
        let place = if rest.height >= 12 { 4 } else { u16::from(rest.height > 4) };
        let (rest, last) = layout::split_top(rest, rest.height - place);
        history(model, ui, rest, name);
        rollout(model, ui, last);
    }
}

fn sliders(model: &Model, ui: &mut Ui, area: Rect, view: &EndpointView, draft: &Draft, marks: &[(String, Mark)]) {
    let theme = &model.theme;
    let wide = area.width >= 110;
    let names = marks.iter().map(|(name, _)| ui.measure(name)).max().unwrap_or(4).clamp(8, 20);
    let model_of =
        |name: &str| view.deployments.get(name).and_then(|deployment| deployment.model()).unwrap_or_default();
    let models = marks.iter().map(|(name, _)| ui.measure(&model_of(name))).max().unwrap_or(0);
    let models = models.clamp(8, (area.width / 5).max(14));
    let mut label = (names + 6).max(20);
    if wide {
        label = names + models + 14;
    }
    let after = 15;
    let track = |y: u16| Rect { x: area.x + label, y, width: area.width.saturating_sub(label + after + 1), height: 1 };
    slider::scale(ui, track(area.y), 10_000);
    if draft.is_changed() {
        ui.text(area.x + 1, area.y, label, "draft", theme.accent);
    }
    for (at, entry) in draft.weights.entries().iter().enumerate() {
        let y = area.y + 1 + at as u16;
        let mark = marks.iter().find(|(name, _)| *name == entry.name).map(|(_, mark)| *mark);
        let Some(mark) = mark else { continue };
        let focused = at == model.traffic.cursor && !model.traffic.in_history;
        let typed = (focused && !model.traffic.typed.is_empty()).then_some(model.traffic.typed.as_str());
        let slider = Slider {
            index: at,
            mark,
            now: entry.base.hundredths(),
            draft: entry.weight.hundredths(),
            focused,
            most: 10_000,
        };
        row(model, ui, Rect { y, height: 1, ..area }, &slider, &entry.name, typed);
        let deployment = view.deployments.get(&entry.name);
        if wide {
            ui.text(area.x + names + 6, y, models, &model_of(&entry.name), theme.dim);
            let ready = deployment.is_some_and(|deployment| deployment.ready() > 0);
            let (word, style) = if ready { ("live", theme.dim) } else { ("down", theme.bad) };
            ui.text(area.x + names + models + 7, y, 5, word, style);
        }
        if entry.locked {
            ui.text(area.x + label - 2, y, 1, "=", theme.accent);
        }
        slider.draw(ui, track(y));
    }
    let mut y = area.y + 1 + draft.names().len() as u16;
    if let Some((target, hundredths)) = &draft.mirror {
        let at = draft.names().len();
        let focused = at == model.traffic.cursor && !model.traffic.in_history;
        let typed = (focused && !model.traffic.typed.is_empty()).then_some(model.traffic.typed.as_str());
        let now = draft.base_mirror.get(target).map_or(0, |weight| weight.hundredths());
        let mark = Mark { shape: theme.glyphs.diamond, style: theme.accent, other: None };
        let slider = Slider { index: at, mark, now, draft: *hundredths, focused, most: 10_000 };
        let name = format!("copies {} {target}", theme.glyphs.arrow);
        row(model, ui, Rect { y, height: 1, ..area }, &slider, &name, typed);
        slider.draw(ui, track(y));
        y += 1;
    }
    let sum = draft.weights.sum();
    let x = track(y).x;
    let line = Line::from(vec![
        span(theme.glyphs.diamond_hollow, theme.strong),
        span(" in force   ", theme.dim),
        span(theme.glyphs.dot, theme.accent),
        span(" draft", theme.dim),
    ]);
    ui.line(x, y, 40, &line);
    let (text, style) = match sum {
        0 => ("sum 0: off".into(), theme.warn),
        sum => (format!("sum {} %", sum / 100), theme.dim),
    };
    ui.right(area.right() - 1, y, after, &text, style);
}

/// Name at the left and weight at the right of a slider.
fn row(model: &Model, ui: &mut Ui, area: Rect, slider: &Slider, name: &str, typed: Option<&str>) {
    let theme = &model.theme;
    let pointer = if slider.focused { theme.glyphs.cursor } else { " " };
    ui.text(area.x + 1, area.y, 1, pointer, theme.accent);
    let end = ui.text(area.x + 3, area.y, 2, slider.mark.shape, slider.mark.style);
    ui.text(end + 1, area.y, 22, name, if slider.focused { theme.strong } else { slider.mark.style });
    let right = area.right() - 1;
    let percent = |hundredths: u16| super::weight(hundredths).to_string();
    if let Some(typed) = typed {
        ui.right(right, area.y, 15, &format!("{typed}_ %"), theme.accent);
    } else if slider.now == slider.draft {
        ui.right(right, area.y, 15, &format!("{} %", percent(slider.now)), theme.strong);
    } else {
        let text = format!("{} {} {} %", percent(slider.now), theme.glyphs.arrow, percent(slider.draft));
        ui.right(right, area.y, 15, &text, theme.accent);
    }
}

/// Seconds over which shares are measured: since the last change, at most a minute.
fn measuring(model: &Model, name: &str) -> i64 {
    let data = model.shown();
    let changed = data.traffic_changes(name).next().map_or(0, |entry| entry.at_ms.div_euclid(1_000) + 1);
    (data.second - changed).clamp(1, 60)
}

fn measured(model: &Model, ui: &mut Ui, area: Rect, view: &EndpointView, marks: &[(String, Mark)]) {
    if area.height < 2 {
        return;
    }
    let theme = &model.theme;
    let data = model.shown();
    let seconds = measuring(model, &view.name);
    let all: Vec<Summary> = view
        .deployments
        .values()
        .map(|deployment| Series::summary_of(&[&deployment.series], data.second, seconds, &data.coverage))
        .collect();
    let total: u64 = all.iter().map(|recent| recent.counts.total()).sum();
    let since = if seconds < 60 { format!("the {seconds} s since the change") } else { "the last 60 s".into() };
    let note = format!("{} requests in {since}", numbers::count(total));
    ui.section(area, "Measured", &note, false);
    let columns: [(&str, u16); 8] = [
        ("WANTED %", 18),
        ("MEASURED %", 11),
        ("REQ/S", 7),
        ("ERR %", 7),
        ("P50", 7),
        ("P95", 7),
        ("P99 MS", 8),
        ("REQUESTS", 10),
    ];
    let mut rights = Vec::new();
    let mut x = area.x;
    for (title, width) in columns {
        x += width;
        if x > area.right() {
            break;
        }
        ui.right(x, area.y + 1, width, title, theme.dim);
        rights.push(x);
    }
    for (y, ((name, mark), recent)) in (area.y + 2..area.bottom()).zip(marks.iter().zip(&all)) {
        ui.text(area.x + 3, y, 9, &format!("{} {name}", mark.shape), mark.style);
        let wanted = view.weight(name);
        let share = (total > 0).then(|| recent.counts.total() as f64 * 100.0 / total as f64);
        let fresh = view.deployments.get(name).is_some_and(|one| one.fresh.weight.is_fresh(model.now));
        let apart = share.is_some_and(|share| (share - wanted.as_percent()).abs() > 5.0 && total >= 50);
        let cells = [
            (wanted.to_string(), figures::stand_out(theme.text, fresh)),
            (numbers::percent(share), if apart { theme.warn } else { theme.strong }),
            (numbers::rate(recent.rate), theme.text),
            (numbers::percent(recent.error_percent()), theme.text),
            (numbers::maybe(recent.p50), theme.text),
            (numbers::maybe(recent.p95), theme.text),
            (numbers::maybe(recent.p99), theme.text),
            (numbers::count(recent.counts.total()), theme.dim),
        ];
        for (right, (text, style)) in rights.iter().zip(cells) {
            ui.right(*right, y, 11, &text, style);
        }
    }
}

/// `blue 90 → 70, green 10 → 30`: what changed, deployment by deployment.
fn change(from: &TrafficMap, to: &TrafficMap) -> String {
    if to.values().all(|weight| weight.is_zero()) {
        return format!("{} → off", weights(from).replace('=', " "));
    }
    let names: std::collections::BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let weight = |map: &TrafficMap, name: &String| map.get(name).copied().unwrap_or_default();
    let parts = names.into_iter().map(|name| (name, weight(from, name), weight(to, name)));
    let parts: Vec<String> = parts.filter(|(_, a, b)| a != b).map(|(name, a, b)| format!("{name} {a} → {b}")).collect();
    parts.join(", ")
}

/// The place of a rollout's steps. Without one it says so, and what would stand here.
fn rollout(model: &Model, ui: &mut Ui, area: Rect) {
    let note = if area.height > 1 { "none is running" } else { "none is running: weights move by hand" };
    ui.section(area, "Rollout", note, false);
    let words = "Weights move by hand, with the sliders above. The steps of a rollout will stand here: the weight set and \
                 the one measured, what the step waits for, and the keys to promote, pause and abort it.";
    let width = area.width.saturating_sub(6);
    for (y, line) in (area.y + 1..area.bottom()).zip(ui::wrap(words, width)) {
        ui.text(area.x + 3, y, width, &line, model.theme.dim);
    }
}

fn history(model: &Model, ui: &mut Ui, area: Rect, name: &str) {
    if area.height < 2 {
        return;
    }
    let theme = &model.theme;
    let state = &model.traffic;
    let changes: Vec<&JournalEntry> = model.shown().traffic_changes(name).collect();
    let note = if state.in_history { "Enter drafts these weights" } else { "Tab chooses" };
    ui.section(area, "History", if changes.is_empty() { "" } else { note }, state.in_history);
    if changes.is_empty() {
        ui.text(area.x + 3, area.y + 1, area.width, "no change yet: the first one will stand here", theme.dim);
        return;
    }
    let rows = usize::from(area.height - 1);
    let cursor = if state.in_history { state.history.cursor.min(changes.len() - 1) } else { 0 };
    let top = first(cursor, rows, changes.len());
    for (y, (index, entry)) in (area.y + 1..area.bottom()).zip(changes.iter().enumerate().skip(top)) {
        let line = Rect { y, height: 1, ..area };
        let selected = state.in_history && index == cursor;
        ui.text(area.x + 1, y, 1, if selected { theme.glyphs.cursor } else { " " }, theme.accent);
        ui.text(area.x + 3, y, 8, &model.clock(entry.at_ms, true), theme.dim);
        let who = if entry.who == "console" { "you" } else { &entry.who };
        ui.text(area.x + 13, y, 9, who, theme.text);
        let map = |value: &serde_json::Value| serde_json::from_value::<TrafficMap>(value.clone()).unwrap_or_default();
        let text = change(&map(&entry.from), &map(&entry.to));
        ui.text(area.x + 23, y, area.width.saturating_sub(24), &text, theme.text);
        if selected {
            ui.paint(line, theme.selected);
        }
        ui.hit(line, Hit::Row { pane: 1, index });
    }
}
