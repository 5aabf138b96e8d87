//! The local workspace: control plane, data plane, engine and store in one process.

pub mod api;
mod app;
pub mod engine;
pub mod environments;
pub mod gateway;
mod lock;
mod minutes;
pub mod mlflow;
pub mod reconcile;
pub mod script;
mod sockets;
mod start;
pub mod stop;
pub mod store;
pub mod telemetry;
mod tls;
mod visit;

pub use app::{App, DEFAULT_LISTEN, Options};
pub use lock::{attach, is_owned};
pub use start::{LOCAL, Running, SUBSCRIPTION, StartError, start};
pub use visit::{ClosedDoor, Visit};
