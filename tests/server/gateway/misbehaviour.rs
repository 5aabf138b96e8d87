//! Models that fail, panic, hang or answer nonsense: one instance at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mlconsole::resources::Signature;
use mlconsole::server::engine::{Instance, LoadError, ScoreRequest, ScoreResponse, Servable};
use mlconsole::server::gateway::{Limits, Pool, PoolSettings};
use mlconsole::server::telemetry::Telemetry;

use super::house::{Actor, ENDPOINT, House, until};

#[tokio::test]
async fn a_model_s_failure_is_424_and_the_caller_s_fault_is_its_own() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let failed = house.score("fail").send().await.unwrap();
    assert_eq!(failed.status(), 424);
    assert_eq!(failed.headers()["ms-azureml-model-error-statuscode"], "500");
    assert_eq!(failed.headers()["ms-azureml-model-error-reason"], "model_error");
    let garbage = house.score("garbage").send().await.unwrap();
    assert_eq!(garbage.status(), 424);
    assert!(!garbage.headers().contains_key("b"), "a header was smuggled in");
    assert_eq!(house.score("wrong").send().await.unwrap().status(), 400);
    let counts = house.telemetry.deployment(ENDPOINT, "blue").totals();
    assert_eq!((counts.model_error, counts.client_error, counts.total()), (2, 1, 3));
}

#[tokio::test]
async fn a_panic_fails_its_own_request_and_no_other() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings { instances: 2, ..PoolSettings::default() }).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    for _ in 0..2 {
        let failed = house.score("panic").send().await.unwrap();
        assert_eq!(failed.status(), 424);
        assert_eq!(failed.headers()["ms-azureml-model-error-reason"], "model_error");
        assert_eq!(house.score("x").send().await.unwrap().status(), 200);
    }
    until("all instances are back", || blue.status().ready == 2).await;
    assert_eq!((blue.status().restarts, blue.status().stuck), (2, 0));
    let log = house.telemetry.deployment(ENDPOINT, "blue").log().tail(None, 100);
    assert!(log.iter().any(|l| l.text.contains("the actor was told to") && l.level == "error"), "{log:?}");
    assert!(log.iter().any(|l| l.text.contains("serves again")), "{log:?}");
}

