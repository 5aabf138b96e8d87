//! The control plane: ARM routes, operations, uploads, metrics and the local extension routes.

pub mod blob;
pub mod fault;
pub mod read;
pub mod route;
pub mod tokens;
