//! The engine from outside: files in, answers out.

mod build;
mod cases;
mod damaged;
mod exports;
mod extremes;
mod functions;
mod joint;
mod memory;
mod node_tests;
mod plain;
mod score;
#[cfg(feature = "onnxruntime")]
mod second;
mod serve;
mod sources;
mod v2;
mod values;
