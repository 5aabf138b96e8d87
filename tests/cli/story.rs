//! A newcomer's day: from a model file to a split that is taken back.

use serde_json::{Value, json};

use crate::support::{Home, sample};

#[test]
fn from_a_model_file_to_blue_and_green_and_back() {
    let home = Home::new();
    let workspace = home.serve();

    // Register the first version by hand; the deployment's file names the same content, which is used as it is.
    let model = sample("recommender-v1.onnx");
    let registered = workspace.run(&["model", "register", "--name", "restaurant-recommender", "--path", &model]).ok();
    assert_eq!(registered.out, "registered restaurant-recommender:1\n");
    let inspected = workspace.run(&["model", "inspect", "restaurant-recommender", "-o", "json"]).ok().json();
    let inputs: Vec<_> = inspected["signature"]["inputs"].as_array().unwrap().iter().map(|i| &i["name"]).collect();
    assert_eq!(inputs, ["user", "last_restaurant", "hour"]);

    workspace.run(&["endpoint", "create", "-f", &sample("endpoint.yml")]).ok();
    let blue = workspace.run(&["deployment", "create", "-f", &sample("blue-deployment.yml"), "--all-traffic"]).ok();
    assert!(blue.err.contains("load model"), "phases are told: {}", blue.err);
    let green = workspace
        .run(&[
            "deployment",
            "create",
            "-f",
            &sample("green-deployment.yml"),
            "--set",
            "instance_count=2",
            "-o",
            "json",
        ])
        .ok()
        .json();
    assert_eq!((&green["name"], &green["sku"]["capacity"]), (&json!("green"), &json!(2)));

    // 90/10, shown before and after; of the next thousand requests exactly nine hundred go to blue.
    let set = workspace.run(&["traffic", "set", "restaurants", "blue=90", "green=10"]).ok();
    assert_eq!(set.out, "DEPLOYMENT  BEFORE     AFTER\nblue           100  →     90\ngreen            0  →     10\n");
    let report = home.path("report.json");
    let request = sample("sample-request.json");
    let load =
        ["load", "restaurants", "--rate", "200", "--duration", "5s", "--request-file", &request, "--connections", "8"];
    let loaded = workspace.run(&[&load[..], &["--json", report.to_str().unwrap()]].concat()).ok();
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(report["statuses"], json!({"200": 1000}));
    assert_eq!(report["deployments"]["blue"]["answered"], 900);
    assert_eq!(report["deployments"]["green"]["answered"], 100);
    assert_eq!((&report["scheduled"], &report["notSent"]), (&json!(1000), &json!(0)));
    assert!(loaded.out.contains("90.00") && loaded.out.contains("service time"), "{}", loaded.out);

    // One request: the body alone on standard output.
    let invoke = ["endpoint", "invoke", "restaurants", "--request-file", &request];
    let answer = workspace.run(&[&invoke[..], &["--deployment", "green"]].concat()).ok();
    assert_eq!(answer.json()["restaurant"][0][0], 13);
    assert!(answer.err.starts_with("200  green  "), "{}", answer.err);
    let answer = workspace.run(&[&invoke[..], &["-o", "json"]].concat()).ok().json();
    assert_eq!(answer["status"], 200);
    assert!(answer["ms"].as_f64().unwrap() > 0.0 && answer["body"]["score"].is_array());

    // What was done is written down, and the last of it is taken back and brought again.
    let history = workspace.run(&["traffic", "history", "restaurants", "-o", "json"]).ok().json();
    assert_eq!(history[0]["to"], json!({"blue": 90, "green": 10}));
    assert_eq!((&history[0]["who"], &history[0]["outcome"]), (&json!("cli"), &json!("done")));
    let split = || workspace.run(&["traffic", "show", "restaurants", "-o", "json"]).ok().json()["traffic"].clone();
    workspace.run(&["traffic", "undo", "restaurants"]).ok();
    assert_eq!(split(), json!({"blue": 100}));
    workspace.run(&["traffic", "undo", "restaurants"]).ok();
    assert_eq!(split(), json!({"blue": 90, "green": 10}));

    // Scaled, changed, emptied, removed.
    workspace.run(&["deployment", "scale", "restaurants", "green", "1"]).ok();
    let set = [
        "deployment",
        "update",
        "restaurants",
        "green",
        "--set",
        "request_settings.request_timeout_ms=2500",
        "-o",
        "json",
    ];
    let changed = workspace.run(&set).ok().json();
    assert_eq!(changed["properties"]["requestSettings"]["requestTimeout"], "PT2.5S");
    assert_eq!(changed["sku"]["capacity"], 1, "what was not set stays");
    let refused = workspace.run(&["deployment", "delete", "restaurants", "green", "--yes"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("10 %"), "{}", refused.err);
    workspace.run(&["endpoint", "update", "restaurants", "--traffic", "blue=100"]).ok();
    workspace.run(&["deployment", "delete", "restaurants", "green", "--yes"]).ok();
    let left = workspace.run(&["deployment", "list", "restaurants", "-o", "json"]).ok().json();
    assert_eq!(left.as_array().unwrap().len(), 1);

    let asked = workspace.run(&["endpoint", "delete", "restaurants"]);
    assert_eq!(asked.code, 2, "without a terminal to ask on nothing is deleted");
    workspace.run(&["endpoint", "delete", "restaurants", "--yes"]).ok();
    assert_eq!(workspace.run(&["endpoint", "list", "-o", "json"]).ok().json(), json!([]));
}

#[test]
fn a_mirror_takes_copies_and_answers_nobody() {
    let home = Home::new();
    let workspace = home.serve().with_sample();
    workspace.run(&["traffic", "mirror", "restaurants", "green=10"]).ok();
    let show = workspace.run(&["traffic", "show", "restaurants", "-o", "json"]).ok().json();
    assert_eq!((&show["traffic"], &show["mirrorTraffic"]), (&json!({"blue": 100}), &json!({"green": 10})));
    let request = sample("sample-request.json");
    let load = [
        "load",
        "restaurants",
        "--rate",
        "200",
        "--duration",
        "1s",
        "-r",
        &request,
        "--connections",
        "8",
        "-o",
        "json",
    ];
    let report = workspace.run(&load).ok().json();
    assert_eq!(report["deployments"]["blue"]["answered"], 200);
    assert_eq!(report["deployments"].as_object().unwrap().len(), 1);
    let both = workspace.run(&["traffic", "set", "restaurants", "blue=50", "green=50"]);
    assert_eq!(both.code, 1, "live or mirror, not both: {both:?}");
    workspace.run(&["traffic", "mirror", "restaurants", "none"]).ok();
}

#[test]
fn keys_open_the_endpoint_and_are_told_to_nobody_else() {
    let home = Home::new();
    let mut workspace = home.serve().with_sample();
    let keys = || workspace.run(&["endpoint", "keys", "restaurants", "-o", "json"]).ok().json();
    let before = keys();
    workspace.run(&["endpoint", "regenerate-keys", "restaurants", "--yes"]).ok();
    let after = keys();
    assert_ne!(before["primaryKey"], after["primaryKey"]);
    assert_eq!(before["secondaryKey"], after["secondaryKey"]);
    workspace.run(&["endpoint", "invoke", "restaurants", "-r", &sample("sample-request.json")]).ok();

    let token = workspace.run(&["endpoint", "token", "restaurants"]);
    assert_eq!(token.code, 1);
    assert!(token.err.contains("endpoint keys restaurants"), "{}", token.err);

    for secret in [&before["primaryKey"], &after["primaryKey"], &workspace.connection()["identity_header"]] {
        let secret = secret.as_str().unwrap();
        for told in ["logs", "mlconsole.log"] {
            let path = home.path("data").join(told);
            let found = if path.is_dir() {
                crate::support::holds(&path, secret)
            } else {
                std::fs::read_to_string(&path).unwrap().contains(secret).then_some(path)
            };
            assert_eq!(found, None);
        }
        let shown = workspace.run(&["endpoint", "show", "restaurants", "-o", "json"]).ok();
        assert!(!shown.out.contains(secret) && !shown.err.contains(secret));
    }
    workspace = workspace.with_sample();
    assert_eq!(
        workspace.run(&["endpoint", "keys", "restaurants", "-o", "json"]).json(),
        after,
        "updates keep the keys"
    );
}

#[test]
fn a_deployment_that_cannot_run_says_why_and_where_to_look() {
    let home = Home::new();
    let workspace = home.serve();
    workspace.run(&["endpoint", "create", "-f", &sample("endpoint.yml")]).ok();
    std::fs::write(home.path("not-a-model.onnx"), "these are not the weights you are looking for").unwrap();
    let file = "name: red\nendpoint_name: restaurants\nmodel:\n  path: not-a-model.onnx\ninstance_type: Standard_DS3_v2\ninstance_count: 1\n";
    std::fs::write(home.path("red.yml"), file).unwrap();
    let failed = workspace.run(&["deployment", "create", "-f", home.path("red.yml").to_str().unwrap()]);
    assert_eq!(failed.code, 1);
    assert!(
        failed.err.contains("create deployment red failed") && failed.err.contains("not-a-model.onnx"),
        "{}",
        failed.err
    );
    assert!(failed.err.contains("mlconsole deployment logs restaurants red"), "{}", failed.err);
    let state = workspace.run(&["deployment", "show", "restaurants", "red", "-o", "json"]).ok().json();
    assert_eq!(state["properties"]["provisioningState"], "Failed");
    let shown = workspace.run(&["deployment", "show", "restaurants", "red"]).ok().out;
    assert!(shown.contains("0 of 1 ready"), "{shown}");
    let listed = workspace.run(&["operation", "list"]).ok().out;
    assert!(listed.contains("not-a-model") && listed.lines().all(|line| line.chars().count() < 260), "{listed}");
    workspace.run(&["deployment", "logs", "restaurants", "red"]).ok();
}

#[test]
fn environments_are_registered_by_flags_or_file() {
    let home = Home::new();
    let workspace = home.serve();
    std::fs::write(home.path("conda.yml"), "dependencies:\n- python=3.11\n").unwrap();
    std::fs::write(home.path("env.yml"), "name: scoring\nimage: some/image\nconda_file: conda.yml\n").unwrap();
    let file = home.path("env.yml");
    let registered = workspace.run(&["environment", "register", "-f", file.to_str().unwrap()]).ok();
    assert_eq!(registered.out, "registered scoring:1\n");
    workspace.run(&["environment", "register", "--name", "scoring", "--image", "other"]).ok();
    let shown = workspace.run(&["environment", "show", "scoring:1", "-o", "json"]).ok().json();
    assert_eq!(shown["properties"]["image"], "some/image");
    assert!(shown["properties"]["condaFile"].as_str().unwrap().contains("python=3.11"));
    let versions = workspace.run(&["environment", "list", "scoring", "-o", "json"]).ok().json();
    assert_eq!(versions.as_array().unwrap().len(), 2);
    assert_eq!(workspace.run(&["environment", "show", "nope"]).code, 1);
}

#[test]
fn a_conversion_in_an_environment_that_is_not_there_registers_nothing() {
    let home = Home::new();
    let workspace = home.serve();
    std::fs::write(home.path("model.pkl"), "no matter").unwrap();
    let path = home.path("model.pkl");
    let register = ["model", "register", "-n", "guess", "-p", path.to_str().unwrap(), "--convert", "onnx"];
    let refused = workspace.run(&[&register[..], &["--environment", "sklearn-9"]].concat());
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("\"sklearn-9\" is not registered here"), "{}", refused.err);
    assert_eq!(workspace.run(&["model", "list", "-o", "json"]).ok().json(), serde_json::json!([]));
}

