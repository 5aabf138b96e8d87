//! Tables, charts, sliders and bars.

/// Two-colour bars.
pub mod bar;
/// The filter language.
pub mod filter;
/// Small courses in a line of text.
pub mod spark;
/// Tables of any length.
pub mod table;
