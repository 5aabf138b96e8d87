//! Who gets a request, who may send one, and what the answer says.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mlconsole::resources::{TrafficMap, Weight};
use mlconsole::server::gateway::{AuthFailure, AuthPolicy, EndpointRoute, Limits, PoolSettings, Role};

use super::house::{Actor, ENDPOINT, House, KEY};

#[tokio::test]
async fn every_aligned_thousand_requests_are_split_exactly() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    let green = house.pool("green", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 90), ("green", &green, 10)]));
    for _block in 0..3 {
        let mut seen: HashMap<String, u32> = HashMap::new();
        for _ in 0..1_000 {
            let answer = house.score("x").send().await.unwrap();
            assert_eq!(answer.status(), 200);
            *seen.entry(answer.headers()["azureml-model-deployment"].to_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!(seen, HashMap::from([("blue".into(), 900), ("green".into(), 100)]));
        // A publication that leaves the split alone does not disturb the block.
        house.router.publish(house.route(&[("blue", &blue, 90), ("green", &green, 10)]));
    }
    let counts = |name| house.telemetry.deployment(ENDPOINT, name).totals();
    assert_eq!((counts("blue").ok, counts("blue").total()), (2_700, 2_700));
    assert_eq!((counts("green").ok, counts("green").total()), (300, 300));
    let samples = house.telemetry.requests(None, None, 1_000);
    assert!(samples.iter().all(|s| s.probability > 0.0 && s.probability <= 1.0 && !s.pinned));
}

#[tokio::test]
async fn the_header_reaches_a_deployment_without_traffic() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    let green = house.pool("green", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100), ("green", &green, 0)]));
    let answer = house.score("x").header("azureml-model-deployment", "Green").send().await.unwrap();
    assert_eq!(answer.headers()["azureml-model-deployment"], "green");
    assert_eq!(answer.headers()["mlconsole-generation"], "1");
    let sample = &house.telemetry.deployment(ENDPOINT, "green").samples()[0];
    assert!(sample.pinned);

    let answer = house.score("x").header("azureml-model-deployment", "red").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    let text = answer.text().await.unwrap();
    assert!(text.contains("blue, green"), "{text}");
    assert_eq!(house.telemetry.endpoint(ENDPOINT).refused.get().client_error, 1);
}

#[tokio::test]
async fn without_weight_there_is_nothing_to_route_to() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 0)]));
    let answer = house.score("x").send().await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await.unwrap().starts_with("No valid deployments to route to. Please check"));
    // Weight on a deployment of which nothing runs comes to the same.
    let mut route = house.route(&[("blue", &blue, 100)]);
    route.deployments[0].1 = None;
    house.router.publish(route);
    assert_eq!(house.score("x").send().await.unwrap().status(), 404);
    assert_eq!(house.telemetry.deployment(ENDPOINT, "blue").totals().total(), 0);
}

#[tokio::test]
async fn a_deployment_that_lost_its_instances_answers_503_for_its_share() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    let mut route = house.route(&[("blue", &blue, 50)]);
    route.weights = TrafficMap::from([("blue".into(), Weight::percent(50)), ("green".into(), Weight::percent(50))]);
    route.deployments.push(("green".into(), None));
    house.router.publish(route);
    for _ in 0..1_000 {
        let answer = house.score("x").send().await.unwrap();
        let green = answer.headers()["azureml-model-deployment"] == "green";
        assert_eq!(answer.status(), if green { 503 } else { 200 });
    }
    let green = house.telemetry.deployment(ENDPOINT, "green").totals();
    assert_eq!((green.server_error, green.total()), (500, 500));
}

#[tokio::test]
async fn strangers_get_401_and_learn_nothing() {
    let house = House::open(Limits::default());
    let actor = Actor::new();
    let stage = Arc::clone(&actor.stage);
    let blue = house.pool("blue", actor, PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let url = |endpoint: &str| house.url(&format!("/endpoints/{endpoint}/score"));
    let cases = [
        (house.client.post(url(ENDPOINT)), "key_auth_bad_header_forbidden"),
        (house.client.post(url(ENDPOINT)).bearer_auth("wrong"), "key_auth_access_denied"),
        (house.client.get(house.url("/endpoints/fraud/swagger.json")), "key_auth_bad_header_forbidden"),
        (house.client.get(house.url("/endpoints/fraud/")).bearer_auth("wrong"), "key_auth_access_denied"),
        (house.client.post(url("no-such-endpoint")), "key_auth_bad_header_forbidden"),
        (house.client.post(url(ENDPOINT)).header("authorization", "Basic eA=="), "key_auth_bad_header_forbidden"),
    ];
    for (request, text) in cases {
        let answer = request.body("x").send().await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.headers()["www-authenticate"], "Bearer");
        assert_eq!(answer.text().await.unwrap(), text);
    }
    assert_eq!(house.telemetry.endpoint(ENDPOINT).refused.get().client_error, 5);
    assert_eq!(stage.started.load(Ordering::SeqCst), 0);
    for key in [KEY, "secondary"] {
        let answer = house.client.post(url(ENDPOINT)).bearer_auth(key).body("x").send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    assert!(!stage.leaked.load(Ordering::SeqCst), "the model saw a credential");
}

#[tokio::test]
async fn tokens_are_checked_by_who_issued_them() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    let verifier = Arc::new(|token: &str| match token {
        "good" => Ok(()),
        _ => Err(AuthFailure("the token has expired".into())),
    });
    for auth in [AuthPolicy::AmlToken(verifier.clone()), AuthPolicy::AadToken(verifier)] {
        house.router.publish(EndpointRoute { auth, ..house.route(&[("blue", &blue, 100)]) });
        let url = house.url("/endpoints/fraud/score");
        assert_eq!(house.client.post(&url).bearer_auth("good").send().await.unwrap().status(), 200);
        let answer = house.client.post(&url).bearer_auth("old").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (401, "the token has expired"));
    }
}

