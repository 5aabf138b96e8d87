//! The whole picture: title, screen, overlays, messages, footer.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::screen;
use crate::console::app::event::Hit;
use crate::console::app::model::Model;
use crate::console::look::{Ui, chrome, layout};
use crate::console::overlays;

/// What drawing leaves behind beside the picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawn {
    pub hits: Vec<(Rect, Hit)>,
    pub cursor: Option<Position>,
}

impl Drawn {
    /// What lies at a place, the uppermost first.
    pub fn at(&self, x: u16, y: u16) -> Option<(Rect, &Hit)> {
        self.hits.iter().rev().find(|(area, _)| area.contains((x, y).into())).map(|(area, hit)| (*area, hit))
    }
}

/// Draws everything.
pub fn draw(model: &Model, buf: &mut Buffer) -> Drawn {
    let area = buf.area;
    let mut ui = Ui::new(buf, &model.theme);
    ui.paint(area, model.theme.ground);
    if area.width < layout::LEAST.0 || area.height < layout::LEAST.1 {
        let text =
            format!("mlconsole needs {}x{}; this is {}x{}", layout::LEAST.0, layout::LEAST.1, area.width, area.height);
        ui.text(area.x, area.y + area.height / 2, area.width, &text, model.theme.text);
        return Drawn { hits: ui.hits, cursor: None };
    }
    chrome::title(model, &mut ui, area);
    let body = chrome::banner(model, &mut ui, layout::body(area));
    screen(model).draw(model, &mut ui, body);
    if model.data.link.is_stale(model.now) && model.frozen.is_none() {
        ui.fade(body);
    }
    if !model.overlays.is_empty() {
        ui.cursor = None;
        ui.hit(area, Hit::Floor);
    }
    for overlay in &model.overlays {
        overlays::draw(model, overlay, &mut ui, area);
    }
    chrome::toasts(model, &mut ui, area);
    chrome::footer(model, &mut ui, area);
    Drawn { hits: ui.hits, cursor: ui.cursor }
}
