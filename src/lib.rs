//! mlconsole: the terminal operations console for machine-learning endpoints.
//!
//! The map, a sentence a room; `tests/house.rs` checks the walls between them. The binary is `main.rs` with `home.rs`
//! (the workspace a context stands for) and `screen.rs` (how the console is started).

/// One-shot commands.
pub mod cli;
/// Typed calls to any workspace.
pub mod client;
/// `config.toml`.
pub mod config;
/// The interactive screen.
pub mod console;
/// Open-model load generator.
pub mod load;
/// The nouns, their wire shape, their files and their rules.
pub mod resources;
/// The local workspace.
pub mod server;
/// Histograms, quantiles and tests: pure mathematics.
pub mod stats;
