//! Tables of any length: only visible rows are built, columns drop from the least important when room is short.

use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::console::app::event::Hit;
use crate::console::app::list::List;
use crate::console::look::Ui;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub title: &'static str,
    /// Columns of the screen it takes at least.
    pub width: u16,
    /// Share of the room that is left over; 0 = keeps its width.
    pub grow: u16,
    pub right: bool,
    /// 0 is never dropped; the highest goes first.
    pub drop: u8,
}

impl Column {
    /// A column of text at the left.
    pub const fn left(title: &'static str, width: u16, drop: u8) -> Self {
        Self { title, width, grow: 0, right: false, drop }
    }

    /// A column of numbers at the right.
    pub const fn right(title: &'static str, width: u16, drop: u8) -> Self {
        Self { title, width, grow: 0, right: true, drop }
    }

    /// Takes a share of the room that is left over.
    pub const fn grow(mut self, share: u16) -> Self {
        self.grow = share;
        self
    }
}

/// Between two columns.
const GAP: u16 = 2;
/// For the mark of the cursor.
const MARGIN: u16 = 3;

/// Where the columns that fit stand: index, x, width.
pub fn arrange(columns: &[Column], area: Rect) -> Vec<(usize, u16, u16)> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    let need = |kept: &[usize]| -> u16 { kept.iter().map(|at| columns[*at].width + GAP).sum::<u16>() + MARGIN };
    while need(&kept) > area.width + GAP {
        let Some(at) = kept.iter().copied().filter(|at| columns[*at].drop > 0).max_by_key(|at| columns[*at].drop)
        else {
            break;
        };
        kept.retain(|other| *other != at);
    }
    let left = (area.width + GAP).saturating_sub(need(&kept));
    let shares: u16 = kept.iter().map(|at| columns[*at].grow).sum();
    let mut x = area.x + MARGIN;
    let mut placed = Vec::new();
    for at in kept {
        let extra =
            if shares > 0 { u32::from(left) * u32::from(columns[at].grow) / u32::from(shares) } else { 0 } as u16;
        let width = (columns[at].width + extra).min(area.right().saturating_sub(x));
        placed.push((at, x, width));
        x += width + GAP;
    }
    placed
}

/// A table to be drawn.
pub struct Table<'a> {
    pub columns: &'a [Column],
    pub list: &'a List,
    pub focused: bool,
    /// Which list of the screen it is, for clicks.
    pub pane: usize,
    /// What stands in a row (index into the list's keys), column and width.
    pub cell: &'a dyn Fn(usize, usize, u16) -> Line<'static>,
}

impl Table<'_> {
    /// Draws header and the rows around the cursor.
    pub fn draw(&self, ui: &mut Ui, area: Rect) {
        if area.height == 0 || area.width < 10 {
            return;
        }
        let theme = ui.theme;
        let placed = arrange(self.columns, area);
        for (at, x, width) in &placed {
            let column = &self.columns[*at];
            let mark = match (self.list.sort == *at, self.list.descending) {
                (true, true) => theme.glyphs.down,
                (true, false) => theme.glyphs.up,
                (false, _) => "",
            };
            let style = if mark.is_empty() { theme.dim } else { theme.strong };
            if column.right {
                ui.right(x + width, area.y, width + GAP, &format!("{mark}{}", column.title), style);
            } else {
                ui.text(*x, area.y, *width, &format!("{}{mark}", column.title), style);
            }
            let header = Rect { x: *x, y: area.y, width: *width, height: 1 };
            ui.hit(header, Hit::Column { pane: self.pane, column: *at });
        }
        let rows = usize::from(area.height - 1);
        let top = first(self.list.cursor, rows, self.list.keys.len());
        for (y, index) in (area.y + 1..area.bottom()).zip(top..self.list.keys.len()) {
            let line = Rect { y, height: 1, ..area };
            let selected = index == self.list.cursor;
            for (at, x, width) in &placed {
                let text = (self.cell)(index, *at, *width);
                if self.columns[*at].right {
                    ui.line_right(x + width, y, *width, &text);
                } else {
                    ui.line(*x, y, *width, &text);
                }
            }
            if selected {
                ui.paint(line, if self.focused { theme.selected } else { theme.selected_faint });
                if self.focused {
                    ui.text(area.x + 1, y, 1, theme.glyphs.cursor, theme.selected);
                }
            }
            ui.hit(line, Hit::Row { pane: self.pane, index });
        }
    }
}

/// The first visible row: the cursor stays in the middle as long as there are rows on both sides, so that the picture
/// depends on nothing that was drawn before.
pub fn first(cursor: usize, rows: usize, len: usize) -> usize {
    cursor.saturating_sub(rows / 2).min(len.saturating_sub(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_drop_from_the_least_important_and_the_rest_grows() {
        let columns = [
            Column::left("NAME", 10, 0).grow(1),
            Column::right("P99", 6, 2),
            Column::right("P95", 6, 9),
            Column::right("RATE", 6, 1),
        ];
        let area = |width| Rect { x: 0, y: 0, width, height: 5 };
        let kept = |width| arrange(&columns, area(width)).iter().map(|(at, ..)| *at).collect::<Vec<_>>();
        assert_eq!(kept(80), [0, 1, 2, 3]);
        assert_eq!(kept(32), [0, 1, 3]);
        assert_eq!(kept(22), [0, 3]);
        assert_eq!(kept(4), [0]);
        let wide = arrange(&columns, area(80));
        assert_eq!(wide[3].1 + wide[3].2, 80);
    }

    #[test]
    fn the_cursor_is_always_visible() {
        for len in 0..30 {
            for rows in 1..12 {
                for cursor in 0..len {
                    let top = first(cursor, rows, len);
                    assert!(top <= cursor && cursor < top + rows);
                }
            }
        }
    }
}
