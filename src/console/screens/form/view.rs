//! The picture of a form: fields at the left; at the right the same in YAML, or how far the work is.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{Field, Foreign, Kind, Row, State, choose, is_busy};
use crate::console::actions::{self, Action};
use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::app::nav::Place;
use crate::console::look::ui::{self, span};
use crate::console::look::{Ui, layout, numbers};
use crate::console::overlays;
use crate::console::widgets::bar;
use crate::console::widgets::table::first;
use crate::resources::{Phase, instance_type};

/// Columns of the labels.
const LABEL: u16 = 16;

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    if area.width >= 100 {
        let (left, right) = layout::split_left(area, (area.width * 11 / 20).min(96), 2);
        form(model, ui, left);
        beside(model, ui, right);
    } else {
        let busy = is_busy(model) || model.form.failure.is_some();
        let part = if busy { area.height / 2 } else { area.height * 2 / 3 };
        let (above, below) = layout::split_top(area, part);
        form(model, ui, above);
        beside(model, ui, below);
    }
}

fn title(state: &State) -> String {
    match &state.place {
        Some(Place::EndpointForm { name: None }) => "New endpoint".into(),
        Some(Place::EndpointForm { name: Some(name) }) => format!("Endpoint {name}"),
        Some(Place::DeploymentForm { endpoint, name: None, .. }) => format!("New deployment of {endpoint}"),
        Some(Place::DeploymentForm { endpoint, name: Some(name), .. }) => format!("Deployment {name} of {endpoint}"),
        _ => String::new(),
    }
}

fn form(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let state = &model.form;
    let wrong = (0..state.fields.len()).filter(|at| state.complaint(*at).is_some()).count();
    let note = match wrong {
        _ if is_busy(model) => Line::styled("under way", theme.accent),
        _ if state.foreign.is_some() => Line::styled("changed meanwhile", theme.warn),
        0 if state.fields.iter().all(|field| field.problem.is_none()) && state.problems.is_empty() => {
            Line::styled("complete: ctrl-s", theme.ok)
        }
        0 => Line::default(),
        1 => Line::styled("1 thing is wrong", theme.warn),
        n => Line::styled(format!("{n} things are wrong"), theme.warn),
    };
    ui.section_with(area, &title(state), &note, true);
    let foot = 3.min(area.height / 4);
    let taken = foreign(model, ui, Rect { y: area.y + 1, height: area.height.saturating_sub(1 + foot), ..area });
    let area = Rect { y: area.y + taken, height: area.height.saturating_sub(taken), ..area };
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(1 + foot), ..area };
    let rows = state.rows();
    let top = first(state.cursor, usize::from(body.height), rows.len());
    // air between the sections where all of them fit
    let air = rows.len() + state.sections().len() <= usize::from(body.height);
    let mut y = body.y;
    for (index, row) in rows.iter().enumerate().skip(top) {
        y += u16::from(air && index > 0 && matches!(row, Row::Heading(_)));
        if y >= body.bottom() {
            break;
        }
        let line = Rect { y, height: 1, ..body };
        y += 1;
        match row {
            Row::Heading(section) => heading(model, ui, line, *section, index == state.cursor),
            Row::Field(at) => field(model, ui, line, *at, index == state.cursor),
        }
        ui.hit(line, Hit::Spot(index as u32));
    }
    let y = if air { y.min(body.bottom()) } else { body.bottom() };
    help(model, ui, Rect { y, height: foot, ..area });
}

/// What somebody else did meanwhile; gives the lines it takes.
fn foreign(model: &Model, ui: &mut Ui, area: Rect) -> u16 {
    let text = match &model.form.foreign {
        None => return 0,
        Some(Foreign::Gone) => "Somebody else deleted it meanwhile. Esc leaves the form.".to_owned(),
        Some(Foreign::Changed { words, .. }) => {
            let key = model.keymap.first(actions::row(Action::FormTakeUp));
            format!(
                "Somebody else changed it meanwhile: {words}. Nothing is overwritten: {key} takes that up, what you typed stays."
            )
        }
    };
    let width = area.width.saturating_sub(4);
    let lines = ui::wrap(&text, width);
    let rows = (lines.len() as u16).min(area.height / 2);
    for (y, line) in (area.y..area.y + rows).zip(lines) {
        ui.text(area.x + 3, y, width, &line, model.theme.warn);
    }
    rows
}

