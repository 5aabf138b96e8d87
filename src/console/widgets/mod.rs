//! Tables, charts, sliders and bars.

use ratatui::layout::Rect;

use crate::console::look::Ui;

/// Two-colour bars.
pub mod bar;
/// Braille line charts with axes.
pub mod chart;
/// The filter language.
pub mod filter;
/// Latency histograms laid over one another.
pub mod histogram;
/// Weights as sliders.
pub mod slider;
/// Small courses in a line of text.
pub mod spark;
/// Tables of any length.
pub mod table;

/// Says in the middle of an empty picture why there is nothing to see.
fn nothing(ui: &mut Ui, area: Rect, why: &str) {
    let x = area.x + area.width.saturating_sub(ui.measure(why)) / 2;
    ui.text(x, area.y + area.height.saturating_sub(1) / 2, area.width, why, ui.theme.dim);
}
