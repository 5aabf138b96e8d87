//! What is in flight and what ended, cancellable.

use ratatui::layout::Rect;

use super::Overlay;
use super::details;
use crate::console::app::event::{Effect, Hit};
use crate::console::app::model::Model;
use crate::console::look::{Ui, layout, numbers};

/// The cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    pub cursor: usize,
}

impl State {
    pub fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        let theme = &model.theme;
        let tasks = model.tasks.listed();
        let width = 100.min(area.width.saturating_sub(4));
        let height = (tasks.len() as u16 + 4).clamp(6, area.height.saturating_sub(2));
        let inner = ui.float(layout::middle(area, width, height), "In flight and lately ended (ctrl-x cancels)");
        if tasks.is_empty() {
            ui.text(inner.x, inner.y + 1, inner.width, "nothing was asked of the workspace yet", theme.dim);
        }
        let cursor = self.cursor.min(tasks.len().saturating_sub(1));
        let rows = usize::from(inner.height);
        let top = cursor.saturating_sub(rows.saturating_sub(1));
        for (y, (index, task)) in (inner.y..inner.bottom()).zip(tasks.iter().enumerate().skip(top)) {
            let line = Rect { x: inner.x - 1, y, width: inner.width + 2, height: 1 };
            let (word, style) = match (&task.failure, task.is_running()) {
                (Some(_), _) => ("failed ", theme.bad),
                (None, true) => ("running", theme.accent),
                (None, false) => ("done   ", theme.ok),
            };
            ui.text(inner.x, y, 8, &model.clock(task.started_ms, true), theme.dim);
            ui.text(inner.x + 9, y, 8, word, style);
            let note = match &task.failure {
                Some(failure) => failure.message.clone(),
                None if task.is_running() => task.progress.clone(),
                None => numbers::span_ms(task.ended_ms.unwrap_or(model.now) - task.started_ms),
            };
            let end = ui.text(inner.x + 18, y, inner.width.saturating_sub(18), &task.title, theme.overlay);
            ui.right(inner.right(), y, inner.right().saturating_sub(end + 2), &note, theme.dim);
            if index == cursor {
                ui.paint(line, theme.selected);
            }
            ui.hit(line, Hit::OverlayRow(index));
        }
    }
}

/// Enter: its details.
pub fn accepted(model: &mut Model, state: &State) -> Vec<Effect> {
    let tasks = model.tasks.listed();
    if let Some(task) = tasks.get(state.cursor.min(tasks.len().saturating_sub(1))) {
        let details = details::State::of(model, task);
        model.overlays.push(Overlay::Details(details));
    }
    Vec::new()
}

/// Gives up the selected call.
pub fn cancel(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Tasks(state)) = model.overlays.last() else { return Vec::new() };
    let tasks = model.tasks.listed();
    match tasks.get(state.cursor.min(tasks.len().saturating_sub(1))) {
        Some(task) if task.is_running() => vec![Effect::Abort(task.id)],
        _ => Vec::new(),
    }
}
