//! Braille line charts: axes with units, a held scale in 1-2-5 steps, gaps that are gaps, a reading cursor.

use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::app::event::Hit;
use crate::console::look::{Ui, numbers};

/// One course.
#[derive(Debug, Clone)]
pub struct Course {
    pub style: Style,
    /// Stands for the course where neither colour nor braille can.
    pub shape: &'static str,
    /// Drawn with every second dot: the lesser of two figures, or the second of two colours in monochrome.
    pub dotted: bool,
    /// Oldest first, equally spaced; `None` is a gap.
    pub values: Vec<Option<f64>>,
}

/// A chart to be drawn.
#[derive(Debug, Clone)]
pub struct Chart<'a> {
    pub courses: &'a [Course],
    /// The largest value of this window and the one before: the scale does not jump when a peak leaves.
    pub peak: f64,
    /// Seconds.
    pub window: u32,
    /// Seconds before the right edge.
    pub cursor: Option<u32>,
    /// What the right edge is called: "now", or a time of day.
    pub end: String,
    /// Said in place of courses that hold nothing but zeros and gaps.
    pub empty: &'a str,
}

/// Columns for the labels of the y axis.
pub const AXIS: u16 = 7;

/// Parts a window is divided into for a chart of so many columns: two dots a column.
pub fn parts(width: u16) -> usize {
    usize::from(width.saturating_sub(AXIS).max(1)) * 2
}

/// The value of a course `ago` seconds before its end.
pub fn value_at(values: &[Option<f64>], window: u32, ago: u32) -> Option<f64> {
    let len = values.len();
    let back = (u64::from(ago) * len as u64 / u64::from(window.max(1))) as usize;
    values.get(len.checked_sub(back + 1)?).copied().flatten()
}

/// A grid of braille dots, two by four a cell, with a course for each cell.
struct Grid {
    columns: usize,
    rows: usize,
    cells: Vec<(u8, usize)>,
}

impl Grid {
    fn new(columns: u16, rows: u16) -> Self {
        let (columns, rows) = (usize::from(columns), usize::from(rows));
        Self { columns, rows, cells: vec![(0, 0); columns * rows] }
    }

    /// Sets a dot; y counts from the top.
    fn dot(&mut self, x: usize, y: usize, course: usize) {
        const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
        let (column, row) = (x / 2, y / 4);
        if column < self.columns && row < self.rows {
            let cell = &mut self.cells[row * self.columns + column];
            cell.0 |= BITS[x % 2][y % 4];
            cell.1 = course;
        }
    }

    /// A line between two dots.
    fn line(&mut self, from: (usize, usize), to: (usize, usize), course: usize, dotted: bool) {
        let (dx, dy) = (to.0.abs_diff(from.0), to.1.abs_diff(from.1));
        let steps = dx.max(dy).max(1);
        for step in 0..=steps {
            let at =
                |a: usize, b: usize| (a as f64 + (b as f64 - a as f64) * step as f64 / steps as f64).round() as usize;
            let (x, y) = (at(from.0, to.0), at(from.1, to.1));
            if !dotted || x.is_multiple_of(2) {
                self.dot(x, y, course);
            }
        }
    }
}

