//! What happened: exact counts, latency histograms, recent requests and logs, per endpoint and deployment.
//!
//! Writers pay tens of nanoseconds: atomics of the current second; readers fold finished seconds into history.

mod clock;
mod counters;
mod deployment;
mod gauges;
pub mod logs;
mod process;
mod prometheus;
mod samples;
mod series;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use crate::resources::{ProcessStats, RequestSample};

pub use clock::Clock;
pub use counters::{Counters, Outcome};
pub use deployment::{DeploymentTelemetry, MirrorEvent, Record};
pub use gauges::{Gauge, Gauges};
pub use logs::{Container, DeploymentLog, Level, Subscription};
pub use process::machine_memory;
pub(crate) use prometheus::Family;
pub use series::Minute;

/// Locks even after a panic elsewhere: what we guard stays meaningful line by line.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// An endpoint's own counts and its deployments.
#[derive(Debug)]
pub struct EndpointTelemetry {
    /// Name as first seen.
    pub name: String,
    /// Requests the gateway answered itself: 401, 404 without weight, 413, bad header.
    pub refused: Counters,
    deployments: RwLock<BTreeMap<String, Arc<DeploymentTelemetry>>>,
}

impl EndpointTelemetry {
    /// All deployments seen, by name.
    pub fn deployments(&self) -> Vec<Arc<DeploymentTelemetry>> {
        read(&self.deployments).values().cloned().collect()
    }
}

/// A minute of one deployment, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct MinuteRow {
    pub endpoint: String,
    pub deployment: String,
    pub minute: Minute,
}

/// Everything measured in this process. Names compare without case.
#[derive(Debug)]
pub struct Telemetry {
    clock: Arc<Clock>,
    logs: Option<PathBuf>,
    record_bodies: Arc<AtomicBool>,
    connections: AtomicU32,
    /// Connections accepted since the start, and how many of them have been measured.
    accepted: [AtomicU64; 2],
    gauges: Gauges,
    endpoints: RwLock<BTreeMap<String, Arc<EndpointTelemetry>>>,
    process: Mutex<process::Sampler>,
}

