//! The request: where it goes, its headers, its body.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::look::ui::{self, span};
use crate::console::look::{Ui, numbers};
use crate::console::screens::test::{Pane, sources};
use crate::console::widgets::table::first;
use crate::resources::Signature;

/// Draws the request.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let state = &model.test;
    let focused = state.pane == Pane::Request;
    let mut note = Line::from(vec![span("to ", theme.dim)]);
    match &state.draft.target {
        Some(name) => note.spans.extend(super::who(model, name).spans),
        None => note.push_span(span("the split", theme.strong)),
    }
    if let Some(name) = &state.draft.name {
        let changed = if state.draft.touched && name == "template" { ", changed" } else { "" };
        note.push_span(span(format!("   {name}{changed}"), theme.dim));
    }
    ui.section_with(area, if state.editing { "Request: editing" } else { "Request" }, &note, focused);
    let width = area.width.saturating_sub(4);
    let mut y = area.y + 1;
    let x = ui.text(area.x + 3, y, width, state.draft.method(), theme.strong);
    let end = ui.text(x + 1, y, width, &format!("/endpoints/{}{}", state.endpoint, state.draft.path()), theme.text);
    let mut details = Vec::new();
    if state.draft.headers.len() == 1 {
        details.push("1 header".to_string());
    } else if !state.draft.headers.is_empty() {
        details.push(format!("{} headers", state.draft.headers.len()));
    }
    let names: Vec<&str> = state.vars.keys().map(String::as_str).collect();
    if !names.is_empty() {
        details.push(format!("set: {}", names.join(", ")));
    }
    ui.right(area.right(), y, area.right().saturating_sub(end + 2), &details.join(" · "), theme.dim);
    y += 1;
    let body = Rect { x: area.x, y, width: area.width, height: area.bottom().saturating_sub(y) };
    ui.hit(body, Hit::Spot(0));
    if sources::is_bare(model) {
        let text = "there is no deployment yet: nobody would answer. Esc, then n makes one";
        ui.text(area.x + 3, y + 1, width, text, theme.dim);
        return;
    }
    if state.draft.method() == "GET" {
        ui.text(area.x + 3, y + 1, width, "GET sends no body", theme.dim);
        return;
    }
    if state.draft.body.is_empty() && !state.editing {
        for (at, line) in
            ["no body yet", "i   type it here", "e   in $EDITOR", "f   from the template, a sample or a file"]
                .iter()
                .enumerate()
        {
            ui.text(area.x + 3, y + 1 + at as u16, width, line, theme.dim);
        }
        return;
    }
    let signature = state.sample.as_ref().and_then(|sample| sample.signature.as_ref());
    let lines = state.draft.body.lines().len() as u16;
    match signature {
        Some(signature) if !state.editing => {
            let need = (signature.inputs.len() + signature.outputs.len()) as u16 + 1;
            let free = body.height.saturating_sub(lines + 1);
            if free < need.min(4) {
                return text(model, ui, body);
            }
            let height = need.min(free);
            text(model, ui, Rect { height: body.height - height, ..body });
            takes(model, ui, Rect { y: body.bottom() - height, height, ..body }, signature);
        }
        _ => text(model, ui, body),
    }
}

/// What the model takes and gives: name, type and shape.
fn takes(model: &Model, ui: &mut Ui, area: Rect, signature: &Signature) {
    let theme = &model.theme;
    let all = || signature.inputs.iter().chain(&signature.outputs);
    let longest = all().map(|spec| ui.measure(&spec.name)).max().unwrap_or(4).min(28);
    let sides = [("takes", &signature.inputs), ("gives", &signature.outputs)];
    let rows = sides.iter().flat_map(|(word, specs)| {
        specs.iter().enumerate().map(move |(at, spec)| (if at == 0 { *word } else { "" }, spec))
    });
    for (y, (word, spec)) in (area.y..area.bottom()).zip(rows) {
        ui.text(area.x + 3, y, 6, word, theme.dim);
        ui.text(area.x + 10, y, longest, &spec.name, theme.json_key);
        let x = area.x + 12 + longest;
        let shape: Vec<String> =
            spec.shape.iter().map(|size| if *size < 0 { "any".into() } else { size.to_string() }).collect();
        let text = format!("{:<6}  {}", spec.datatype, shape.join(" × "));
        ui.text(x, y, area.right().saturating_sub(x + 1), &text, theme.dim);
    }
}

/// The body with line numbers and the colours of JSON.
fn text(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let state = &model.test;
    let lines = state.draft.body.lines();
    let cursor = state.draft.body.cursor();
    let (row, column) = (cursor.0, cursor.1);
    let rows = usize::from(area.height);
    let top = first(row, rows, lines.len());
    let gutter = (numbers::count(lines.len() as u64).len() as u16).max(2) + 1;
    let width = area.width.saturating_sub(gutter + 3);
    // long lines scroll sideways with the cursor
    let at: String = lines.get(row).map(|line| line.chars().take(column).collect()).unwrap_or_default();
    let column = ui::width(&at);
    let aside = if state.editing { column.saturating_sub(width.saturating_sub(2)) } else { 0 };
    for (y, (number, line)) in (area.y..area.bottom()).zip(lines.iter().enumerate().skip(top)) {
        let here = number == row && state.pane == Pane::Request;
        let style = if here { theme.text } else { theme.dim };
        ui.right(area.x + gutter, y, gutter, &(number + 1).to_string(), style);
        ui.line(area.x + gutter + 1, y, width, &colours(model, &shift(line, aside, width)));
        if here && state.editing {
            ui.cursor = Some((area.x + gutter + 1 + (column - aside).min(width), y).into());
        }
    }
}

/// Without the columns that are scrolled away.
fn shift(line: &str, columns: u16, most: u16) -> String {
    let mut skipped = 0;
    line.chars()
        .skip_while(|c| {
            let before = skipped;
            skipped += ui::width(c.encode_utf8(&mut [0; 4]));
            before < columns
        })
        .take(usize::from(most) + 1)
        .collect()
}

/// A line of JSON in its colours; variables stand out.
pub fn colours(model: &Model, line: &str) -> Line<'static> {
    let theme = &model.theme;
    let mut out = Line::default();
    let mut rest = line;
    while !rest.is_empty() {
        let (length, style) = match rest.chars().next() {
            Some('"') => {
                let end = quoted(rest);
                let key = rest[end..].trim_start().starts_with(':');
                (end, if key { theme.json_key } else { theme.json_text })
            }
            Some(c) if c.is_ascii_digit() || c == '-' => {
                let number = |c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c));
                (rest.find(number).unwrap_or(rest.len()).max(1), theme.json_number)
            }
            Some('{') if rest.starts_with("{{") => (rest.find("}}").map_or(rest.len(), |at| at + 2), theme.accent),
            Some('$') if rest.starts_with("${") => (rest.find('}').map_or(rest.len(), |at| at + 1), theme.accent),
            Some(c) if c.is_ascii_alphabetic() => {
                (rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len()), theme.json_number)
            }
            Some(c) => (c.len_utf8(), theme.text),
            None => break,
        };
        out.push_span(span(rest[..length].to_string(), style));
        rest = &rest[length..];
    }
    out
}

/// Length of the text in quotes that a line begins with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