#[tokio::test]
async fn only_our_own_names_are_served() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let port = house.gateway.addresses()[0].port();
    for host in ["evil.example".to_owned(), format!("evil.example:{port}"), "localhost:1".into()] {
        let answer = house.score("x").header("host", host).send().await.unwrap();
        assert_eq!(answer.status(), 421);
    }
    let by_name = house.client.post(house.url("/score")).header("host", format!("{ENDPOINT}.localhost:{port}"));
    let answer = by_name.bearer_auth(KEY).body("by name").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "by name"));

    let control = house.client.get(house.url("/metadata/endpoints")).send().await.unwrap();
    assert_eq!(control.text().await.unwrap(), "control /metadata/endpoints");
    assert_eq!(house.client.get(house.url("/panic")).send().await.unwrap().status(), 500);
}

#[tokio::test]
async fn listeners_serve_what_they_are_for() {
    let scoring = House::open_as(Role::Scoring, Limits::default());
    let blue = scoring.pool("blue", Actor::new(), PoolSettings::default()).await;
    scoring.router.publish(scoring.route(&[("blue", &blue, 100)]));
    assert_eq!(scoring.score("x").header("host", "models.example").send().await.unwrap().status(), 200);
    assert_eq!(scoring.client.get(scoring.url("/subscriptions")).send().await.unwrap().status(), 404);

    let plain = House::open_as(Role::Plain { scoring: false }, Limits::default());
    assert_eq!(plain.score("x").send().await.unwrap().status(), 404);
    assert_eq!(plain.client.get(plain.url("/metadata/identity")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_answer_says_who_when_and_how_long() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    assert_eq!(house.router.publish(house.route(&[("blue", &blue, 100)])), 1);
    assert_eq!(house.router.publish(house.route(&[("blue", &blue, 100)])), 2);
    let answer = house.score("x").header("x-ms-client-request-id", "mine").send().await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("azureml-model-deployment"), "blue");
    assert_eq!(header("mlconsole-generation"), "2");
    assert_eq!(header("x-ms-client-request-id"), "mine");
    assert_eq!(header("ms-azureml-model-time"), "0.007");
    assert_eq!(header("x-ms-request-id"), header("x-request-id"));
    assert_eq!(header("content-type"), "application/json");
    assert!(header("mlconsole-queue-ms").parse::<f64>().unwrap() >= 0.0);
    let sample = &house.telemetry.requests(Some(ENDPOINT), None, 1)[0];
    assert_eq!(sample.id, header("x-ms-request-id"));
    assert_eq!((sample.generation, sample.status, sample.request_bytes, sample.response_bytes), (2, 200, 1, 1));
}

#[tokio::test]
async fn health_and_swagger_come_from_the_deployment_and_are_not_counted() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    let get = |path: &str| house.client.get(house.url(&format!("/endpoints/{ENDPOINT}{path}"))).bearer_auth(KEY).send();
    for path in ["", "/"] {
        assert_eq!(get(path).await.unwrap().status(), 200);
    }
    let document: serde_json::Value = get("/swagger.json?version=2").await.unwrap().json().await.unwrap();
    assert_eq!(document, serde_json::json!({"openapi": "2", "title": "fraud"}));
    assert_eq!(get("/swagger.json?version=9").await.unwrap().status(), 404);
    assert_eq!(house.telemetry.deployment(ENDPOINT, "blue").totals().total(), 0);
}

#[tokio::test]
async fn a_removed_endpoint_is_gone_at_once() {
    let house = House::open(Limits::default());
    let blue = house.pool("blue", Actor::new(), PoolSettings::default()).await;
    house.router.publish(house.route(&[("blue", &blue, 100)]));
    assert_eq!(house.score("x").send().await.unwrap().status(), 200);
    house.router.remove("FRAUD");
    assert_eq!(house.score("x").send().await.unwrap().status(), 404);
    assert!(house.router.snapshot(ENDPOINT).is_none());
}
