//! Changes of a script's deployment under load: none costs a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::house::{ENDPOINT, House, Script, settings};
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
