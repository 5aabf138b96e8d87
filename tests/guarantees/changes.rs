//! Traffic changes, updates, scalings, restarts and deletes under load drop no request, and send none to a deployment
//! without weight once the change is acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use mlconsole::client::{ScoreCall, Workspace, sample};
use mlconsole::resources::{Counts, Deployment, TrafficMap, Weight};
use mlconsole::server::telemetry::DeploymentTelemetry;
use mlconsole::server::{Options, start};

const CALLERS: usize = 4;
const CHANGES: usize = 200;

/// Who may answer, by stage: a change begins a stage in which old and new weights hold, its acknowledgement one in
/// which only the new ones do.
struct Truth {
    stages: Mutex<Vec<BTreeSet<String>>>,
    done: AtomicBool,
    calls: AtomicU64,
}

impl Truth {
    fn now(&self) -> usize {
        self.stages.lock().unwrap().len() - 1
    }

    fn begin(&self, weights: &TrafficMap) {
        let mut stages = self.stages.lock().unwrap();
        let both = stages.last().unwrap() | &with_weight(weights);
        stages.push(both);
    }

    fn acknowledge(&self, weights: &TrafficMap) {
        self.stages.lock().unwrap().push(with_weight(weights));
    }
}

fn with_weight(weights: &TrafficMap) -> BTreeSet<String> {
    weights.iter().filter(|(_, w)| !w.is_zero()).map(|(name, _)| name.clone()).collect()
}

/// Scores until told to stop; every answer must be right.
async fn caller(workspace: Workspace, truth: Arc<Truth>, n: usize) {
    let bodies = sample::requests();
    while !truth.done.load(Ordering::SeqCst) {
        let before = truth.now();
        let body = bodies[n % bodies.len()].1.clone();
        let answer = workspace.score(sample::ENDPOINT, ScoreCall { body, ..ScoreCall::default() }).await.unwrap();
        assert_eq!(answer.status, 200, "{:?}: {:?}", answer.deployment, answer.text());
        let who = answer.deployment.unwrap();
        let after = truth.now();
        let allowed = truth.stages.lock().unwrap()[before..=after].iter().any(|stage| stage.contains(&who));
        assert!(allowed, "{who} answered without weight, between stages {before} and {after}");
        truth.calls.fetch_add(1, Ordering::SeqCst);
    }
}

struct Operator {
    workspace: Workspace,
    truth: Arc<Truth>,
    rng: Rng,
    weights: TrafficMap,
    /// What a deleted colour comes back as.
    originals: BTreeMap<String, Deployment>,
    there: BTreeSet<String>,
}

impl Operator {
    async fn shift(&mut self) {
        let mut left = 10_000;
        let mut names: Vec<String> = self.there.iter().cloned().collect();
        self.rng.shuffle(&mut names);
        let mut weights = TrafficMap::new();
        let last = names.pop().unwrap();
        for name in names {
            let weight = if self.rng.bool() { 0 } else { self.rng.u16(0..=left) };
            weights.insert(name, Weight::from_hundredths(weight).unwrap());
            left -= weight;
        }
        weights.insert(last, Weight::from_hundredths(left).unwrap());
        self.truth.begin(&weights);
        let pending = self.workspace.set_traffic(sample::ENDPOINT, &weights, None).await.unwrap();
        pending.wait(|_| {}).await.unwrap();
        self.truth.acknowledge(&weights);
        self.weights = weights;
    }

    fn idle(&mut self) -> Option<String> {
        let idle = |name: &&String| self.weights.get(*name).is_none_or(|w| w.is_zero());
        let idle: Vec<String> = self.there.iter().filter(idle).cloned().collect();
        self.rng.choice(idle)
    }

