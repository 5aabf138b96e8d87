//! One deployment's measurements.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::clock::Clock;
use super::counters::{Counters, Outcome};
use super::gauges::Gauges;
use super::logs::DeploymentLog;
use super::samples::Samples;
use super::series::{Minute, Series};
use crate::resources::{Counts, MirrorCounts, RequestSample, Second};
use crate::stats::histogram::Histogram;

/// A finished request.
#[derive(Debug, Clone)]
pub struct Record {
    pub id: Uuid,
    pub outcome: Outcome,
    /// Status the caller got; 0 when the caller was gone.
    pub status: u16,
    pub admitted: Instant,
    pub finished: Instant,
    /// Waiting for an instance.
    pub queued: Duration,
    /// Inside the model.
    pub model: Duration,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// Generation of the routing snapshot it was served under.
    pub generation: u64,
    /// Probability of this deployment being chosen given the past; 1 for pinned requests.
    pub probability: f64,
    pub pinned: bool,
    pub mirrored: bool,
    /// Kept only while recording of bodies is on.
    pub request_body: Option<Bytes>,
    pub response_body: Option<Bytes>,
}

/// What became of a shadow copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorEvent {
    /// Handed to the shadow's queue.
    Sent,
    /// Answered with success.
    Ok,
    /// Failed, timed out, hung or panicked.
    Failed,
    /// The shadow's queue was full.
    Dropped,
}

/// Counters, series, samples and log of one deployment. Shared by its pools, the gateway and readers.
#[derive(Debug)]
pub struct DeploymentTelemetry {
    endpoint: String,
    name: String,
    clock: Arc<Clock>,
    totals: Counters,
    mirror: [AtomicU64; 4],
    series: Series,
    samples: Samples,
    gauges: Gauges,
    log: Arc<DeploymentLog>,
    record_bodies: Arc<AtomicBool>,
}

impl DeploymentTelemetry {
    pub(super) fn new(
        endpoint: &str,
        name: &str,
        clock: Arc<Clock>,
        log: Arc<DeploymentLog>,
        record_bodies: Arc<AtomicBool>,
    ) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            name: name.to_owned(),
            clock,
            totals: Counters::default(),
            mirror: Default::default(),
            series: Series::new(),
            samples: Samples::default(),
            gauges: Gauges::default(),
            log,
            record_bodies,
        }
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The deployment's log.
    pub fn log(&self) -> &Arc<DeploymentLog> {
        &self.log
    }

    /// What is measured of its instances.
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// Whether callers should hand in bodies.
    pub fn wants_bodies(&self) -> bool {
        self.record_bodies.load(Ordering::Relaxed)
    }

    /// Counts a finished request, once.
    pub fn record(&self, record: Record) {
        self.totals.add(record.outcome);
        let now_ms = self.clock.unix_ms(record.finished);
        let total = record.finished.saturating_duration_since(record.admitted);
        let micros = u64::try_from(total.as_micros()).unwrap_or(u64::MAX);
        self.series.record(now_ms, record.outcome, micros, record.request_bytes + record.response_bytes);
        if matches!(record.outcome, Outcome::ClientError | Outcome::ServerError) {
            self.series.code(now_ms, record.status);
        }
        self.samples.push(record);
    }

    /// Counts what became of a shadow copy sent to this deployment.
    pub fn mirror(&self, event: MirrorEvent) {
        self.mirror[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Requests by outcome since the process started.
    pub fn totals(&self) -> Counts {
        self.totals.get()
    }

    /// Shadow copies since the process started.
    pub fn mirrored(&self) -> MirrorCounts {
        let n = |event: MirrorEvent| self.mirror[event as usize].load(Ordering::Relaxed);
        MirrorCounts {
            sent: n(MirrorEvent::Sent),
            ok: n(MirrorEvent::Ok),
            failed: n(MirrorEvent::Failed),
            dropped: n(MirrorEvent::Dropped),
        }
    }

    /// Finished seconds that begin in `range` (unix seconds), oldest first, at most 15 minutes back: zeros for quiet
    /// seconds after the first busy one, nothing for a deployment without a request in that time.
    pub fn seconds(&self, range: Range<i64>) -> Vec<Second> {
        self.series.seconds(range, self.clock.now_ms())
    }

    /// Minutes that begin in `range` (unix seconds), oldest first; minutes without requests are absent.
    pub fn minutes(&self, range: Range<i64>) -> Vec<Minute> {
        self.series.minutes(&range, self.clock.now_ms())
    }

    pub(super) fn import_minutes(&self, minutes: Vec<Minute>) {
        self.series.import(minutes);
    }

    /// Latency of all answers since the process started.
    pub fn latency(&self) -> Histogram {
        self.series.total(self.clock.now_ms())
    }

    /// Recent requests, newest first.
    pub fn samples(&self) -> Vec<RequestSample> {
        self.samples.read(&self.endpoint, &self.name, &self.clock)
    }
}
