//! What is known of the workspace. Fed by the poller, read by everything that draws.

/// What needs attention, ranked.
pub mod findings;
/// What changed just now.
pub mod fresh;
/// The connection to the workspace and the age of what it told.
pub mod link;
/// Figures over the last minute.
pub mod recent;
/// Seconds of a deployment, and figures over windows of them.
pub mod series;

use std::collections::{BTreeMap, BTreeSet};

pub use findings::{Finding, Severity};
pub use link::Link;
pub use recent::Recent;
pub use series::{Coverage, Series, Summary};

use crate::console::app::event::Feed;
use crate::resources::ids::shown_version;
use crate::resources::live::WorkspaceInfo;
use crate::resources::{
    Counts, Deployment, Endpoint, JournalEntry, LiveDeployment, LiveFrame, Operation, ProcessStats, ProvisioningState,
    TrafficMap, Weight,
};

/// Seconds kept of every series, unless there are very many series.
pub const KEPT_S: i64 = 900;
/// Seconds of all series together that are kept, about 200 bytes each; beyond that the past is cut short.
const MOST_SECONDS: usize = 200_000;
/// Seconds over which rates, errors and percentiles of tables are taken.
pub const RECENT_S: i64 = 60;

/// The workspace as it was told last.
#[derive(Debug, Clone, Default)]
pub struct Data {
    pub link: Link,
    /// By name.
    pub endpoints: BTreeMap<String, EndpointView>,
    /// Whether the list of endpoints was ever answered: an empty list is then really empty.
    pub known: bool,
    /// Newest first.
    pub journal: Vec<JournalEntry>,
    pub operations: Vec<Operation>,
    pub process: ProcessStats,
    /// The last complete second of the workspace's own clock, Unix seconds.
    pub second: i64,
    /// When seconds were observed; everything outside is a gap.
    pub coverage: Coverage,
    /// Seconds of the past that are given up, of [`KEPT_S`].
    pub cut_s: i64,
    /// Worst first.
    pub findings: Vec<Finding>,
    /// Endpoint → its worst finding.
    pub worst: BTreeMap<String, Severity>,
    /// Requests of all endpoints over the last [`RECENT_S`] seconds.
    pub sums: Counts,
    /// Requests per second of all endpoints.
    pub rate: f64,
    /// Until when something that changed stands out, Unix milliseconds.
    pub fresh_until: i64,
    /// As of the last look at the workspace itself.
    pub disk: Option<Disk>,
    /// Endpoint → when the token ends that was last taken here, Unix milliseconds. Never the token.
    pub tokens: BTreeMap<String, i64>,
}

/// The file system that holds the workspace's data folder, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disk {
    pub folder: String,
    pub free: u64,
    /// 0 = not told.
    pub total: u64,
}

impl Disk {
    /// From what the workspace tells of itself; `None` where it does not know its disk.
    pub fn of(info: &WorkspaceInfo) -> Option<Self> {
        let known = info.disk_free_bytes > 0 || info.disk_total_bytes > 0;
        known.then(|| Self { folder: info.data_dir.clone(), free: info.disk_free_bytes, total: info.disk_total_bytes })
    }
}

/// An endpoint, its deployments and what runs of it.
#[derive(Debug, Clone, Default)]
pub struct EndpointView {
    pub name: String,
    pub resource: Option<Endpoint>,
    pub deployments: BTreeMap<String, DeploymentView>,
    pub generation: u64,
    /// Answered by the gateway itself (401, 404 without weight …) since the workspace started.
    pub refused: Counts,
    pub fresh: fresh::OfEndpoint,
}

/// A deployment and what runs of it.
#[derive(Debug, Clone, Default)]
pub struct DeploymentView {
    pub name: String,
    pub resource: Option<Deployment>,
    /// As of the last frame; `None` while nothing of it runs.
    pub live: Option<LiveDeployment>,
    pub series: Series,
    /// Over the last [`RECENT_S`] seconds.
    pub recent: Summary,
    pub fresh: fresh::OfDeployment,
}

