//! The interactive screen.

pub mod answer;
