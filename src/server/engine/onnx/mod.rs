//! ONNX graphs on tract: checked, planned once, run by instances.

pub mod check;
pub mod declared;
mod dense;
pub mod deny;
pub mod file;
pub mod fixes;
pub mod guard;
mod inline;
pub mod memory;
pub mod model;
pub mod plan;
pub mod spec;
pub mod support;
pub mod verdict;
pub mod whole;