impl Data {
    /// What is being done to a deployment now.
    pub fn operation_on(&self, endpoint: &str, deployment: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| {
            let of = operation.properties.as_ref();
            let same = of.is_some_and(|of| of.endpoint == endpoint && of.deployment.as_deref() == Some(deployment));
            same && !operation.is_terminal()
        })
    }

    /// Takes in news.
    pub fn feed(&mut self, feed: Feed, now: i64) {
        match feed {
            Feed::Frame(frame) => self.frame(*frame, now),
            Feed::Endpoints(endpoints) => self.resources(endpoints),
            Feed::Deployments { endpoint, deployments } => self.deployments(&endpoint, deployments, now),
            Feed::Journal(journal) => self.journal = journal,
            Feed::Operations(operations) => self.operations = operations,
            Feed::Info(info) => self.disk = Disk::of(&info),
            Feed::Connected => {
                self.link = Link::Live { last_ms: now };
                self.coverage.interrupt();
            }
            Feed::Lost { reason, retry_at } => self.link.lost(now, reason, retry_at),
        }
    }

    /// Derives what needs attention, and what changed, from what came.
    pub fn settle(&mut self, now: i64) {
        self.findings = findings::find(self);
        self.worst.clear();
        for finding in &self.findings {
            // they come worst first
            self.worst.entry(finding.endpoint.clone()).or_insert(finding.severity);
        }
        self.sums = Counts::default();
        self.rate = 0.0;
        for view in self.endpoints.values().flat_map(|endpoint| endpoint.deployments.values()) {
            self.sums.add(&view.recent.counts);
            self.rate += view.recent.rate;
        }
        self.look(now);
    }

    /// Notes what changed by a step.
    fn look(&mut self, now: i64) {
        let mut changed = false;
        for view in self.endpoints.values_mut().filter(|view| view.resource.is_some()) {
            let state = (view.state(), self.worst.get(&view.name).copied(), view.is_serving());
            changed |= view.fresh.state.look(state, now);
            let traffic = view.resource.as_ref().map(|resource| &resource.properties.traffic);
            for deployment in view.deployments.values_mut().filter(|deployment| deployment.resource.is_some()) {
                let weight = traffic.and_then(|traffic| traffic.get(&deployment.name).copied()).unwrap_or_default();
                let (ready, wanted) = (deployment.ready(), deployment.wanted());
                let state = (deployment.state(), ready > 0);
                let mirror = deployment.live.as_ref().map_or(0, |live| live.mirror);
                let fresh = &mut deployment.fresh;
                changed |= fresh.state.look(state, now);
                changed |= fresh.instances.look((ready, wanted), now);
                changed |= fresh.weight.look(weight, now);
                changed |= fresh.mirror.look(mirror, now);
            }
        }
        if changed {
            self.fresh_until = now + fresh::FRESH_MS;
        }
    }

    fn frame(&mut self, frame: LiveFrame, now: i64) {
        self.link = Link::Live { last_ms: now };
        self.second = frame.at_ms.div_euclid(1000) - 1;
        let past = frame.history_s.map_or(KEPT_S, i64::from).min(KEPT_S);
        self.coverage.extend(self.second, past.min(i64::try_from(frame.process.uptime_s).unwrap_or(KEPT_S)));
        self.process = frame.process;
        for view in self.endpoints.values_mut().flat_map(|endpoint| endpoint.deployments.values_mut()) {
            view.live = None;
        }
        let mut kept = 0;
        for live in frame.endpoints {
            let endpoint = self.endpoints.entry(live.name.clone()).or_default();
            endpoint.name = live.name;
            endpoint.generation = live.generation;
            endpoint.refused = live.refused;
            for mut live in live.deployments {
                let view = endpoint.deployments.entry(live.name.clone()).or_default();
                view.name.clone_from(&live.name);
                view.series.push(std::mem::take(&mut live.seconds), self.second - (KEPT_S - self.cut_s));
                kept += view.series.len();
                view.live = Some(live);
            }
        }
        self.bound(kept);
        let (second, observed) = (self.second, self.observed());
        for view in self.endpoints.values_mut().flat_map(|endpoint| endpoint.deployments.values_mut()) {
            view.series.advance(second);
            view.recent = view.series.recent().summary(observed);
        }
    }

    /// Keeps less of the past when all series together grow too long, and more again when they do not. What is given up
    /// shows as not observed.
    fn bound(&mut self, kept: usize) {
        let span = KEPT_S - self.cut_s;
        let fitting = span * MOST_SECONDS as i64 / kept.max(1) as i64;
        let span =
            if kept > MOST_SECONDS { fitting.max(RECENT_S + 1) } else { span + i64::from(fitting > span + span / 4) };
        self.cut_s = (KEPT_S - span).max(0);
        self.coverage.forget(self.second - (KEPT_S - self.cut_s));
    }

    fn resources(&mut self, endpoints: Vec<Endpoint>) {
        self.known = true;
        let names: BTreeSet<&str> = endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
        self.endpoints.retain(|name, _| names.contains(name.as_str()));
        for resource in endpoints {
            let view = self.endpoints.entry(resource.name.clone()).or_default();
            view.name.clone_from(&resource.name);
            view.resource = Some(resource);
        }
    }

    fn deployments(&mut self, endpoint: &str, deployments: Vec<Deployment>, now: i64) {
        let Some(view) = self.endpoints.get_mut(endpoint) else { return };
        view.deployments.retain(|name, _| deployments.iter().any(|deployment| deployment.name == *name));
        for resource in deployments {
            let deployment = view.deployments.entry(resource.name.clone()).or_default();
            deployment.name.clone_from(&resource.name);
            deployment.resource = Some(resource);
            let model = deployment.model();
            if deployment.fresh.model.look(model, now) {
                self.fresh_until = now + fresh::FRESH_MS;
            }
        }
    }

    /// How many of the last [`RECENT_S`] seconds were observed.
    pub fn observed(&self) -> i64 {
        self.coverage.count(self.second - RECENT_S, self.second)
    }

    /// Changes of traffic of an endpoint, newest first.
    pub fn traffic_changes<'a>(&'a self, endpoint: &'a str) -> impl Iterator<Item = &'a JournalEntry> {
        self.journal
            .iter()
            .filter(move |entry| entry.endpoint == endpoint && entry.action == "traffic" && entry.outcome == "done")
    }
}

