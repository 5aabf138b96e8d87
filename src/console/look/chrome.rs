//! Title line, banner, footer and messages: the frame around every screen.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::layout::Room;
use super::numbers;
use super::ui::{self, Ui, span};
use crate::console::actions::{self, Action, Row, Scope};
use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::app::nav::Place;
use crate::console::data::Link;

/// Where am I, in which workspace, and how old is what I see.
pub fn title(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let y = area.y;
    let x = ui.text(area.x + 1, y, 12, "mlconsole", theme.accent);
    let access = match model.context.access.word() {
        "open" => theme.dim,
        _ => theme.warn,
    };
    let context = if Room::of(area.width) == Room::Small { &model.context.name } else { &model.context.kind };
    let mut x = ui.text(x + 2, y, 24, context, theme.text);
    x = ui.text(x, y, 3, " · ", theme.dim);
    x = ui.text(x, y, 12, model.context.access.word(), access);
    if area.width >= 140 {
        x = tabs(model, ui, x + 4, y);
    }
    let right = state(model, ui, area.right().saturating_sub(1), y);
    let room = right.saturating_sub(x + 6);
    let line = if model.nav.stack.len() > 1 { crumbs(model) } else { sums(model) };
    let wide: u16 = line.spans.iter().map(|span| ui.measure(&span.content)).sum();
    ui.line(right.saturating_sub(wide.min(room) + 3), y, room, &line);
}

/// The four places at the top, with their keys.
fn tabs(model: &Model, ui: &mut Ui, mut x: u16, y: u16) -> u16 {
    let theme = &model.theme;
    let places = [
        (Action::GoDashboard, "endpoints", Place::Dashboard),
        (Action::GoModels, "models", Place::Models),
        (Action::GoActivity, "activity", Place::Activity),
        (Action::GoWorkspace, "workspace", Place::Workspace),
    ];
    let top = model.nav.stack.get(1).filter(|place| places.iter().any(|(_, _, tab)| tab == *place));
    for (action, word, place) in places {
        let row = actions::row(action);
        let here = top.unwrap_or(&Place::Dashboard) == &place;
        let from = x;
        x = ui.text(x, y, 8, &model.keymap.first(row), theme.key);
        x = ui.text(x + 1, y, 12, word, if here { theme.strong } else { theme.dim });
        ui.hit(Rect { x: from, y, width: x - from, height: 1 }, Hit::Footer(row.id));
        x += 3;
    }
    x
}

fn crumbs(model: &Model) -> Line<'static> {
    let theme = &model.theme;
    let mut spans = Vec::new();
    let last = model.nav.stack.len() - 1;
    for (at, place) in model.nav.stack.iter().enumerate() {
        if at > 0 {
            spans.push(span(format!(" {} ", theme.glyphs.crumb), theme.dim));
        }
        let before = at.checked_sub(1).and_then(|at| model.nav.stack[at].endpoint());
        if let Some(name) = place.endpoint().filter(|name| before != Some(name) && place.crumb() != **name) {
            spans.push(span(format!("{name} {} ", theme.glyphs.crumb), theme.dim));
        }
        spans.push(span(place.crumb(), if at == last { theme.strong } else { theme.dim }));
    }
    Line::from(spans)
}

fn sums(model: &Model) -> Line<'static> {
    let theme = &model.theme;
    let data = model.shown();
    if !data.known || data.endpoints.is_empty() {
        return Line::default();
    }
    let total = data.sums.total();
    let share = (total > 0).then(|| data.sums.errors() as f64 * 100.0 / total as f64);
    let plural = if data.endpoints.len() == 1 { "endpoint" } else { "endpoints" };
    let bad = share.is_some_and(|share| share >= 1.0);
    Line::from(vec![
        span(numbers::count(data.endpoints.len() as u64), theme.strong),
        span(format!(" {plural}   "), theme.dim),
        span(numbers::rate(data.rate), theme.strong),
        span(" req/s   ", theme.dim),
        span(numbers::percent(share), if bad { theme.bad } else { theme.strong }),
        span(" % errors", theme.dim),
    ])
}

/// The connection, at the right end; gives the column where it starts.
fn state(model: &Model, ui: &mut Ui, right: u16, y: u16) -> u16 {
    let theme = &model.theme;
    let glyphs = theme.glyphs;
    let spans = match &model.data.link {
        _ if model.frozen.is_some() => vec![span(format!("{} frozen", glyphs.diamond), theme.warn)],
        Link::Opening { .. } => {
            let turn = (model.now / 300).rem_euclid(4) as usize;
            vec![span(format!("{} opening", glyphs.spinner[turn]), theme.dim)]
        }
        Link::Live { .. } if model.data.link.is_stale(model.now) => {
            let age = model.data.link.age_ms(model.now).unwrap_or(0);
            vec![span(format!("{} {} old", glyphs.ring, numbers::span_ms(age)), theme.warn)]
        }
        Link::Live { .. } => vec![span(format!("{} ", glyphs.dot), theme.ok), span("live", theme.dim)],
        Link::Lost { .. } => vec![span(format!("{} disconnected", glyphs.ring), theme.bad)],
        Link::Failed { .. } => vec![span(format!("{} not open", glyphs.ring), theme.bad)],
    };
    let running = model.tasks.running().count();
    let mut line = Line::default();
    if running > 0 {
        let turn = (model.now / 500).rem_euclid(4) as usize;
        line.push_span(span(format!("{} {running} in flight   ", glyphs.spinner[turn]), theme.accent));
    }
    for span in spans {
        line.push_span(span);
    }
    ui.line_right(right, y, 48, &line)
}