fn heading(model: &Model, ui: &mut Ui, area: Rect, section: usize, focused: bool) {
    let theme = &model.theme;
    let state = &model.form;
    let folded = state.folded.contains(&section);
    let glyph = if folded { theme.glyphs.fold_closed } else { theme.glyphs.fold_open };
    ui.text(area.x + 1, area.y, 1, glyph, if focused { theme.accent } else { theme.dim });
    let name = state.sections().get(section).map_or("", |(name, _)| *name);
    let end = ui.text(area.x + 3, area.y, area.width, name, if focused { theme.accent } else { theme.title });
    if folded {
        let summary: Vec<String> = state
            .fields
            .iter()
            .filter(|field| field.section == section && !field.value().is_empty())
            .map(|field| match field.label.split_once(", ") {
                Some((label, unit)) => format!("{label} {} {unit}", field.value()),
                None => format!("{} {}", field.label, field.value()),
            })
            .collect();
        ui.text(end + 3, area.y, area.right().saturating_sub(end + 4), &summary.join(" · "), theme.dim);
    }
}

fn field(model: &Model, ui: &mut Ui, area: Rect, at: usize, focused: bool) {
    let theme = &model.theme;
    let state = &model.form;
    let field = &state.fields[at];
    let wrong = state.complaint(at).is_some();
    if focused {
        ui.text(area.x + 1, area.y, 1, theme.glyphs.cursor, theme.accent);
    } else if wrong {
        ui.text(area.x + 1, area.y, 1, "!", theme.bad);
    }
    ui.text(area.x + 3, area.y, LABEL, field.label, if focused { theme.strong } else { theme.dim });
    let x = area.x + 3 + LABEL;
    let about = about(model, field);
    let wide = ui.measure(&about);
    let room = area.right().saturating_sub(x + 1);
    let space = room.saturating_sub(if wide > 0 && wide + 20 < room { wide + 2 } else { 0 });
    match field.kind {
        Kind::Word(words) => {
            let mut x = x;
            for word in words {
                let chosen = *word == field.value();
                let style = match (chosen, focused && !field.fixed) {
                    (true, true) => theme.selected,
                    (true, false) => theme.strong,
                    (false, _) => theme.dim,
                };
                x = ui.text(x, area.y, area.right().saturating_sub(x), &format!(" {word} "), style) + 1;
            }
            if x + wide + 1 < area.right() {
                ui.right(area.right() - 1, area.y, wide, &about, theme.dim);
            }
            return;
        }
        _ if field.fixed => {
            ui.text(x, area.y, space, field.value(), theme.dim);
        }
        _ if focused && model.overlays.is_empty() => {
            let line = Rect { x, width: space, ..area };
            ui.paint(line, theme.selected_faint);
            overlays::draw_input(ui, &field.input, x, area.y, space, true);
        }
        _ => {
            let style = if wrong { theme.bad } else { theme.text };
            ui.text(x, area.y, space, field.value(), style);
        }
    }
    if wide > 0 && wide + 20 < room {
        ui.right(area.right() - 1, area.y, wide, &about, theme.dim);
    }
}

/// What stands at the right of a field.
fn about(model: &Model, field: &Field) -> String {
    match (field.id, field.kind) {
        ("size", _) => instance_type::lookup(field.value())
            .map_or_else(String::new, |size| choose::size(size).split_whitespace().collect::<Vec<_>>().join(" ")),
        ("instances", _) => demand(model),
        (_, Kind::Pick) if field.value().is_empty() && !field.fixed => "Enter chooses".into(),
        _ if field.fixed => "cannot be changed".into(),
        _ => String::new(),
    }
}

/// What all instances together take, beside what this machine has.
fn demand(model: &Model) -> String {
    let state = &model.form;
    let (Some(size), Ok(count)) = (instance_type::lookup(state.value("size")), state.value("instances").parse::<u32>())
    else {
        return String::new();
    };
    let vcpus = u64::from(size.vcpus) * u64::from(count);
    let memory = size.memory_gib * f64::from(count);
    let text = format!("{} vCPU {} GiB in all", numbers::count(vcpus), memory);
    match &model.workspace.info {
        Some(info) if u64::from(info.cores) < vcpus => format!("{text}; this machine has {} vCPU", info.cores),
        _ => text,
    }
}

/// What the focused field means, or what is wrong with it.
fn help(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let state = &model.form;
    let (text, style) = match state.focused() {
        Some(at) => match state.complaint(at) {
            Some(problem) => (problem, theme.bad),
            None => (state.fields[at].hint, theme.dim),
        },
        None => ("Enter folds and unfolds the section", theme.dim),
    };
    let width = area.width.saturating_sub(4);
    let lines = ui::wrap(text, width);
    let air = u16::from(area.height > lines.len() as u16);
    for (y, line) in (area.y + air..area.bottom()).zip(lines) {
        ui.text(area.x + 3, y, width, &line, style);
    }
}

fn beside(model: &Model, ui: &mut Ui, area: Rect) {
    let state = &model.form;
    if is_busy(model) || state.failure.is_some() {
        progress(model, ui, area);
    } else {
        same(model, ui, area);
    }
}

