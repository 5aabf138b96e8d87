//! How traffic is divided, as a bar of shapes in proportion.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::console::look::mark::Mark;
use crate::console::look::theme::Theme;
use crate::resources::Weight;

/// Columns of each part of a bar of `width`, by largest remainder; whoever has anything gets at least one.
pub fn parts(weights: &[Weight], width: u16) -> Vec<u16> {
    let sum: u32 = weights.iter().map(|weight| u32::from(weight.hundredths())).sum();
    if sum == 0 || width == 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: &Weight| u32::from(weight.hundredths()) * u32::from(width);
    let mut columns: Vec<u16> = weights.iter().map(|weight| (exact(weight) / sum) as u16).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(exact(&weights[*at]) % sum));
    let short = width.saturating_sub(columns.iter().sum());
    for at in order.into_iter().take(usize::from(short)) {
        columns[at] += 1;
    }
    for at in 0..columns.len() {
        if columns[at] == 0
            && !weights[at].is_zero()
            && let Some(most) = (0..columns.len()).max_by_key(|other| columns[*other])
            && columns[most] > 1
        {
            columns[most] -= 1;
            columns[at] = 1;
        }
    }
    columns
}

/// The bar alone: a heavy line for the first, shapes for the others, each in its colour.
pub fn bar(theme: &Theme, shares: &[(Mark, Weight)], width: u16) -> Line<'static> {
    let weights: Vec<Weight> = shares.iter().map(|(_, weight)| *weight).collect();
    let mut line = Line::default();
    for ((mark, _), columns) in shares.iter().zip(parts(&weights, width)) {
        let glyph = if mark.shape == theme.glyphs.square { theme.glyphs.heavy } else { mark.shape };
        line.push_span(Span::styled(glyph.repeat(usize::from(columns)), mark.style));
    }
    line
}

/// How far something is, 0 to 1: a heavy line over a thin one.
pub fn share(theme: &Theme, share: f64, width: u16) -> Line<'static> {
    let done = (share.clamp(0.0, 1.0) * f64::from(width)).round() as u16;
    Line::from(vec![
        Span::styled(theme.glyphs.heavy.repeat(usize::from(done)), theme.accent),
        Span::styled(theme.glyphs.rule.repeat(usize::from(width - done)), theme.rule),
    ])
}

/// `■ blue 90 ━━━━━━━▲ 10 green ▲`, as wide as there is room; names go first, then the bar.
pub fn traffic(theme: &Theme, shares: &[(Mark, String, Weight)], width: u16) -> Line<'static> {
    let shown: Vec<&(Mark, String, Weight)> = shares.iter().filter(|(_, _, weight)| !weight.is_zero()).collect();
    let (first, last) = match shown[..] {
        [] => return Line::default(),
        [only] => (only, None),
        [first, last] => (first, Some(last)),
        _ => return many(&shown, width),
    };
    let left = format!("{} {} {} ", first.0.shape, first.1, first.2);
    let right = last.map_or(String::new(), |last| format!(" {} {} {}", last.2, last.1, last.0.shape));
    let taken = crate::console::look::ui::width(&left) + crate::console::look::ui::width(&right);
    if taken + 6 > width {
        return many(&shown, width);
    }
    let marks: Vec<(Mark, Weight)> = shown.iter().map(|(mark, _, weight)| (*mark, *weight)).collect();
    let mut line = Line::from(Span::styled(left, first.0.style));
    line.spans.extend(bar(theme, &marks, (width - taken).min(26)).spans);
    if let Some(last) = last {
        line.push_span(Span::styled(right, last.0.style));
    }
    line
}

fn many(shares: &[&(Mark, String, Weight)], width: u16) -> Line<'static> {
    let mut line = Line::default();
    let mut left = width;
    let gap = if width >= 16 { "  " } else { " " };
    for (at, (mark, _, weight)) in shares.iter().enumerate() {
        let text = format!("{}{weight}", mark.shape);
        let wide = crate::console::look::ui::width(&text) + if at > 0 { gap.len() as u16 } else { 0 };
        if wide > left {
            line.push_span(Span::styled("…", Style::new()));
            break;
        }
        left -= wide;
        if at > 0 {
            line.push_span(Span::raw(gap));
        }
        line.push_span(Span::styled(text, mark.style));
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bar_is_exactly_as_wide_as_asked(weights in prop::collection::vec(0u16..=100, 1..6), width in 0u16..80) {
            let weights: Vec<Weight> = weights.into_iter().map(Weight::percent).collect();
            let sum: u16 = parts(&weights, width).iter().sum();
            prop_assert!(sum == width || weights.iter().all(|w| w.is_zero()));
        }
    }

    #[test]
    fn one_percent_is_visible() {
        assert_eq!(parts(&[Weight::percent(99), Weight::percent(1)], 20), [19, 1]);
    }
}
