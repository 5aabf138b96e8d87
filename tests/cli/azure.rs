//! What the client makes of Azure's answers (wire reference §3, §4, §6, §13).

use mlconsole::client::{ErrorKind, NewModel, ScoreCall};
use mlconsole::resources::{Endpoint, TrafficMap, Weight};
use serde_json::json;

use crate::recorded::{Recorded, endpoint as recorded_endpoint, say};

fn endpoint() -> Endpoint {
    Endpoint { name: "e1".into(), ..Endpoint::default() }
}

#[tokio::test]
async fn an_operation_is_followed_by_its_own_address_through_words_nobody_knows() {
    let azure = Recorded::start().await;
    let operation =
        format!("{}/subscriptions/s/providers/p/locations/l/mfeOperationsStatus/oe:1:2?api-version=x", azure.base);
    azure
        .on(
            "PUT {ws}/onlineEndpoints/e1",
            [say(201, recorded_endpoint("Creating"))
                .with("Azure-AsyncOperation", operation)
                .with("Location", "https://elsewhere.example/never/asked")
                .with("retry-after-ms", "1")],
        )
        .on(
            "GET /subscriptions/s/providers/p/locations/l/mfeOperationsStatus/oe:1:2?api-version=x",
            [
                say(200, json!({"name": "oe:1:2", "status": "Reticulating", "percentComplete": 0.0}))
                    .with("retry-after-ms", "1"),
                say(200, json!({"name": "oe:1:2", "status": "InProgress"})).with("retry-after-ms", "1"),
                say(200, json!({"name": "oe:1:2", "status": "Succeeded", "percentComplete": 100.0})),
            ],
        );
    let mut words = Vec::new();
    let pending = azure.workspace().put_endpoint(&endpoint(), None).await.unwrap();
    let done = pending.wait(|operation| words.push(operation.status.clone())).await.unwrap();
    assert_eq!(words, ["Creating", "Reticulating", "InProgress", "Succeeded"]);
    assert_eq!(done.name, "oe:1:2");

    let put = azure.seen().into_iter().find(|seen| seen.line.starts_with("PUT")).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&put.body).unwrap();
    assert_eq!(body["location"], "westeurope", "the workspace's own region goes with a resource");
    assert_eq!(put.headers["authorization"], "Bearer token-1");
    assert_eq!(put.headers["user-agent"], "mlconsole-cli/test");
    assert!(put.headers.contains_key("x-ms-client-request-id"));
}

#[tokio::test]
async fn a_failed_operation_tells_the_services_own_cause() {
    let azure = Recorded::start().await;
    let operation = format!("{}/op/1", azure.base);
    azure
        .on(
            "PUT {ws}/onlineEndpoints/e1",
            [say(201, recorded_endpoint("Creating"))
                .with("Azure-AsyncOperation", operation)
                .with("retry-after-ms", "1")],
        )
        .on(
            "GET /op/1",
            [say(
                200,
                json!({"status": "Failed", "error": {"code": "ResourceNotReady",
            "message": "User container has crashed or terminated", "details": []}}),
            )],
        );
    let error = azure.workspace().put_endpoint(&endpoint(), None).await.unwrap().wait(|_| {}).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Failed, "ResourceNotReady"));
    assert!(error.message.contains("User container has crashed"));
}

#[tokio::test]
async fn a_delete_that_names_only_a_location_is_done_when_that_stops_saying_202() {
    let azure = Recorded::start().await;
    let location = format!("{}/results/1", azure.base);
    let accepted = || say(202, "null").with("Location", location.clone()).with("retry-after-ms", "1");
    azure
        .on("DELETE {ws}/onlineEndpoints/e1", [accepted()])
        .on("GET /results/1", [accepted(), accepted(), say(204, "")]);
    azure.workspace().delete_endpoint("e1").await.unwrap().wait(|_| {}).await.unwrap();
    assert_eq!(azure.lines().iter().filter(|line| *line == "GET /results/1").count(), 3);
}

