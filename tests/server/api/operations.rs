//! Long-running operations: polled, failed with the real cause, refused while busy, kept over restarts (reference §3).

use reqwest::Method;
use serde_json::json;

use super::house::{House, deployment, sample_model};

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_with_its_cause_and_the_resource_stays() {
    let house = House::open().await;
    house.endpoint("food").await;
    let file = house.dir.join("broken.onnx");
    std::fs::write(&file, b"this is no model").unwrap();
    let model = house.model("broken", "1", &file).await;
    let path = "/onlineEndpoints/food/deployments/blue";
    let created = house.put(path, deployment(&model)).await.is(201);
    let end = house.finish(&created).await;
    assert_eq!(end["status"], "Failed");
    assert!(end["error"]["code"].is_string() && end["error"]["message"].as_str().unwrap().len() > 20, "{end}");
    assert_eq!(house.get(path).await.is(200).body["properties"]["provisioningState"], "Failed");
    // It takes no traffic, says why in its log, can be corrected in place, and then can.
    let refused = house.traffic("food", json!({"blue": 100}), json!({})).await.is(400);
    assert!(refused.text.contains("Failed"), "{}", refused.text);
    let logs = house.post(&format!("{path}/getLogs"), json!({})).await.is(200);
    assert!(logs.text.contains("Failed"), "{}", logs.text);
    let model = house.model("recommender", "1", &sample_model()).await;
    let corrected = house.put(path, deployment(&model)).await.is(200);
    assert_eq!(house.finish(&corrected).await["status"], "Succeeded");
    house.traffic("food", json!({"blue": 100}), json!({})).await.is(200);
    let entries = house.send(house.request(Method::GET, "/mlconsole/v1/journal?action=deployment")).await.is(200).body;
    let outcomes: Vec<_> =
        entries["value"].as_array().unwrap().iter().map(|e| (e["action"].clone(), e["outcome"].clone())).collect();
    assert_eq!(outcomes, [(json!("deployment.update"), json!("done")), (json!("deployment.create"), json!("failed"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_at_once_one_is_taken_and_the_others_are_told() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    let path = "/onlineEndpoints/food/deployments/blue";
    let all = futures_util::future::join_all((0..6).map(|_| house.put(path, deployment(&model)))).await;
    let accepted: Vec<_> = all.iter().filter(|r| r.status < 300).collect();
    assert!(!accepted.is_empty());
    for refused in all.iter().filter(|r| r.status >= 300) {
        assert_eq!((refused.status, refused.code()), (409, "OperationInProgress"), "{}", refused.text);
        assert!(!refused.headers.contains_key("retry-after"));
    }
    for reply in accepted {
        assert_eq!(house.finish(reply).await["status"], "Succeeded");
    }
    let list = house.send(house.request(Method::GET, "/mlconsole/v1/operations")).await.is(200).body;
    assert!(list["value"].as_array().unwrap().iter().all(|o| o["properties"]["endpoint"] == "food"));
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_and_what_they_made_survive_a_restart() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    house.traffic("food", json!({"blue": 100}), json!({})).await.is(200);
    let keys = house.post("/onlineEndpoints/food/listKeys", json!({})).await.body;
    // Stopped while at work: the operation goes on where it was.
    let update = house.put("/onlineEndpoints/food/deployments/green", deployment(&model)).await.is(201);
    let broken = house.dir.join("broken.onnx");
    std::fs::write(&broken, b"this is no model").unwrap();
    let broken = house.model("broken", "1", &broken).await;
    let failed = house.put("/onlineEndpoints/food/deployments/red", deployment(&broken)).await.is(201);
    let why = house.finish(&failed).await["error"]["message"].as_str().unwrap().to_owned();
    let events = async |house: &House, name: &str| {
        let path = format!("/onlineEndpoints/food/deployments/{name}/getLogs");
        let text = house.post(&path, json!({})).await.is(200).body["content"].as_str().unwrap().to_owned();
        text.split("Container logs:").next().unwrap().to_owned()
    };
    let (red, blue) = (events(&house, "red").await, events(&house, "blue").await);
    assert!(red.contains(&why) && red.contains("Failed"), "{red}");
    let token = house.token.clone();
    let house = house.reopen().await;
    assert_eq!(events(&house, "red").await, red, "what happened before is still told");
    let past = blue.split("Container events:").nth(1).unwrap().trim();
    assert!(events(&house, "blue").await.contains(past), "{past}");
    assert_eq!(house.finish(&update).await["status"], "Succeeded");
    assert_eq!(house.get("/onlineEndpoints/food").await.is(200).body["properties"]["traffic"], json!({"blue": 100}));
    assert_eq!(house.post("/onlineEndpoints/food/listKeys", json!({})).await.body, keys);
    let list = house.get("/onlineEndpoints/food/deployments").await.body;
    assert_eq!(list["value"].as_array().unwrap().len(), 3);
    // Tokens go on opening the door at the same address.
    let request = house.client.get(house.ws("/onlineEndpoints")).bearer_auth(token);
    house.send(request).await.is(200);
    let deleted = house.delete("/onlineEndpoints/food").await.is(202);
    let house = house.reopen().await;
    assert_eq!(house.finish(&deleted).await["status"], "Succeeded");
    house.get("/onlineEndpoints/food").await.is(404);
    let unknown = deleted.header("azure-asyncoperation").replace("oe:", "oe:x");
    assert_eq!(house.send(house.request(Method::GET, &unknown)).await.is(404).code(), "OperationNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_has_ended_cannot_be_cancelled() {
    let house = House::open().await;
    let created = house.endpoint("food").await;
    let name = house.finish(&created).await["name"].as_str().unwrap().to_owned();
    let cancel =
        |name: &str| house.send(house.request(Method::POST, &format!("/mlconsole/v1/operations/{name}/cancel")));
    cancel(&name).await.is(409);
    cancel("od:x").await.is(404);
}
