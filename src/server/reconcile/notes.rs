//! What is said about deployments: failures, notes, limits.

use std::sync::Arc;
use std::time::Duration;

use super::memory::{memory_asked, memory_note};
use super::tracker::Stop;
use super::{Reconciler, Slot, lock, slot};
use crate::resources::deployment::Probe;
use crate::resources::{Deployment, instance_type};
use crate::server::gateway::{Events, PoolSettings, ProbeSettings};
use crate::server::telemetry::{Container, DeploymentTelemetry, Level};

/// Draining waits for the request timeout and this much longer (rollout semantics §1).
const DRAIN_EXTRA: Duration = Duration::from_secs(5);

impl Reconciler {
    /// Writes a failure into the deployment's log and events, and adds what still serves.
    pub(super) fn tell_failure(&self, slot: &Slot, endpoint: &str, name: &str, stop: Stop) -> Stop {
        let still = lock(&self.serving).contains_key(slot);
        let log = self.telemetry.deployment(endpoint, name);
        match stop {
            Stop::Failed(mut error) => {
                for detail in &error.details {
                    say(&log, Container::InferenceServer, Level::Error, &detail.message);
                }
                if still {
                    let stop = if error.message.ends_with(['.', '!', '?']) { "" } else { "." };
                    error.message.push_str(stop);
                    error.message.push_str(" The previous version keeps serving.");
                }
                say(&log, Container::InferenceServer, Level::Error, &error.message);
                self.report(slot, |report| report.failed(&error.message));
                Stop::Failed(error)
            }
            Stop::Canceled => {
                let text = if still {
                    "Canceled on request. The previous version keeps serving."
                } else {
                    "Canceled on request."
                };
                say(&log, Container::InferenceServer, Level::Warning, text);
                self.report(slot, |report| report.event("Killing", true, text));
                Stop::Canceled
            }
        }
    }

    /// Where a pool's events go: into the head of the deployment's log.
    pub(super) fn events_of(&self, slot: &Slot) -> Events {
        let (me, slot) = (self.me.clone(), slot.clone());
        Events::to(move |name, text| {
            if let Some(me) = me.upgrade() {
                me.report(&slot, |report| report.event(name, false, text));
            }
        })
    }

    /// What the owner should know although the deployment serves.
    pub(super) fn note(&self, endpoint: &str, deployment: &Deployment) -> Option<String> {
        let mut notes = Vec::new();
        if deployment.properties.endpoint_compute_type.eq_ignore_ascii_case("Kubernetes") {
            notes.push(
                "This deployment belongs to a Kubernetes endpoint; it runs on the local engine until the local workspace \
                 can drive a cluster."
                    .to_owned(),
            );
        }
        let own = slot(endpoint, Some(&deployment.name));
        let others: u32 = {
            let serving = lock(&self.serving);
            serving.iter().filter(|(slot, _)| **slot != own).map(|(_, s)| vcpus(&s.spec)).sum()
        };
        let (mine, cores) = (vcpus(deployment), std::thread::available_parallelism().map_or(1, usize::from));
        let wanted = mine + others;
        if mine > 0 && wanted as usize > cores {
            notes.push(format!(
                "All deployments together ask for {wanted} vCPUs, this machine has {cores}: they share what there is. \
                 Use fewer instances or smaller instance types if requests become slow."
            ));
        }
        let others: u64 = {
            let serving = lock(&self.serving);
            serving.iter().filter(|(slot, _)| **slot != own).map(|(_, s)| memory_asked(&s.spec)).sum()
        };
        notes.extend(memory_note(memory_asked(deployment), others));
        if let Some(serving) = lock(&self.serving).get(&own) {
            notes.extend(serving.notes.iter().cloned());
            notes.extend(lock(&serving.warnings).iter().cloned());
        }
        (!notes.is_empty()).then(|| notes.join(" "))
    }
}

/// vCPUs that a deployment's instances ask for together.
fn vcpus(deployment: &Deployment) -> u32 {
    let size = deployment.properties.instance_type.as_deref().and_then(instance_type::lookup);
    size.map_or(0, |size| size.vcpus.saturating_mul(deployment.instances()))
}

/// How a deployment's pool runs.
pub(super) fn settings_of(deployment: &Deployment) -> PoolSettings {
    let request = deployment.properties.request_settings.clone().unwrap_or_default();
    PoolSettings {
        instances: deployment.instances(),
        max_concurrent_per_instance: request.max_concurrent_requests_per_instance.max(1),
        request_timeout: request.request_timeout.0,
        liveness: probe(deployment.properties.liveness_probe.as_ref()),
        readiness: probe(deployment.properties.readiness_probe.as_ref()),
        ..PoolSettings::default()
    }
}

pub(super) fn probe(asked: Option<&Probe>) -> ProbeSettings {
    let Some(asked) = asked else { return ProbeSettings::default() };
    // Zeros would mean to probe without pause.
    let least = Duration::from_millis(10);
    ProbeSettings {
        initial_delay: asked.initial_delay.0,
        period: asked.period.0.max(least),
        timeout: asked.timeout.0.max(least),
        success_threshold: asked.success_threshold.max(1),
        failure_threshold: asked.failure_threshold.max(1),
    }
}

/// How long draining may take.
pub(super) fn drain_time(deployment: &Deployment) -> Duration {
    settings_of(deployment).request_timeout + DRAIN_EXTRA
}

/// Writes a line about the deployment as a whole into its log.
pub(super) fn say(log: &Arc<DeploymentTelemetry>, container: Container, level: Level, text: &str) {
    log.log().push(container, None, level, text);
}