#[tokio::test]
async fn an_only_instance_that_panics_is_back_before_others_notice() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    assert_eq!(house.score("panic").send().await.unwrap().status(), 424);
    for _ in 0..50 {
        assert_eq!(house.score("x").send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_panic_on_a_connection_s_thread_costs_the_instance_not_the_connection() {
    let house = House::open(Limits { threads: Some(1), ..Limits::default() });
    let actor = Actor { bounded: true, ..Actor::new() };
    let blue = house.pool("blue", actor, PoolSettings { instances: 2, ..PoolSettings::default() }).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    for round in 0..20 {
        // The first call is measured on the instance's thread, later ones run where they came in.
        for _ in 0..3 {
            assert_eq!(house.score("x").send().await.unwrap().status(), 200);
        }
        assert_eq!(house.score("panic").send().await.unwrap().status(), 424, "round {round}");
    }
    until("all instances are back", || blue.status().ready == 2).await;
    let counts = house.telemetry.deployment(ENDPOINT, "blue").totals();
    assert_eq!((counts.ok, counts.model_error, counts.total()), (60, 20, 80));
    assert_eq!((blue.status().restarts, blue.status().in_flight, blue.status().queued), (20, 0, 0));
}

#[tokio::test]
async fn a_call_that_hangs_costs_one_instance_which_is_replaced() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let settings = PoolSettings {
        hang_limit: Some(Duration::from_millis(400)),
        request_timeout: Duration::from_secs(60),
        stuck_limit: 2,
        ..PoolSettings::default()
    };
    let blue = house.pool("blue", actor, settings).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let hung = house.score("hang").send().await.unwrap();
    assert_eq!(hung.status(), 424);
    assert!(hung.text().await.unwrap().contains("did not come back"));
    assert_eq!(house.score("x").send().await.unwrap().status(), 200);
    assert_eq!((blue.status().stuck, blue.status().restarts, blue.status().in_flight), (1, 1, 0));

    // One more and the pool stops throwing good threads after bad.
    assert_eq!(house.score("hang").send().await.unwrap().status(), 424);
    until("the pool has given up", || !blue.is_ready()).await;
    assert_eq!(blue.status().ready, 0);
    assert_eq!(house.score("x").send().await.unwrap().status(), 404);
    stage.release();
    until("the threads are back", || blue.status().stuck == 0).await;
    until("an instance is back", || blue.status().ready == 1).await;
    assert_eq!(house.score("x").send().await.unwrap().status(), 200);
}

/// A model whose instances can be made to fail at the start.
#[derive(Default)]
struct Moody {
    sulks: AtomicBool,
    starts: AtomicUsize,
    bad_warm_up: bool,
}

struct Fine;

impl Instance for Fine {
    fn score(&mut self, request: &ScoreRequest) -> ScoreResponse {
        ScoreResponse {
            status: if request.body.as_ref() == b"bad" { 500 } else { 200 },
            headers: Vec::new(),
            content_type: "text/plain",
            body: bytes::Bytes::from_static(b"out of tune"),
            model_time: Duration::ZERO,
            caller_fault: false,
        }
    }
}

impl Servable for Moody {
    fn instance(self: Arc<Self>) -> Result<Box<dyn Instance>, LoadError> {
        self.starts.fetch_add(1, Ordering::SeqCst);
        assert!(!self.sulks.load(Ordering::SeqCst), "not today");
        Ok(Box::new(Fine))
    }

    fn signature(&self) -> Option<Signature> {
        None
    }

    fn swagger(&self, _endpoint: &str, _version: &str) -> Option<serde_json::Value> {
        None
    }

    fn sample(&self) -> Option<ScoreRequest> {
        Some(ScoreRequest {
            method: http::Method::POST,
            path: "/score".into(),
            query: String::new(),
            headers: http::HeaderMap::new(),
            body: if self.bad_warm_up { "bad".into() } else { "good".into() },
            deadline: std::time::Instant::now(),
        })
    }
}

fn start(model: &Arc<Moody>, instances: u32) -> Result<Arc<Pool>, LoadError> {
    let telemetry = Telemetry::new(None).deployment(ENDPOINT, "blue");
    let settings = PoolSettings { instances, ..PoolSettings::default() };
    Pool::start("fraud/blue", Arc::clone(model) as Arc<dyn Servable>, settings, telemetry)
}

#[test]
fn a_model_that_fails_its_warm_up_does_not_start() {
    let model = Arc::new(Moody { bad_warm_up: true, ..Moody::default() });
    let error = start(&model, 2).unwrap_err();
    assert!(error.message.contains("status 500: out of tune"), "{error}");
}

#[test]
fn a_panic_at_the_start_is_an_error_and_a_failed_scaling_leaves_the_pool_as_it_was() {
    let model = Arc::new(Moody::default());
    model.sulks.store(true, Ordering::SeqCst);
    assert!(start(&model, 1).unwrap_err().message.contains("not today"));
    model.sulks.store(false, Ordering::SeqCst);
    let pool = start(&model, 2).unwrap();
    model.sulks.store(true, Ordering::SeqCst);
    assert!(pool.scale(5).is_err());
    assert!(pool.restart().is_err());
    let status = pool.status();
    assert_eq!((status.ready, status.wanted, status.slots), (2, 2, 2));
}

#[test]
fn scaling_and_restarting_keep_the_numbers_right() {
    let model = Arc::new(Moody::default());
    let pool = start(&model, 1).unwrap();
    for n in [4, 1, 0, 3] {
        pool.scale(n).unwrap();
        let status = pool.status();
        assert_eq!((status.ready, status.wanted, status.slots), (n, n, n));
        assert_eq!(pool.is_ready(), n > 0);
    }
    let before = model.starts.load(Ordering::SeqCst);
    pool.restart().unwrap();
    assert_eq!(model.starts.load(Ordering::SeqCst), before + 3);
    assert_eq!(pool.status().ready, 3);
}
