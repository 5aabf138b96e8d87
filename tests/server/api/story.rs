//! The SDK's order of calls, from an empty workspace to a deleted endpoint (reference §2).

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{House, deployment, sample_model, sample_request};

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_created_read_changed_and_deleted() {
    let house = House::open().await;
    assert_eq!(house.get("").await.is(200).body["location"], "local");
    let sent = json!({
        "location": "local", "tags": {}, "identity": {"type": "SystemAssigned"},
        "properties": {"description": "Online endpoint", "authMode": "Key", "properties": {}, "traffic": {}, "mirrorTraffic": {}},
    });
    let created = house.put("/onlineEndpoints/endpoint-example", sent).await.is(201);
    assert_eq!(house.finish(&created).await["status"], "Succeeded");
    assert_eq!(created.header("x-ms-async-operation-timeout"), "PT30M");
    let got = house.get("/onlineEndpoints/Endpoint-Example").await.is(200);
    let e = &got.body;
    assert_eq!(e["name"], "endpoint-example");
    assert_eq!(e["kind"], "Managed");
    assert_eq!(e["properties"]["provisioningState"], "Succeeded");
    assert_eq!(e["properties"]["authMode"], "Key");
    assert_eq!(e["properties"]["publicNetworkAccess"], "Enabled");
    assert_eq!(e["properties"]["scoringUri"], format!("{}/endpoints/endpoint-example/score", house.base));
    assert!(
        e["properties"]["properties"]["azureml.onlineendpointid"]
            .as_str()
            .unwrap()
            .ends_with("/onlineendpoints/endpoint-example")
    );
    assert!(e["systemData"]["createdAt"].is_string() && e["systemData"]["lastModifiedAt"].is_string());
    assert!(e["identity"]["principalId"].is_string() && e["properties"]["compute"].is_null());
    assert_eq!(e["etag"], got.header("etag"));
    let keys = house.post("/onlineEndpoints/endpoint-example/listkeys", json!({})).await.is(200).body;
    // The SDK sends the whole entity back, with what it copied from systemData.
    let mut changed = got.body.clone();
    changed["tags"]["team"] = "food".into();
    changed["properties"]["authMode"] = "key".into();
    changed["properties"]["properties"]["createdBy"] = "local".into();
    let updated = house.put("/onlineEndpoints/endpoint-example", changed.clone()).await.is(200);
    assert_eq!(updated.body["tags"]["team"], "food");
    assert_eq!(updated.body["identity"]["principalId"], e["identity"]["principalId"], "an identity stays the same");
    let again = house.put("/onlineEndpoints/endpoint-example", changed).await.is(200);
    assert_eq!(again.header("etag"), updated.header("etag"), "a change of nothing changes nothing");
    let after = house.post("/onlineEndpoints/endpoint-example/listKeys", json!({})).await.is(200).body;
    assert_eq!(keys, after, "keys survive updates");
    let patched = house.patch("/onlineEndpoints/endpoint-example", json!({"tags": {"a": "b"}})).await.is(200);
    assert_eq!(patched.body["tags"], json!({"a": "b"}));
    assert_eq!(patched.body["properties"]["description"], "Online endpoint");
    let deleted = house.delete("/onlineEndpoints/endpoint-example").await.is(202);
    assert_eq!(deleted.text, "null");
    assert_eq!(house.finish(&deleted).await["status"], "Succeeded");
    house.send(house.request(Method::GET, deleted.header("location"))).await.is(204);
    assert_eq!(house.get("/onlineEndpoints/endpoint-example").await.is(404).code(), "ResourceNotFound");
    house.delete("/onlineEndpoints/endpoint-example").await.is(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_created_scored_scaled_and_deleted() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    let path = "/onlineEndpoints/food/deployments/blue";
    let created = house.put(path, deployment(&model)).await.is(201);
    assert!(["Creating", "Updating"].contains(&created.body["properties"]["provisioningState"].as_str().unwrap()));
    assert!(created.header("location").contains(path));
    assert!(created.header("azure-asyncoperation").contains("/mfeOperationsStatus/od:"));
    // Logs are there from the beginning.
    let logs = house.post(&format!("{path}/getLogs"), json!({"tail": 5})).await.is(200).body;
    assert!(logs["content"].as_str().unwrap().starts_with("Instance status:"));
    assert_eq!(house.finish(&created).await["status"], "Succeeded");
    let d = house.get(path).await.is(200).body;
    assert!(d["id"].as_str().unwrap().contains("/onlineEndpoints/food/deployments/"));
    assert_eq!(d["sku"], json!({"name": "Default", "tier": "Standard", "capacity": 1}));
    let p = &d["properties"];
    assert_eq!(p["scaleSettings"]["scaleType"], "Default");
    assert_eq!(p["requestSettings"]["requestTimeout"], "PT5S");
    assert_eq!(p["livenessProbe"]["failureThreshold"], 30);
    assert_eq!(p["egressPublicNetworkAccess"], "Enabled");
    let skus = house.get(&format!("{path}/skus")).await.is(200).body;
    assert_eq!(skus["value"][0]["capacity"]["maximum"], 50);
    // Green is tested by name before it has traffic; without weight there is no route.
    let keys = house.post("/onlineEndpoints/food/listKeys", json!({})).await.is(200).body;
    let score = |key: &Value, name: Option<&str>| {
        let mut request = house.client.post(format!("{}/endpoints/food/score", house.base));
        request = request.bearer_auth(key.as_str().unwrap()).json(&sample_request());
        if let Some(name) = name {
            request = request.header("azureml-model-deployment", name);
        }
        house.send(request)
    };
    assert_eq!(score(&keys["primaryKey"], Some("blue")).await.is(200).header("azureml-model-deployment"), "blue");
    score(&keys["primaryKey"], None).await.is(404);
    let shifted = house.traffic("food", json!({"Blue": 100}), json!({})).await.is(200);
    assert_eq!(shifted.body["properties"]["traffic"], json!({"blue": 100}), "names are spelled as created");
    assert!(!shifted.headers.contains_key("azure-asyncoperation"), "in force when answered");
    score(&keys["secondaryKey"], None).await.is(200);
    let kept = house.delete(path).await.is(400);
    assert!(kept.text.contains("100 %"), "{}", kept.text);
    let scaled = house.patch(path, json!({"sku": {"capacity": 3}})).await.is(202);
    assert_eq!(house.finish(&scaled).await["properties"]["verb"], "scale");
    assert_eq!(house.get(path).await.is(200).body["sku"]["capacity"], 3);
    score(&keys["primaryKey"], None).await.is(200);
    // A new key is in force when it is answered, and the old one is not.
    let old = keys["primaryKey"].clone();
    let body = json!({"keyType": "primary", "keyValue": old});
    house.post("/onlineEndpoints/food/regenerateKeys", body).await.is(200);
    score(&old, None).await.is(401);
    let keys = house.post("/onlineEndpoints/food/listKeys", json!({})).await.is(200).body;
    assert_ne!(keys["primaryKey"], old);
    score(&keys["primaryKey"], None).await.is(200);
    house
        .post("/onlineEndpoints/food/regenerateKeys", json!({"keyType": "Secondary", "keyValue": "my-own-key"}))
        .await
        .is(200);
    score(&json!("my-own-key"), None).await.is(200);
    house.traffic("food", json!({}), json!({})).await.is(200);
    let deleted = house.delete(path).await.is(202);
    assert_eq!(house.finish(&deleted).await["status"], "Succeeded");
    house.get(path).await.is(404);
    house.delete(path).await.is(204);
    assert_eq!(house.get("/onlineEndpoints/food/deployments").await.is(200).body, json!({"value": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_an_endpoint_and_of_the_identity_provider_score() {
    let house = House::open().await;
    let model = house.model("recommender", "1", &sample_model()).await;
    for (name, mode) in [("with-token", "AMLToken"), ("with-aad", "aad_token")] {
        let body = json!({"properties": {"authMode": mode, "traffic": {}}});
        house.put(&format!("/onlineEndpoints/{name}"), body).await.is(201);
        house.deployment(name, "blue", &model).await;
        house.traffic(name, json!({"blue": 100}), json!({})).await.is(200);
        house.post(&format!("/onlineEndpoints/{name}/listKeys"), json!({})).await.is(400);
    }
    let score = |name: &str, token: &str| {
        let request = house.client.post(format!("{}/endpoints/{name}/score", house.base)).bearer_auth(token);
        house.send(request.json(&sample_request()))
    };
    let token = house.post("/onlineEndpoints/with-token/token", json!({})).await.is(200).body;
    assert_eq!(token["tokenType"], "Bearer");
    let (expiry, refresh) = (token["expiryTimeUtc"].as_i64().unwrap(), token["refreshAfterTimeUtc"].as_i64().unwrap());
    assert_eq!(expiry - refresh, 12 * 3_600);
    let aml = token["accessToken"].as_str().unwrap();
    score("with-token", aml).await.is(200);
    score("with-aad", aml).await.is(401);
    let connection = house.running().connection();
    let aad = house.client.get(&connection.identity_endpoint).query(&[("resource", "https://ml.azure.com")]);
    let aad = house.send(aad.header("X-IDENTITY-HEADER", &connection.identity_header)).await.is(200).body;
    let aad = aad["access_token"].as_str().unwrap();
    score("with-aad", aad).await.is(200);
    score("with-token", aad).await.is(401);
    score("with-aad", &house.token).await.is(401);
    house.post("/onlineEndpoints/with-aad/token", json!({})).await.is(400);
}
