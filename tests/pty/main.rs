//! The real binary in a terminal: what a person sees, and what is left of the terminal afterwards.

mod driver;
mod habits;
mod leave;
mod restored;
mod story;

/// The program under test.
const MLCONSOLE: &str = env!("CARGO_BIN_EXE_mlconsole");
