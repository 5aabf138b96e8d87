//! The picture of the models.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{COLUMNS, selected, version};
use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::look::ui::{cut, span, wrap};
use crate::console::look::{Ui, layout, numbers};
use crate::console::widgets::table::{Table, first};
use crate::resources::asset::{CONVERSION_STEP, CONVERTED, CONVERTING};
use crate::resources::{ModelReport, OperatorUse, TensorSpec};

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let (left, right) = if area.width < 100 {
        layout::split_top(area, area.height / 2)
    } else {
        layout::split_left(area, area.width * 2 / 5, 2)
    };
    let versions = (model.models.version_list.keys.len() as u16 + 1).clamp(3, (left.height / 2).max(3));
    let models = (model.models.list.keys.len() as u16 + 3).max(5);
    let (top, bottom) = layout::split_top(left, models.min(left.height.saturating_sub(versions)));
    table(model, ui, top);
    version_rows(model, ui, bottom);
    report(model, ui, right);
}

fn words(ui: &mut Ui, area: Rect, text: &str, style: ratatui::style::Style) -> u16 {
    let mut y = area.y;
    for line in wrap(text, area.width.saturating_sub(4)) {
        if y >= area.bottom() {
            break;
        }
        ui.text(area.x + 3, y, area.width.saturating_sub(4), &line, style);
        y += 1;
    }
    y
}

fn table(model: &Model, ui: &mut Ui, area: Rect) {
    let (theme, state) = (&model.theme, &model.models);
    let (head, rest) = layout::split_top(area, 1);
    let mut note = if state.list.filter.text.is_empty() {
        format!("{}", state.list.total)
    } else {
        format!("/{}: {} of {}", state.list.filter.text, state.list.keys.len(), state.list.total)
    };
    if state.at_ms > 0 {
        note.push_str(&format!("   as of {}", model.clock(state.at_ms, true)));
    }
    ui.section(head, "Models", &note, !state.in_versions);
    if state.list.keys.is_empty() {
        let (text, style) = match (&state.models, &state.failure) {
            (_, Some(why)) => (format!("the models cannot be read: {why}"), theme.bad),
            (None, None) => ("reading the models".into(), theme.dim),
            (Some(_), _) if !state.list.filter.text.is_empty() => {
                ("no model matches; Esc drops the filter".into(), theme.dim)
            }
            (Some(_), _) => ("no model is registered yet; n registers one from a file".into(), theme.dim),
        };
        let below = Rect { y: rest.y + 1, height: rest.height.saturating_sub(1), ..rest };
        words(ui, below, &text, style);
        return;
    }
    let find = |row: usize| {
        let name = state.list.keys.get(row)?;
        state.models.iter().flatten().find(|model| model.name == *name)
    };
    let cell = |row: usize, column: usize, width: u16| {
        let Some(container) = find(row) else { return Line::default() };
        let properties = &container.properties;
        match column {
            0 => Line::from(span(cut(&container.name, width).into_owned(), theme.strong)),
            1 => Line::from(span(properties.latest_version.clone().unwrap_or_else(|| "–".into()), theme.text)),
            _ => Line::from(span(properties.description.clone().unwrap_or_default(), theme.dim)),
        }
    };
    Table { columns: &COLUMNS, list: &state.list, focused: !state.in_versions, pane: 0, cell: &cell }.draw(ui, rest);
}

fn version_rows(model: &Model, ui: &mut Ui, area: Rect) {
    let (theme, state) = (&model.theme, &model.models);
    let Some(name) = selected(model) else { return };
    ui.section(area, &format!("Versions of {name}"), "", state.in_versions);
    let versions = state.versions.get(name).map(Vec::as_slice).unwrap_or_default();
    let list = &state.version_list;
    let top = first(list.cursor, usize::from(area.height.saturating_sub(1)), list.keys.len());
    for (y, (index, version)) in (area.y + 1..area.bottom()).zip(versions.iter().enumerate().skip(top)) {
        let line = Rect { y, height: 1, ..area };
        let properties = &version.properties;
        let x = ui.text(area.x + 3, y, 8, &version.name, theme.strong);
        let uses = model
            .data
            .endpoints
            .values()
            .flat_map(|endpoint| endpoint.deployments.values())
            .filter(|deployment| deployment.model().as_deref() == Some(&format!("{name}:{}", version.name)))
            .count();
        let used = match uses {
            0 => String::new(),
            1 => "1 deployment".into(),
            n => format!("{n} deployments"),
        };
        let right = ui.right(area.right().saturating_sub(1), y, 16, &used, theme.text);
        let created = version.system_data.as_ref().map_or("", |data| data.created_at.get(..10).unwrap_or(""));
        let (text, style) = match super::conversion(version) {
            Some(CONVERTING) => {
                let step = properties.properties.get(CONVERSION_STEP).map(String::as_str).unwrap_or("about to begin");
                (format!("to ONNX: {step}"), theme.warn)
            }
            _ => (format!("{}  {created}", properties.model_type), theme.dim),
        };
        ui.text(x.max(area.x + 7) + 2, y, right.saturating_sub(x + 4), &text, style);
        if index == list.cursor {
            ui.paint(line, if state.in_versions { theme.selected } else { theme.selected_faint });
            if state.in_versions {
                ui.text(area.x + 1, y, 1, theme.glyphs.cursor, theme.accent.patch(theme.selected));
            }
        }
        ui.hit(line, Hit::Row { pane: 1, index });
    }
}

