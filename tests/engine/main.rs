//! The engine from outside: files in, answers out.

mod build;
mod cases;
mod damaged;
mod exports;
mod extremes;
mod functions;
mod joint;
mod maps;
mod memory;
mod node_tests;
mod plain;
#[path = "../shared/python.rs"]
mod python;
mod score;
#[cfg(feature = "onnxruntime")]
mod second;
mod serve;
mod sources;
mod v2;
mod values;
