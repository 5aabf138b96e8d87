//! What a workspace can be asked for, as plain data, and what it answers.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::load::{LoadProgress, LoadReport};
use crate::resources::live::{SampleRequest, WorkspaceInfo};
use crate::resources::python::{BuildRequest, CheckAnswer, CheckRequest, CleanRequest, HeldEnvironments};
use crate::resources::{
    AssetContainer, Deployment, Endpoint, EndpointKeys, EndpointToken, EnvironmentVersion, LogLine, ModelReport,
    ModelVersion, RequestSample, TrafficMap,
};

/// A request to the workspace.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    SetTraffic {
        endpoint: String,
        map: TrafficMap,
        mirror: Option<TrafficMap>,
        if_match: Option<String>,
    },
    /// `if_match`: the version an edit was made from; `None` for a new one.
    PutEndpoint {
        endpoint: Box<Endpoint>,
        if_match: Option<String>,
    },
    DeleteEndpoint {
        endpoint: String,
    },
    PutDeployment {
        endpoint: String,
        deployment: Box<Deployment>,
        if_match: Option<String>,
    },
    Scale {
        endpoint: String,
        deployment: String,
        instances: u32,
    },
    Restart {
        endpoint: String,
        deployment: String,
    },
    DeleteDeployment {
        endpoint: String,
        deployment: String,
    },
    Keys {
        endpoint: String,
    },
    RegenerateKey {
        endpoint: String,
        primary: bool,
    },
    Token {
        endpoint: String,
    },
    Models,
    ModelVersions {
        model: String,
    },
    Inspect {
        model: String,
        version: String,
    },
    RegisterModel {
        name: String,
        version: Option<String>,
        model_type: String,
        path: String,
    },
    ArchiveModel {
        model: String,
        version: String,
    },
    Environments,
    /// Python environments on disk.
    HeldEnvironments,
    BuildEnvironment(BuildRequest),
    CleanEnvironments(CleanRequest),
    InstallUv,
    /// Looks at a deployment that is not there yet.
    CheckDeployment(Box<CheckRequest>),
    CancelOperation {
        operation: String,
    },
    Requests {
        endpoint: String,
        deployment: Option<String>,
        limit: u32,
    },
    Info,
    Sample {
        endpoint: String,
        deployment: String,
    },
    Score(Box<Score>),
    /// A burst of load until it ends or is given up.
    Load(Box<Burst>),
    /// The last lines, then whatever comes, until given up.
    FollowLogs {
        endpoint: String,
        deployment: String,
        container: String,
        tail: u32,
    },
    InstallSample,
    /// From a model file to an endpoint that answers.
    ServeFile {
        path: String,
    },
    ApplyYaml {
        path: String,
    },
}

impl Call {
    /// Whether it changes the workspace. The executor refuses these in read-only contexts.
    pub fn is_write(&self) -> bool {
        match self {
            Self::SetTraffic { .. }
            | Self::PutEndpoint { .. }
            | Self::DeleteEndpoint { .. }
            | Self::PutDeployment { .. }
            | Self::Scale { .. }
            | Self::Restart { .. }
            | Self::DeleteDeployment { .. }
            | Self::RegenerateKey { .. }
            | Self::RegisterModel { .. }
            | Self::ArchiveModel { .. }
            | Self::CancelOperation { .. }
            | Self::BuildEnvironment(_)
            | Self::CleanEnvironments(_)
            | Self::InstallUv
            | Self::InstallSample
            | Self::ServeFile { .. }
            | Self::ApplyYaml { .. } => true,
            Self::Keys { .. }
            | Self::Token { .. }
            | Self::Models
            | Self::ModelVersions { .. }
            | Self::Inspect { .. }
            | Self::Environments
            | Self::HeldEnvironments
            | Self::CheckDeployment(_)
            | Self::Requests { .. }
            | Self::Info
            | Self::Sample { .. }
            | Self::Score(_)
            | Self::Load(_)
            | Self::FollowLogs { .. } => false,
        }
    }

    /// Whether it puts what a form edited in the place of what was there.
    pub fn is_edit(&self) -> bool {
        matches!(self, Self::PutEndpoint { if_match: Some(_), .. } | Self::PutDeployment { if_match: Some(_), .. })
    }

    /// Whether it belongs to the background: no task line, no toast when it ends well.
    pub fn is_quiet(&self) -> bool {
        matches!(
            self,
            Self::Models
                | Self::ModelVersions { .. }
                | Self::Inspect { .. }
                | Self::Environments
                | Self::HeldEnvironments
                | Self::Requests { .. }
                | Self::Info
                | Self::Sample { .. }
                | Self::Keys { .. }
                | Self::Token { .. }
                | Self::FollowLogs { .. }
                | Self::Score(_)
        )
    }
}

/// A test request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Score {
    pub endpoint: String,
    /// Pins a deployment, past the split.
    pub deployment: Option<String>,
    /// `GET`, `POST`.
    pub method: String,
    /// Relative to the endpoint's base; empty = `/score`.
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// 0 = as long as the service allows.
    pub timeout_ms: u64,
}

/// Its answer, whatever the status.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scored {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// From sending to the last byte, at this console.
    pub total_ms: f64,
    pub queue_ms: Option<f64>,
    pub model_ms: Option<f64>,
    /// Who answered; `None` when the gateway itself did.
    pub deployment: Option<String>,
    pub generation: Option<u64>,
    pub request_id: Option<String>,
}

/// A burst of load.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Burst {
    pub request: Score,
    /// Requests a second.
    pub rate: f64,
    pub seconds: u64,
    pub connections: usize,
}

/// How a call ended well.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Done,
    Endpoint(Box<Endpoint>),
    Deployment(Box<Deployment>),
    Keys(EndpointKeys),
    Token(EndpointToken),
    Models(Vec<AssetContainer>),
    ModelVersions(Vec<ModelVersion>),
    Report(Box<ModelReport>),
    Environments(BTreeMap<String, Vec<EnvironmentVersion>>),
    Held(Box<HeldEnvironments>),
    Checked(Box<CheckAnswer>),
    Requests(Vec<RequestSample>),
    Info(Box<WorkspaceInfo>),
    Sample(Box<SampleRequest>),
    Score(Box<Scored>),
    Load(Box<LoadReport>),
    /// The name of what was made.
    Made {
        endpoint: String,
        text: String,
    },
}

/// A piece of an answer that comes in pieces.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Logs(Vec<LogLine>),
    Load(Box<LoadProgress>),
}

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// A word of the protocol: `Conflict`, `BadArgument`, `Unreachable`; `Aborted` when given up by the user.
    pub code: String,
    /// Names the thing, the cause and the next step.
    pub message: String,
    /// Somebody else changed it meanwhile (412).
    pub changed: bool,
}
