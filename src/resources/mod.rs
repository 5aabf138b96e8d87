//! The nouns: endpoint, deployment, traffic, model, environment, compute — their wire shape (ARM JSON), their files
//! (CLI v2 YAML) and their rules. Plain data: no runtime, no server, no terminal.

pub mod arm;
pub mod asset;
pub mod autoscale;
pub mod brief;
pub mod connection;
pub mod deployment;
pub mod document;
pub mod duration;
pub mod endpoint;
pub mod ids;
pub mod instance_type;
pub mod live;
pub mod mlmodel;
pub mod nearest;
pub mod operation;
pub mod paths;
pub mod python;
pub mod rules;
pub mod signature;
pub mod template;
pub mod traffic;
mod traffic_draft;
pub mod yaml;

pub use arm::{ArmError, ErrorBody, Identity, Page, Resource, Sku, StringMap, SystemData};
pub use asset::{AssetContainer, CodeVersion, DataVersion, EnvironmentVersion, ModelVersion};
pub use connection::Connection;
pub use deployment::{Deployment, DeploymentProperties, Probe, RequestSettings, ScaleSettings};
pub use duration::IsoDuration;
pub use endpoint::{AuthMode, Endpoint, EndpointKeys, EndpointProperties, EndpointToken, ProvisioningState};
pub use live::{
    Counts, LiveDeployment, LiveEndpoint, LiveFrame, LogLine, MirrorCounts, ProcessStats, RequestSample, Second,
    Trouble,
};
pub use operation::{JournalEntry, Operation, OperationDetails, Phase};
pub use signature::{ModelReport, OperatorUse, Signature, TensorSpec};
pub use traffic::{TrafficMap, Weight};