#[tokio::test]
async fn without_any_header_the_resource_itself_tells() {
    let azure = Recorded::start().await;
    azure.on("PUT {ws}/onlineEndpoints/e1", [say(201, recorded_endpoint("Creating")).with("retry-after-ms", "1")]).on(
        "GET {ws}/onlineEndpoints/e1",
        [say(200, recorded_endpoint("Updating")).with("retry-after-ms", "1"), say(200, recorded_endpoint("Failed"))],
    );
    let error = azure.workspace().put_endpoint(&endpoint(), None).await.unwrap().wait(|_| {}).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
}

#[tokio::test]
async fn a_synchronous_answer_needs_no_poll() {
    let azure = Recorded::start().await;
    azure.on("PUT {ws}/onlineEndpoints/e1", [say(200, recorded_endpoint("Succeeded"))]);
    let pending = azure.workspace().put_endpoint(&endpoint(), None).await.unwrap();
    assert!(pending.is_done());
    assert_eq!(pending.body()["name"], "e1");
}

#[tokio::test]
async fn passing_trouble_is_waited_out_but_nothing_is_done_twice() {
    let azure = Recorded::start().await;
    azure
        .on(
            "GET {ws}/onlineEndpoints/e1",
            [
                say(503, "").with("retry-after-ms", "1"),
                say(429, "").with("retry-after-ms", "1"),
                say(200, recorded_endpoint("Succeeded")),
            ],
        )
        .on("POST {ws}/onlineEndpoints/e1/listKeys", [say(500, r#"{"error":{"code":"Oops","message":"broken"}}"#)]);
    let workspace = azure.workspace();
    assert_eq!(workspace.endpoint("e1").await.unwrap().name, "e1");
    let error = workspace.keys("e1").await.unwrap_err();
    assert_eq!((error.status, error.message.as_str()), (Some(500), "broken"));
    assert_eq!(azure.lines().iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let azure = Recorded::start().await;
    azure.on("GET {ws}/onlineEndpoints/e1", [say(401, ""), say(200, recorded_endpoint("Succeeded"))]);
    let workspace = azure.workspace();
    workspace.endpoint("e1").await.unwrap();
    let tokens: Vec<_> = azure.seen().iter().map(|seen| seen.headers["authorization"].clone()).collect();
    assert_eq!(tokens, ["Bearer token-1", "Bearer token-2"]);

    azure.on("GET {ws}/onlineEndpoints/e1", [say(401, r#"{"error":{"code":"Denied","message":"no"}}"#)]);
    assert_eq!(workspace.endpoint("e1").await.unwrap_err().kind, ErrorKind::Unauthorized);
}

#[tokio::test]
async fn lists_come_page_by_page_and_never_from_elsewhere() {
    let azure = Recorded::start().await;
    let page = |link: String| json!({"value": [recorded_endpoint("Succeeded")], "nextLink": link});
    azure
        .on("GET {ws}/onlineEndpoints", [say(200, page(format!("{}/more?$skip=1", azure.base)))])
        .on("GET /more?$skip=1", [say(200, json!({"value": [recorded_endpoint("Succeeded")], "nextLink": null}))]);
    assert_eq!(azure.workspace().endpoints().await.unwrap().len(), 2);

    azure.on("GET {ws}/onlineEndpoints", [say(200, page("https://evil.example/more".into()))]);
    let error = azure.workspace().endpoints().await.unwrap_err();
    assert!(error.message.contains("https://evil.example"), "{error}");
}

#[tokio::test]
async fn traffic_replaces_the_map_and_leaves_the_rest() {
    let azure = Recorded::start().await;
    let mut before = recorded_endpoint("Succeeded");
    before["tags"] = json!({"team": "x"});
    before["properties"]["scoringUri"] = json!("https://h/score");
    before["systemData"] =
        json!({"createdAt": "2026-01-01T00:00:00Z", "createdBy": "me", "lastModifiedAt": "2026-01-01T00:00:00Z"});
    azure
        .on("GET {ws}/onlineEndpoints/e1", [say(200, before)])
        .on("PUT {ws}/onlineEndpoints/e1", [say(200, recorded_endpoint("Succeeded"))]);
    let traffic = TrafficMap::from([("blue".into(), Weight::ZERO), ("green".into(), Weight::FULL)]);
    azure.workspace().set_traffic("e1", &traffic, None).await.unwrap().wait(|_| {}).await.unwrap();
    let put = azure.seen().into_iter().find(|seen| seen.line.starts_with("PUT")).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&put.body).unwrap();
    assert_eq!(body["properties"]["traffic"], json!({"green": 100}), "absent is 0");
    assert_eq!(body["tags"], json!({"team": "x"}));
    for gone in ["/systemData", "/properties/scoringUri", "/properties/provisioningState", "/id"] {
        assert_eq!(body.pointer(gone), None, "{gone}");
    }
    assert!(!put.headers.contains_key("if-match"), "Azure gives no etag to match");
}

#[tokio::test]
async fn a_model_goes_to_the_blob_store_once() {
    let azure = Recorded::start().await;
    azure
        .with_store(json!({"secretsType": "Sas", "sasToken": "sv=1&sig=s"}))
        .on(
            "GET {ws}/models/m",
            [say(200, json!({"name": "m", "properties": {"latestVersion": "2", "nextVersion": "3"}}))],
        )
        .on(
            "PUT {ws}/models/m/versions/3",
            [say(201, json!({"id": "{ws}/models/m/versions/3", "name": "3", "properties": {}}))],
        );
    let folder = azure.path().join("my model");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("a.onnx"), "abc").unwrap();
    std::fs::write(folder.join("b.txt"), "").unwrap();
    let new = NewModel { name: Some("m".into()), path: folder, ..NewModel::default() };
    let workspace = azure.workspace();

    // The service knows nothing yet: every blob is answered with 404 by HEAD and 201 by PUT.
    let upload = workspace.register_model(&new, &mut |_, _| {}).await;
    let error = upload.unwrap_err();
    let head = azure.lines().into_iter().find(|line| line.starts_with("HEAD")).unwrap();
    let path = head.trim_start_matches("HEAD ").split('?').next().unwrap().to_owned();
    assert!(
        path.starts_with("/blob/local.blob.core.local/c1/LocalUpload/") && path.ends_with("/my%20model/a.onnx"),
        "{path}"
    );
    assert!(error.message.contains("nothing is recorded"), "{error}");

    let second = path.replace("a.onnx", "b.txt");
    azure
        .on(&format!("PUT {path}"), [say(201, "")])
        .on(&format!("PUT {second}"), [say(201, "")])
        .on(&format!("PUT {path}?comp=metadata&sv=1&sig=s"), [say(200, "")]);
    let mut last = (0, 0);
    let model = workspace.register_model(&new, &mut |sent, total| last = (sent, total)).await.unwrap();
    assert_eq!((model.name.as_str(), last), ("3", (3, 3)));
    let seen = azure.seen();
    let blob = seen.iter().rfind(|seen| seen.line == format!("PUT {path}?sv=1&sig=s")).unwrap();
    assert_eq!(blob.headers["x-ms-blob-type"], "BlockBlob");
    assert_eq!(blob.headers["content-md5"], "kAFQmDzST7DWlj99KOF/cg==", "MD5 of abc");
    assert!(!blob.headers.contains_key("authorization"), "the ARM token is not for the blob store");
    let empty = seen.iter().find(|seen| seen.line.starts_with(&format!("PUT {second}"))).unwrap();
    assert_eq!(empty.headers["content-length"], "0");
    let marked = seen.iter().find(|seen| seen.line.contains("comp=metadata")).unwrap();
    assert_eq!(
        (&marked.headers["x-ms-meta-upload_status"], &marked.headers["x-ms-meta-version"]),
        (&"completed".parse().unwrap(), &"3".parse().unwrap())
    );
    let put = seen.iter().rfind(|seen| seen.line == "PUT {ws}/models/m/versions/3").unwrap();
    let body: serde_json::Value = serde_json::from_slice(&put.body).unwrap();
    let uri = body["properties"]["modelUri"].as_str().unwrap();
    assert!(uri.starts_with(
        "azureml://subscriptions/s/resourcegroups/r/workspaces/w/datastores/workspaceblobstore/paths/LocalUpload/"
    ));
    assert!(uri.ends_with("/my model"), "{uri}");

    // The same content again: the finished indicator says that it is there.
    azure.on(&format!("HEAD {path}"), [say(200, "").with("x-ms-meta-upload_status", "completed")]);
    let before = azure.lines().iter().filter(|line| line.contains("/blob/") && line.starts_with("PUT")).count();
    workspace.register_model(&new, &mut |_, _| {}).await.unwrap();
    let after = azure.lines().iter().filter(|line| line.contains("/blob/") && line.starts_with("PUT")).count();
    assert_eq!(before, after);
}

#[tokio::test]
async fn scoring_goes_where_the_endpoint_says_with_a_key_that_is_kept_until_it_is_refused() {
    let azure = Recorded::start().await;
    let mut endpoint = recorded_endpoint("Succeeded");
    endpoint["properties"]["scoringUri"] = json!(format!("{}/somewhere/else/score", azure.base));
    azure
        .on("GET {ws}/onlineEndpoints/e1", [say(200, endpoint)])
        .on(
            "POST {ws}/onlineEndpoints/e1/listKeys",
            [
                say(200, json!({"primaryKey": "old", "secondaryKey": "x"})),
                say(200, json!({"primaryKey": "new", "secondaryKey": "x"})),
            ],
        )
        .on(
            "POST /somewhere/else/score",
            [
                say(200, "[1]").with("azureml-model-deployment", "blue"),
                say(401, "key_auth_access_denied"),
                say(424, "boom").with("azureml-model-deployment", "green"),
            ],
        );
    let workspace = azure.workspace();
    let call = || ScoreCall { body: "{}".into(), deployment: Some("blue".into()), ..ScoreCall::default() };
    let first = workspace.score("e1", call()).await.unwrap();
    assert_eq!((first.status, first.text(), first.deployment.as_deref()), (200, Some("[1]"), Some("blue")));
    let second = workspace.score("e1", call()).await.unwrap();
    assert_eq!((second.status, second.deployment.as_deref()), (424, Some("green")), "a model's failure is an answer");

    let scores: Vec<_> = azure.seen().into_iter().filter(|seen| seen.line.ends_with("/score")).collect();
    let keys: Vec<_> = scores.iter().map(|seen| seen.headers["authorization"].to_str().unwrap().to_owned()).collect();
    assert_eq!(keys, ["Bearer old", "Bearer old", "Bearer new"]);
    assert!(scores.iter().all(|seen| seen.headers["azureml-model-deployment"] == "blue"));
}

#[tokio::test]
async fn what_only_local_workspaces_offer_is_refused_in_so_many_words() {
    let azure = Recorded::start().await;
    let workspace = azure.workspace();
    let Err(live) = workspace.live(0).await else { panic!("Azure has no live feed") };
    assert_eq!(live.kind, ErrorKind::NotSupported);
    assert_eq!(workspace.operations().await.unwrap_err().kind, ErrorKind::NotSupported);
    assert_eq!(azure.lines(), Vec::<String>::new(), "nothing was asked");
}

#[tokio::test]
async fn nobody_there_and_a_stranger_there_are_told_apart() {
    let azure = Recorded::start().await;
    let mut connection = azure.workspace().connection().clone();
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(azure.path().join("other.pem"), other.cert.pem()).unwrap();
    connection.ca_file = azure.path().join("other.pem");
    let stranger = mlconsole::client::Workspace::connect(&connection, "x").unwrap();
    let error = stranger.endpoints().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.contains("certificate"), "{error}");

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    connection.ca_file = azure.path().join("ca.pem");
    connection.base_url = format!("https://{closed}");
    connection.identity_endpoint = format!("https://{closed}/msi/token");
    let error = mlconsole::client::Workspace::connect(&connection, "x").unwrap().endpoints().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.contains("mlconsole serve") && error.message.contains("refused"), "{error}");
    assert!(!format!("{error:?}").contains("identity-secret"));
}