impl Telemetry {
    /// Logs go to files under `logs` as well, when given; they are read back after a restart.
    pub fn new(logs: Option<PathBuf>) -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::new(Clock::new()),
            logs,
            record_bodies: Arc::new(AtomicBool::new(false)),
            connections: AtomicU32::new(0),
            accepted: Default::default(),
            gauges: Gauges::default(),
            endpoints: RwLock::new(BTreeMap::new()),
            process: Mutex::new(process::Sampler::new()),
        })
    }

    /// Unix time that never runs backwards inside a request.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// Seconds before this one (unix seconds) are finished: what [`DeploymentTelemetry::seconds`] shows of them is final.
    pub fn finished(&self) -> i64 {
        series::finished_before(self.clock.now_ms())
    }

    /// Keeps bodies (their first 16 KiB) in request samples from now on, or stops doing so.
    pub fn record_bodies(&self, on: bool) {
        self.record_bodies.store(on, Ordering::Relaxed);
    }

    /// The endpoint's telemetry, made at first use.
    pub fn endpoint(&self, name: &str) -> Arc<EndpointTelemetry> {
        let key = name.to_ascii_lowercase();
        if let Some(found) = read(&self.endpoints).get(&key) {
            return Arc::clone(found);
        }
        let made = || {
            Arc::new(EndpointTelemetry {
                name: name.to_owned(),
                refused: Counters::default(),
                deployments: RwLock::new(BTreeMap::new()),
            })
        };
        Arc::clone(write(&self.endpoints).entry(key).or_insert_with(made))
    }

    /// The deployment's telemetry, made at first use; its log continues the one on disk.
    pub fn deployment(&self, endpoint: &str, name: &str) -> Arc<DeploymentTelemetry> {
        let parent = self.endpoint(endpoint);
        let key = name.to_ascii_lowercase();
        if let Some(found) = read(&parent.deployments).get(&key) {
            return Arc::clone(found);
        }
        let mut deployments = write(&parent.deployments);
        let made = || {
            let file =
                self.logs.as_ref().map(|folder| folder.join(endpoint.to_ascii_lowercase()).join(format!("{key}.log")));
            let log = DeploymentLog::open(file);
            let clock = Arc::clone(&self.clock);
            Arc::new(DeploymentTelemetry::new(endpoint, name, clock, log, Arc::clone(&self.record_bodies)))
        };
        Arc::clone(deployments.entry(key.clone()).or_insert_with(made))
    }

    /// The deployment's telemetry if there is any.
    pub fn find(&self, endpoint: &str, name: &str) -> Option<Arc<DeploymentTelemetry>> {
        let parent = Arc::clone(read(&self.endpoints).get(&endpoint.to_ascii_lowercase())?);
        read(&parent.deployments).get(&name.to_ascii_lowercase()).cloned()
    }

    /// All endpoints seen, by name.
    pub fn endpoints(&self) -> Vec<Arc<EndpointTelemetry>> {
        read(&self.endpoints).values().cloned().collect()
    }

    /// Forgets a deleted deployment, or a whole endpoint, with its log files.
    pub fn forget(&self, endpoint: &str, deployment: Option<&str>) {
        let key = endpoint.to_ascii_lowercase();
        match deployment {
            None => {
                let gone = write(&self.endpoints).remove(&key);
                for deployment in gone.iter().flat_map(|e| e.deployments()) {
                    deployment.log().remove_files();
                }
            }
            Some(name) => {
                let Some(parent) = read(&self.endpoints).get(&key).cloned() else { return };
                let gone = write(&parent.deployments).remove(&name.to_ascii_lowercase());
                if let Some(deployment) = gone {
                    deployment.log().remove_files();
                }
            }
        }
    }

    fn chosen(&self, endpoint: Option<&str>, deployment: Option<&str>) -> Vec<Arc<DeploymentTelemetry>> {
        let fits = |wanted: Option<&str>, name: &str| wanted.is_none_or(|w| w.eq_ignore_ascii_case(name));
        self.endpoints()
            .iter()
            .filter(|e| fits(endpoint, &e.name))
            .flat_map(|e| e.deployments())
            .filter(|d| fits(deployment, d.name()))
            .collect()
    }

    /// Recent requests, newest first, at most `limit`.
    pub fn requests(&self, endpoint: Option<&str>, deployment: Option<&str>, limit: usize) -> Vec<RequestSample> {
        let mut samples: Vec<_> = self.chosen(endpoint, deployment).iter().flat_map(|d| d.samples()).collect();
        samples.sort_by_key(|s| std::cmp::Reverse(s.at_ms));
        samples.truncate(limit);
        samples
    }

    /// Minutes that begin in `range` (unix seconds), oldest first, by deployment of the endpoint.
    pub fn minutes(&self, endpoint: &str, deployment: Option<&str>, range: Range<i64>) -> Vec<MinuteRow> {
        let row = |d: &Arc<DeploymentTelemetry>, minute| MinuteRow {
            endpoint: d.endpoint().to_owned(),
            deployment: d.name().to_owned(),
            minute,
        };
        let chosen = self.chosen(Some(endpoint), deployment);
        chosen.iter().flat_map(|d| d.minutes(range.clone()).into_iter().map(move |m| row(d, m))).collect()
    }

    /// Minutes that begin at or after `since` (unix seconds), the running one included, to be written down by (endpoint,
    /// deployment, minute): a later export of the same minute replaces an earlier one.
    pub fn export_minutes(&self, since: i64) -> Vec<MinuteRow> {
        let endpoints = self.endpoints();
        endpoints.iter().flat_map(|e| self.minutes(&e.name, None, since..i64::MAX)).collect()
    }

    /// Brings back minutes written down by an earlier process.
    pub fn import_minutes(&self, rows: Vec<MinuteRow>) {
        let mut by_deployment: HashMap<(String, String), Vec<Minute>> = HashMap::new();
        for row in rows {
            by_deployment.entry((row.endpoint, row.deployment)).or_default().push(row.minute);
        }
        for ((endpoint, deployment), minutes) in by_deployment {
            self.deployment(&endpoint, &deployment).import_minutes(minutes);
        }
    }

    /// Counters and histograms in Prometheus text format; `Router::prometheus` adds the gauges of running pools.
    pub fn prometheus(&self) -> String {
        prometheus::text(self)
    }

    /// The process: measured at most once a second.
    pub fn process(&self) -> ProcessStats {
        let mut stats = lock(&self.process).sample();
        stats.connections = self.connections.load(Ordering::Relaxed);
        stats
    }

    /// What is measured of the workspace as a whole.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// Measures connections; `elapsed` since it was done last.
    pub(crate) fn measure_connections(&self, now_s: i64, elapsed: Option<Duration>) {
        self.gauges.note(Gauge::Connections, now_s, f64::from(self.connections.load(Ordering::Relaxed)));
        let accepted = self.accepted[0].load(Ordering::Relaxed);
        let new = accepted.saturating_sub(self.accepted[1].swap(accepted, Ordering::Relaxed));
        if let Some(elapsed) = elapsed {
            self.gauges.note(Gauge::NewConnections, now_s, new as f64 / elapsed.as_secs_f64());
        }
    }

    /// Counts an open connection until the answer is dropped.
    pub(crate) fn connection(self: &Arc<Self>) -> ConnectionCount {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.accepted[0].fetch_add(1, Ordering::Relaxed);
        ConnectionCount(Arc::clone(self))
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct ConnectionCount(Arc<Telemetry>);

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
