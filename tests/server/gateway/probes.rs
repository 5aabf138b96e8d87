//! Probes act: who does not live is replaced, who is not ready gets no requests until it is.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mlconsole::resources::Signature;
use mlconsole::server::engine::{Instance, LoadError, ProbeKind, ScoreRequest, ScoreResponse, Servable};
use mlconsole::server::gateway::{Events, Limits, Pool, PoolSettings, ProbeSettings};

use super::house::{ENDPOINT, House, until};

/// What ails which instances, by the order in which they were made.
#[derive(Default)]
struct Ward {
    made: AtomicUsize,
    dead: Mutex<HashSet<usize>>,
    unready: Mutex<HashSet<usize>>,
    /// Those that hang in a probe or a call.
    stuck: Mutex<HashSet<usize>>,
    healed: Condvar,
    probes: [AtomicUsize; 8],
    calls: AtomicUsize,
    events: Mutex<Vec<&'static str>>,
}

impl Ward {
    fn hang(&self, who: usize) {
        let stuck = self.stuck.lock().unwrap();
        drop(self.healed.wait_while(stuck, |stuck| stuck.contains(&who)).unwrap());
    }

    fn heal(&self) {
        self.stuck.lock().unwrap().clear();
        self.healed.notify_all();
    }

    fn probes(&self, who: usize) -> usize {
        self.probes[who].load(Ordering::SeqCst)
    }
}

struct Hospital(Arc<Ward>);

struct Patient {
    ward: Arc<Ward>,
    number: usize,
}

impl Servable for Hospital {
    fn instance(self: Arc<Self>) -> Result<Box<dyn Instance>, LoadError> {
        let number = self.0.made.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Patient { ward: Arc::clone(&self.0), number }))
    }

    fn signature(&self) -> Option<Signature> {
        None
    }

    fn swagger(&self, _: &str, _: &str) -> Option<serde_json::Value> {
        None
    }

    fn sample(&self) -> Option<ScoreRequest> {
        None
    }
}

impl Instance for Patient {
    /// Answers with its number; `hang` hangs.
    fn score(&mut self, request: &ScoreRequest) -> ScoreResponse {
        self.ward.calls.fetch_add(1, Ordering::SeqCst);
        if request.body.as_ref() == b"hang" {
            self.ward.stuck.lock().unwrap().insert(self.number);
            self.ward.hang(self.number);
        }
        ScoreResponse {
            status: 200,
            headers: Vec::new(),
            content_type: "text/plain",
            body: Bytes::from(self.number.to_string()),
            model_time: Duration::ZERO,
            caller_fault: false,
        }
    }

    fn probe(&mut self, kind: ProbeKind) -> Result<(), String> {
        self.ward.probes[self.number].fetch_add(1, Ordering::SeqCst);
        let ill = match kind {
            ProbeKind::Liveness => {
                self.ward.hang(self.number);
                &self.ward.dead
            }
            ProbeKind::Readiness => &self.ward.unready,
        };
        if ill.lock().unwrap().contains(&self.number) { Err("it is ill".to_owned()) } else { Ok(()) }
    }
}

fn often() -> ProbeSettings {
    ProbeSettings {
        initial_delay: Duration::ZERO,
        period: Duration::from_millis(10),
        timeout: Duration::from_secs(20),
        success_threshold: 3,
        failure_threshold: 3,
    }
}

async fn open(house: &House, instances: u32, liveness: ProbeSettings) -> (Arc<Ward>, Arc<Pool>) {
    let ward = Arc::<Ward>::default();
    let heard = Arc::clone(&ward);
    let settings = PoolSettings {
        instances,
        liveness,
        readiness: often(),
        request_timeout: Duration::from_secs(60),
        hang_limit: Some(Duration::from_secs(60)),
        events: Events::to(move |name, _| heard.events.lock().unwrap().push(name)),
        ..PoolSettings::default()
    };
    let telemetry = house.telemetry.deployment(ENDPOINT, "blue");
    let hospital = Arc::new(Hospital(Arc::clone(&ward)));
    let start = move || Pool::start("fraud/blue", hospital, settings, telemetry).unwrap();
    let pool = tokio::task::spawn_blocking(start).await.unwrap();
    house.router.publish(house.route(&[("blue", &pool, 100)]));
    (ward, pool)
}

