//! The data plane: listen, check who calls, pick a deployment, admit, mirror, answer, record.
//!
//! A request takes one immutable [`Snapshot`] and keeps it to the end; choosing and admitting happen in one step under
//! the endpoint's lock, which a publication takes too. So once [`Router::publish`] has returned, nothing more is
//! admitted under older weights (reference: rollout semantics §1).

mod answer;
mod auth;
pub mod body;
mod connection;
mod early;
pub mod http;
mod listen;
mod mirror;
mod patience;
mod pool;
mod router;
mod scoring;
mod snapshot;
mod splitter;
mod target;

pub use self::http::{Body, Request, Response};
pub use auth::{AuthFailure, AuthPolicy, TokenVerifier};
pub use early::Starting;
pub use listen::{Bound, Dispatch, Gateway, Limits, Listener, PeerInfo, Role, bind, listen};
pub use pool::{Events, Pool, PoolSettings, PoolStatus, ProbeSettings};
pub use router::{EndpointRoute, Router};
pub use snapshot::{Snapshot, Target};
pub use splitter::{Choice, Mode, Splitter};
