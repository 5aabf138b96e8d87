//! Endpoints and their snapshots.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::sync::Notify;

use super::auth::AuthPolicy;
use super::early::{Route, Starting};
use super::pool::{Permit, Pool, Refusal};
use super::snapshot::{Snapshot, Target};
use super::splitter::{Mode, Splitter};
use crate::resources::{LiveDeployment, LiveEndpoint, TrafficMap};
use crate::server::telemetry::{Telemetry, lock};

/// What to publish for an endpoint.
#[derive(Debug, Clone)]
pub struct EndpointRoute {
    pub name: String,
    pub auth: AuthPolicy,
    /// Live traffic; sums to 100 % or 0.
    pub weights: TrafficMap,
    pub mirror: TrafficMap,
    /// All deployments of the endpoint, with their pools as far as they run.
    pub deployments: Vec<(String, Option<Arc<Pool>>)>,
    /// Those of them that are being brought back.
    pub starting: Vec<(String, Starting)>,
    pub mode: Mode,
    /// Answers in the manner of Kubernetes endpoints.
    pub kubernetes: bool,
}

struct State {
    snapshot: Arc<Snapshot>,
    splitter: Splitter,
    /// Removed: whoever still holds the entry finds nothing.
    gone: bool,
}

/// One endpoint: choosing and publishing take turns under its lock.
pub(super) struct Entry {
    state: Mutex<State>,
    /// Signals every publication to those who wait for one.
    pub published: Notify,
}

/// Where a request goes.
pub(super) struct Routed {
    pub snapshot: Arc<Snapshot>,
    /// Into the snapshot's targets.
    pub target: usize,
    pub probability: f64,
    pub pinned: bool,
    pub admission: Result<Permit, Refusal>,
    /// Targets that get a shadow copy.
    pub mirrors: Vec<usize>,
}

/// Why a request goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unrouted {
    NoEndpoint,
    UnknownDeployment,
    NoWeight,
}

/// All endpoints that serve. Cheap to share; one per workspace.
pub struct Router {
    telemetry: Arc<Telemetry>,
    endpoints: ArcSwap<HashMap<String, Arc<Entry>>>,
    publishing: Mutex<()>,
}

impl Router {
    pub fn new(telemetry: Arc<Telemetry>) -> Arc<Self> {
        let endpoints = ArcSwap::from_pointee(HashMap::new());
        Arc::new(Self { telemetry, endpoints, publishing: Mutex::new(()) })
    }

    /// Puts a new snapshot in force; the answer is its generation. Once this returns, no request is admitted under an
    /// earlier one. An unchanged split goes on in its block; a changed one begins a new block.
    pub fn publish(&self, route: EndpointRoute) -> u64 {
        let _turn = lock(&self.publishing);
        let key = route.name.to_ascii_lowercase();
        let entry = self.endpoints.load().get(&key).cloned();
        let before = entry.as_ref().map_or(0, |entry| lock(&entry.state).snapshot.generation);
        let generation = before + 1;
        let snapshot = Arc::new(self.snapshot_of(route, generation));
        let weights: Vec<u16> = snapshot.targets.iter().map(|t| t.weight).collect();
        match entry {
            Some(entry) => {
                let mut state = lock(&entry.state);
                let old = &state.snapshot;
                let share = |s: &Snapshot| s.targets.iter().map(|t| (t.name.clone(), t.weight)).collect::<Vec<_>>();
                if old.mode != snapshot.mode || share(old) != share(&snapshot) {
                    state.splitter = Splitter::new(snapshot.mode, weights);
                }
                let old = std::mem::replace(&mut state.snapshot, snapshot);
                drop(state);
                entry.published.notify_waiters();
                // Outside the lock: the last handle of a pool may go with it.
                drop(old);
            }
            None => {
                let splitter = Splitter::new(snapshot.mode, weights);
                let state = Mutex::new(State { snapshot, splitter, gone: false });
                let entry = Arc::new(Entry { state, published: Notify::new() });
                let mut endpoints = HashMap::clone(&self.endpoints.load());
                endpoints.insert(key, entry);
                self.endpoints.store(Arc::new(endpoints));
            }
        }
        generation
    }

    fn snapshot_of(&self, route: EndpointRoute, generation: u64) -> Snapshot {
        let share = |map: &TrafficMap, name: &str| {
            map.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or(0, |(_, w)| w.hundredths())
        };
        let mut deployments = route.deployments;
        deployments.sort_by(|a, b| a.0.cmp(&b.0));
        let target = |(name, pool): (String, Option<Arc<Pool>>)| Target {
            weight: share(&route.weights, &name),
            mirror: share(&route.mirror, &name),
            telemetry: self.telemetry.deployment(&route.name, &name),
            header: HeaderValue::from_str(&name).unwrap_or(HeaderValue::from_static("invalid")),
            starting: match pool {
                Some(_) => None,
                None => route.starting.iter().find(|(n, _)| n.eq_ignore_ascii_case(&name)).map(|(_, s)| s.clone()),
            },
            name,
            pool,
        };
        Snapshot {
            telemetry: self.telemetry.endpoint(&route.name),
            targets: deployments.into_iter().map(target).collect(),
            endpoint: route.name.clone(),
            generation,
            mode: route.mode,
            kubernetes: route.kubernetes,
            auth: route.auth,
            generation_header: HeaderValue::from(generation),
        }
    }

    /// Ends an endpoint: once this returns, nothing is admitted to it any more.
    pub fn remove(&self, endpoint: &str) {
        let _turn = lock(&self.publishing);
        let mut endpoints = HashMap::clone(&self.endpoints.load());
        let Some(entry) = endpoints.remove(&endpoint.to_ascii_lowercase()) else { return };
        self.endpoints.store(Arc::new(endpoints));
        lock(&entry.state).gone = true;
        entry.published.notify_waiters();
    }

