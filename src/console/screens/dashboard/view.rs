//! The picture of the dashboard.

use ratatui::layout::Rect;
use ratatui::text::Line;

use super::COLUMNS;
use crate::console::app::model::Model;
use crate::console::look::Ui;
use crate::console::widgets::table::Table;

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    let cell = |row: usize, column: usize, _: u16| match (column, model.dashboard.list.keys.get(row)) {
        (0, Some(name)) => Line::from(name.clone()),
        _ => Line::default(),
    };
    let table = Table { columns: &COLUMNS, list: &model.dashboard.list, focused: true, pane: 0, cell: &cell };
    table.draw(ui, area);
}