/// The same in YAML, and as a command.
fn same(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let state = &model.form;
    ui.section(area, "The same in YAML", "ctrl-y copies", false);
    let width = area.width.saturating_sub(4);
    let command = ui::wrap(&format!("$ {}", state.command), width);
    let bottom = area.bottom().saturating_sub(command.len() as u16 + 1);
    let lines: Vec<&str> = state.yaml.lines().filter(|line| !line.starts_with("$schema")).collect();
    let rows = usize::from(bottom.saturating_sub(area.y + 1));
    for (y, (at, line)) in (area.y + 1..bottom).zip(lines.iter().enumerate()) {
        if at + 1 == rows && lines.len() > rows {
            let text = format!("{} {} more lines", theme.glyphs.ellipsis, lines.len() - at);
            ui.text(area.x + 3, y, width, &text, theme.dim);
            break;
        }
        ui.line(area.x + 3, y, width, &colours(model, line));
    }
    for (y, line) in (bottom + 1..area.bottom()).zip(&command) {
        ui.text(area.x + 3, y, width, line, theme.dim);
    }
}

/// A line of YAML: names and values.
fn colours(model: &Model, line: &str) -> Line<'static> {
    let theme = &model.theme;
    match line.split_once(": ") {
        Some((name, value)) => Line::from(vec![
            span(format!("{name}: "), theme.json_key),
            span(value.to_owned(), if value.parse::<f64>().is_ok() { theme.json_number } else { theme.json_text }),
        ]),
        None if line.ends_with(':') => Line::styled(line.to_owned(), theme.json_key),
        None => Line::styled(line.to_owned(), theme.text),
    }
}

/// How far the work is, phase by phase; or why it failed and what its log says.
fn progress(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let state = &model.form;
    let task = state.task.and_then(|id| model.tasks.all.iter().find(|task| task.id == id));
    let width = area.width.saturating_sub(4);
    let mut y = area.y + 1;
    if let Some(why) = &state.failure {
        ui.section_with(area, "It failed", &Line::styled("ctrl-s tries again", theme.dim), false);
        for line in ui::wrap(why, width) {
            if y < area.bottom() {
                ui.text(area.x + 3, y, width, &line, theme.bad);
            }
            y += 1;
        }
        y += 1;
        if !state.log.is_empty() && y + 1 < area.bottom() {
            ui.text(area.x + 3, y, width, "the last lines of its log:", theme.dim);
            y += 1;
            let rows = usize::from(area.bottom().saturating_sub(y));
            let lines = state.log.iter().flat_map(|line| {
                let style = if line.level == "error" { theme.bad } else { theme.text };
                ui::wrap(&line.text, width.saturating_sub(2)).into_iter().map(move |text| (text, style))
            });
            let lines: Vec<_> = lines.collect();
            for (text, style) in &lines[lines.len().saturating_sub(rows)..] {
                ui.text(area.x + 5, y, width.saturating_sub(2), text, *style);
                y += 1;
            }
        }
        return;
    }
    let Some(task) = task else { return };
    let age = numbers::span_ms(model.now - task.started_ms);
    ui.section(area, &task.title, &age, false);
    let details = task.operation.as_ref().and_then(|operation| operation.properties.as_ref());
    let phases = details.map(|details| details.phases.as_slice()).unwrap_or_default();
    if phases.is_empty() {
        let text = if task.progress.is_empty() { "asked" } else { &task.progress };
        ui.text(area.x + 3, y, width, text, theme.dim);
        return;
    }
    for phase in phases {
        if y < area.bottom() {
            self::phase(model, ui, Rect { y, height: 1, ..area }, phase);
        }
        y += 1;
    }
}

/// Columns of a phase's bar.
const BAR: u16 = 20;

fn phase(model: &Model, ui: &mut Ui, area: Rect, phase: &Phase) {
    let theme = &model.theme;
    let turn = (model.now / 500).rem_euclid(4) as usize;
    let (glyph, style, time) = match (phase.started_ms, phase.ended_ms) {
        (0, _) => (theme.glyphs.ring, theme.dim, None),
        (from, 0) => (theme.glyphs.spinner[turn], theme.accent, Some(model.now - from)),
        (from, to) => (theme.glyphs.dot, theme.ok, Some(to - from)),
    };
    ui.text(area.x + 3, area.y, 1, glyph, style);
    let words = if phase.started_ms == 0 { theme.dim } else { theme.text };
    let mut end = ui.text(area.x + 5, area.y, area.width.saturating_sub(18), &phase.name, words);
    if let Some(share) = phase.share.filter(|_| phase.ended_ms == 0) {
        let bar = bar::share(theme, share, BAR);
        end = ui.line(end + 2, area.y, BAR, &bar);
        end = ui.text(end + 1, area.y, 5, &format!("{:.0} %", share * 100.0), theme.text);
    }
    if let Some(note) = &phase.note {
        ui.text(end + 2, area.y, area.right().saturating_sub(end + 12), note, theme.dim);
    }
    if let Some(ms) = time {
        ui.right(area.right() - 1, area.y, 10, &numbers::took_ms(ms), theme.dim);
    }
}
