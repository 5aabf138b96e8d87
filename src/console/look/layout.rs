//! Breakpoints: complete at 80×24, more at 100, 140 and 200 columns, one polite line below 60×16.

use ratatui::layout::Rect;

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Below 100 columns.
    Small,
    /// From 100 columns.
    Medium,
    /// From 140 columns.
    Large,
    /// From 200 columns.
    Huge,
}

/// Smallest terminal with a screen.
pub const LEAST: (u16, u16) = (60, 16);

impl Room {
    pub const fn of(width: u16) -> Self {
        match width {
            0..100 => Self::Small,
            100..140 => Self::Medium,
            140..200 => Self::Large,
            _ => Self::Huge,
        }
    }
}

/// The part of the screen between title and footer, with air around it where there is room.
pub fn body(area: Rect) -> Rect {
    let air = u16::from(area.height >= 30);
    Rect {
        x: area.x,
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(1),
        height: area.height.saturating_sub(2 + air),
    }
}

/// The upper `height` rows, and the rest.
pub fn split_top(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let rest = Rect { y: area.y + height, height: area.height - height, ..area };
    (Rect { height, ..area }, rest)
}

/// The left `width` columns, and the rest after a gap.
pub fn split_left(area: Rect, width: u16, gap: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    let taken = (width + gap).min(area.width);
    (Rect { width, ..area }, Rect { x: area.x + taken, width: area.width - taken, ..area })
}

/// Without so many columns at both sides.
pub fn inset(area: Rect, columns: u16) -> Rect {
    let columns = columns.min(area.width / 2);
    Rect { x: area.x + columns, width: area.width - 2 * columns, ..area }
}

/// A rectangle of this size in the middle of an area, or as much of it as fits.
pub fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height }
}
