//! Themes, glyphs, numbers and the frame around every screen.

/// Title line, banner, footer, messages.
pub mod chrome;
/// Unicode glyphs and their ASCII twins.
pub mod glyphs;
/// Breakpoints.
pub mod layout;
/// How a deployment is marked: letter, shape, colour.
pub mod mark;
/// Numbers and times in words.
pub mod numbers;
/// Roles to styles.
pub mod theme;
/// What drawing draws on.
pub mod ui;

pub use ui::Ui;
