//! The picture of the traffic screen.

use ratatui::layout::Rect;

use crate::console::app::model::Model;
use crate::console::look::Ui;

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    ui.section(area, "Traffic", "", !model.traffic.in_history);
}
