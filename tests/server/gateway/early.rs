//! Requests that come while a deployment is being brought back wait for it.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use mlconsole::server::gateway::{EndpointRoute, Limits, PoolSettings, Starting};

use super::house::{Actor, ENDPOINT, House, until};

fn coming(house: &House, places: u32, patience: Duration) -> EndpointRoute {
    let mut route = house.route(&[]);
    route.weights = [("blue".to_owned(), mlconsole::resources::Weight::percent(100))].into_iter().collect();
    route.deployments = vec![("blue".to_owned(), None)];
    route.starting = vec![("blue".to_owned(), Starting::new(places, patience))];
    route
}

#[tokio::test]
async fn early_requests_are_answered_once_the_deployment_is_back() {
    let house = House::open(Limits::default());
    house.router.publish(coming(&house, 8, Duration::from_secs(60)));
    let mut early: FuturesUnordered<_> = (0..12)
        .map(|i| {
            let request = house.score("x");
            let request = if i % 2 == 0 { request.header("azureml-model-deployment", "blue") } else { request };
            tokio::spawn(request.send())
        })
        .collect();
    // There are places for eight: the others are told at once.
    for _ in 0..4 {
        assert_eq!(early.next().await.unwrap().unwrap().unwrap().status(), 429);
    }
    // A publication that changes nothing for them lets nobody go.
    house.router.publish(coming(&house, 8, Duration::from_secs(60)));
    let settings = PoolSettings { instances: 4, ..PoolSettings::default() };
    let blue = house.pool("blue", Actor::new(), settings).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    while let Some(answer) = early.next().await {
        let answer = answer.unwrap().unwrap();
        let from = answer.headers()["azureml-model-deployment"].to_str().unwrap();
        assert_eq!((answer.status().as_u16(), from), (200, "blue"));
    }
    let counts = house.telemetry.deployment(ENDPOINT, "blue").totals();
    assert_eq!((counts.ok, counts.refused, counts.total()), (8, 4, 12), "{counts:?}");
}

#[tokio::test]
async fn who_waits_for_what_does_not_come_is_told() {
    let house = House::open(Limits::default());
    house.router.publish(coming(&house, 8, Duration::from_secs(60)));
    let waiting = tokio::spawn(house.score("x").send());
    let pinned = tokio::spawn(house.score("x").header("azureml-model-deployment", "blue").send());
    let gone = EndpointRoute { starting: Vec::new(), ..coming(&house, 8, Duration::ZERO) };
    // It may publish before they wait, or after: they learn of it either way.
    house.router.publish(gone);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 404);
    assert_eq!(pinned.await.unwrap().unwrap().status(), 503);

    house.router.publish(coming(&house, 8, Duration::from_millis(50)));
    let late = house.score("x").send().await.unwrap();
    assert_eq!(late.status(), 503);
    assert_eq!(late.headers()["azureml-model-deployment"], "blue");
    let refused = || house.telemetry.deployment(ENDPOINT, "blue").totals().server_error;
    until("all are counted", || refused() == 2).await;

    house.router.publish(coming(&house, 8, Duration::from_secs(60)));
    let waiting = tokio::spawn(house.score("x").send());
    house.router.remove(ENDPOINT);
    assert_eq!(waiting.await.unwrap().unwrap().status(), 404);
}
