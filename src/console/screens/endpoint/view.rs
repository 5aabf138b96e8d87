//! The picture of the endpoint screen.

use ratatui::layout::Rect;

use crate::console::app::model::Model;
use crate::console::look::Ui;

/// Draws the screen.
pub fn draw(model: &Model, ui: &mut Ui, area: Rect) {
    ui.section(area, &model.nav.here().crumb(), "", true);
}
