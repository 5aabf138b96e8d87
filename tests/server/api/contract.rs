//! What the wire promises beyond the happy path: repeated requests, limits, words for what is wrong.

use reqwest::Method;
use serde_json::{Value, json};

use super::house::{House, deployment, sample_model, sample_request, set};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_deployment_again_changes_nothing_and_is_answered_like_any_other() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    let path = "/onlineEndpoints/food/deployments/blue";
    let before = house.get(path).await.is(200);
    let pool = house.running().app().reconciler.pool("food", "blue").unwrap();
    let same_pool = || std::sync::Arc::ptr_eq(&pool, &house.running().app().reconciler.pool("food", "blue").unwrap());
    let journal = async || {
        let entries = house.send(house.request(Method::GET, "/mlconsole/v1/journal?action=deployment")).await.is(200);
        entries.body["value"].as_array().unwrap().len()
    };

    let again = house.put(path, deployment(&model)).await.is(200);
    assert_eq!(house.finish(&again).await["status"], "Succeeded");
    // What was read is sent back, as the SDK does to update.
    let back = house.put(path, before.body.clone()).await.is(200);
    assert_eq!(house.finish(&back).await["status"], "Succeeded");
    assert!(same_pool(), "no new instances");
    assert_eq!(house.get(path).await.is(200).header("etag"), before.header("etag"), "nothing was written");
    assert_eq!(journal().await, 1, "there is nothing to tell");

    // What is only written about it is stored without any new instance.
    let mut tagged = deployment(&model);
    tagged["tags"] = json!({"team": "x"});
    tagged["properties"]["description"] = "the old one".into();
    let reply = house.put(path, tagged.clone()).await.is(200);
    assert_eq!(house.finish(&reply).await["status"], "Succeeded");
    let now = house.get(path).await.is(200).body;
    assert_eq!((&now["tags"]["team"], &now["properties"]["description"]), (&json!("x"), &json!("the old one")));
    assert!(same_pool());
    assert_eq!(journal().await, 2);

    // Anything that runs is another matter.
    tagged["properties"]["environmentVariables"] = json!({"A": "b"});
    let reply = house.put(path, tagged.clone()).await.is(200);
    assert_eq!(house.finish(&reply).await["status"], "Succeeded");
    assert!(!same_pool());

    // So are the properties that say how the model is run; what the workspace noted is not.
    tagged["properties"]["properties"] = json!({"mlconsole.max_batch": "many", "mlconsole.note": "mine"});
    let reply = house.put(path, tagged.clone()).await.is(200);
    let ended = house.finish(&reply).await;
    assert!(ended["error"]["message"].to_string().contains("mlconsole.max_batch"), "{ended}");
    tagged["properties"]["properties"] = json!({"mlconsole.max_batch": "4"});
    let reply = house.put(path, tagged).await.is(200);
    assert_eq!(house.finish(&reply).await["status"], "Succeeded");
    assert_eq!(house.get(path).await.is(200).body["properties"]["properties"]["mlconsole.max_batch"], "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_end_where_azures_do_on_everything_that_bears_them() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    let uri = house.get("/models/recommender/versions/1").await.body["properties"]["modelUri"].clone();
    let many: Value = (0..51).map(|i| (format!("t{i}"), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    let long_name = json!({"n".repeat(513): "x"});
    let long_value = json!({"n": "x".repeat(257)});
    let mut deployed = deployment(&model);
    deployed["tags"] = json!({});
    for tags in [many, long_name, long_value] {
        let with = |mut body: Value, pointer: &str| {
            set(&mut body, pointer, tags.clone());
            body
        };
        let endpoint = with(json!({"properties": {}}), "/tags");
        for (path, body) in [
            ("/onlineEndpoints/food", endpoint.clone()),
            ("/onlineEndpoints/other", endpoint.clone()),
            ("/onlineEndpoints/food/deployments/blue", with(deployed.clone(), "/tags")),
            ("/models/m/versions/1", with(json!({"properties": {"modelUri": uri}}), "/properties/tags")),
            ("/models/m", with(json!({"properties": {}}), "/properties/tags")),
            ("/environments/e/versions/1", with(json!({"properties": {"image": "i"}}), "/properties/tags")),
            ("/data/d/versions/1", with(json!({"properties": {"dataUri": "azureml://x"}}), "/properties/tags")),
        ] {
            let reply = house.put(path, body).await.is(400);
            assert!(reply.body["error"]["target"].as_str().unwrap().contains("tags"), "{path}: {}", reply.text);
            assert!(reply.text.len() < 2_000, "{path}: what is too long is not repeated");
        }
        house.patch("/onlineEndpoints/food", with(json!({}), "/tags")).await.is(400);
    }
    let most = (0..50).map(|i| (format!("t{i}"), json!("x"))).collect::<serde_json::Map<_, _>>();
    house.put("/onlineEndpoints/food", json!({"tags": most, "properties": {}})).await.is(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_model_lies_in_the_workspace_and_has_a_version_of_its_own() {
    let house = House::open().await;
    house.model("recommender", "1", &sample_model()).await;
    let uri = house.get("/models/recommender/versions/1").await.body["properties"]["modelUri"].clone();
    let inside = json!({"properties": {"modelUri": uri}});
    for version in ["latest", "Latest", "LATEST"] {
        let reply = house.put(&format!("/models/m/versions/{version}"), inside.clone()).await.is(400);
        assert_eq!(reply.body["error"]["target"], "version", "{}", reply.text);
    }
    let secret = house.dir.join("workspace.db");
    for uri in [
        "file:///etc/passwd".to_owned(),
        format!("file://{}", secret.display()),
        secret.display().to_string(),
        "https://example.com/model.onnx".to_owned(),
        "azureml://registries/azureml/models/m/versions/1".to_owned(),
        "azureml://datastores/workspaceblobstore/paths/../../workspace.db".to_owned(),
    ] {
        let reply = house.put("/models/m/versions/1", json!({"properties": {"modelUri": uri}})).await.is(400);
        assert_eq!(reply.body["error"]["target"], "properties.modelUri", "{}", reply.text);
        let code = json!({"properties": {"codeUri": uri}});
        let reply = house.put("/codes/c/versions/1", code).await.is(400);
        assert_eq!(reply.body["error"]["target"], "properties.codeUri", "{}", reply.text);
    }
    house.get("/models/m").await.is(404);
    house.put("/models/m/versions/1", inside).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn models_without_a_name_show_only_where_everything_does() {
    let house = House::open().await;
    house.model("recommender", "1", &sample_model()).await;
    let uri = house.get("/models/recommender/versions/1").await.body["properties"]["modelUri"].clone();
    let hash = "ab".repeat(32);
    let unnamed = json!({"properties": {"modelUri": uri, "isAnonymous": true}});
    house.put(&format!("/models/{hash}/versions/1"), unnamed).await.is(201);
    let names = async |view: &str| {
        let list = house.get(&format!("/models?listViewType={view}")).await.is(200).body;
        list["value"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("ActiveOnly").await, ["recommender"]);
    assert_eq!(names("All").await, [hash.as_str(), "recommender"]);
    // Whoever knows its name finds it.
    house.get(&format!("/models/{hash}")).await.is(200);
    assert_eq!(house.get(&format!("/models/{hash}/versions")).await.body["value"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_say_that_nobody_is_turned_away_for_them() {
    let house = House::open().await;
    house.endpoint("food").await;
    let ws = house.running().connection().workspace_id();
    let subscription = ws.split("/resourceGroups").next().unwrap();
    let path = format!("{subscription}/providers/Microsoft.MachineLearningServices/locations/local/usages");
    let list = house.send(house.request(Method::GET, &super::house::with_version(&path))).await.is(200).body;
    assert_eq!((&list["value"][0]["currentValue"], &list["value"][0]["limit"]), (&json!(1), &json!(100)));
    for quota in list["value"].as_array().unwrap() {
        assert!(quota["name"]["localizedValue"].as_str().unwrap().contains("not enforced here"), "{quota}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_speak_of_json_and_repeat_nothing_at_length() {
    let house = House::open().await;
    house.endpoint("food").await;
    for (body, words) in [
        (json!({"properties": "x"}), "\\\"properties\\\" must be an object, but it is the text"),
        (json!({"properties": {"authMode": "Password"}}), "use "),
        (
            json!({"properties": {"traffic": {"blue": [1]}}}),
            "\\\"properties.traffic.blue\\\" must be a number, but it is a list",
        ),
        (json!({"sku": {"capacity": 1.5}}), "must be a whole number"),
        (json!({"identity": {"type": 5}}), "must be a text, but it is the number 5"),
    ] {
        let reply = house.put("/onlineEndpoints/food", body).await.is(400);
        assert!(reply.text.contains(words), "{}", reply.text);
        for rust in ["struct", "EndpointProperties", "variant", "u32", "f64", "invalid type"] {
            assert!(!reply.text.contains(rust), "{}", reply.text);
        }
    }
    let long = "x".repeat(5_000);
    let refused = house.get(&format!("/onlineEndpoints/{long}")).await.is(400);
    assert!(refused.code() == "InvalidUri" && refused.text.len() < 1_000, "{}", refused.text);
    let number = house.get(&format!("/onlineEndpoints?$top={long}")).await.is(400);
    assert!(number.text.len() < 1_000, "{}", number.text);
    let scored = house.client.post(format!("{}/endpoints/{long}/score", house.base)).bearer_auth("k").json(&json!({}));
    let scored = house.send(scored).await.is(404);
    assert!(scored.text.len() < 500, "{}", scored.text);
    let blob = house.blob_url(&"y".repeat(1_100), "").await;
    let refused = house.send(house.client.get(&blob)).await;
    assert!((400..500).contains(&refused.status) && refused.text.len() < 1_000, "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn blob_answers_are_xml_whatever_was_asked() {
    let house = House::open().await;
    let container = house.blob_url("", "restype=container&comp=list&prefix=a%00b&marker=%1b&").await;
    let list =
        house.send(house.client.get(container.replace("azureml-blobstore-local/?", "azureml-blobstore-local?"))).await;
    let list = list.is(200);
    let missing = house.send(house.client.get(house.blob_url("a%00b", "").await)).await;
    assert!((400..500).contains(&missing.status), "{}", missing.text);
    for xml in [&list.text, &missing.text] {
        assert!(xml.starts_with("<?xml") && !xml.chars().any(|c| c < ' '), "{xml:?}");
    }
    assert!(list.text.contains("<Prefix Encoded=\"true\">a%00b</Prefix>"), "{}", list.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_requests_are_refused_with_what_to_do() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("recommender", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    house.traffic("food", json!({"blue": 100}), json!({})).await.is(200);
    let key = house.post("/onlineEndpoints/food/listKeys", json!({})).await.body["primaryKey"].clone();
    let score = |encoding: &str| {
        let request =
            house.client.post(format!("{}/endpoints/food/score", house.base)).bearer_auth(key.as_str().unwrap());
        house.send(request.header("content-encoding", encoding).json(&sample_request()))
    };
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let refused = score(encoding).await.is(415);
        assert!(refused.text.contains(encoding) && refused.text.contains("uncompressed"), "{}", refused.text);
    }
    score("identity").await.is(200);
}
