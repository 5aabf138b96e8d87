//! Typed calls to any workspace: a local one or Azure Machine Learning. Both speak the same protocol, so nothing here
//! knows a short cut: every call is HTTPS against the Azure Resource Manager API and the scoring addresses it names.
//!
//! Start with [`Workspace::connect`]. Long-running calls return a [`Pending`]; feeds return a [`Feed`].

mod assets;
mod azure;
mod blobs;
mod bring;
mod deployments;
mod endpoints;
mod environments;
mod error;
mod feeds;
mod files;
mod identity;
mod ndjson;
mod pending;
mod python;
pub mod sample;
mod scoring;
mod shared_key;
mod transport;
mod uploads;
mod workspace;

pub use assets::NewModel;
pub use azure::azure;
pub use bring::UploadProgress;
pub use environments::NewEnvironment;
pub use error::{ClientError, ErrorKind};
pub use feeds::{Feed, JournalQuery};
pub use files::check_upload;
pub use pending::Pending;
pub use scoring::{ScoreAnswer, ScoreCall, ScoringAccess};
pub use workspace::{KeyKind, Workspace};
