//! Random changes under steady load: no request fails, none goes where it may not, and the counts add up.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use mlconsole::server::gateway::{Limits, Pool, PoolSettings};

use super::house::{Actor, ENDPOINT, House, until};
use tokio::task::JoinHandle;

const CALLERS: usize = 8;
const CHANGES: usize = 200;
const NAMES: [&str; 3] = ["blue", "green", "red"];

/// What a caller may expect: the weights of every generation, and the last one acknowledged.
#[derive(Default)]
struct Truth {
    weights: Mutex<HashMap<u64, BTreeMap<String, u16>>>,
    acknowledged: AtomicU64,
    done: AtomicBool,
    calls: AtomicU64,
}

struct Operator {
    house: Arc<House>,
    truth: Arc<Truth>,
    rng: Rng,
    pools: BTreeMap<&'static str, Arc<Pool>>,
    weights: BTreeMap<&'static str, u16>,
    bounded: bool,
}

/// Four threads an instance: even one instance admits all callers at once.
fn settings(instances: u32) -> PoolSettings {
    PoolSettings { instances, max_concurrent_per_instance: 4, ..PoolSettings::default() }
}

fn actor(bounded: bool) -> Actor {
    Actor { bounded, ..Actor::new() }
}

impl Operator {
    fn publish(&self) {
        let of = |name: &str| self.weights.get(name).copied().unwrap_or(0);
        let deployments: Vec<_> = self.pools.iter().map(|(name, pool)| (*name, pool, of(name))).collect();
        let next = self.house.router.snapshot(ENDPOINT).map_or(1, |s| s.generation + 1);
        // Known before it can be seen.
        let weights = self.pools.keys().map(|name| ((*name).to_owned(), of(name))).collect();
        self.truth.weights.lock().unwrap().insert(next, weights);
        assert_eq!(self.house.router.publish(self.house.route(&deployments)), next);
        self.truth.acknowledged.store(next, Ordering::SeqCst);
    }

    fn any(&mut self) -> &'static str {
        self.rng.choice(self.pools.keys().copied().collect::<Vec<_>>()).unwrap()
    }

    fn shift(&mut self) {
        let mut left = 100;
        self.weights.clear();
        let mut names: Vec<_> = self.pools.keys().copied().collect();
        self.rng.shuffle(&mut names);
        let last = names.pop().unwrap();
        for name in names {
            let weight = if self.rng.bool() { 0 } else { self.rng.u16(0..=left) };
            self.weights.insert(name, weight);
            left -= weight;
        }
        self.weights.insert(last, left);
        self.publish();
    }

    async fn start(&mut self, name: &'static str) {
        let pool = self.house.pool(name, actor(self.bounded), settings(1)).await;
        let old = self.pools.insert(name, pool);
        self.publish();
        if let Some(old) = old {
            old.drain(Duration::from_secs(30)).await;
            assert_eq!((old.status().in_flight, old.status().queued), (0, 0));
        }
    }

    async fn delete_if_idle(&mut self, name: &'static str) {
        if self.weights.get(name).copied().unwrap_or(0) == 0 {
            let pool = self.pools.remove(name).unwrap();
            self.publish();
            pool.drain(Duration::from_secs(30)).await;
        }
    }

    async fn change(&mut self) {
        let name = self.any();
        let pool = Arc::clone(&self.pools[name]);
        match self.rng.u8(0..10) {
            0..4 => self.shift(),
            4 | 5 => {
                let n = self.rng.u32(1..=3);
                tokio::task::spawn_blocking(move || pool.scale(n).unwrap()).await.unwrap();
            }
            6 => tokio::task::spawn_blocking(move || pool.restart().unwrap()).await.unwrap(),
            7 => self.start(name).await,
            8 => self.delete_if_idle(name).await,
            _ => {
                if let Some(missing) = NAMES.into_iter().find(|n| !self.pools.contains_key(n)) {
                    self.start(missing).await;
                }
            }
        }
    }
}

/// Calls until told to stop.
async fn caller(house: Arc<House>, truth: Arc<Truth>) {
    while !truth.done.load(Ordering::SeqCst) {
        let acknowledged = truth.acknowledged.load(Ordering::SeqCst);
        let answer = house.score("x").send().await.unwrap();
        truth.calls.fetch_add(1, Ordering::SeqCst);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(answer.status(), 200, "{answer:?}");
        let (who, generation) =
            (header("azureml-model-deployment"), header("mlconsole-generation").parse::<u64>().unwrap());
        assert!(generation >= acknowledged, "served under {generation} after {acknowledged} was acknowledged");
        let weight = truth.weights.lock().unwrap()[&generation][&who];
        assert!(weight > 0, "{who} has no weight in generation {generation}");
        assert_eq!(answer.text().await.unwrap(), "x");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_random_changes_under_load_cost_no_request() {
    changes(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_do_they_when_calls_run_on_the_connections_threads() {
    changes(true).await;
}

async fn changes(bounded: bool) {
    let house = Arc::new(House::open(Limits::default()));
    let truth = Arc::new(Truth::default());
    let seed = Rng::new().u64(..);
    println!("seed {seed}");
    let mut operator = Operator {
        house: Arc::clone(&house),
        truth: Arc::clone(&truth),
        rng: Rng::with_seed(seed),
        pools: BTreeMap::new(),
        weights: BTreeMap::from([("blue", 100)]),
        bounded,
    };
    operator.pools.insert("blue", house.pool("blue", actor(bounded), settings(2)).await);
    operator.publish();
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(caller(Arc::clone(&house), Arc::clone(&truth)))).collect();
    for _ in 0..CHANGES {
        operator.change().await;
        // Load between the changes too, not only during the slow ones.
        let goal = truth.calls.load(Ordering::SeqCst) + 20;
        let stopped = || callers.iter().any(JoinHandle::is_finished);
        until("callers have called", || truth.calls.load(Ordering::SeqCst) >= goal || stopped()).await;
    }
    truth.done.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    let calls = truth.calls.load(Ordering::SeqCst);
    let deployments = house.telemetry.endpoint(ENDPOINT).deployments();
    let mut sum = mlconsole::resources::Counts::default();
    deployments.iter().for_each(|d| sum.add(&d.totals()));
    assert_eq!((sum.ok, sum.total()), (calls, calls));
}
