//! ONNX graphs: checked, loaded once into an engine (tract, or ONNX Runtime where that is wanted), run by instances.

pub mod batch;
pub mod check;
pub mod declared;
mod dense;
pub mod deny;
pub mod file;
pub mod fixes;
pub mod guard;
mod inline;
pub mod library;
mod maps;
pub mod memory;
pub mod model;
#[cfg(feature = "onnxruntime")]
mod ort;
pub mod plan;
pub mod spec;
pub mod support;
mod threads;
mod tract;
pub mod verdict;
pub mod whole;
