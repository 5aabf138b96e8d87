//! The data plane over real sockets, with real pools and a model that misbehaves on demand.

mod changes;
mod early;
mod feed;
mod house;
mod limits;
mod mirror;
mod misbehaviour;
mod probes;
mod routing;
mod sockets;
