//! All actions on the selection, those that cannot run with the reason why; or the commands that do the same.

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use crate::console::actions::{self, Row, Scope};
use crate::console::app::event::{Effect, Hit};
use crate::console::app::model::Model;
use crate::console::app::{global, update};
use crate::console::look::{Ui, layout};

/// The rows and the cursor.
#[derive(Debug, Clone)]
pub struct State {
    pub rows: Vec<&'static Row>,
    pub cursor: usize,
    /// Shows commands, and copies the chosen one.
    pub commands: bool,
}

impl State {
    /// What can be done here.
    pub fn new(model: &Model, commands: bool) -> Self {
        let scopes = crate::console::screens::scopes(model);
        let rows = actions::rows().filter(|row| {
            let moving = matches!(row.scope, Scope::Global | Scope::List | Scope::Chart);
            let here = scopes.contains(&row.scope) && !moving;
            if commands { !row.command.is_empty() && scopes.contains(&row.scope) } else { here && row.listed }
        });
        Self { rows: rows.collect(), cursor: 0, commands }
    }

    pub fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        let theme = &model.theme;
        let width = if self.commands { 110 } else { 100 }.min(area.width.saturating_sub(4));
        let height = (self.rows.len() as u16 + 2).clamp(3, area.height.saturating_sub(2));
        let subject = model.subject();
        let names: Vec<String> = [subject.endpoint, subject.deployment].into_iter().flatten().collect();
        let title = match (self.commands, names.is_empty()) {
            (true, _) => "The same as a command (Enter copies)".into(),
            (false, true) => "Actions".into(),
            (false, false) => format!("Actions on {}", names.join(" / ")),
        };
        let inner = ui.float(layout::middle(area, width, height), &title);
        let rows = usize::from(inner.height);
        let top = self.cursor.saturating_sub(rows.saturating_sub(1));
        for (y, (index, row)) in (inner.y..inner.bottom()).zip(self.rows.iter().enumerate().skip(top)) {
            let line = Rect { x: inner.x - 1, y, width: inner.width + 2, height: 1 };
            let refusal = actions::refusal(model, row);
            let style = if refusal.is_some() { theme.dim } else { theme.overlay };
            ui.text(inner.x, y, 8, &model.keymap.first(row), theme.key);
            if self.commands {
                let command = actions::command(model, row).unwrap_or_default();
                ui.text(inner.x + 9, y, inner.width.saturating_sub(9), &command, theme.overlay);
            } else {
                let end = ui.text(inner.x + 9, y, inner.width.saturating_sub(9), row.title, style);
                if let Some(reason) = refusal {
                    ui.right(inner.right(), y, inner.right().saturating_sub(end + 2), &reason, theme.dim);
                }
            }
            if index == self.cursor {
                ui.paint(line, theme.selected);
            }
            ui.hit(line, Hit::OverlayRow(index));
        }
    }
}

/// Enter: run it, or copy its command.
pub fn accepted(model: &mut Model, state: &State) -> Vec<Effect> {
    let Some(row) = state.rows.get(state.cursor) else { return Vec::new() };
    if state.commands {
        let command = actions::command(model, row).unwrap_or_default();
        return global::copy(model, "the command", command);
    }
    update::dispatch(model, row)
}

/// The key of an action runs it from the menu too.
pub fn key(model: &mut Model, state: &State, key: KeyEvent) -> Vec<Effect> {
    let scopes = crate::console::screens::scopes(model);
    let Some(row) = model.keymap.resolve(key, &scopes) else { return Vec::new() };
    if !state.rows.iter().any(|listed| listed.id == row.id) {
        return Vec::new();
    }
    model.overlays.pop();
    update::dispatch(model, row)
}
