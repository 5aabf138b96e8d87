//! The live feed of a local workspace: newline-delimited JSON frames, one a second or faster.

use serde::{Deserialize, Serialize};

/// State of everything that serves, now, and what happened since the last frame.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveFrame {
    /// Unix milliseconds at the server.
    pub at_ms: i64,
    /// Highest journal sequence number: when it moves, resources changed.
    pub journal_seq: u64,
    /// Changes whenever the state of a resource or an operation changes without a journal entry.
    pub state_seq: u64,
    /// How many seconds of history the frame brings, where it brings any: the first one of a feed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_s: Option<u32>,
    pub endpoints: Vec<LiveEndpoint>,
    pub process: ProcessStats,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveEndpoint {
    pub name: String,
    /// Generation of the routing snapshot in force.
    pub generation: u64,
    /// Requests answered by the gateway itself since start: 401, 404 without weight, 413, bad header.
    pub refused: Counts,
    pub deployments: Vec<LiveDeployment>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveDeployment {
    pub name: String,
    pub ready: u32,
    pub wanted: u32,
    pub in_flight: u32,
    pub queued: u32,
    /// Requests that can run at once; twice as many are accepted.
    pub slots: u32,
    /// Of ready instances, the number replaced since start (panic, hang, memory).
    pub restarts: u32,
    /// Weight in force, in hundredths of a percent.
    pub weight: u16,
    pub mirror: u16,
    /// Since the process started.
    pub totals: Counts,
    /// Shadow copies since the process started.
    pub mirrored: MirrorCounts,
    /// Why an instance that is down does not come back at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// Seconds completed since the last frame, oldest first; the first frame may bring history.
    pub seconds: Vec<Second>,
}

/// An instance that ends again and again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trouble {
    /// `CrashLoopBackOff`, as a cluster calls it.
    pub kind: String,
    /// What ended it last: the last line of the traceback, or the signal.
    pub reason: String,
    /// When it is tried again, in Unix milliseconds.
    pub retry_ms: i64,
}

/// Requests by outcome. The sum of all fields is the number of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// 2xx and 3xx.
    pub ok: u64,
    /// 4xx other than those below.
    pub client_error: u64,
    /// 408: over the request timeout.
    pub timeout: u64,
    /// 424: the model failed.
    pub model_error: u64,
    /// 429: too many pending requests.
    pub refused: u64,
    /// 5xx.
    pub server_error: u64,
    /// The caller went away before the answer.
    pub abandoned: u64,
}

impl Counts {
    pub fn total(&self) -> u64 {
        self.ok
            + self.client_error
            + self.timeout
            + self.model_error
            + self.refused
            + self.server_error
            + self.abandoned
    }

    /// Outcomes that are the service's fault: timeout, model error, server error.
    pub fn errors(&self) -> u64 {
        self.timeout + self.model_error + self.server_error
    }

    /// Adds `other` field by field.
    pub fn add(&mut self, other: &Self) {
        self.ok += other.ok;
        self.client_error += other.client_error;
        self.timeout += other.timeout;
        self.model_error += other.model_error;
        self.refused += other.refused;
        self.server_error += other.server_error;
        self.abandoned += other.abandoned;
    }

    /// Takes `other` off field by field, down to nothing.
    pub fn take_off(&mut self, other: &Self) {
        self.ok = self.ok.saturating_sub(other.ok);
        self.client_error = self.client_error.saturating_sub(other.client_error);
        self.timeout = self.timeout.saturating_sub(other.timeout);
        self.model_error = self.model_error.saturating_sub(other.model_error);
        self.refused = self.refused.saturating_sub(other.refused);
        self.server_error = self.server_error.saturating_sub(other.server_error);
        self.abandoned = self.abandoned.saturating_sub(other.abandoned);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MirrorCounts {
    pub sent: u64,
    pub ok: u64,
    pub failed: u64,
    /// Not sent because the shadow's own queue was full.
    pub dropped: u64,
}

/// One second of one deployment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Second {
    /// Unix seconds.
    pub at: i64,
    pub counts: Counts,
    /// Sparse latency histogram of answered requests: (bucket of `stats::histogram`, count).
    pub latency: Vec<(u16, u32)>,
}

/// The workspace process itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessStats {
    pub pid: u32,
    pub uptime_s: u64,
    /// Percent of one core over the last second.
    pub cpu_percent: f32,
    pub rss_bytes: u64,
    pub threads: u32,
    pub connections: u32,
}