impl EndpointView {
    /// Names of its deployments, sorted.
    pub fn names(&self) -> Vec<String> {
        self.deployments.keys().cloned().collect()
    }

    /// The weights that were asked for.
    pub fn traffic(&self) -> TrafficMap {
        self.resource.as_ref().map(|resource| resource.properties.traffic.clone()).unwrap_or_default()
    }

    /// The mirroring that was asked for.
    pub fn mirror(&self) -> TrafficMap {
        self.resource.as_ref().map(|resource| resource.properties.mirror_traffic.clone()).unwrap_or_default()
    }

    /// Weight of a deployment.
    pub fn weight(&self, deployment: &str) -> Weight {
        self.resource
            .as_ref()
            .and_then(|resource| resource.properties.traffic.get(deployment).copied())
            .unwrap_or_default()
    }

    /// Requests per second over the last [`RECENT_S`] seconds.
    pub fn rate(&self) -> f64 {
        self.deployments.values().map(|deployment| deployment.recent.rate).sum()
    }

    /// All deployments together, over the last [`RECENT_S`] seconds.
    pub fn recent(&self, data: &Data) -> Summary {
        let mut views = self.deployments.values();
        if let (Some(only), None) = (views.next(), views.next()) {
            return only.recent.clone();
        }
        let all = self.deployments.values().map(|deployment| deployment.series.recent());
        Recent::together(all).summary(data.observed())
    }

    /// Where it is in its life.
    pub fn state(&self) -> ProvisioningState {
        self.resource.as_ref().map_or(ProvisioningState::Unknown, |resource| resource.properties.provisioning_state)
    }

    /// Whether any weight is set on something that runs.
    pub fn is_serving(&self) -> bool {
        self.deployments.values().any(|deployment| !self.weight(&deployment.name).is_zero() && deployment.ready() > 0)
    }

    /// Whether callers get 404 because no weight is set.
    pub fn is_weightless(&self) -> bool {
        crate::resources::traffic::sum(&self.traffic()) == 0
    }
}

impl DeploymentView {
    /// Instances that answer.
    pub fn ready(&self) -> u32 {
        self.live.as_ref().map_or(0, |live| live.ready)
    }

    /// Instances that should answer.
    pub fn wanted(&self) -> u32 {
        let told = self.resource.as_ref().map(|resource| resource.instances());
        told.or(self.live.as_ref().map(|live| live.wanted)).unwrap_or(0)
    }

    /// Where it is in its life.
    pub fn state(&self) -> ProvisioningState {
        self.resource.as_ref().map_or(ProvisioningState::Unknown, |resource| resource.properties.provisioning_state)
    }

    /// `recommender:2`, from the id of its model; `None` when it has none.
    pub fn model(&self) -> Option<String> {
        let id = self.resource.as_ref()?.properties.model.as_deref()?;
        let mut parts = id.rsplit('/');
        let (version, _, name) = (parts.next()?, parts.next(), parts.next());
        Some(name.map_or_else(|| version.trim_start_matches("azureml:").into(), |name| shown_version(name, version)))
    }
}
