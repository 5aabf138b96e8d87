//! The local workspace: control plane, data plane, engine and store in one process.

pub mod api;
pub mod engine;
pub mod gateway;
pub mod reconcile;
pub mod store;
pub mod telemetry;
