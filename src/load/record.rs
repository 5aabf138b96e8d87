//! What happened, as numbers that do not grow with the run.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::LoadPlan;
use crate::stats::histogram::bucket;

use super::report::{DeploymentReport, LatencyReport, LoadProgress, LoadReport};

/// An hour, in microseconds: longer counts as that.
const LONGEST_US: u64 = 3_600_000_000;
/// More deployments or kinds of error than this are counted together.
const MOST_NAMES: usize = 64;
/// Answers of the gateway itself name no deployment.
const NOBODY: &str = "(gateway)";

/// How one request ended.
pub(super) enum Outcome {
    Answered {
        status: u16,
        deployment: Option<String>,
        bytes: u64,
    },
    /// No answer; the kind of trouble.
    Failed(&'static str),
}

impl Outcome {
    pub(super) fn failed(error: &reqwest::Error) -> Self {
        Self::Failed(if error.is_timeout() {
            "timeout"
        } else if error.is_connect() {
            "connect"
        } else if error.is_body() || error.is_decode() {
            "answer cut off"
        } else {
            "connection broken"
        })
    }
}

/// Everything a run adds up.
pub(super) struct Recorder {
    /// Never recorded into: deployments get a copy.
    empty: Histogram<u64>,
    /// From the intended start, answered requests, µs.
    latency: Histogram<u64>,
    /// From the real start, answered requests, µs.
    service: Histogram<u64>,
    statuses: BTreeMap<u16, u64>,
    deployments: BTreeMap<String, Deployment>,
    errors: BTreeMap<&'static str, u64>,
    /// Largest delay between an intended and a real start.
    latest_start: Duration,
    bytes: u64,
}

struct Deployment {
    statuses: BTreeMap<u16, u64>,
    latency: Histogram<u64>,
}

impl Recorder {
    pub(super) fn new() -> Result<Self, String> {
        let empty = Histogram::new_with_bounds(1, LONGEST_US, 3).map_err(|e| format!("no histogram: {e}"))?;
        Ok(Self {
            latency: empty.clone(),
            service: empty.clone(),
            empty,
            statuses: BTreeMap::new(),
            deployments: BTreeMap::new(),
            errors: BTreeMap::new(),
            latest_start: Duration::ZERO,
            bytes: 0,
        })
    }

    /// `latency` runs from the intended start, `service` from the real one.
    pub(super) fn record(&mut self, outcome: &Outcome, latency: Duration, service: Duration) {
        self.latest_start = self.latest_start.max(latency.saturating_sub(service));
        let (status, deployment, bytes) = match outcome {
            Outcome::Failed(kind) => {
                *self.errors.entry(kind).or_default() += 1;
                return;
            }
            Outcome::Answered { status, deployment, bytes } => (*status, deployment.as_deref(), *bytes),
        };
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency.saturating_record(micros);
        self.service.saturating_record(u64::try_from(service.as_micros()).unwrap_or(u64::MAX));
        self.bytes += bytes;
        *self.statuses.entry(status).or_default() += 1;
        let name = deployment.unwrap_or(NOBODY);
        let full = self.deployments.len() >= MOST_NAMES && !self.deployments.contains_key(name);
        let name = if full { "(others)" } else { name };
        let of = self
            .deployments
            .entry(name.to_owned())
            .or_insert_with(|| Deployment { statuses: BTreeMap::new(), latency: self.empty.clone() });
        of.latency.saturating_record(micros);
        *of.statuses.entry(status).or_default() += 1;
    }

    fn answered(&self) -> u64 {
        self.statuses.values().sum()
    }

    fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// `waiting`: requests whose time has come and that no connection was free for.
    pub(super) fn progress(&self, elapsed: Duration, before: &LoadProgress, waiting: u64) -> LoadProgress {
        let finished = self.answered() + self.failed();
        let step = elapsed.saturating_sub(before.elapsed).as_secs_f64();
        LoadProgress {
            elapsed,
            finished,
            not_ok: self.failed() + not_ok(&self.statuses),
            per_second: if step > 0.0 { finished.saturating_sub(before.finished) as f64 / step } else { 0.0 },
            waiting,
            p50_ms: quantile(&self.latency, 0.5),
            p99_ms: quantile(&self.latency, 0.99),
            deployments: self.deployments.iter().map(|(name, of)| (name.clone(), of.statuses.values().sum())).collect(),
            statuses: self.statuses.clone(),
            latency: self.deployments.iter().map(|(name, of)| (name.clone(), sparse(&of.latency))).collect(),
        }
    }

