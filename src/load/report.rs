//! What a run tells while it runs and at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LoadProgress {
    pub elapsed: Duration,
    /// Requests that ended, one way or another.
    pub finished: u64,
    /// Of these, answers of 400 and above, and requests without an answer.
    pub not_ok: u64,
    /// Finished a second since the last progress.
    pub per_second: f64,
    /// Requests whose time has come but that found no free connection yet.
    pub waiting: u64,
    /// Latency since the beginning; `None` with too few samples.
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    /// Answers by deployment, by name.
    pub deployments: Vec<(String, u64)>,
    pub statuses: BTreeMap<u16, u64>,
    /// Latency since the beginning by deployment: buckets of `stats::histogram` and their counts.
    pub latency: Vec<(String, Vec<(u16, u32)>)>,
}

/// The whole run. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadReport {
    pub url: String,
    /// Requests a second; `None` for a rhythm.
    pub wanted_rate: Option<f64>,
    pub achieved_rate: f64,
    pub elapsed_s: f64,
    pub connections: usize,
    /// Requests whose intended start came.
    pub scheduled: u64,
    pub answered: u64,
    /// No answer at all.
    pub failed: u64,
    /// Still waiting for a free connection when the run ended. When this is not 0 the latencies below are too good.
    pub not_sent: u64,
    pub bytes_received: u64,
    /// Largest delay between an intended and a real start.
    pub latest_start_ms: f64,
    pub stopped_early: bool,
    /// From the intended start to the last byte, of answered requests.
    pub latency: Option<LatencyReport>,
    /// From the real start to the last byte.
    pub service_time: Option<LatencyReport>,
    pub statuses: BTreeMap<u16, u64>,
    /// By header `azureml-model-deployment`; `(gateway)` for answers without.
    pub deployments: BTreeMap<String, DeploymentReport>,
    /// Requests without an answer, by kind.
    pub errors: BTreeMap<String, u64>,
}

/// One deployment's part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentReport {
    pub answered: u64,
    /// Of all answers, 0 to 1.
    pub share: f64,
    /// Answers of 400 and above.
    pub not_ok: u64,
    pub statuses: BTreeMap<u16, u64>,
    pub latency: Option<LatencyReport>,
}

/// A distribution. A percentile is `None` when there are too few samples for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyReport {
    pub samples: u64,
    pub mean_ms: f64,
    pub min_ms: f64,
    pub max_ms: f64,
    pub p50_ms: Option<f64>,
    pub p90_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub p999_ms: Option<f64>,
    /// Upper bound in ms, and samples up to it that are above the bound before; doubling, empty ones left out.
    pub buckets: Vec<(f64, u64)>,
}

impl LoadReport {
    /// Whether every scheduled request was answered below 400.
    pub fn all_ok(&self) -> bool {
        self.failed == 0 && self.not_sent == 0 && self.statuses.keys().all(|status| *status < 400)
    }
}