/// The number of the instance that answers.
async fn asked(house: &House) -> usize {
    let answer = house.score("x").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_instance_that_no_longer_lives_is_replaced_and_the_other_is_not() {
    let house = House::open(Limits::default());
    let (ward, pool) = open(&house, 2, often()).await;
    ward.dead.lock().unwrap().insert(0);
    until("it is replaced", || ward.made.load(Ordering::SeqCst) == 3 && pool.status().ready == 2).await;
    let before = ward.probes(1).min(ward.probes(2));
    until("the others are probed on", || ward.probes(1).min(ward.probes(2)) > before + 10).await;
    assert_eq!((ward.made.load(Ordering::SeqCst), pool.status().restarts, pool.status().stuck), (3, 1, 0));
    for _ in 0..20 {
        assert_ne!(asked(&house).await, 0);
    }
    let log = house.telemetry.deployment(ENDPOINT, "blue").log().tail(None, 100);
    assert!(log.iter().any(|l| l.text.contains("liveness probe failed (3 of 3 in a row): it is ill")), "{log:?}");
    let events = ward.events.lock().unwrap().clone();
    assert_eq!(events, ["LivenessProbeFailed", "LivenessProbeFailed", "LivenessProbeFailed", "Killing"]);
}

#[tokio::test]
async fn a_probe_that_does_not_answer_in_time_has_failed() {
    let house = House::open(Limits::default());
    let impatient = ProbeSettings { timeout: Duration::from_millis(30), failure_threshold: 1, ..often() };
    let (ward, pool) = open(&house, 1, impatient).await;
    ward.stuck.lock().unwrap().insert(0);
    until("it is replaced", || pool.status().restarts >= 1 && pool.status().ready == 1).await;
    assert_ne!(asked(&house).await, 0);
    assert!(pool.status().stuck >= 1);
    ward.heal();
    until("its thread is back", || pool.status().stuck == 0).await;
}

#[tokio::test]
async fn an_instance_that_is_not_ready_gets_nothing_until_it_is() {
    let house = House::open(Limits::default());
    let (ward, pool) = open(&house, 2, often()).await;
    ward.unready.lock().unwrap().insert(0);
    until("one is out", || pool.status().ready == 1).await;
    for _ in 0..50 {
        assert_eq!(asked(&house).await, 1);
    }
    ward.unready.lock().unwrap().insert(1);
    until("both are out", || !pool.is_ready()).await;
    assert_eq!(house.score("x").send().await.unwrap().status(), 404, "nobody to route to");
    ward.unready.lock().unwrap().clear();
    until("both are back", || pool.status().ready == 2).await;
    let mut seen = HashSet::new();
    while seen.len() < 2 {
        seen.insert(asked(&house).await);
    }
    assert_eq!((pool.status().restarts, ward.made.load(Ordering::SeqCst)), (0, 2), "nobody was replaced");
    assert_eq!(ward.events.lock().unwrap().iter().filter(|e| **e == "ReadinessProbeFailed").count(), 6);
}

#[tokio::test]
async fn a_busy_instance_lives_within_its_hang_limit() {
    let house = House::open(Limits::default());
    let strict = ProbeSettings { timeout: Duration::from_millis(10), failure_threshold: 1, ..often() };
    let (ward, pool) = open(&house, 2, ProbeSettings { timeout: Duration::from_secs(20), ..strict }).await;
    let hanging = tokio::spawn(house.score("hang").send());
    until("it hangs", || !ward.stuck.lock().unwrap().is_empty()).await;
    let busy = *ward.stuck.lock().unwrap().iter().next().unwrap();
    let (idle, before) = (1 - busy, ward.probes(1 - busy));
    until("the other is probed thirty times", || ward.probes(idle) > before + 30).await;
    assert_eq!((pool.status().restarts, pool.status().ready), (0, 2));
    ward.heal();
    assert_eq!(hanging.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn nobody_is_probed_before_its_time() {
    let house = House::open(Limits::default());
    let (ward, pool) = open(&house, 1, ProbeSettings { initial_delay: Duration::from_secs(3_600), ..often() }).await;
    ward.dead.lock().unwrap().insert(0);
    // Readiness is asked all the while.
    until("it was asked often", || ward.probes(0) > 20).await;
    assert_eq!((pool.status().restarts, pool.status().ready), (0, 1));
}
