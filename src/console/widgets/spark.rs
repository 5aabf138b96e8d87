//! Small courses in a line of text.

use crate::console::look::glyphs::Glyphs;

/// A course as block heights, scaled to its largest value; gaps stay empty, nothing is a flat line.
pub fn spark(glyphs: &Glyphs, values: &[Option<f64>]) -> String {
    let top = values.iter().flatten().fold(0.0f64, |a, b| a.max(*b));
    let top = crate::console::look::numbers::ceil_125(top);
    values
        .iter()
        .map(|value| match value {
            None => " ",
            Some(value) if *value <= 0.0 => glyphs.bars[0],
            Some(value) => glyphs.bars[((value / top * 8.0).ceil() as usize).clamp(1, 8) - 1],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::look::glyphs::{ASCII, UNICODE};

    #[test]
    fn gaps_are_gaps_and_the_top_is_full() {
        assert_eq!(spark(&UNICODE, &[None, Some(0.0), Some(5.0), Some(10.0)]), " ▁▄█");
        assert_eq!(spark(&ASCII, &[Some(10.0), None]), "# ");
    }
}