#[test]
fn a_folder_that_is_no_mlflow_model_is_registered_with_a_warning() {
    let home = Home::new();
    let workspace = home.serve();
    std::fs::create_dir(home.path("plain")).unwrap();
    std::fs::write(home.path("plain/weights.txt"), "1 2 3").unwrap();
    let path = home.path("plain");
    let register = ["model", "register", "-n", "plain", "-p", path.to_str().unwrap(), "--type", "mlflow_model"];
    let said = workspace.run(&register).ok();
    assert!(said.out.contains("No deployment can serve it: 'plain' has no file MLmodel"), "{}", said.out);
}

#[test]
fn endpoints_are_opened_by_tokens_as_well() {
    let home = Home::new();
    let workspace = home.serve();
    let (endpoint, blue, request) =
        (sample("endpoint.yml"), sample("blue-deployment.yml"), sample("sample-request.json"));
    for mode in ["aml_token", "aad_token"] {
        let name = mode.replace('_', "-");
        let set = format!("auth_mode={mode}");
        workspace.run(&["endpoint", "create", "-f", &endpoint, "--name", &name, "--set", &set]).ok();
        workspace.run(&["deployment", "create", "-f", &blue, "--endpoint", &name, "--all-traffic"]).ok();
        workspace.run(&["endpoint", "invoke", &name, "-r", &request]).ok();
        let token = workspace.run(&["endpoint", "token", &name]).ok();
        assert_eq!(token.out.trim().split('.').count(), 3, "a JSON web token: {mode}");
        let keys = workspace.run(&["endpoint", "keys", &name]);
        assert_eq!(keys.code, 1);
        assert!(keys.err.contains("endpoint token"), "{}", keys.err);
    }
}