    /// The snapshot in force.
    pub fn snapshot(&self, endpoint: &str) -> Option<Arc<Snapshot>> {
        self.entry(endpoint).map(|entry| Arc::clone(&lock(&entry.state).snapshot))
    }

    pub(super) fn entry(&self, endpoint: &str) -> Option<Arc<Entry>> {
        let endpoints = self.endpoints.load();
        // Names are nearly always written as they were created in lower case.
        let found = endpoints.get(endpoint).or_else(|| endpoints.get(&endpoint.to_ascii_lowercase()));
        found.cloned()
    }

    /// Names of all endpoints that serve, in order.
    pub fn endpoints(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.endpoints.load().values().map(|e| lock(&e.state).snapshot.endpoint.clone()).collect();
        names.sort();
        names
    }

    /// How many deployments all endpoints have together.
    pub fn deployments(&self) -> usize {
        self.endpoints.load().values().map(|e| lock(&e.state).snapshot.targets.len()).sum()
    }

    /// Live state of all endpoints, with the finished seconds that begin at or after `from` (unix seconds). The second
    /// value is the `from` of the next frame.
    pub fn frame(&self, from: i64) -> (Vec<LiveEndpoint>, i64) {
        let until = self.telemetry.finished();
        let mut snapshots: Vec<Arc<Snapshot>> =
            self.endpoints.load().values().map(|e| Arc::clone(&lock(&e.state).snapshot)).collect();
        snapshots.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
        let deployment = |target: &Target| {
            let status = target.pool.as_ref().map(|pool| pool.status()).unwrap_or_default();
            LiveDeployment {
                name: target.name.clone(),
                ready: status.ready,
                wanted: status.wanted,
                in_flight: status.in_flight,
                queued: status.queued,
                slots: status.slots,
                restarts: status.restarts,
                trouble: target.pool.as_ref().and_then(|pool| pool.trouble()),
                weight: target.weight,
                mirror: target.mirror,
                totals: target.telemetry.totals(),
                mirrored: target.telemetry.mirrored(),
                seconds: target.telemetry.seconds(from..until),
            }
        };
        let endpoint = |snapshot: &Arc<Snapshot>| LiveEndpoint {
            name: snapshot.endpoint.clone(),
            generation: snapshot.generation,
            refused: snapshot.telemetry.refused.get(),
            deployments: snapshot.targets.iter().map(deployment).collect(),
        };
        (snapshots.iter().map(endpoint).collect(), until)
    }

    /// All metrics in Prometheus text format.
    pub fn prometheus(&self) -> String {
        use crate::server::telemetry::Family;
        let gauge = |name, help| Family::new(name, "gauge", help);
        let mut gauges = [
            ("mlconsole_instances_ready", gauge("mlconsole_instances_ready", "Instances that take work.")),
            ("mlconsole_instances_wanted", gauge("mlconsole_instances_wanted", "Instances asked for.")),
            ("mlconsole_requests_running", gauge("mlconsole_requests_running", "Requests in a model.")),
            ("mlconsole_requests_queued", gauge("mlconsole_requests_queued", "Requests that wait for an instance.")),
            ("mlconsole_traffic_percent", gauge("mlconsole_traffic_percent", "Live traffic in force.")),
            ("mlconsole_routing_generation", gauge("mlconsole_routing_generation", "Routing snapshot in force.")),
        ];
        for endpoint in self.frame(i64::MAX).0 {
            for d in &endpoint.deployments {
                let percent = f64::from(d.weight) / 100.0;
                let values = [d.ready.into(), d.wanted.into(), d.in_flight.into(), d.queued.into(), percent];
                for ((name, family), value) in gauges.iter_mut().zip(values) {
                    family.sample(name, &[("endpoint", &endpoint.name), ("deployment", &d.name)], value);
                }
            }
            gauges[5].1.sample(gauges[5].0, &[("endpoint", &endpoint.name)], endpoint.generation);
        }
        let mut text = self.telemetry.prometheus();
        text.extend(gauges.map(|(_, family)| family.into_text()));
        text
    }

    pub(super) fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }
}

impl Entry {
    /// The snapshot in force, for the checks before a request is chosen for.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let state = lock(&self.state);
        (!state.gone).then(|| Arc::clone(&state.snapshot))
    }

    /// Chooses and admits in one step. `pinned` names a deployment and skips the split.
    pub fn route(&self, pinned: Option<&str>) -> Route {
        let mut state = lock(&self.state);
        if state.gone {
            return Err((Unrouted::NoEndpoint, None));
        }
        let State { snapshot, splitter, .. } = &mut *state;
        let fail = |why| Err((why, Some(Arc::clone(snapshot))));
        let (target, probability) = match pinned {
            Some(name) => match snapshot.find(name) {
                Some(target) => (target, 1.0),
                None => return fail(Unrouted::UnknownDeployment),
            },
            None if !snapshot.is_routable() => return fail(Unrouted::NoWeight),
            None => match splitter.choose() {
                Some(choice) => (choice.index, choice.probability),
                None => return fail(Unrouted::NoWeight),
            },
        };
        let admission = snapshot.targets[target].pool.as_ref().map_or(Err(Refusal::NotReady), |pool| pool.admit());
        let mut mirrors = Vec::new();
        if pinned.is_none() && admission.is_ok() {
            let draw = |(i, t): (usize, &Target)| (i != target && splitter.draw(t.mirror)).then_some(i);
            mirrors.extend(snapshot.targets.iter().enumerate().filter_map(draw));
        }
        let snapshot = Arc::clone(snapshot);
        Ok(Routed { snapshot, target, probability, pinned: pinned.is_some(), admission, mirrors })
    }
}