impl Chart<'_> {
    /// Draws the chart: `area.height - 1` rows of plot above a row of labels.
    pub fn draw(&self, ui: &mut Ui, area: Rect) {
        if area.width < AXIS + 8 || area.height < 3 {
            return;
        }
        let theme = ui.theme;
        let plot = Rect { x: area.x + AXIS, width: area.width - AXIS, height: area.height - 1, ..area };
        let top = numbers::ceil_125(self.peak);
        self.axes(ui, area, plot, top);
        ui.hit(plot, Hit::Chart { ago: self.window });
        if self.is_empty() {
            super::nothing(ui, plot, self.empty);
            return self.reading(ui, plot);
        }
        let mut grid = Grid::new(plot.width, plot.height);
        let (wide, high) = (usize::from(plot.width) * 2, usize::from(plot.height) * 4);
        let mono = theme.is_mono() || theme.glyphs.ascii;
        for (index, course) in self.courses.iter().enumerate() {
            let last = course.values.len().max(2) - 1;
            let place = |at: usize, value: f64| {
                let y = (value / top * (high - 1) as f64).round().clamp(0.0, (high - 1) as f64) as usize;
                (at * (wide - 1) / last, high - 1 - y)
            };
            let dotted = course.dotted || (mono && index % 2 == 1);
            let mut before = None;
            for (at, value) in course.values.iter().enumerate() {
                let here = value.map(|value| place(at, value));
                match (before, here) {
                    (Some(from), Some(to)) => grid.line(from, to, index, dotted),
                    (None, Some(to)) => grid.dot(to.0, to.1, index),
                    (_, None) => {}
                }
                before = here;
            }
        }
        for (at, (bits, course)) in grid.cells.iter().enumerate() {
            if *bits == 0 {
                continue;
            }
            let (x, y) = (plot.x + (at % grid.columns) as u16, plot.y + (at / grid.columns) as u16);
            let course = &self.courses[*course];
            if theme.glyphs.ascii {
                ui.put(x, y, course.shape, course.style);
            } else {
                let glyph = char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' ');
                ui.put(x, y, glyph.encode_utf8(&mut [0; 4]), course.style);
            }
        }
        self.reading(ui, plot);
    }

    /// Nothing but zeros and gaps. Drawn, their border would creep along the axis: a picture that changes while nothing
    /// happens.
    fn is_empty(&self) -> bool {
        self.courses.iter().flat_map(|course| &course.values).all(|value| value.is_none_or(|value| value == 0.0))
    }

    fn axes(&self, ui: &mut Ui, area: Rect, plot: Rect, top: f64) {
        let theme = ui.theme;
        let bottom = plot.bottom() - 1;
        for y in plot.y..=bottom {
            ui.put(plot.x - 1, y, theme.glyphs.vertical, theme.rule);
        }
        let middle = plot.y + (plot.height - 1) / 2;
        let mut labels = vec![(plot.y, top), (bottom, 0.0)];
        if plot.height >= 5 && plot.height % 2 == 1 {
            labels.push((middle, top / 2.0));
        }
        for (y, value) in labels {
            ui.right(plot.x - 2, y, AXIS - 2, &numbers::tick(value), theme.dim);
            ui.put(plot.x - 1, y, theme.glyphs.axis, theme.rule);
        }
        let y = area.bottom() - 1;
        ui.text(plot.x, y, plot.width, &format!("-{}", numbers::window(self.window)), theme.dim);
        if plot.width >= 40 {
            let half = format!("-{}", numbers::span_ms(i64::from(self.window) * 500).replace(".0 s", " s"));
            ui.text(plot.x + plot.width / 2 - 3, y, 12, &half, theme.dim);
        }
        // The reading cursor's label has the place when it is near.
        if self.cursor.is_none_or(|ago| ago > self.window / 4) {
            ui.right(plot.right(), y, plot.width / 2, &self.end, theme.dim);
        }
    }

    fn reading(&self, ui: &mut Ui, plot: Rect) {
        let Some(ago) = self.cursor else { return };
        let theme = ui.theme;
        let ago = ago.min(self.window);
        let back = (u64::from(ago) * u64::from(plot.width - 1) / u64::from(self.window.max(1))) as u16;
        let x = plot.right() - 1 - back;
        for y in plot.y..plot.bottom() {
            let empty = ui.buf.cell((x, y)).is_some_and(|cell| cell.symbol() == " ");
            if empty {
                ui.put(x, y, theme.glyphs.vertical, theme.accent);
            } else {
                ui.paint(Rect { x, y, width: 1, height: 1 }, theme.accent);
            }
        }
        let label = format!("-{}", numbers::span_ms(i64::from(ago) * 1_000).replace(".0 s", " s"));
        let wide = ui.measure(&label);
        let at = x.saturating_sub(wide / 2).clamp(plot.x, plot.right().saturating_sub(wide));
        ui.text(at, plot.bottom(), wide, &label, theme.accent);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;

    use super::*;
    use crate::console::look::theme::{Theme, ThemeName};

    fn dump(values: Vec<Option<f64>>, ascii: bool) -> String {
        let theme = Theme::new(ThemeName::Mono, ascii);
        let area = Rect::new(0, 0, 27, 6);
        let mut buf = Buffer::empty(area);
        let mut ui = Ui::new(&mut buf, &theme);
        let course = Course { style: Style::new(), shape: "B", dotted: false, values };
        let end = "now".into();
        let chart = Chart { courses: &[course], peak: 93.0, window: 300, cursor: None, end, empty: "none seen" };
        chart.draw(&mut ui, area);
        (0..6)
            .map(|y| {
                (0..27).map(|x| buf[(x, y)].symbol().to_string()).collect::<String>().trim_end().to_string() + "\n"
            })
            .collect()
    }

    #[test]
    fn axes_end_at_a_round_number_and_gaps_stay_empty() {
        let mut values: Vec<Option<f64>> = (0..40).map(|at| Some(f64::from(at) * 2.0)).collect();
        values[15..25].fill(None);
        let text = dump(values, true);
        assert!(text.starts_with("  100 |"), "{text}");
        assert!(text.contains("    0 |BBB"), "{text}");
        assert!(text.lines().last().unwrap().ends_with("now"), "{text}");
        let gap: String = text.lines().take(5).map(|line| line.chars().skip(15).take(4).collect::<String>()).collect();
        assert!(gap.trim().is_empty(), "{text}");
    }

    #[test]
    fn a_picture_of_nothing_stands_still() {
        let seen = |from: usize| (0..40).map(|at| (at >= from).then_some(0.0)).collect::<Vec<_>>();
        assert_eq!(dump(seen(10), false), dump(seen(30), false), "the border of what was observed does not creep");
        assert!(dump(seen(10), false).contains("none seen"));
    }

    #[test]
    fn the_cursor_reads_the_value_under_it() {
        let values: Vec<Option<f64>> = (0..100).map(|at| Some(f64::from(at))).collect();
        assert_eq!(value_at(&values, 300, 0), Some(99.0));
        assert_eq!(value_at(&values, 300, 30), Some(89.0));
        assert_eq!(value_at(&values, 300, 299), Some(0.0));
        assert_eq!(value_at(&[], 300, 0), None);
    }
}