/// A line under the title while the picture is not the present; gives what is left of the body.
pub fn banner(model: &Model, ui: &mut Ui, body: Rect) -> Rect {
    let theme = &model.theme;
    let refresh = model.keymap.first(actions::row(Action::Refresh));
    let freeze = model.keymap.first(actions::row(Action::Freeze));
    let (text, style) = match &model.data.link {
        Link::Lost { last_ms, reason, retry_at } => {
            let left = ((retry_at - model.now + 999) / 1_000).max(0);
            let shown = last_ms.map_or_else(String::new, |at| {
                let age = numbers::span_ms(model.now - at);
                format!("; shown: {} ({age} old)", model.clock(at, true))
            });
            (format!(" no answer; next try in {left} s, {refresh} tries now{shown}; {reason}"), theme.bad)
        }
        Link::Failed { reason } => (format!(" cannot open {}: {reason}", model.context.name), theme.bad),
        _ => match &model.frozen {
            Some(frozen) => {
                let at = model.clock(frozen.second * 1_000, true);
                (format!(" frozen at {at}: the workspace goes on; {freeze} goes on here"), theme.warn)
            }
            None => return body,
        },
    };
    ui.text(body.x, body.y, body.width, &text, style);
    Rect { y: body.y + 1, height: body.height.saturating_sub(1), ..body }
}

/// Lines of one message, at most.
const TOAST_LINES: usize = 4;

/// Messages, above the footer at the right; long ones in several lines, so that both ends of a conflict are read.
pub fn toasts(model: &Model, ui: &mut Ui, area: Rect) {
    let theme = &model.theme;
    let mut bottom = area.bottom().saturating_sub(1);
    for toast in model.toasts.0.iter().rev() {
        let (style, glyph) = if toast.bad { (theme.toast_bad, "!") } else { (theme.toast, theme.glyphs.dot) };
        let mut lines = vec![toast.text.clone()];
        if ui.measure(&toast.text) + 4 > area.width {
            lines = ui::wrap(&toast.text, area.width.saturating_sub(4).min(96));
        }
        if lines.len() > TOAST_LINES {
            lines.truncate(TOAST_LINES);
            lines.iter_mut().skip(TOAST_LINES - 1).for_each(|last| last.push_str(theme.glyphs.ellipsis));
        }
        let height = lines.len() as u16;
        if bottom < area.y + 2 + height {
            break;
        }
        let wide = lines.iter().map(|line| ui.measure(line)).max().unwrap_or(0) + 4;
        let wide = wide.min(area.width);
        let x = area.right().saturating_sub(wide);
        bottom -= height;
        ui.wipe(Rect { x, y: bottom, width: wide, height }, style);
        for (y, (at, line)) in (bottom..).zip(lines.iter().enumerate()) {
            ui.text(x + 1, y, 1, if at == 0 { glyph } else { " " }, style);
            ui.text(x + 3, y, wide.saturating_sub(3), line, style);
        }
    }
}

/// The keys in force, the most useful first; the way to all keys and the way out are always there.
pub fn footer(model: &Model, ui: &mut Ui, area: Rect) {
    let y = area.bottom() - 1;
    ui.wipe(Rect { y, height: 1, ..area }, model.theme.ground);
    let scopes = model.scopes();
    let mut rows: Vec<&'static Row> =
        actions::rows().filter(|row| row.rank > 0 && scopes.contains(&row.scope)).collect();
    let depth = model.nav.stack.len();
    rows.retain(|row| match row.action {
        Action::Back if row.scope == Scope::Global => depth > 1,
        Action::Quit => depth == 1,
        _ if row.scope == Scope::List || row.action == Action::FormTakeUp => actions::refusal(model, row).is_none(),
        _ => true,
    });
    rows.sort_by_key(|row| (scopes.iter().position(|scope| *scope == row.scope), u8::MAX - row.rank));
    let (always, rest): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|row| matches!(row.action, Action::Help | Action::Quit | Action::Back | Action::FormLeave));
    let entries = |rows: &[&'static Row]| -> Vec<(&'static Row, String, bool)> {
        rows.iter()
            .map(|row| (*row, keys(model, row), actions::refusal(model, row).is_some()))
            .filter(|(_, key, _)| !key.is_empty())
            .collect()
    };
    let (always, rest) = (entries(&always), entries(&rest));
    let wide = |ui: &Ui, (row, key, _): &(&Row, String, bool)| ui.measure(key) + 1 + ui.measure(row.word) + 3;
    let mut room = area.width.saturating_sub(2);
    room = room.saturating_sub(always.iter().map(|entry| wide(ui, entry)).sum());
    let mut shown = Vec::new();
    for entry in rest {
        let wide = wide(ui, &entry);
        if wide <= room {
            room -= wide;
            shown.push(entry);
        }
    }
    let mut x = area.x + 1;
    for (row, key, off) in shown.into_iter().chain(always) {
        let theme = &model.theme;
        let from = x;
        x = ui.text(x, y, area.width, &key, if off { theme.dim } else { theme.key });
        x = ui.text(x + 1, y, area.width, row.word, theme.dim);
        ui.hit(Rect { x: from, y, width: x - from, height: 1 }, Hit::Footer(row.id));
        x += 3;
    }
}

/// The keys of an action as the footer shows them: pairs of arrows together, ten digits as one.
fn keys(model: &Model, row: &Row) -> String {
    if row.keys.len() == 10 && model.keymap.all(row).len() == 10 {
        return "0-9".into();
    }
    let first = model.keymap.first(row);
    let partner = actions::rows().find(|other| row.pair == Some(other.id));
    match partner.map(|other| model.keymap.first(other)) {
        Some(second) if first.ends_with('←') && second.ends_with('→') => format!("{first}→"),
        Some(second) => format!("{first}{second}"),
        None => first,
    }
}
