//! Long-running operations and the journal of changes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arm::ArmError;

/// A long-running operation as its status route answers it (reference §3).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Operation {
    /// Path of the status route.
    pub id: String,
    /// `oe:{workspace}:{guid}` for endpoints, `od:…` for deployments.
    pub name: String,
    /// `Creating`, `Updating`, `Deleting`, …; terminal: `Succeeded`, `Failed`, `Canceled`.
    pub status: String,
    /// RFC 3339.
    pub start_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<String>,
    pub percent_complete: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ArmError>,
    /// Local workspaces only: what is being done to what, and how far it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub properties: Option<OperationDetails>,
}

/// What a local workspace tells beyond ARM's shape.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OperationDetails {
    /// `create`, `update`, `scale`, `delete`, `regenerate-keys`, `restart`.
    pub verb: String,
    pub endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// Who asked: `console`, `cli`, `sdk` or a user agent.
    pub who: String,
    /// Steps in order; the running one is the first without an end.
    pub phases: Vec<Phase>,
    pub cancellable: bool,
}

/// A step of an operation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Phase {
    /// In the user's words: "fetch model", "load model", "start 2 instances", "answer a sample".
    pub name: String,
    /// Unix milliseconds; 0 = not started.
    pub started_ms: i64,
    /// Unix milliseconds; 0 = not ended.
    pub ended_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How far the running phase is, 0 to 1, when that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl OperationDetails {
    /// The phase that is under way.
    pub fn running(&self) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.started_ms > 0 && phase.ended_ms == 0)
    }
}

impl Phase {
    /// Name and how far it is, in one line: `build environment 41 %`.
    pub fn said(&self) -> String {
        let share =
            self.share.filter(|_| self.ended_ms == 0).map(|share| format!(" {:.0} %", share.clamp(0.0, 1.0) * 100.0));
        format!("{}{}", self.name, share.unwrap_or_default())
    }
}

impl Operation {
    /// The phase that is under way, where the workspace tells.
    pub fn running(&self) -> Option<&Phase> {
        self.properties.as_ref()?.running()
    }

    pub fn is_terminal(&self) -> bool {
        ["succeeded", "failed", "canceled"].contains(&self.status.to_ascii_lowercase().as_str())
    }
}

/// A change of state that was written down before it was answered.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JournalEntry {
    /// Strictly increasing within a workspace.
    pub seq: u64,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// `console`, `cli`, `sdk`, `workspace` or a user agent.
    pub who: String,
    /// `traffic`, `mirror`, `endpoint.create|update|delete`, `deployment.create|update|scale|delete|restart`,
    /// `keys.regenerate`, `model.register|archive`, `environment.register`, `autoscale.set|delete`.
    pub action: String,
    pub endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// State before; for `traffic` and `mirror` the map. Never holds a secret.
    pub from: Value,
    /// State after.
    pub to: Value,
    /// `done`, `running`, `failed` or `canceled`.
    pub outcome: String,
}
