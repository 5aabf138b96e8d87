//! Changes of a script's deployment under load: none costs a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mlconsole::server::gateway::{PoolSettings, ProbeSettings};

use crate::house::{ENDPOINT, House, Script, settings, until};
use crate::python::pythons;

const SCORE: &str = "def init(): pass\ndef run(data): return data\n";

#[tokio::test(flavor = "multi_thread")]
async fn updates_scaling_and_restarts_under_load_cost_no_request() {
    let Some(pythons) = pythons() else { return };
    let house = Arc::new(House::open());
    let python = &pythons.bare;
    let mut pool = house.serve(python, Script::new(SCORE), settings(1, 8)).await.unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..6)
        .map(|client| {
            let (house, ended) = (Arc::clone(&house), Arc::clone(&ended));
            tokio::spawn(async move {
                let mut sent = 0u64;
                while !ended.load(Ordering::Relaxed) {
                    let body = format!("{client} {sent}");
                    let answer = house.score(body.clone()).timeout(Duration::from_secs(25)).send().await;
                    let answer = answer.unwrap_or_else(|error| panic!("{body}: {error:?}\n{}", house.log()));
                    let (status, text) = (answer.status(), answer.text().await.unwrap());
                    assert_eq!((status.as_u16(), text), (200, format!("\"{body}\"")), "{}", house.log());
                    sent += 1;
                }
                sent
            })
        })
        .collect();
    for round in 0..8 {
        let next = house.serve(python, Script::new(SCORE), settings(1 + round % 2, 8)).await.unwrap();
        // As an update does: published, then the previous one drains.
        let previous = std::mem::replace(&mut pool, next);
        previous.drain(Duration::from_secs(30)).await;
        drop(previous);
        for change in ["grow", "restart", "shrink"] {
            let pool = Arc::clone(&pool);
            let changed = move || match change {
                "grow" => pool.scale(2),
                "restart" => pool.restart(),
                _ => pool.scale(1),
            };
            tokio::task::spawn_blocking(changed).await.unwrap().unwrap();
        }
    }
    ended.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for client in clients {
        sent += client.await.unwrap();
    }
    let totals = house.telemetry.deployment(ENDPOINT, "blue").totals();
    assert_eq!((totals.ok, totals.total()), (sent, sent));
    assert_eq!(pool.status().restarts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_does_not_start_can_be_given_up_and_the_others_serve() {
    let Some(pythons) = pythons() else { return };
    let house = House::open();
    let source = "import os, time\nmarker = os.path.join(os.environ['AZUREML_MODEL_DIR'], 'one')\ndef init():\n    \
                  if os.path.exists(marker):\n        print('never ready', flush=True)\n        time.sleep(3600)\n    \
                  open(marker, 'w').close()\ndef run(data): return data\n";
    let pool = house.serve(&pythons.bare, Script::new(source), settings(1, 8)).await.unwrap();
    let scaling = {
        let pool = Arc::clone(&pool);
        tokio::task::spawn_blocking(move || pool.scale(3))
    };
    until("they hang", || house.log().matches("never ready").count() == 2).await;
    pool.give_up_starting();
    let error = scaling.await.unwrap().expect_err("they never start");
    assert!(error.message.contains("stopped"), "{error}");
    assert_eq!(house.ask("1").await, (200, "\"1\"".to_owned()));
    assert_eq!((pool.status().ready, pool.status().wanted), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_answers_no_ping_is_replaced() {
    let Some(pythons) = pythons() else { return };
    let house = House::open();
    // Native code that never lets go of the interpreter: no Python runs any more.
    let source = "import ctypes, threading, time\ndef freeze():\n    time.sleep(0.05)\n    ctypes.PyDLL(None).sleep(60)\n\
                  def init(): pass\ndef run(data):\n    if data == 'freeze': threading.Thread(target=freeze).start()\n    \
                  return data\n";
    let often = Duration::from_millis(100);
    let liveness = ProbeSettings {
        initial_delay: often,
        period: often,
        timeout: Duration::from_millis(400),
        failure_threshold: 2,
        ..ProbeSettings::default()
    };
    let settings = PoolSettings { liveness, ..settings(1, 8) };
    let pool = house.serve(&pythons.bare, Script::new(source), settings).await.unwrap();
    assert_eq!(house.ask("freeze").await.0, 200);
    until("it is replaced", || pool.status().restarts == 1 && pool.status().ready == 1).await;
    assert_eq!(house.ask("1").await, (200, "\"1\"".to_owned()), "{}", house.log());
    assert!(house.log().contains("liveness probe failed (2 of 2"), "{}", house.log());
    until("nothing hangs", || pool.status().stuck == 0).await;
}
