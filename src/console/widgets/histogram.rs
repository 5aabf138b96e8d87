//! Latency histograms laid over one another: shape against shape, whatever their counts.

use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use crate::console::look::mark::Mark;
use crate::console::look::{Ui, numbers};
use crate::stats::histogram::{Histogram, lower, upper};

/// One distribution.
pub struct Shape<'a> {
    pub mark: Mark,
    pub histogram: &'a Histogram,
}

/// Shares of all values in `columns` parts of a logarithmic axis from `low` to `high` microseconds.
fn shares(histogram: &Histogram, low: f64, high: f64, columns: usize) -> Vec<f64> {
    let mut shares = vec![0.0; columns];
    let total = histogram.count().max(1) as f64;
    let place = |us: f64| (us.max(low) / low).ln() / (high / low).ln() * columns as f64;
    for (bucket, count) in histogram.filled() {
        let (from, to) = (place(lower(bucket).max(1) as f64), place(upper(bucket).max(2) as f64));
        let wide = (to - from).max(1e-9);
        let mut at = from.max(0.0);
        while at < to.min(columns as f64) {
            let column = at as usize;
            let end = ((column + 1) as f64).min(to);
            shares[column.min(columns - 1)] += count as f64 / total * (end - at) / wide;
            at = end.max(at + 1e-9);
        }
    }
    shares
}

/// The range that shows all but the rarest values of all, in microseconds.
fn range(all: &[Shape]) -> Option<(f64, f64)> {
    let low = all.iter().filter_map(|shape| shape.histogram.filled().next().map(|(bucket, _)| lower(bucket))).min()?;
    let high = all
        .iter()
        .filter_map(|shape| shape.histogram.quantile(0.999).or_else(|| shape.histogram.quantile(1.0)))
        .fold(0.0, f64::max);
    let low = (low.max(1) as f64) * 0.9;
    Some((low, (high * 1.25).max(low * 4.0)))
}

/// Draws two (or one) distributions: blocks in colour, letters or shades without.
pub fn draw(ui: &mut Ui, area: Rect, all: &[Shape]) {
    if area.height < 3 || area.width < 20 {
        return;
    }
    let Some((low, high)) = range(all) else {
        return super::nothing(ui, area, "no requests seen");
    };
    let columns = usize::from(area.width);
    let courses: Vec<Vec<f64>> = all.iter().take(2).map(|shape| shares(shape.histogram, low, high, columns)).collect();
    let top = courses.iter().flatten().fold(0.0f64, |a, b| a.max(*b)).max(1e-9);
    let rows = area.height - 1;
    let eighths = |share: f64| -> u16 {
        let level = (share / top * f64::from(rows * 8)).round() as u16;
        if share > 0.0 { level.max(1) } else { 0 }
    };
    for x in 0..columns {
        let first = eighths(courses[0][x]);
        let second = courses.get(1).map_or(0, |course| eighths(course[x]));
        for row in 0..rows {
            let y = area.y + rows - 1 - row;
            let level = |of: u16| of.saturating_sub(row * 8).min(8);
            cell(ui, area.x + x as u16, y, (level(first), level(second)), all);
        }
    }
    axis(ui, Rect { y: area.y + rows, height: 1, ..area }, low, high);
}

fn cell(ui: &mut Ui, x: u16, y: u16, (first, second): (u16, u16), all: &[Shape]) {
    let theme = ui.theme;
    let style = |at: usize| all.get(at).map_or(theme.text, |shape| shape.mark.style);
    let (low, high) = (first.min(second), first.max(second));
    if high == 0 {
        return;
    }
    let taller = if first >= second { 0 } else { 1 };
    if theme.is_mono() || theme.glyphs.ascii {
        if high < 4 && low == 0 && y > 0 && high < 2 {
            return;
        }
        let glyph = match (low >= 4, taller) {
            (true, _) => theme.glyphs.block,
            (false, taller) => theme.glyphs.shade[taller],
        };
        ui.put(x, y, glyph, style(taller));
        return;
    }
    let bar = |level: u16| theme.glyphs.bars[usize::from(level.clamp(1, 8)) - 1];
    let ground = |style: Style| Style::new().bg(style.fg.unwrap_or(Color::Reset));
    if low == 0 || all.len() < 2 {
        ui.put(x, y, bar(high), style(taller));
    } else if low == 8 {
        ui.put(x, y, theme.glyphs.block, theme.both);
    } else if high == 8 {
        // the common part below, the taller one above it
        ui.put(x, y, bar(low), theme.both.patch(ground(style(taller))));
    } else {
        ui.put(x, y, bar(high), theme.both);
    }
}

/// Ticks in 1-2-5 steps, in milliseconds.
fn axis(ui: &mut Ui, area: Rect, low: f64, high: f64) {
    let theme = ui.theme;
    let place = |us: f64| ((us / low).ln() / (high / low).ln() * f64::from(area.width)) as u16;
    let mut step = numbers::ceil_125(low);
    let mut free = area.x;
    while step < high {
        let text = numbers::tick(step / 1_000.0);
        let wide = ui.measure(&text);
        let at = area.x + place(step).min(area.width - 1);
        if at >= free && at + wide + 4 <= area.right() {
            ui.text(at, area.y, wide, &text, theme.dim);
            free = at + wide + 2;
        }
        step = numbers::ceil_125(step * 1.01);
    }
    ui.right(area.right(), area.y, 3, " ms", theme.dim);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_one() {
        let mut histogram = Histogram::default();
        (1..2_000u64).for_each(|us| histogram.record(us * 3));
        for columns in [10, 37, 120] {
            let sum: f64 = shares(&histogram, 1.0, 10_000_000.0, columns).iter().sum();
            assert!((sum - 1.0).abs() < 1e-6, "{columns}: {sum}");
        }
    }
}
