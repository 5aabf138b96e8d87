//! A weight as a slider: what is in force beside what is drafted.

use ratatui::layout::Rect;

use crate::console::app::event::Hit;
use crate::console::look::Ui;
use crate::console::look::mark::Mark;

/// A slider to be drawn. Weights are hundredths of a percent.
pub struct Slider {
    pub index: usize,
    pub mark: Mark,
    pub now: u16,
    pub draft: u16,
    pub focused: bool,
    /// Weight at the right end.
    pub most: u16,
}

/// The column of a weight on a track.
pub fn column(track: Rect, weight: u16, most: u16) -> u16 {
    let last = u32::from(track.width.saturating_sub(1));
    track.x + ((u32::from(weight.min(most)) * last + u32::from(most) / 2) / u32::from(most.max(1))) as u16
}

/// Labels over a track: 0, 10 … 100, as many as have room.
pub fn scale(ui: &mut Ui, track: Rect, most: u16) {
    let steps = if track.width >= 80 {
        10
    } else if track.width >= 40 {
        5
    } else {
        2
    };
    for step in 0..=steps {
        let weight = (u32::from(most) * step / steps) as u16;
        let text = format!("{}", weight / 100);
        let wide = ui.measure(&text);
        let x = column(track, weight, most).saturating_sub(wide / 2);
        ui.text(x, track.y, wide, &text, ui.theme.dim);
    }
}

impl Slider {
    /// Draws the track, what is in force (◇) and what is drafted (●).
    pub fn draw(&self, ui: &mut Ui, track: Rect) {
        if track.width < 3 {
            return;
        }
        let theme = ui.theme;
        let glyphs = theme.glyphs;
        let (y, right) = (track.y, track.right() - 1);
        ui.repeat(track.x, y, track.width, glyphs.rule, theme.rule);
        let steps = if track.width >= 40 { 10 } else { 2 };
        for step in 1..steps {
            ui.put(column(track, (u32::from(self.most) * step / steps) as u16, self.most), y, glyphs.tick, theme.rule);
        }
        ui.put(track.x, y, glyphs.tick_left, theme.rule);
        ui.put(right, y, glyphs.tick_right, theme.rule);
        let (now, draft) = (column(track, self.now, self.most), column(track, self.draft, self.most));
        if draft > track.x {
            ui.repeat(track.x, y, draft - track.x, glyphs.heavy, self.mark.style);
        }
        if now != draft {
            ui.put(now, y, glyphs.diamond_hollow, theme.strong);
        }
        let knob = if self.focused { theme.accent } else { self.mark.style };
        ui.put(draft, y, glyphs.dot, knob);
        ui.hit(track, Hit::Slider { index: self.index, hundredths: self.draft });
    }
}
