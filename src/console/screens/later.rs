//! Stands in for screens that are not there yet.

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Scope};
use crate::console::app::event::Effect;
use crate::console::app::model::Model;
use crate::console::look::Ui;

/// The screen.
pub struct Later;

impl Screen for Later {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        Vec::new()
    }

    fn update(&self, _: &mut Model, _: Action, _: Option<char>) -> Vec<Effect> {
        Vec::new()
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        ui.section(area, &model.nav.here().crumb(), "", false);
    }
}
