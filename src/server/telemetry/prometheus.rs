//! Prometheus text exposition.

use std::fmt::{Display, Write as _};

use super::Telemetry;
use super::counters::Outcome;
use crate::resources::Counts;
use crate::stats::histogram::{Histogram, upper};

/// Upper bounds of the latency buckets, in µs: 1, 2.5, 5 per decade from 100 µs to 100 s.
const BOUNDS: [u64; 18] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
];

/// A metric's samples under one header.
pub struct Family(String);

impl Family {
    pub fn new(name: &str, kind: &str, help: &str) -> Self {
        Self(format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"))
    }

    /// One sample; names need no escaping: they are checked to be letters, digits and dashes.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}=\"{v}\"")).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{name}{{{}}} {value}", labels.join(","));
    }

    pub fn into_text(self) -> String {
        self.0
    }
}

fn by_outcome(counts: &Counts) -> [(&'static str, u64); 7] {
    let n = [
        counts.ok,
        counts.client_error,
        counts.timeout,
        counts.model_error,
        counts.refused,
        counts.server_error,
        counts.abandoned,
    ];
    std::array::from_fn(|i| (Outcome::ALL[i].name(), n[i]))
}

pub(super) fn text(telemetry: &Telemetry) -> String {
    let mut requests =
        Family::new("mlconsole_requests_total", "counter", "Requests routed to a deployment, by outcome.");
    let mut refused =
        Family::new("mlconsole_gateway_refused_total", "counter", "Requests the gateway answered itself.");
    let mut mirrored = Family::new("mlconsole_mirrored_total", "counter", "Shadow copies, by what became of them.");
    let mut latency = Family::new(
        "mlconsole_request_duration_seconds",
        "histogram",
        "From admission to answer, queue included; finished seconds only.",
    );
    for endpoint in telemetry.endpoints() {
        for (outcome, n) in by_outcome(&endpoint.refused.get()).into_iter().filter(|(_, n)| *n > 0) {
            refused.sample("mlconsole_gateway_refused_total", &[("endpoint", &endpoint.name), ("outcome", outcome)], n);
        }
        for deployment in endpoint.deployments() {
            let who = [("endpoint", deployment.endpoint()), ("deployment", deployment.name())];
            for (outcome, n) in by_outcome(&deployment.totals()) {
                requests.sample("mlconsole_requests_total", &[who[0], who[1], ("outcome", outcome)], n);
            }
            let m = deployment.mirrored();
            for (event, n) in [("sent", m.sent), ("ok", m.ok), ("failed", m.failed), ("dropped", m.dropped)] {
                mirrored.sample("mlconsole_mirrored_total", &[who[0], who[1], ("event", event)], n);
            }
            histogram(&mut latency, who, &deployment.latency());
        }
    }
    [requests, refused, mirrored, latency].map(Family::into_text).concat()
}

fn histogram(family: &mut Family, who: [(&str, &str); 2], histogram: &Histogram) {
    const NAME: &str = "mlconsole_request_duration_seconds";
    let sparse = histogram.sparse();
    let below = |bound: u64| -> u64 {
        sparse.iter().take_while(|(bucket, _)| upper(*bucket) <= bound).map(|(_, n)| u64::from(*n)).sum()
    };
    for bound in BOUNDS {
        let le = format!("{}", bound as f64 / 1e6);
        family.sample(&format!("{NAME}_bucket"), &[who[0], who[1], ("le", &le)], below(bound));
    }
    let count = histogram.count();
    family.sample(&format!("{NAME}_bucket"), &[who[0], who[1], ("le", "+Inf")], count);
    family.sample(&format!("{NAME}_sum"), &who, histogram.mean().unwrap_or(0.0) * count as f64 / 1e6);
    family.sample(&format!("{NAME}_count"), &who, count);
}