#[test]
fn a_kubernetes_file_runs_on_this_machine_and_says_so() {
    let home = Home::new();
    let workspace = home.serve();
    let model = sample("recommender-v2.onnx");
    workspace.run(&["model", "register", "--name", "m", "--path", &model, "--tag", "a=b"]).ok();
    std::fs::write(home.path("e.yml"), "name: k8s-e\ncompute: azureml:cluster\n").unwrap();
    let blue = "name: blue\nendpoint_name: k8s-e\ntype: kubernetes\nmodel: azureml:m@latest\n";
    std::fs::write(home.path("d.yml"), blue).unwrap();
    workspace.run(&["endpoint", "create", "-f", home.path("e.yml").to_str().unwrap()]).ok();
    workspace.run(&["deployment", "create", "-f", home.path("d.yml").to_str().unwrap(), "--all-traffic"]).ok();
    let shown = workspace.run(&["deployment", "show", "k8s-e", "blue", "-o", "json"]).ok().json();
    assert_eq!(shown["properties"]["endpointComputeType"], "Kubernetes");
    assert!(shown["properties"]["model"].as_str().unwrap().ends_with("/models/m/versions/1"), "@latest is looked up");
    workspace.run(&["endpoint", "invoke", "k8s-e", "-r", &sample("sample-request.json")]).ok();
    let logs = workspace.run(&["deployment", "logs", "k8s-e", "blue"]).ok();
    assert!(logs.out.to_lowercase().contains("kubernetes"), "{}", logs.out);
}