    pub(super) fn report(&self, plan: &LoadPlan, elapsed: Duration, scheduled: u64, stopped: bool) -> LoadReport {
        let finished = self.answered() + self.failed();
        LoadReport {
            url: plan.url.clone(),
            wanted_rate: plan.pace.rate(),
            achieved_rate: finished as f64 / elapsed.as_secs_f64().max(1e-9),
            elapsed_s: elapsed.as_secs_f64(),
            connections: plan.connections,
            scheduled,
            answered: self.answered(),
            failed: self.failed(),
            not_sent: scheduled.saturating_sub(finished),
            bytes_received: self.bytes,
            latest_start_ms: self.latest_start.as_secs_f64() * 1e3,
            stopped_early: stopped,
            latency: summary(&self.latency),
            service_time: summary(&self.service),
            statuses: self.statuses.clone(),
            deployments: self
                .deployments
                .iter()
                .map(|(name, of)| {
                    let answered: u64 = of.statuses.values().sum();
                    let report = DeploymentReport {
                        answered,
                        share: answered as f64 / self.answered().max(1) as f64,
                        not_ok: not_ok(&of.statuses),
                        statuses: of.statuses.clone(),
                        latency: summary(&of.latency),
                    };
                    (name.clone(), report)
                })
                .collect(),
            errors: self.errors.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
        }
    }
}

/// Buckets of `stats::histogram` that are not empty, and their counts.
fn sparse(histogram: &Histogram<u64>) -> Vec<(u16, u32)> {
    let mut buckets: BTreeMap<u16, u32> = BTreeMap::new();
    for step in histogram.iter_recorded() {
        let count = buckets.entry(bucket(step.value_iterated_to())).or_default();
        *count = count.saturating_add(u32::try_from(step.count_at_value()).unwrap_or(u32::MAX));
    }
    buckets.into_iter().collect()
}

fn not_ok(statuses: &BTreeMap<u16, u64>) -> u64 {
    statuses.iter().filter(|(status, _)| **status >= 400).map(|(_, count)| count).sum()
}

/// Milliseconds at a quantile, `None` with fewer samples than it takes to say anything about it.
fn quantile(histogram: &Histogram<u64>, q: f64) -> Option<f64> {
    let enough = (1.0 / (1.0 - q)).round() as u64;
    (histogram.len() >= enough.max(1)).then(|| histogram.value_at_quantile(q) as f64 / 1e3)
}

fn summary(histogram: &Histogram<u64>) -> Option<LatencyReport> {
    if histogram.is_empty() {
        return None;
    }
    Some(LatencyReport {
        samples: histogram.len(),
        mean_ms: histogram.mean() / 1e3,
        min_ms: histogram.min() as f64 / 1e3,
        max_ms: histogram.max() as f64 / 1e3,
        p50_ms: quantile(histogram, 0.5),
        p90_ms: quantile(histogram, 0.9),
        p95_ms: quantile(histogram, 0.95),
        p99_ms: quantile(histogram, 0.99),
        p999_ms: quantile(histogram, 0.999),
        buckets: histogram
            .iter_log(1, 2.0)
            .filter(|step| step.count_since_last_iteration() > 0)
            .map(|step| (step.value_iterated_to() as f64 / 1e3, step.count_since_last_iteration()))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, deployment: &str) -> Outcome {
        Outcome::Answered { status, deployment: Some(deployment.into()), bytes: 3 }
    }

    #[test]
    fn waiting_counts_as_latency_but_not_as_service_time() {
        let mut recorder = Recorder::new().unwrap();
        recorder.record(&answered(200, "blue"), Duration::from_millis(900), Duration::from_millis(10));
        assert!((summary(&recorder.latency).unwrap().max_ms - 900.0).abs() < 1.0);
        assert!((summary(&recorder.service).unwrap().max_ms - 10.0).abs() < 0.1);
        assert_eq!(recorder.latest_start, Duration::from_millis(890));
    }

    #[test]
    fn counts_add_up_by_status_deployment_and_kind() {
        let mut recorder = Recorder::new().unwrap();
        for i in 0..90_u64 {
            recorder.record(&answered(if i < 3 { 424 } else { 200 }, "blue"), Duration::from_millis(i), Duration::ZERO);
        }
        for _ in 0..10 {
            recorder.record(&answered(200, "green"), Duration::from_millis(1), Duration::ZERO);
        }
        recorder.record(&Outcome::Failed("connect"), Duration::ZERO, Duration::ZERO);
        let progress = recorder.progress(Duration::from_secs(2), &LoadProgress::default(), 0);
        assert_eq!((progress.finished, progress.not_ok), (101, 4));
        assert!((progress.per_second - 50.5).abs() < 0.01);
        assert_eq!(progress.deployments, [("blue".to_owned(), 90), ("green".to_owned(), 10)]);
        assert_eq!(recorder.statuses, BTreeMap::from([(200, 97), (424, 3)]));
    }

    #[test]
    fn a_percentile_needs_its_samples() {
        let mut recorder = Recorder::new().unwrap();
        for _ in 0..99 {
            recorder.record(&answered(200, "blue"), Duration::from_millis(2), Duration::ZERO);
        }
        let before = summary(&recorder.latency).unwrap();
        assert_eq!((before.p90_ms.is_some(), before.p99_ms), (true, None));
        recorder.record(&answered(200, "blue"), Duration::from_millis(2), Duration::ZERO);
        assert!(summary(&recorder.latency).unwrap().p99_ms.is_some());
        assert_eq!(summary(&Recorder::new().unwrap().latency), None);
    }

    #[test]
    fn names_are_bounded() {
        let mut recorder = Recorder::new().unwrap();
        for i in 0..500 {
            recorder.record(&answered(200, &format!("d{i}")), Duration::ZERO, Duration::ZERO);
        }
        assert_eq!(recorder.deployments.len(), MOST_NAMES + 1);
        assert_eq!(recorder.answered(), 500);
    }
}
