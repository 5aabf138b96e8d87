//! What the live feed and the metrics route are made of.

use std::sync::Arc;
use std::time::Duration;

use mlconsole::resources::{TrafficMap, Weight};
use mlconsole::server::gateway::{EndpointRoute, Limits, PoolSettings};

use super::house::{Actor, House, until};

#[tokio::test]
async fn frames_show_every_finished_second_once() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings { instances: 2, ..PoolSettings::default() }).await;
    let green = house.pool("green", Actor::new(), PoolSettings::default()).await;
    let route = house.route(&[("blue", &blue, 100), ("green", &green, 0)]);
    let mirror = TrafficMap::from([("green".into(), Weight::percent(10))]);
    house.router.publish(EndpointRoute { mirror, ..route });
    let (_, mut from) = house.router.frame(i64::MAX);
    for body in ["x", "fail", "wrong", "x"] {
        house.score(body).send().await.unwrap();
    }
    let (mut seconds, mut frames) = (Vec::new(), 0);
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while seconds.iter().map(|s: &mlconsole::resources::Second| s.counts.total()).sum::<u64>() < 4 {
            let (endpoints, next) = house.router.frame(from);
            from = next;
            frames += 1;
            seconds.extend(endpoints[0].deployments[0].seconds.clone());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("the seconds never came");
    assert!(frames > 1);
    assert!(seconds.windows(2).all(|w| w[1].at == w[0].at + 1), "a gap or a repetition: {seconds:?}");
    let latencies: u32 = seconds.iter().flat_map(|s| &s.latency).map(|(_, n)| n).sum();
    assert_eq!(latencies, 4);

    let (endpoints, _) = house.router.frame(i64::MAX);
    let (blue, green) = (&endpoints[0].deployments[0], &endpoints[0].deployments[1]);
    assert_eq!((blue.name.as_str(), blue.ready, blue.wanted, blue.slots), ("blue", 2, 2, 2));
    assert_eq!((blue.weight, blue.mirror, green.weight, green.mirror), (10_000, 0, 0, 1_000));
    assert_eq!((blue.totals.ok, blue.totals.model_error, blue.totals.client_error), (2, 1, 1));
    assert!(green.seconds.is_empty());
}

#[tokio::test]
async fn metrics_hold_counters_and_gauges() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let blue = house.pool("blue", actor, PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    house.score("x").send().await.unwrap();
    let running = tokio::spawn(house.score("hang").send());
    until("the model has it", || blue.status().in_flight == 1).await;
    let text = house.router.prometheus();
    for line in [
        "mlconsole_requests_total{endpoint=\"fraud\",deployment=\"blue\",outcome=\"ok\"} 1",
        "mlconsole_requests_running{endpoint=\"fraud\",deployment=\"blue\"} 1",
        "mlconsole_traffic_percent{endpoint=\"fraud\",deployment=\"blue\"} 100",
        "mlconsole_routing_generation{endpoint=\"fraud\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in:\n{text}");
    }
    stage.release();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn bodies_are_recorded_only_when_asked() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    house.score("secret").send().await.unwrap();
    house.telemetry.record_bodies(true);
    house.score("open").send().await.unwrap();
    let samples = house.telemetry.requests(None, None, 2);
    let bodies: Vec<_> = samples.iter().map(|s| (s.request_body.as_deref(), s.response_body.as_deref())).collect();
    assert_eq!(bodies, [(Some("open"), Some("open")), (None, None)]);
}
