//! How much of what they have the instances use: measured a few times a minute, and when somebody asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Reconciler, Slot, lock};
use crate::resources::instance_type;
use crate::server::gateway::Pool;
use crate::server::telemetry::Gauge;

/// Between two measurements.
const PERIOD: Duration = Duration::from_secs(15);
/// Nobody's question makes a second one within this.
const LEAST: Duration = Duration::from_millis(900);

/// What was found last time.
#[derive(Default)]
pub(super) struct Last {
    at: Option<Instant>,
    pools: HashMap<Slot, (usize, Duration)>,
}

impl Reconciler {
    /// Measures as time passes, until the workspace ends.
    pub(super) fn keep_measuring(&self) {
        let me = self.me.clone();
        self.runtime.spawn(async move {
            let mut tick = tokio::time::interval(PERIOD);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let Some(me) = me.upgrade() else { return };
                me.measure();
            }
        });
    }

    /// Notes CPU, memory and number of the instances of every deployment, and the connections.
    pub fn measure(&self) {
        let now = Instant::now();
        let mut last = lock(&self.measured);
        if last.at.is_some_and(|at| now - at < LEAST) {
            return;
        }
        let elapsed = last.at.map(|at| now - at);
        let serving: Vec<_> = {
            let serving = lock(&self.serving);
            serving.iter().map(|(slot, s)| (slot.clone(), Arc::clone(&s.pool), s.spec.clone())).collect()
        };
        let now_s = self.telemetry.clock().now_ms().div_euclid(1_000);
        let mut pools = HashMap::new();
        for (slot, pool, spec) in serving {
            let Some(telemetry) = self.telemetry.find(&slot.0, &slot.1) else { continue };
            let gauges = telemetry.gauges();
            let (identity, used, status) = (Arc::as_ptr(&pool) as usize, pool.cpu_time(), pool.status());
            gauges.note(Gauge::Ready, now_s, f64::from(status.ready));
            // Only what the very same instances have used since is known.
            let before = last.pools.get(&slot).filter(|(pool, _)| *pool == identity).map(|(_, used)| *used);
            if let (Some(before), Some(elapsed)) = (before, elapsed)
                && status.ready > 0
            {
                let vcpus = spec.properties.instance_type.as_deref().and_then(instance_type::lookup).map(|t| t.vcpus);
                let share = f64::from(status.ready) * usable(&pool, vcpus);
                let used = used.saturating_sub(before).as_secs_f64();
                gauges.note(Gauge::Cpu, now_s, (used / elapsed.as_secs_f64() / share * 100.0).min(100.0));
            }
            if let Some(memory) = pool.servable().memory() {
                gauges.note(Gauge::Memory, now_s, memory.used as f64 / memory.limit.max(1) as f64 * 100.0);
            }
            pools.insert(slot, (identity, used));
        }
        self.telemetry.measure_connections(now_s, elapsed);
        *last = Last { at: Some(now), pools };
    }
}

/// Cores an instance can keep busy here: those of its type, as far as it has threads and the machine has cores.
fn usable(pool: &Pool, vcpus: Option<u32>) -> f64 {
    let threads = pool.settings().max_concurrent_per_instance.max(1);
    let cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    f64::from(vcpus.unwrap_or(threads).min(threads).min(cores).max(1))
}
