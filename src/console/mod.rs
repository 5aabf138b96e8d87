//! The interactive screen.
//!
//! `Event → Action → update(&mut Model) → Vec<Effect> → executor → Event`; `draw(&Model)` only reads. One table of
//! actions ([`actions`]) feeds keymap, footer, help, palette, confirmation, the read-only rule and the README.

/// What the user can do: one row per action.
pub mod actions;
/// Answers of endpoints: trees, differences, repetition elsewhere.
pub mod answer;
/// The loop, the model, events, effects and the executor.
pub mod app;
/// What is known of the workspace: resources, live series, findings.
pub mod data;
/// Themes, glyphs, numbers and the frame around every screen.
pub mod look;
/// What floats above a screen.
pub mod overlays;
/// A file a screen: state, update, draw.
pub mod screens;
/// The only module that touches the terminal.
mod term;
/// Tables, charts, sliders and bars.
pub mod widgets;

pub use app::options::{Access, ConsoleOptions, ContextEntry, Opening};
pub use app::start::run;