fn report(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let Some(of) = version(model) else { return };
    let (head, rest) = layout::split_top(area, 1);
    match model.models.reports.get(&of) {
        None => {
            ui.section(head, &format!("{}:{}", of.0, of.1), "", false);
            words(ui, rest, "reading the file", theme.dim);
        }
        Some(Err(why)) => {
            ui.section(head, &format!("{}:{}", of.0, of.1), "", false);
            words(ui, rest, why, theme.warn);
        }
        Some(Ok(found)) => {
            let note = format!("{}, {}", found.file, numbers::bytes(found.size_bytes));
            ui.section(head, &format!("{}:{}", of.0, of.1), &note, false);
            inspected(model, ui, rest, found);
        }
    }
}

fn inspected(model: &Model, ui: &mut Ui, area: Rect, report: &ModelReport) {
    let theme = &model.theme;
    let (glyph, style, text) = match (report.native, report.unsupported.is_empty()) {
        _ if report.runs == "python" => (theme.glyphs.dot, theme.ok, "runs here, in Python".to_owned()),
        _ if report.runs == CONVERTED => (theme.glyphs.dot, theme.ok, format!("runs here: {CONVERTED}")),
        _ if report.runs == "script" => (theme.glyphs.dot, theme.ok, "runs here with a scoring script".to_owned()),
        (true, _) => (theme.glyphs.dot, theme.ok, "runs here, in the built-in engine".to_owned()),
        (false, true) => (theme.glyphs.ring, theme.warn, "is not served by the built-in engine".to_owned()),
        (false, false) => {
            let kinds = report.unsupported.len();
            (theme.glyphs.times, theme.bad, format!("does not run here: {kinds} kinds of operators are not served"))
        }
    };
    let mut lines: Vec<Line<'static>> = vec![Line::from(vec![span(format!("{glyph} "), style), span(text, style)])];
    let opsets = report.opsets.iter().map(|(domain, version)| {
        if domain.is_empty() { format!("opset {version}") } else { format!("{domain} {version}") }
    });
    let made = if report.producer.is_empty() { String::new() } else { format!(", made by {}", report.producer) };
    let format = format!("{} {}{made}", report.format, opsets.collect::<Vec<_>>().join(", "));
    lines.push(Line::from(span(format, theme.dim)));
    let sides = [("Inputs", &report.signature.inputs), ("Outputs", &report.signature.outputs)];
    for (title, specs) in sides.into_iter().filter(|(_, specs)| !specs.is_empty()) {
        lines.push(Line::default());
        lines.push(Line::from(span(title, theme.title)));
        lines.extend(specs.iter().map(|spec| tensor(model, spec)));
    }
    for operator in &report.unsupported {
        lines.push(Line::default());
        let opset = if operator.opset > 0 { format!(" opset {}", operator.opset) } else { String::new() };
        let name = format!("{}{opset} ×{}, first at {}", named(operator), operator.count, operator.first_node);
        lines.push(Line::from(span(name, theme.bad)));
        lines.extend(
            wrap(&operator.hint, area.width.saturating_sub(4)).into_iter().map(|l| Line::from(span(l, theme.text))),
        );
    }
    if !report.operators.is_empty() {
        lines.push(Line::default());
        lines.push(Line::from(span("Operators", theme.title)));
        let all: Vec<String> = report.operators.iter().map(|o| format!("{} ×{}", named(o), o.count)).collect();
        let all = wrap(&all.join(", "), area.width.saturating_sub(4));
        lines.extend(all.into_iter().map(|line| Line::from(span(line, theme.text))));
    }
    for note in &report.notes {
        lines.push(Line::default());
        lines.extend(
            wrap(note, area.width.saturating_sub(4)).into_iter().map(|line| Line::from(span(line, theme.warn))),
        );
    }
    for (y, line) in (area.y..area.bottom()).zip(&lines) {
        ui.line(area.x + 3, y, area.width.saturating_sub(4), line);
    }
    let missing = lines.len().saturating_sub(usize::from(area.height));
    if missing > 0 && area.height > 0 {
        let y = area.bottom() - 1;
        ui.wipe(Rect { y, height: 1, ..area }, theme.text);
        let text = format!("{} more lines: make the window taller", missing + 1);
        ui.text(area.x + 3, y, area.width.saturating_sub(4), &text, theme.dim);
    }
}

fn named(operator: &OperatorUse) -> String {
    if operator.domain.is_empty() {
        operator.operator.clone()
    } else {
        format!("{}.{}", operator.domain, operator.operator)
    }
}

fn tensor(model: &Model, spec: &TensorSpec) -> Line<'static> {
    let theme = &model.theme;
    let dims = spec.shape.iter().enumerate().map(|(at, size)| match (size, spec.dim_names.get(at)) {
        (-1, Some(name)) if !name.is_empty() => name.clone(),
        (-1, _) => "any".into(),
        (size, _) => size.to_string(),
    });
    let shape = dims.collect::<Vec<_>>().join(" × ");
    let shape = if shape.is_empty() { "one value".to_owned() } else { shape };
    Line::from(vec![
        span(format!("  {}", spec.name), theme.strong),
        span(format!("  {}  ", spec.datatype), theme.dim),
        span(shape, theme.text),
        span(spec.keys_text().map(|keys| format!("  by key: {keys}")).unwrap_or_default(), theme.dim),
    ])
}
