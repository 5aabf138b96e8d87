//! Models, environments, code and data: registered, listed, archived (reference §5.5, §6.1).

use serde_json::{Value, json};

use super::house::{House, set};

fn model(uri: &str) -> Value {
    json!({"properties": {
        "description": "d", "tags": {"k": "v"}, "properties": {}, "modelType": "custom_model",
        "modelUri": format!("azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/workspaceblobstore/paths/LocalUpload/{uri}/model"),
        "isAnonymous": false, "isArchived": false,
    }})
}

fn names(list: &Value) -> Vec<&str> {
    list["value"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_registered_listed_and_archived() {
    let house = House::open().await;
    house.get("/models/rec/versions?$orderBy=createdtime%20desc&$top=1").await.is(404);
    let made = house.put("/models/rec/versions/1", model("a")).await.is(201).body;
    assert_eq!(made["name"], "1", "the name of a version is the version");
    assert!(made["id"].as_str().unwrap().ends_with("/models/rec/versions/1"));
    assert_eq!(made["properties"]["flavors"], json!({}));
    assert!(made["systemData"]["createdAt"].is_string());
    house.put("/models/rec/versions/1", model("a")).await.is(200);
    let moved = house.put("/models/rec/versions/1", model("b")).await.is(400);
    assert_eq!(moved.body["error"]["message"], "Asset paths cannot be updated.", "the SDK recognises this sentence");
    assert_eq!(moved.body["error"]["code"], "UserError");
    house.put("/models/rec/versions/2", model("b")).await.is(201);
    house.put("/models/REC/versions/10", model("c")).await.is(201);
    let container = house.get("/models/rec").await.is(200).body;
    assert_eq!(container["properties"]["latestVersion"], "10");
    assert_eq!(container["properties"]["nextVersion"], "11");
    let latest = house.get("/models/rec/versions?$orderBy=createdtime%20desc&$top=1").await.is(200).body;
    assert_eq!(names(&latest), ["10"]);
    assert!(latest.get("nextLink").is_none_or(Value::is_null));
    assert_eq!(names(&house.get("/models/rec/versions").await.body), ["10", "2", "1"]);
    assert_eq!(names(&house.get("/models/rec/versions?$orderBy=createdtime%20asc").await.body), ["1", "2", "10"]);
    // Archiving is GET, then PUT of the same body with isArchived.
    let mut version = house.get("/models/rec/versions/2").await.is(200).body;
    version["properties"]["isArchived"] = true.into();
    house.put("/models/rec/versions/2", version).await.is(200);
    let list = |view: &str| format!("/models/rec/versions?listViewType={view}");
    assert_eq!(names(&house.get(&list("ActiveOnly")).await.body), ["10", "1"]);
    assert_eq!(names(&house.get(&list("archivedonly")).await.body), ["2"]);
    assert_eq!(names(&house.get(&list("All")).await.body), ["10", "2", "1"]);
    house.get(&list("Some")).await.is(400);
    let mut container = house.get("/models/rec").await.body;
    container["properties"]["isArchived"] = true.into();
    house.put("/models/rec", container).await.is(200);
    assert!(names(&house.get("/models?listViewType=ActiveOnly").await.body).is_empty());
    assert_eq!(names(&house.get("/models?listViewType=All").await.body), ["rec"]);
    let missing = house.get("/models/rec/versions/7").await.is(404);
    assert!(missing.text.contains("10"), "names the versions there are: {}", missing.text);
    let wrong = json!({"properties": {"modelUri": "x", "modelType": "pickle"}});
    assert_eq!(house.put("/models/m/versions/1", wrong).await.is(400).body["error"]["target"], "properties.modelType");
    house.put("/models/m/versions/1", json!({"properties": {"modelType": "custom_model"}})).await.is(400);
    let mlflow = json!({"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/x", "modelType": "MLFLOW_MODEL", "flavors": {"onnx": {"data": {"a": "b"}}}}});
    let made = house.put("/models/m/versions/1", mlflow).await.is(201).body;
    assert_eq!(made["properties"]["modelType"], "mlflow_model");
    assert_eq!(made["properties"]["flavors"]["onnx"]["data"]["a"], "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_come_in_pages() {
    let house = House::open().await;
    for n in 1..=7 {
        house.put(&format!("/models/m/versions/{n}"), model(&n.to_string())).await.is(201);
    }
    let mut url = house.ws("/models/m/versions?count=3");
    let (mut all, mut pages) = (Vec::new(), 0);
    loop {
        let page = house.send(house.request(reqwest::Method::GET, &url)).await.is(200).body;
        all.extend(names(&page).into_iter().map(str::to_owned));
        pages += 1;
        match page["nextLink"].as_str() {
            Some(next) => url = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((pages, all), (3, (1..=7).rev().map(|n| n.to_string()).collect::<Vec<_>>()));
}

#[tokio::test(flavor = "multi_thread")]
async fn environments_code_and_data_are_registered() {
    let house = House::open().await;
    let environment =
        json!({"properties": {"image": "img:1", "condaFile": "channels:\n- conda-forge\n", "isAnonymous": false}});
    let made = house.put("/environments/e/versions/1", environment.clone()).await.is(201).body;
    assert_eq!(
        (&made["properties"]["osType"], &made["properties"]["environmentType"]),
        (&json!("Linux"), &json!("UserCreated"))
    );
    house.put("/environments/e/versions/1", environment.clone()).await.is(200);
    let mut other = environment;
    other["properties"]["image"] = "img:2".into();
    assert!(house.put("/environments/e/versions/1", other).await.is(409).text.contains("new version"));
    house.put("/environments/e/versions/2", json!({"properties": {}})).await.is(400);
    let data =
        json!({"properties": {"dataUri": "azureml://datastores/workspaceblobstore/paths/x", "dataType": "uri_folder"}});
    house.put("/data/e1-blue-inputs/versions/1", data.clone()).await.is(201);
    house.put("/data/e1-blue-inputs/versions/1", data).await.is(200);
    let data = json!({"properties": {"dataUri": "azureml://elsewhere", "dataType": "uri_folder"}});
    let taken = house.put("/data/e1-blue-inputs/versions/1", data).await;
    assert!(taken.status == 409 && taken.text.contains("already exists"), "{}", taken.text);
    let code = json!({"properties": {"codeUri": "https://h/blob/local/c0de/code", "isAnonymous": true,
        "properties": {"hash_sha256": "b490", "hash_version": 202208}}});
    house.put("/codes/1d0c/versions/1", code).await.is(201);
    // Code is found by its hash under any name.
    let found = house.get("/codes/5e5e/versions?hash=B490&hashVersion=202208").await.is(200).body;
    assert!(found["value"][0]["id"].as_str().unwrap().ends_with("/codes/1d0c/versions/1"));
    for miss in ["hash=b491&hashVersion=202208", "hash=b490&hashVersion=1"] {
        assert_eq!(house.get(&format!("/codes/5e5e/versions?{miss}")).await.is(200).body, json!({"value": []}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pickle_is_told_of_and_a_conversion_is_asked_for_and_reported_in_properties() {
    let house = House::open().await;
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("model.pkl");
    std::fs::write(&file, b"a pickle, which nobody loads").unwrap();
    house.model("pickled", "1", &file).await;
    let mut body = house.get("/models/pickled/versions/1").await.is(200).body;
    let note =
        |body: &Value| body["properties"]["properties"]["mlconsole.note"].as_str().unwrap_or_default().to_owned();
    assert!(note(&body).contains("'model.pkl' is a pickle"), "{body}");
    let inspect = "/mlconsole/v1/models/pickled/versions/1/inspect";
    let report = house.send(house.request(reqwest::Method::GET, inspect)).await.is(200).body;
    assert_eq!((&report["runs"], &report["format"]), (&json!("script"), &json!("pickle")));

    let properties = "/properties/properties";
    set(&mut body, properties, json!({"mlconsole.convert": "tensorflow"}));
    let refused = house.put("/models/pickled/versions/1", body.clone()).await.is(400);
    assert!(refused.text.contains("onnx"), "{}", refused.text);
    // Nobody but the workspace says what became of a conversion.
    set(&mut body, properties, json!({"mlconsole.conversion": "native (converted)"}));
    let kept = house.put("/models/pickled/versions/1", body.clone()).await.is(200).body;
    assert_eq!(kept["properties"]["properties"]["mlconsole.conversion"], Value::Null);
    set(&mut body, properties, json!({"mlconsole.convert": "onnx"}));
    let begun = house.put("/models/pickled/versions/1", body.clone()).await.is(200).body;
    assert!(
        ["running", "not converted"]
            .contains(&begun["properties"]["properties"]["mlconsole.conversion"].as_str().unwrap())
    );
    let ended = loop {
        let now = house.get("/models/pickled/versions/1").await.is(200).body["properties"]["properties"].clone();
        if now["mlconsole.conversion"] != "running" {
            break now;
        }
    };
    assert_eq!(ended["mlconsole.conversion"], "not converted");
    assert!(ended["mlconsole.conversion_report"].as_str().unwrap().contains("name an environment"), "{ended}");
    // What is known stays when the version is written again.
    let again = house.put("/models/pickled/versions/1", body).await.is(200).body;
    assert_eq!(again["properties"]["properties"]["mlconsole.conversion"], "not converted");
}
