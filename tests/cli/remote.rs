//! The binary on a context at Azure: recorded answers over real TLS.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::recorded::{Recorded, endpoint, say};
use crate::support::{Home, Said, sample, signal};

/// The binary in a home whose only remote context is `azure`.
fn command(home: &Home, azure: &Recorded, arguments: &[&str]) -> Command {
    let config = format!(
        "current_context = \"production\"\n[contexts.production]\nkind = \"azure\"\nsubscription_id = \"s\"\n\
         resource_group = \"r\"\nworkspace = \"w\"\ncloud = \"{}\"\n",
        azure.base
    );
    std::fs::write(home.path("config.toml"), config).unwrap();
    let mut command = home.command(&[&["--config", home.path("config.toml").to_str().unwrap()], arguments].concat());
    command
        .env_remove("MLCONSOLE_DATA_DIR")
        .env("REQUESTS_CA_BUNDLE", azure.path().join("ca.pem"))
        .env("IDENTITY_ENDPOINT", format!("{}/msi/token", azure.base))
        .env("IDENTITY_HEADER", "secret");
    command
}

fn run(home: &Home, azure: &Recorded, arguments: &[&str]) -> Said {
    command(home, azure, arguments).output().unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_commands_work_there() {
    let (home, azure) = (Home::new(), Recorded::start().await);
    azure
        .on("GET {ws}/onlineEndpoints", [say(200, json!({"value": [endpoint("Succeeded")]}))])
        .on("GET {ws}/onlineEndpoints/e1", [say(200, endpoint("Succeeded"))])
        .on("GET {ws}/onlineEndpoints/e1/deployments", [say(200, json!({"value": []}))]);
    let listed = run(&home, &azure, &["endpoint", "list"]).ok();
    assert!(listed.out.contains("https://e1.westeurope.inference.ml.azure.com/score"), "{}", listed.out);
    assert_eq!(listed.err, "", "no workspace is started here");
    assert!(!home.path(".local").exists(), "no data folder either");

    let history = run(&home, &azure, &["traffic", "history", "e1"]);
    assert_eq!(history.code, 1);
    assert!(history.err.contains("only a local workspace"), "{}", history.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_says_that_an_operation_goes_on_where_it_cannot_be_cancelled() {
    let (home, azure) = (Home::new(), Recorded::start().await);
    azure
        .on("GET {ws}/onlineEndpoints/restaurants", [say(404, r#"{"error":{"code":"NotFound","message":"no"}}"#)])
        .on("PUT {ws}/onlineEndpoints/restaurants", [say(201, endpoint("Creating"))
            .with("Azure-AsyncOperation", format!("{}/op/1", azure.base))
            .with("retry-after-ms", "10")])
        .on("GET /op/1", [say(200, json!({"name": "1", "status": "InProgress", "properties": {"phases": [
            {"name": "make the coffee", "startedMs": 1000, "endedMs": 3500}, {"name": "drink it", "startedMs": 3500}]}}))
            .with("retry-after-ms", "10")]);
    let mut child = command(&home, &azure, &["endpoint", "create", "-f", &sample("endpoint.yml")])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "  make the coffee  2.5 s\n", "a line a finished phase");
    signal(&child, libc::SIGINT);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(rest.contains("create endpoint restaurants goes on"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_go_to_stores_that_are_opened_by_a_key() {
    let (home, azure) = (Home::new(), Recorded::start().await);
    azure.with_store(json!({"secretsType": "AccountKey", "key": "c2VjcmV0"})).on(
        "PUT {ws}/models/m/versions/7",
        [say(201, json!({"id": "{ws}/models/m/versions/7", "name": "7", "properties": {}}))],
    );
    std::fs::write(home.path("m.onnx"), "abc").unwrap();
    let path = home.path("m.onnx");
    let register = ["model", "register", "--name", "m", "--version", "7", "--path", path.to_str().unwrap()];
    assert_eq!(run(&home, &azure, &register).code, 1, "the store knows no such blob yet");
    let head = azure.lines().into_iter().find(|line| line.starts_with("HEAD")).unwrap();
    let blob = head.trim_start_matches("HEAD ").to_owned();
    azure.on(&format!("PUT {blob}"), [say(201, "")]).on(&format!("PUT {blob}?comp=metadata"), [say(200, "")]);
    run(&home, &azure, &register).ok();
    let put = azure.seen().into_iter().rfind(|seen| seen.line == format!("PUT {blob}")).unwrap();
    assert!(put.headers["authorization"].to_str().unwrap().starts_with("SharedKey "));
    assert!(put.headers.contains_key("x-ms-date"));
}
