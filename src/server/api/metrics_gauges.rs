//! Metrics that are measured now and then: utilisation of instances, connections (reference §9.1).

use std::ops::Range;

use super::ControlPlane;
use super::definitions::Definition;
use super::metrics_query::MetricsQuery;
use crate::server::telemetry::{Gauge, Gauges};

/// The gauge behind a metric.
fn gauge(name: &str) -> Option<Gauge> {
    Some(match name {
        "CpuUtilizationPercentage" => Gauge::Cpu,
        "CpuMemoryUtilizationPercentage" => Gauge::Memory,
        "DeploymentCapacity" => Gauge::Ready,
        "ConnectionsActive" => Gauge::Connections,
        "NewConnectionsPerSecond" => Gauge::NewConnections,
        _ => return None,
    })
}

/// Why a metric never has values here.
pub fn absence(definition: &Definition) -> Option<&'static str> {
    match definition.name {
        name if name.starts_with("Gpu") => {
            Some("The built-in engine runs on the CPU: no GPU is used, so there is nothing to measure.")
        }
        "DiskUtilization" => Some("Instances have no disks of their own here; see the workspace's disk."),
        name if name.starts_with("DataCollection") => Some("The local workspace does not collect data."),
        _ => None,
    }
}

/// Average, total, minimum and maximum of a gauge in a stretch of time, and how often it was measured.
pub type Values = Option<([f64; 4], u64)>;

/// Answers for a metric that is measured; `None` when it is one that is counted.
pub fn reader<'a>(gauges: Option<&'a Gauges>, definition: &Definition) -> Option<impl Fn(Range<i64>) -> Values + 'a> {
    let gauge = gauge(definition.name)?;
    Some(move |range: Range<i64>| {
        let s = gauges?.within(gauge, &range)?;
        Some(([s.sum / f64::from(s.count.max(1)), s.sum, s.least, s.most], u64::from(s.count)))
    })
}

impl ControlPlane {
    /// Measures once more before a question is answered, so that there is always something of this minute.
    pub(super) fn measure(&self, query: &MetricsQuery) {
        if query.metrics.iter().any(|definition| gauge(definition.name).is_some()) {
            self.app.reconciler.measure();
        }
    }
}