    async fn change(&mut self, n: usize) -> &'static str {
        let names: Vec<String> = self.there.iter().cloned().collect();
        let name = self.rng.choice(names).unwrap();
        let (pending, what) = match self.rng.u8(0..10) {
            0..5 => {
                self.shift().await;
                return "shift";
            }
            5 => (self.workspace.scale(sample::ENDPOINT, &name, self.rng.u32(1..=3)).await, "scale"),
            6 => (self.workspace.restart(sample::ENDPOINT, &name).await, "restart"),
            7 => {
                let mut deployment = self.originals[&name].clone();
                deployment.properties.environment_variables.insert("CHANGE".into(), n.to_string());
                (self.workspace.put_deployment(sample::ENDPOINT, &deployment).await, "update")
            }
            8 => {
                let Some(name) = self.idle() else { return "nothing idle" };
                self.there.remove(&name);
                (self.workspace.delete_deployment(sample::ENDPOINT, &name).await, "delete")
            }
            _ => {
                let missing = self.originals.keys().find(|name| !self.there.contains(*name)).cloned();
                let Some(name) = missing else { return "nothing missing" };
                self.there.insert(name.clone());
                (self.workspace.put_deployment(sample::ENDPOINT, &self.originals[&name]).await, "create")
            }
        };
        pending.unwrap().wait(|_| {}).await.unwrap();
        what
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_random_changes_under_load_cost_no_request() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let options = Options { listen: Some(([127, 0, 0, 1], 0).into()), ..Options::new(folder.path()) };
    let house = start(options).await.unwrap();
    let workspace = Workspace::connect(house.connection(), "mlconsole-cli/test").unwrap();
    sample::install(&workspace, &mut |_| {}).await.unwrap();
    let weights = workspace.endpoint(sample::ENDPOINT).await.unwrap().properties.traffic;
    let deployments = workspace.deployments(sample::ENDPOINT).await.unwrap();
    let truth = Arc::new(Truth {
        stages: Mutex::new(vec![with_weight(&weights)]),
        done: AtomicBool::new(false),
        calls: AtomicU64::new(0),
    });
    let seed = Rng::new().u64(..);
    println!("seed {seed}");
    let mut operator = Operator {
        workspace: workspace.clone(),
        truth: Arc::clone(&truth),
        rng: Rng::with_seed(seed),
        weights,
        there: deployments.iter().map(|d| d.name.clone()).collect(),
        originals: deployments.into_iter().map(|d| (d.name.clone(), d)).collect(),
    };
    let callers: Vec<_> =
        (0..CALLERS).map(|n| tokio::spawn(caller(workspace.clone(), Arc::clone(&truth), n))).collect();

    let mut totals: BTreeMap<&'static str, u32> = BTreeMap::new();
    // A deleted deployment takes its counts along, and a call may end after it is gone: all that ever counted are kept.
    let mut counters: Vec<Arc<DeploymentTelemetry>> = Vec::new();
    let meet = |counters: &mut Vec<Arc<DeploymentTelemetry>>| {
        for found in house.app().telemetry.endpoint(sample::ENDPOINT).deployments() {
            if !counters.iter().any(|known| Arc::ptr_eq(known, &found)) {
                counters.push(found);
            }
        }
    };
    meet(&mut counters);
    for n in 0..CHANGES {
        *totals.entry(operator.change(n).await).or_default() += 1;
        meet(&mut counters);
        // Load between the changes too, not only during the slow ones.
        let goal = truth.calls.load(Ordering::SeqCst) + 5;
        let patience = Instant::now() + Duration::from_secs(60);
        while truth.calls.load(Ordering::SeqCst) < goal && callers.iter().all(|c| !c.is_finished()) {
            assert!(Instant::now() < patience, "the load has stopped");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    truth.done.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    let calls = truth.calls.load(Ordering::SeqCst);
    let mut sum = Counts::default();
    counters.iter().for_each(|counter| sum.add(&counter.totals()));
    println!("{calls} calls during {totals:?}");
    assert_eq!((sum.ok, sum.total()), (calls, calls));
    assert_eq!(house.app().telemetry.endpoint(sample::ENDPOINT).refused.get(), Counts::default());
    house.shutdown().await;
}
