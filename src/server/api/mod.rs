//! The control plane: ARM routes, operations, uploads, metrics and the local extension routes.

pub mod tokens;
