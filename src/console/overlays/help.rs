//! All keys in force, searchable, made from the table of actions.

use ratatui::layout::Rect;
use tui_input::Input;

use crate::console::actions::{self, Row, Scope};
use crate::console::app::model::Model;
use crate::console::look::{Ui, layout};
use crate::console::widgets::filter::Filter;

/// What is searched for and how far it is scrolled.
#[derive(Debug, Clone)]
pub struct State {
    pub input: Input,
    pub top: usize,
    pub lines: usize,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    Title(&'static str, bool),
    Row(&'static Row),
}

impl State {
    /// Help for where the user is: its scopes first.
    pub fn new(model: &Model) -> Self {
        let mut state = Self { input: Input::default(), top: 0, lines: 0, entries: Vec::new() };
        state.search(model);
        state
    }

    /// Finds what is typed.
    pub fn search(&mut self, model: &Model) {
        let mut scopes = crate::console::screens::scopes(model);
        let here = scopes.len();
        for row in actions::rows() {
            if !scopes.contains(&row.scope) {
                scopes.push(row.scope);
            }
        }
        let filter = Filter::new(self.input.value());
        self.entries.clear();
        for (at, scope) in scopes.into_iter().enumerate() {
            let rows: Vec<&'static Row> = actions::rows().filter(|row| row.scope == scope).collect();
            let texts: Vec<String> = rows
                .iter()
                .map(|row| format!("{} {} {}", row.title, model.keymap.all(row).join(" "), scope.title()))
                .collect();
            let found = filter.select(texts.iter().map(String::as_str));
            if !found.is_empty() {
                self.entries.push(Entry::Title(scope.title(), at < here || scope == Scope::Global));
                let mut found = found;
                found.sort_unstable();
                self.entries.extend(found.into_iter().map(|at| Entry::Row(rows[at])));
            }
        }
        self.lines = self.entries.len();
        self.top = 0;
    }

    pub fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        let theme = &model.theme;
        let width = 96.min(area.width.saturating_sub(2));
        let inner = ui.float(layout::middle(area, width, area.height.saturating_sub(2)), "Keys");
        let x = ui.text(inner.x, inner.y, 8, "search ", theme.dim);
        let end = super::draw_input(ui, &self.input, x, inner.y, inner.width.saturating_sub(10), true);
        if self.input.value().is_empty() {
            ui.text(end + 1, inner.y, inner.width, "type to search keys and actions", theme.ghost);
        }
        let rows = usize::from(inner.height.saturating_sub(2));
        let top = self.top.min(self.entries.len().saturating_sub(rows));
        if self.entries.is_empty() {
            ui.text(inner.x, inner.y + 2, inner.width, "nothing is called like that", theme.dim);
        }
        for (y, entry) in (inner.y + 2..inner.bottom()).zip(self.entries.iter().skip(top)) {
            match entry {
                Entry::Title(title, here) => {
                    let style = if *here { theme.accent } else { theme.title };
                    ui.text(inner.x, y, inner.width, title, style);
                }
                Entry::Row(row) => {
                    let keys = model.keymap.all(row).join("  ");
                    let refusal = actions::refusal(model, row);
                    let style = if refusal.is_some() { theme.dim } else { theme.overlay };
                    ui.text(inner.x + 2, y, 18, &keys, theme.key);
                    let end = ui.text(inner.x + 21, y, inner.width.saturating_sub(21), row.title, style);
                    let left = inner.right().saturating_sub(end + 2);
                    if row.write {
                        ui.right(inner.right(), y, left, "changes the workspace", theme.dim);
                    }
                }
            }
        }
        let below = self.entries.len().saturating_sub(top + rows);
        if below > 0 {
            ui.right(inner.right(), inner.y, 20, &format!("{below} more below"), theme.dim);
        }
    }
}
