//! Why something failed, in full.

use ratatui::layout::Rect;

use crate::console::app::model::Model;
use crate::console::app::tasks::Task;
use crate::console::look::{Ui, layout, numbers, ui};

/// The text, and how far it is scrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub title: String,
    pub lines: Vec<String>,
    pub top: usize,
}

impl State {
    /// Of the task that failed last.
    pub fn of_last_failure(model: &Model) -> Option<Self> {
        model.tasks.last_failure().map(|task| Self::of(model, task))
    }

    /// Of a task.
    pub fn of(model: &Model, task: &Task) -> Self {
        let mut lines = vec![task.title.clone(), String::new()];
        let took = task.ended_ms.unwrap_or(model.now) - task.started_ms;
        lines.push(format!("started {}, took {}", model.clock(task.started_ms, true), numbers::took_ms(took)));
        if let Some(operation) = &task.operation
            && let Some(details) = &operation.properties
        {
            for phase in &details.phases {
                let state = match (phase.started_ms, phase.ended_ms) {
                    (0, _) => "waiting".into(),
                    (_, 0) => "running".into(),
                    (from, to) => numbers::took_ms(to - from),
                };
                let note = phase.note.as_deref().map_or(String::new(), |note| format!(" ({note})"));
                lines.push(format!("  {}: {state}{note}", phase.name));
            }
        }
        if let Some(failure) = &task.failure {
            lines.extend([String::new(), format!("{}:", failure.code)]);
            lines.extend(failure.message.lines().map(String::from));
        } else if !task.progress.is_empty() {
            lines.extend([String::new(), task.progress.clone()]);
        }
        Self { title: "Details".into(), lines, top: 0 }
    }

    /// Any text under a title.
    pub fn text(title: &str, text: &str) -> Self {
        Self { title: title.into(), lines: text.lines().map(String::from).collect(), top: 0 }
    }

    pub fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        let width = 100.min(area.width.saturating_sub(4));
        let wrapped: Vec<String> = self
            .lines
            .iter()
            .flat_map(|line| if line.is_empty() { vec![String::new()] } else { ui::wrap(line, width - 4) })
            .collect();
        let height = (wrapped.len() as u16 + 4).min(area.height.saturating_sub(2)).max(6);
        let inner = ui.float(layout::middle(area, width, height), &self.title);
        let rows = usize::from(inner.height.saturating_sub(1));
        let top = self.top.min(wrapped.len().saturating_sub(rows));
        for (y, line) in (inner.y + 1..inner.bottom()).zip(wrapped.iter().skip(top)) {
            ui.text(inner.x, y, inner.width, line, model.theme.overlay);
        }
    }
}
