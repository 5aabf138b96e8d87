//! Tables, charts, sliders and bars.

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
