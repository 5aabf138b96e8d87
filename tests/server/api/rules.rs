//! Every rule of the API refuses with a 400 that names the property and says what to do (reference §8).

use serde_json::{Value, json};

use super::house::{House, deployment, sample_model, set};

#[tokio::test(flavor = "multi_thread")]
async fn names_are_checked() {
    let house = House::open().await;
    let long = "a".repeat(33);
    for name in ["ab", "1abc", "a_b_c", "abc-", "a--b", long.as_str(), "a%20b"] {
        let reply = house.put(&format!("/onlineEndpoints/{name}"), json!({"properties": {}})).await.is(400);
        assert!(reply.body["error"]["target"] == "name", "{}", reply.text);
    }
    house.endpoint("food").await;
    let reply = house.put("/onlineEndpoints/food/deployments/b", deployment("x")).await.is(400);
    assert_eq!(reply.code(), "BadArgument");
    assert_eq!(
        house.put("/onlineEndpoints/nope/deployments/blue", deployment("x")).await.is(404).code(),
        "ResourceNotFound"
    );
    let reply = house.put("/models/bad%20name/versions/1", json!({"properties": {"modelUri": "x"}})).await.is(400);
    assert!(reply.text.contains("bad name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_keep_their_rules() {
    let house = House::open().await;
    let fresh = json!({"properties": {"traffic": {"blue": 100}}});
    assert!(house.put("/onlineEndpoints/food", fresh).await.is(400).text.contains("no deployments yet"));
    house.endpoint("food").await;
    for (pointer, value, word) in [
        ("/properties/traffic", json!({"blue": 100}), "properties.traffic"),
        ("/properties/traffic", json!({"blue": -1}), "properties.traffic.blue"),
        ("/properties/traffic", json!({"blue": 100.001}), "properties.traffic.blue"),
        ("/properties/mirrorTraffic", json!({"green": 10}), "properties.mirrorTraffic"),
        ("/properties/authMode", json!("Password"), "properties.authMode"),
        ("/properties/publicNetworkAccess", json!("sometimes"), "properties.publicNetworkAccess"),
        ("/properties/compute", json!("k8s"), "properties.compute"),
        ("/identity/type", json!("Somebody"), "identity.type"),
        ("/identity", json!({"type": "UserAssigned"}), "identity.userAssignedIdentities"),
    ] {
        let mut body = json!({"properties": {}});
        set(&mut body, pointer, value.clone());
        let reply = house.put("/onlineEndpoints/food", body).await.is(400);
        assert_eq!(reply.body["error"]["target"], word, "{pointer} {value}: {}", reply.text);
        assert_eq!(reply.code(), "BadArgument");
    }
    let body = json!({"properties": {"keys": {"primaryKey": "with space"}}});
    house.put("/onlineEndpoints/other", body).await.is(400);
    let body = json!({"properties": {"keys": {"primaryKey": "my-primary", "secondaryKey": "my-secondary"}}});
    let made = house.put("/onlineEndpoints/other", body).await.is(201);
    assert!(!made.text.contains("my-primary"), "keys are listed on request only");
    let keys = house.post("/onlineEndpoints/other/listKeys", json!({})).await.is(200).body;
    assert_eq!(keys, json!({"primaryKey": "my-primary", "secondaryKey": "my-secondary"}));
    for body in [json!({}), json!({"keyType": "Third"}), json!({"keyType": "Primary", "keyValue": "a b"})] {
        house.post("/onlineEndpoints/other/regenerateKeys", body).await.is(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_keep_their_rules() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    for (pointer, value, target) in [
        ("/sku/capacity", json!(51), "sku.capacity"),
        ("/sku/capacity", json!(-1), "sku.capacity"),
        ("/properties/instanceType", json!("Standard_DS3_v9"), "properties.instanceType"),
        ("/properties/endpointComputeType", json!("Kubernetes"), "properties.endpointComputeType"),
        ("/properties/scaleSettings", json!({"scaleType": "TargetUtilization"}), "properties.scaleSettings.scaleType"),
        (
            "/properties/requestSettings",
            json!({"requestTimeout": "PT200S"}),
            "properties.requestSettings.requestTimeout",
        ),
        ("/properties/requestSettings", json!({"requestTimeout": "soon"}), "properties.requestSettings.requestTimeout"),
        (
            "/properties/requestSettings",
            json!({"maxConcurrentRequestsPerInstance": 0}),
            "properties.requestSettings.maxConcurrentRequestsPerInstance",
        ),
        ("/properties/livenessProbe", json!({"successThreshold": 2}), "properties.livenessProbe.successThreshold"),
        ("/properties/readinessProbe", json!({"failureThreshold": 0}), "properties.readinessProbe.failureThreshold"),
        ("/properties/egressPublicNetworkAccess", json!("maybe"), "properties.egressPublicNetworkAccess"),
        ("/properties/model", json!("not a reference"), "properties.model"),
        ("/properties/model", json!(model.replace("versions/1", "versions/9")), "properties.model"),
        ("/properties/model", json!(model.replace("/local/", "/other/")), "properties.model"),
        ("/properties/environmentId", json!(model), "properties.environmentId"),
        (
            "/properties/codeConfiguration",
            json!({"codeId": model.replace("models", "codes"), "scoringScript": "score.py"}),
            "properties.codeConfiguration.codeId",
        ),
        ("/properties/environmentVariables", json!({"A": 1}), "properties.environmentVariables.A"),
    ] {
        let mut body = deployment(&model);
        set(&mut body, pointer, value.clone());
        let reply = house.put("/onlineEndpoints/food/deployments/blue", body).await.is(400);
        assert_eq!(reply.body["error"]["target"], target, "{pointer} {value}: {}", reply.text);
    }
    assert_eq!(house.get("/onlineEndpoints/food/deployments").await.is(200).body, json!({"value": []}));
    let mut both = deployment(&model);
    set(&mut both, "/sku/capacity", json!(60));
    set(&mut both, "/properties/instanceType", json!("Standard_X"));
    let reply = house.put("/onlineEndpoints/food/deployments/blue", both).await.is(400);
    assert_eq!(reply.body["error"]["details"].as_array().unwrap().len(), 2, "all at once: {}", reply.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_keeps_its_rules() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    house.deployment("food", "green", &model).await;
    let ok = |traffic: Value, mirror: Value| house.traffic("food", traffic, mirror);
    ok(json!({"blue": 90, "green": 10}), json!({})).await.is(200);
    ok(json!({"blue": 99.5, "green": 0.5}), json!({})).await.is(200);
    for (traffic, mirror, part) in [
        (json!({"blue": 90, "green": 20}), json!({}), "sum to 110"),
        (json!({"blue": 100, "red": 0, "gren": 0}), json!({"red": 5}), "red"),
        (json!({"blue": 50, "BLUE": 50}), json!({}), "twice"),
        (json!({"blue": 100}), json!({"blue": 10}), "cannot be the mirror"),
        (json!({"blue": 100}), json!({"green": 51}), "at most 50"),
        (json!({}), json!({"blue": 10, "green": 10}), "one deployment only"),
    ] {
        let reply = ok(traffic.clone(), mirror.clone()).await.is(400);
        assert!(reply.text.contains(part), "{traffic} {mirror}: {}", reply.text);
    }
    let now = house.get("/onlineEndpoints/food").await.body;
    assert_eq!(now["properties"]["traffic"], json!({"blue": 99.5, "green": 0.5}), "refusals change nothing");
    ok(json!({"blue": 100}), json!({"green": 10})).await.is(200);
    let kept = house.delete("/onlineEndpoints/food/deployments/green").await.is(400);
    assert!(kept.text.contains("mirror"), "{}", kept.text);
    // A PUT replaces both maps.
    house.put("/onlineEndpoints/food", json!({"properties": {"traffic": {"green": 100}}})).await.is(200);
    let now = house.get("/onlineEndpoints/food").await.body;
    assert_eq!(now["properties"]["traffic"], json!({"green": 100}));
    assert_eq!(now["properties"]["mirrorTraffic"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_for_an_old_version_is_refused() {
    let house = House::open().await;
    let old = house.endpoint("food").await.header("etag").to_owned();
    let put = |etag: &str| {
        let request = house.request(reqwest::Method::PUT, &house.ws("/onlineEndpoints/food"));
        let n = fastrand::u64(..).to_string();
        house.send(request.header("If-Match", etag).json(&json!({"tags": {"n": n}, "properties": {}})))
    };
    let new = put(&old).await.is(200).header("etag").to_owned();
    let reply = put(&old).await.is(412);
    assert_eq!(reply.code(), "PreconditionFailed");
    assert!(reply.text.contains(old.trim_matches('"')) && reply.text.contains(new.trim_matches('"')), "{}", reply.text);
    put("*").await.is(200);
    // Of many at once for the same version exactly one wins.
    let etag = house.get("/onlineEndpoints/food").await.header("etag").to_owned();
    let all = futures_util::future::join_all((0..8).map(|_| put(&etag))).await;
    assert_eq!(all.iter().filter(|r| r.status == 200).count(), 1);
    assert_eq!(all.iter().filter(|r| r.status == 412).count(), 7);
    let request = house.request(reqwest::Method::PUT, &house.ws("/onlineEndpoints/food")).header("If-None-Match", "*");
    house.send(request.json(&json!({"properties": {}}))).await.is(412);
}