/// A recent request. Bodies only when recording them is switched on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestSample {
    pub id: String,
    /// Unix milliseconds of admission.
    pub at_ms: i64,
    pub endpoint: String,
    pub deployment: String,
    pub status: u16,
    /// Admission to last byte.
    pub total_ms: f64,
    pub queue_ms: f64,
    pub model_ms: f64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// Routing generation it was served under.
    pub generation: u64,
    /// Probability of this deployment being chosen given the past; 1 for pinned requests.
    pub probability: f64,
    pub pinned: bool,
    pub mirrored: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
}

/// The local workspace as an operator sees it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkspaceInfo {
    pub name: String,
    /// Version of the program that serves.
    pub version: String,
    pub data_dir: String,
    pub listeners: Vec<Listener>,
    /// Unix milliseconds.
    pub started_ms: i64,
    pub process: ProcessStats,
    pub cores: u32,
    pub memory_bytes: u64,
    /// Size of the data folder.
    pub disk_used_bytes: u64,
    /// Free space of the file system it is on.
    pub disk_free_bytes: u64,
    /// Size of that file system; 0 = not known.
    pub disk_total_bytes: u64,
    pub pools: Vec<PoolInfo>,
    /// Registered environments, `name:version`.
    pub environments: Vec<String>,
    /// Component → version, e.g. `tract`, `sqlite`.
    pub versions: std::collections::BTreeMap<String, String>,
}

/// An address the workspace answers on.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    /// `control and scoring`, `identity`, `scoring`.
    pub purpose: String,
    /// `https://127.0.0.1:8443`.
    pub address: String,
}

/// The running instances of a deployment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PoolInfo {
    pub endpoint: String,
    pub deployment: String,
    /// `onnx`, `script`, …
    pub engine: String,
    pub instances: u32,
    pub threads: u32,
}

/// A request that a deployment understands: the template of the request pane.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SampleRequest {
    pub method: String,
    /// Relative to the endpoint's base address: `/score`, `/v2/models/…/infer`.
    pub path: String,
    pub content_type: String,
    pub body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<super::signature::Signature>,
}

/// A line of a deployment's log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogLine {
    pub seq: u64,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// `inference-server` or `storage-initializer`.
    pub container: String,
    /// `None` for lines about the deployment as a whole.
    pub instance: Option<u32>,
    /// `debug`, `info`, `warning`, `error`.
    pub level: String,
    pub text: String,
    /// Written by a scoring script's process, and shown as it came; else the workspace's own words.
    #[serde(skip_serializing_if = "is_false")]
    pub raw: bool,
    /// On the line after a gap: how many lines were dropped before it.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

impl LogLine {
    /// The text without the stamp of Azure's inference server: for readers who show time and severity beside it.
    pub fn message(&self) -> &str {
        server_stamp(&self.text).map_or(&self.text, |(_, rest)| rest)
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn is_false(is: &bool) -> bool {
    !is
}

/// The stamp that Azure's inference server puts on a line such as `2026-01-31 10:00:00,123 I [42] azmlinfsrv - text`, or before
/// its version 0.8 `2026-01-31 10:00:00,123 | root | INFO | text`: its letter of severity, and the line from `[42]` or `root`
/// on (reference scoring-and-mlflow §1.5).
pub fn server_stamp(line: &str) -> Option<(char, &str)> {
    let (date, rest) = line.split_once(' ')?;
    let (time, rest) = rest.split_once(' ')?;
    if date.len() != 10 || time.len() != 12 || !date.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (level, rest) = match rest.strip_prefix("| ") {
        Some(rest) => (rest.split(" | ").nth(1)?, rest),
        None => rest.split_once(' ').filter(|(level, rest)| level.len() == 1 && rest.starts_with('['))?,
    };
    let letter = level.chars().next().filter(|letter| "DIWEC".contains(*letter))?;
    Some((letter, rest))
}

#[cfg(test)]
mod tests {
    use super::server_stamp;

    #[test]
    fn the_stamps_of_new_and_old_servers_are_told_from_what_a_script_says() {
        let new = "2026-01-31 10:00:00,123 W [42] azmlinfsrv - text";
        assert_eq!(server_stamp(new), Some(('W', "[42] azmlinfsrv - text")));
        let old = "2026-01-31 10:00:00,123 | root | ERROR | Encountered Exception";
        assert_eq!(server_stamp(old), Some(('E', "root | ERROR | Encountered Exception")));
        for other in
            ["", "2026-01-31", "2026-01-31 10:00:00,123 I am here", "2026-01-31 10:00:00,123 | what", "a b c [d"]
        {
            assert_eq!(server_stamp(other), None, "{other}");
        }
    }
}
