//! Shadows cannot hurt anybody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mlconsole::resources::{TrafficMap, Weight};
use mlconsole::server::gateway::{EndpointRoute, Limits, PoolSettings};

use super::house::{Actor, ENDPOINT, House, until};

fn mirror_to_green(percent: u16) -> TrafficMap {
    TrafficMap::from([("green".into(), Weight::percent(percent))])
}

#[tokio::test]
async fn copies_go_to_the_shadow_and_count_only_there() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    let green = house.pool("green", actor, PoolSettings::default()).await;
    let route = house.route(&[("blue", &blue, 100), ("green", &green, 0)]);
    house.router.publish(EndpointRoute { mirror: mirror_to_green(100), ..route });
    for body in ["x", "wrong", "x"] {
        let answer = house.score(body).send().await.unwrap();
        assert_eq!(answer.headers()["azureml-model-deployment"], "blue");
    }
    // Pinned requests are not mirrored.
    house.score("x").header("azureml-model-deployment", "blue").send().await.unwrap();
    let green = house.telemetry.deployment(ENDPOINT, "green");
    until("the copies are answered", || green.mirrored().ok + green.mirrored().failed == 3).await;
    assert_eq!((green.mirrored().sent, green.mirrored().ok, green.mirrored().dropped), (3, 2, 0));
    assert_eq!(green.totals().total(), 0);
    assert_eq!(stage.shadows.load(Ordering::SeqCst), 3);
    assert!(!stage.leaked.load(Ordering::SeqCst));
    let blue = house.telemetry.deployment(ENDPOINT, "blue");
    assert_eq!(blue.totals().total(), 4);
    assert_eq!(blue.samples().iter().filter(|s| s.mirrored).count(), 3);
}

#[tokio::test]
async fn a_share_is_drawn_for_each_request() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    let green = house.pool("green", Actor::new(), PoolSettings::default()).await;
    let route = house.route(&[("blue", &blue, 100), ("green", &green, 0)]);
    house.router.publish(EndpointRoute { mirror: mirror_to_green(50), ..route });
    for _ in 0..400 {
        house.score("x").send().await.unwrap();
    }
    let m = house.telemetry.deployment(ENDPOINT, "green").mirrored();
    // Ten standard deviations either way.
    assert!((100..=300).contains(&(m.sent + m.dropped)), "{m:?}");
}

#[tokio::test]
async fn a_shadow_that_hangs_until_it_is_full_changes_nothing_for_the_caller() {
    let house = House::open(Limits::default());
    let actor = Actor { as_shadow: Some("hang"), ..Actor::new() };
    let stage = Arc::clone(&actor.stage);
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    let settings = PoolSettings { instances: 8, request_timeout: Duration::from_secs(60), ..PoolSettings::default() };
    let green = house.pool("green", actor, settings).await;
    let route = house.route(&[("blue", &blue, 100), ("green", &green, 0)]);
    house.router.publish(EndpointRoute { mirror: mirror_to_green(100), ..route });
    for _ in 0..200 {
        assert_eq!(house.score("x").send().await.unwrap().status(), 200);
    }
    let shadow = house.telemetry.deployment(ENDPOINT, "green");
    // A quarter of eight slots runs, 64 wait, the rest is dropped.
    until("the shadow's share hangs", || stage.inside.load(Ordering::SeqCst) == 2).await;
    assert_eq!((shadow.mirrored().sent, shadow.mirrored().dropped), (66, 134));
    assert_eq!(stage.started.load(Ordering::SeqCst), 2);
    // Live work of the shadow itself still finds its slots, and admission takes no notice.
    assert_eq!((green.status().in_flight, green.status().queued), (0, 0));
    let live = house.score("x").header("azureml-model-deployment", "green").send().await.unwrap();
    assert_eq!(live.status(), 200);
    let counts = house.telemetry.deployment(ENDPOINT, "blue").totals();
    assert_eq!((counts.ok, counts.total()), (200, 200));
    stage.release();
    until("the copies are through", || shadow.mirrored().ok == 66).await;
}

#[tokio::test]
async fn a_shadow_that_panics_or_talks_garbage_changes_nothing_for_the_caller() {
    for mood in ["panic", "garbage"] {
        let house = House::open(Limits::default());
        let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
        let actor = Actor { as_shadow: Some(mood), ..Actor::new() };
        let green = house.pool("green", actor, PoolSettings::default()).await;
        let route = house.route(&[("blue", &blue, 100), ("green", &green, 0)]);
        house.router.publish(EndpointRoute { mirror: mirror_to_green(100), ..route });
        for _ in 0..100 {
            assert_eq!(house.score("x").send().await.unwrap().status(), 200);
        }
        let m = house.telemetry.deployment(ENDPOINT, "green").mirrored();
        assert_eq!((m.sent + m.dropped, m.ok), (100, 0), "{mood}: {m:?}");
        assert_eq!(house.telemetry.deployment(ENDPOINT, "blue").totals().ok, 100);
    }
}

#[tokio::test]
async fn a_shadow_without_instances_drops_its_copies() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    let green = house.pool("green", Actor::new(), PoolSettings { instances: 0, ..PoolSettings::default() }).await;
    let route = house.route(&[("blue", &blue, 100), ("green", &green, 0)]);
    house.router.publish(EndpointRoute { mirror: mirror_to_green(100), ..route });
    assert_eq!(house.score("x").send().await.unwrap().status(), 200);
    assert_eq!(house.telemetry.deployment(ENDPOINT, "green").mirrored().dropped, 1);
}
