//! What the console asks: live frames, logs, journal, requests, the workspace, models.

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::house::{House, deployment, sample_model, sample_request};

/// The next line of a feed that fits.
async fn line(
    feed: &mut (impl futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin),
    fits: impl Fn(&Value) -> bool,
) -> Value {
    let mut buffer = Vec::new();
    loop {
        while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let value: Value = serde_json::from_slice(&line).unwrap();
            if fits(&value) {
                return value;
            }
        }
        buffer.extend_from_slice(&feed.next().await.expect("the feed goes on").unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_feed_tells_of_changes_and_ends_with_the_workspace() {
    let house = House::open().await;
    let response = house.request(Method::GET, "/mlconsole/v1/live?history=60").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let mut feed = Box::pin(response.bytes_stream());
    let first = line(&mut feed, |_| true).await;
    assert!(first["atMs"].as_i64().unwrap() > 0 && first["endpoints"] == json!([]));
    assert!(first["process"]["pid"].as_u64().is_some());
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    let ready = |f: &Value| f["endpoints"][0]["deployments"][0]["ready"] == 1;
    let frame = line(&mut feed, ready).await;
    assert!(frame["journalSeq"].as_u64() > first["journalSeq"].as_u64());
    house.traffic("food", json!({"blue": 100}), json!({})).await.is(200);
    line(&mut feed, |f| f["endpoints"][0]["deployments"][0]["weight"] == 10_000).await;
    let keys = house.post("/onlineEndpoints/food/listKeys", json!({})).await.body;
    for _ in 0..3 {
        let score = house.client.post(format!("{}/endpoints/food/score", house.base));
        house.send(score.bearer_auth(keys["primaryKey"].as_str().unwrap()).json(&sample_request())).await.is(200);
    }
    let counted = line(&mut feed, |f| f["endpoints"][0]["deployments"][0]["totals"]["ok"] == 3).await;
    assert_eq!(counted["endpoints"][0]["name"], "food");
    let requests =
        house.send(house.request(Method::GET, "/mlconsole/v1/requests?endpoint=food&limit=2")).await.is(200).body;
    assert_eq!(requests["value"].as_array().unwrap().len(), 2);
    assert_eq!(requests["value"][0]["deployment"], "blue");
    let text = house.send(house.request(Method::GET, "/metrics")).await.is(200);
    assert!(text.text.contains("endpoint=\"food\"") && text.header("content-type").starts_with("text/plain"));
    // A reader who stays does not hold up the end.
    house.close().await;
    while let Some(chunk) = feed.next().await {
        if chunk.is_err() {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_and_end_with_the_deployment() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    let logs =
        |query: &str| house.request(Method::GET, &format!("/mlconsole/v1/logs?endpoint=food&deployment=blue{query}"));
    let whole = house.send(logs("&tail=50")).await.is(200);
    assert!(whole.text.lines().all(|l| serde_json::from_str::<Value>(l).unwrap()["seq"].as_u64().is_some()));
    let mut feed = Box::pin(logs("&tail=1&follow=true").send().await.unwrap().bytes_stream());
    let last = line(&mut feed, |_| true).await;
    let path = "/onlineEndpoints/food/deployments/blue";
    let scaled = house.patch(path, json!({"sku": {"capacity": 2}})).await.is(202);
    house.finish(&scaled).await;
    let next = line(&mut feed, |_| true).await;
    assert!(next["seq"].as_u64() > last["seq"].as_u64());
    house.send(logs("&container=kernel")).await.is(400);
    house.send(logs("&container=storage-initializer")).await.is(200);
    house.send(house.request(Method::GET, "/mlconsole/v1/logs?endpoint=food")).await.is(400);
    house.send(house.request(Method::GET, "/mlconsole/v1/logs?endpoint=food&deployment=red")).await.is(404);
    let deleted = house.delete(path).await.is(202);
    house.finish(&deleted).await;
    while feed.next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_says_who_changed_what_and_no_secret_is_in_it() {
    let house = House::open().await;
    let model = house.model("recommender", "1", &sample_model()).await;
    let create =
        house.request(Method::PUT, &house.ws("/onlineEndpoints/food")).header("User-Agent", "mlconsole-cli/0.1");
    house.send(create.json(&json!({"properties": {"keys": {"primaryKey": "top-secret-key"}}}))).await.is(201);
    let mut body = deployment(&model);
    body["properties"]["environmentVariables"] = json!({"PASSWORD": "hidden-value"});
    let made = house.put("/onlineEndpoints/food/deployments/blue", body).await.is(201);
    house.finish(&made).await;
    house.traffic("food", json!({"blue": 100}), json!({})).await.is(200);
    house.traffic("food", json!({"blue": 0}), json!({"blue": 5})).await.is(200);
    house.post("/onlineEndpoints/food/regenerateKeys", json!({"keyType": "Primary"})).await.is(200);
    let journal = |query: &str| house.send(house.request(Method::GET, &format!("/mlconsole/v1/journal?{query}")));
    let all = journal("endpoint=FOOD").await.is(200);
    assert!(!all.text.contains("top-secret") && !all.text.contains("hidden-value"), "{}", all.text);
    let actions: Vec<_> = all.body["value"].as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["keys.regenerate", "mirror", "traffic", "traffic", "deployment.create", "endpoint.create"]);
    assert_eq!(all.body["value"][5]["who"], "cli");
    let traffic = journal("action=traffic&limit=1").await.is(200).body;
    assert_eq!(traffic["value"][0]["from"], json!({"blue": 100}));
    assert_eq!(traffic["value"][0]["to"], json!({}));
    let seq = traffic["value"][0]["seq"].as_u64().unwrap();
    let before = journal(&format!("action=traffic&before={seq}")).await.is(200).body;
    assert_eq!(before["value"][0]["to"], json!({"blue": 100}));
    assert_eq!(journal("action=model.register").await.body["value"][0]["to"]["name"], "recommender");
    // Nor in any file but the database, which is its owner's alone.
    for entry in walk(&house.dir) {
        let text = std::fs::read(&entry).unwrap_or_default();
        let secret = |s: &str| text.windows(s.len()).any(|w| w == s.as_bytes());
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            name.starts_with("workspace.db") || !secret("top-secret-key") && !secret("hidden-value"),
            "{}",
            entry.display()
        );
    }
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { walk(&p) } else { vec![p] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workspace_its_models_and_samples_are_described() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    let get = |path: &str| house.send(house.request(Method::GET, &format!("/mlconsole/v1{path}")));
    let info = get("/workspace").await.is(200).body;
    assert_eq!(info["dataDir"], house.dir.display().to_string());
    assert_eq!(info["pools"][0]["deployment"], "blue");
    assert!(info["diskFreeBytes"].as_u64().unwrap() > 0 && info["memoryBytes"].as_u64().unwrap() > 0);
    assert!(info["listeners"].as_array().unwrap().iter().any(|l| l["address"] == house.base));
    let report = get("/models/recommender/versions/1/inspect").await.is(200).body;
    assert_eq!((&report["format"], &report["native"]), (&json!("onnx"), &json!(true)));
    assert!(!report["signature"]["inputs"].as_array().unwrap().is_empty());
    get("/models/recommender/versions/2/inspect").await.is(404);
    let file = house.dir.join("broken.onnx");
    std::fs::write(&file, b"no model").unwrap();
    house.model("broken", "1", &file).await;
    get("/models/broken/versions/1/inspect").await.is(400);
    let uri = json!({"properties": {"modelType": "custom_model", "modelUri": "azureml://datastores/workspaceblobstore/paths/gone"}});
    house.put("/models/gone/versions/1", uri).await.is(201);
    get("/models/gone/versions/1/inspect").await.is(404);
    // The sample is a request that the deployment answers.
    let sample = get("/endpoints/food/deployments/blue/sample").await.is(200).body;
    let keys = house.post("/onlineEndpoints/food/listKeys", json!({})).await.body;
    let method = Method::from_bytes(sample["method"].as_str().unwrap().as_bytes()).unwrap();
    let score =
        house.client.request(method, format!("{}/endpoints/food{}", house.base, sample["path"].as_str().unwrap()));
    let score = score.bearer_auth(keys["primaryKey"].as_str().unwrap()).header("azureml-model-deployment", "blue");
    let score = score
        .header("content-type", sample["contentType"].as_str().unwrap())
        .body(sample["body"].as_str().unwrap().to_owned());
    house.send(score).await.is(200);
    let restart =
        house.send(house.request(Method::POST, "/mlconsole/v1/endpoints/food/deployments/blue/restart")).await.is(202);
    assert_eq!(house.finish(&restart).await["status"], "Succeeded");
    assert_eq!(
        house.get("/onlineEndpoints/food/deployments/blue").await.body["properties"]["provisioningState"],
        "Succeeded"
    );
}
