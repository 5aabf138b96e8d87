use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::resources::rules::{check_deployment, check_endpoint};
use crate::resources::{AuthMode, Deployment, Endpoint, Weight, ids::AssetRef};

const WS: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w";

fn origin() -> Origin {
    Origin::of(Path::new("deploy/blue.yml"))
}

fn deployment(text: &str) -> DeploymentFile {
    parse_deployment(&origin(), text, &[]).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> String {
    parse_deployment(&origin(), text, &[]).unwrap_err().to_string()
}

const ENDPOINT: &str = "\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
name: my-endpoint
auth_mode: aad_token
description: recommends restaurants
tags: {team: food, stage: 1}
traffic:
  blue: 90
  green: 9.75
  red: 0.25
mirror_traffic: {pink: 10}
public_network_access: disabled
identity:
  type: user_assigned
  user_assigned_identities:
    - resource_id: /subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u1
";

#[test]
fn an_endpoint_file_becomes_the_request_the_sdk_sends() {
    let file = parse_endpoint(&origin(), ENDPOINT, &[]).unwrap();
    let endpoint = file.to_endpoint(WS, "local");
    assert_eq!(endpoint.properties.auth_mode, AuthMode::AADToken);
    assert_eq!(endpoint.tags["stage"], "1");
    assert_eq!(endpoint.properties.traffic["green"], Weight::from_hundredths(975).unwrap());
    let value = serde_json::to_value(&endpoint).unwrap();
    assert_eq!(value["properties"]["publicNetworkAccess"], "Disabled");
    assert_eq!(value["identity"]["type"], "UserAssigned");
    let names: Vec<String> = ["blue", "green", "red", "pink"].map(String::from).into();
    assert_eq!(check_endpoint(&endpoint, &names), Ok(()));
    let minimal = parse_endpoint(&origin(), "name: abc", &[]).unwrap().to_endpoint(WS, "local");
    assert_eq!(
        (minimal.properties.auth_mode, minimal.identity.unwrap().identity_type),
        (AuthMode::Key, "SystemAssigned".into())
    );
}

#[test]
fn a_compute_makes_a_kubernetes_endpoint() {
    let file = parse_endpoint(&origin(), "name: abc\ncompute: azureml:local-k8s", &[]).unwrap();
    assert_eq!(file.to_endpoint(WS, "l").properties.compute, Some(format!("{WS}/computes/local-k8s")));
    let error = parse_endpoint(&origin(), "name: abc\ntype: kubernetes", &[]).unwrap_err().to_string();
    assert_eq!(error, "deploy/blue.yml: `compute` is missing: add it");
}

const DEPLOYMENT: &str = "\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: my-endpoint
description: dd
tags: {t: 1}
model:
  path: ../model-1/model/sklearn.pkl
  type: custom_model
code_configuration:
  code: ../onlinescoring
  scoring_script: score.py
environment:
  conda_file: ../environment/conda.yaml
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04:latest
environment_variables: {COLOR: blue, WORKERS: 2, VERBOSE: yes, VERSION: 1.10}
instance_type: Standard_DS3_v2
instance_count: 2
app_insights_enabled: true
model_mount_path: /models
scale_settings: {type: default}
request_settings:
  request_timeout_ms: 90000
  max_concurrent_requests_per_instance: 2
  max_queue_wait_ms: 2000
liveness_probe: {initial_delay: 12, period: 11, timeout: 3, success_threshold: 1, failure_threshold: 20}
readiness_probe: {initial_delay: 8, period: 9, timeout: 4, failure_threshold: 10}
egress_public_network_access: disabled
data_collector:
  sampling_rate: 0.5
  rolling_rate: Hour
  collections:
    model_inputs: {enabled: 'True', data: {name: my_inputs, version: 1, path: azureml://datastores/x/paths/y}}
    model_outputs: {enabled: false}
";

#[test]
fn a_deployment_file_becomes_the_request_the_sdk_sends() {
    let file = deployment(DEPLOYMENT);
    let local = |path: &str| AssetPath::Local(PathBuf::from(path));
    let Some(AssetSource::Inline(model)) = &file.model else { panic!("{:?}", file.model) };
    assert_eq!((model.name.as_deref(), &model.path), (None, &local("deploy/../model-1/model/sklearn.pkl")));
    let Some(AssetSource::Inline(environment)) = &file.environment else { panic!("{:?}", file.environment) };
    assert_eq!(environment.conda, Some(Conda::File("deploy/../environment/conda.yaml".into())));
    assert_eq!(file.code.as_ref().unwrap().code, local("deploy/../onlinescoring"));
    let assets = ResolvedAssets {
        model: Some("M".into()),
        code: Some("C".into()),
        environment: Some("E".into()),
        data: BTreeMap::from([("model_inputs".into(), "D".into())]),
    };
    let deployment = file.to_deployment("local", &assets);
    let value = serde_json::to_value(&deployment).unwrap();
    let expected = json!({"endpointComputeType": "Managed", "description": "dd", "model": "M", "modelMountPath": "/models",
        "codeConfiguration": {"codeId": "C", "scoringScript": "score.py"}, "environmentId": "E",
        "environmentVariables": {"COLOR": "blue", "WORKERS": "2", "VERBOSE": "yes", "VERSION": "1.10"},
        "instanceType": "Standard_DS3_v2", "appInsightsEnabled": true, "egressPublicNetworkAccess": "Disabled",
        "scaleSettings": {"scaleType": "Default"}, "properties": {}, "provisioningState": "Creating",
        "requestSettings": {"maxQueueWait": "PT2S", "maxConcurrentRequestsPerInstance": 2, "requestTimeout": "PT1M30S"},
        "livenessProbe": {"failureThreshold": 20, "successThreshold": 1, "timeout": "PT3S", "period": "PT11S", "initialDelay": "PT12S"},
        "readinessProbe": {"failureThreshold": 10, "successThreshold": 1, "timeout": "PT4S", "period": "PT9S", "initialDelay": "PT8S"},
        "dataCollector": {"rollingRate": "Hour", "collections": {
            "model_inputs": {"dataCollectionMode": "enabled", "samplingRate": 0.5, "dataId": "D"},
            "model_outputs": {"dataCollectionMode": "disabled", "samplingRate": 0.5}}}});
    assert_eq!(value["properties"], expected);
    assert_eq!(value["sku"], json!({"name": "Default", "capacity": 2}));
    assert_eq!(check_deployment(&deployment, false), Ok(()));
}

#[test]
fn a_kubernetes_deployment_keeps_its_resources() {
    let file = deployment(
        "type: kubernetes\nname: blue\nendpoint_name: e1x\nmodel: azureml:m:1\nenvironment: azureml:env@latest\n\
         resources:\n  requests: {cpu: 0.1, memory: 0.2Gi}\n  limits: {cpu: 0.3, memory: 0.5Gi, nvidia.com/gpu: 1}\n\
         scale_settings: {type: target_utilization, min_instances: 1, max_instances: 2, polling_interval: 10, \
         target_utilization_percentage: 70}\n",
    );
    assert_eq!(file.model, Some(AssetSource::Registered(AssetRef::parse("azureml:m:1").unwrap())));
    let deployment = file.to_deployment("l", &ResolvedAssets::default());
    let value = serde_json::to_value(&deployment.properties).unwrap();
    assert_eq!(
        value["containerResourceRequirements"],
        json!({"containerResourceRequests": {"cpu": "0.1", "memory": "0.2Gi"},
            "containerResourceLimits": {"cpu": "0.3", "memory": "0.5Gi", "gpu": "1"}})
    );
    assert_eq!(
        value["scaleSettings"],
        json!({"scaleType": "TargetUtilization", "minInstances": 1, "maxInstances": 2, "pollingInterval": "PT10S",
            "targetUtilizationPercentage": 70})
    );
    assert_eq!(check_deployment(&deployment, true), Ok(()));
}

#[test]
fn model_and_environment_files_keep_paths_and_references() {
    let model = "$schema: x\nname: rec\nversion: 1.10\ntype: mlflow_model\npath: ./model\ntags: {a: b}\nflavors: {onnx: {opset: 17}}\n";
    let model = parse_model(&origin(), model, &[]).unwrap();
    assert_eq!((model.version.as_deref(), &model.path), (Some("1.10"), &AssetPath::Local("deploy/model".into())));
    let properties = model.to_properties("azureml://x");
    assert_eq!((properties.model_type.as_str(), properties.is_anonymous), ("mlflow_model", false));
    assert_eq!(properties.flavors["onnx"], json!({"opset": 17}));
    let environment = "name: env\nimage: i\nconda_file:\n  channels: [conda-forge]\n  dependencies:\n    - python=3.10\n    - pip: [numpy]\n\
                       inference_config:\n  liveness_route: {port: 8501, path: /v1}\n  scoring_route: {port: 8501, path: /s}\n";
    let environment = parse_environment(&origin(), environment, &[]).unwrap().to_properties(None).unwrap();
    assert_eq!(
        environment.conda_file.unwrap(),
        "channels:\n- conda-forge\ndependencies:\n- python=3.10\n- pip:\n  - numpy\n"
    );
    assert_eq!(
        environment.inference_config,
        Some(json!({"livenessRoute": {"port": 8501, "path": "/v1"}, "scoringRoute": {"port": 8501, "path": "/s"}}))
    );
    for (text, path) in [
        ("file:./m.onnx", AssetPath::Local("deploy/m.onnx".into())),
        ("/abs/m.onnx", AssetPath::Local("/abs/m.onnx".into())),
        ("azureml://datastores/d/paths/m", AssetPath::Remote("azureml://datastores/d/paths/m".into())),
    ] {
        assert_eq!(AssetPath::read(&origin(), text), path);
    }
}

#[test]
fn whatever_is_wrong_is_named_with_its_place_and_the_way_out() {
    const GOOD: &str = "name: blue\nendpoint_name: e1x\ninstance_type: Standard_DS3_v2\ninstance_count: 1\n";
    for (text, expected) in [
        ("instance_conut: 1", ":5:1: unknown key `instance_conut`: did you mean `instance_count`?"),
        ("enviroment: x", ":5:1: unknown key `enviroment`: did you mean `environment`?"),
        (
            "request_settings:\n  request_timeout: 3",
            ":6:3: unknown key `request_timeout` in `request_settings`: did you mean `request_timeout_ms`?",
        ),
        ("app_insights_enabled: maybe", ":5:23: `app_insights_enabled` is the text \"maybe\": give true or false"),
        ("liveness_probe: {period: soon}", ":5:26: `liveness_probe.period` is the text \"soon\": give a number"),
        ("liveness_probe: {period: -1}", ":5:26: `liveness_probe.period` is -1: give seconds, from 0 to 86400"),
        ("model: ./m.onnx", "`model` is the text \"./m.onnx\": write azureml:NAME:VERSION for a registered model"),
        ("model: azureml:m", "it names no version; write azureml:NAME:VERSION"),
        ("model: {type: custom_model}", ":5:8: `model.path` is missing: add it"),
        (
            "model: {path: a, type: onnx}",
            "`model.type` is the text \"onnx\": use custom_model, mlflow_model or triton_model",
        ),
        ("code_configuration: {code: .}", "`code_configuration.scoring_script` is missing"),
        ("code_configuration: score.py", "`code_configuration` is the text \"score.py\": write keys with values"),
        ("scale_settings: {type: default, min_instances: 1}", "unknown key `min_instances` in `scale_settings`"),
        ("environment: {inference_config: {liveness_route: {port: 99999, path: /}}}", "from 1 to 65535"),
    ] {
        let error = refusal(&format!("{GOOD}{text}\n"));
        assert!(error.starts_with("deploy/blue.yml:") && error.contains(expected), "{text}: {error}");
    }
    assert_eq!(
        refusal("endpoint_name: e\nnaem: blue\n"),
        "deploy/blue.yml:2:1: `name` is missing; did you mean it by `naem`?"
    );
    assert_eq!(refusal("name: b\nendpoint_name: e\n"), "deploy/blue.yml: `instance_type` is missing: add it");
    let error = parse_endpoint(&origin(), "name: e\ntraffic: {blue: 101}", &[]).unwrap_err().to_string();
    assert_eq!(error, "deploy/blue.yml:2:17: `traffic.blue` is 101: give a percentage from 0 to 100, in steps of 0.01");
}

#[test]
fn set_overrides_the_file() {
    let sets =
        ["instance_count=5", "environment_variables.COLOR=green", "model=azureml:m:2", "name=green"].map(String::from);
    let file = parse_deployment(&origin(), DEPLOYMENT, &sets).unwrap();
    assert_eq!((file.name.as_str(), file.instance_count), ("green", Some(5)));
    assert_eq!(file.environment_variables["COLOR"], "green");
    assert!(matches!(file.model, Some(AssetSource::Registered(_))));
    let error = parse_deployment(&origin(), DEPLOYMENT, &["instance_conut=5".into()]).unwrap_err().to_string();
    assert!(error.contains("--set instance_conut=5") && error.contains("did you mean `instance_count`?"), "{error}");
}

#[test]
fn files_on_disk_are_read_with_their_folder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.yml");
    std::fs::write(&path, "name: rec\npath: model.onnx\n").unwrap();
    assert_eq!(load_model(&path, &[]).unwrap().path, AssetPath::Local(dir.path().join("model.onnx")));
    let error = load_endpoint(&dir.path().join("nope.yml"), &[]).unwrap_err().to_string();
    assert!(error.contains("nope.yml: cannot be read") && error.contains("check the path"), "{error}");
}

/// Back from YAML: the properties must be the same.
fn again(deployment: &Deployment) -> Deployment {
    let text = deployment_to_yaml(deployment);
    let file = parse_deployment(&Origin::generated(), &text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let assets = ResolvedAssets {
        model: deployment.properties.model.clone(),
        code: deployment.properties.code_configuration.as_ref().and_then(|code| code.code_id.clone()),
        environment: deployment.properties.environment_id.clone(),
        data: BTreeMap::from([("model_inputs".into(), "D".into())]),
    };
    Deployment { id: deployment.id.clone(), ..file.to_deployment("local", &assets) }
}

#[test]
fn a_deployment_written_as_yaml_makes_the_same_deployment() {
    let assets = ResolvedAssets {
        model: Some(format!("{WS}/models/m/versions/1")),
        code: Some(format!("{WS}/codes/c/versions/1")),
        environment: Some(format!("{WS}/environments/env/versions/3")),
        data: BTreeMap::from([("model_inputs".into(), "D".into())]),
    };
    let mut deployment = deployment(DEPLOYMENT).to_deployment("local", &assets);
    deployment.id = format!("{WS}/onlineEndpoints/my-endpoint/deployments/blue");
    let text = deployment_to_yaml(&deployment);
    assert!(text.contains("\nendpoint_name: my-endpoint\n") && text.contains("\nmodel: azureml:m:1\n"), "{text}");
    let mut back = again(&deployment);
    // Managed deployments scale by default: not worth a line.
    back.properties.scale_settings = deployment.properties.scale_settings.clone();
    assert_eq!(back, deployment);
}

#[test]
fn an_endpoint_written_as_yaml_makes_the_same_endpoint() {
    let endpoint = parse_endpoint(&origin(), ENDPOINT, &[]).unwrap().to_endpoint(WS, "local");
    let text = to_yaml(&endpoint);
    assert!(text.starts_with("$schema: ") && text.contains("\nauth_mode: aad_token\n"), "{text}");
    assert_eq!(parse_endpoint(&Origin::generated(), &text, &[]).unwrap().to_endpoint(WS, "local"), endpoint, "{text}");
}

proptest! {
    #[test]
    fn no_file_panics(any in "\\PC{0,120}", key in "(name|model|traffic|identity|environment|data_collector|resources|liveness_probe|code_configuration|conda_file|path)", value in "[a-c0-9:{}\\[\\],.\\n '\"&*!|>#~-]{0,40}") {
        for text in [any, format!("name: abc\nendpoint_name: abc\n{key}: {value}\n"), format!("name: abc\npath: x\n{key}: {value}")] {
            let _ = parse_endpoint(&origin(), &text, &[]).map(|file| to_yaml(&file.to_endpoint(WS, "l")));
            let _ = parse_deployment(&origin(), &text, &["instance_type=x".into(), "instance_count=1".into()])
                .map(|file| deployment_to_yaml(&file.to_deployment("l", &ResolvedAssets::default())));
            let _ = parse_model(&origin(), &text, &[]);
            let _ = parse_environment(&origin(), &text, &[]);
        }
    }

    #[test]
    fn any_texts_survive_being_written(
        description in "\\PC{1,40}", variables in proptest::collection::btree_map("[A-Za-z_0-9 .:]{1,12}", "\\PC{0,30}", 0..4),
        count in 0..50_u32, timeout in 1..180_000_u64, delay in 1_000..100_000_u64,
    ) {
        let mut deployment = deployment(DEPLOYMENT).to_deployment("local", &ResolvedAssets::default());
        deployment.id = format!("{WS}/onlineEndpoints/e1x/deployments/blue");
        deployment.sku = Some(crate::resources::Sku { name: "Default".into(), tier: None, capacity: count });
        let properties = &mut deployment.properties;
        properties.description = Some(description);
        properties.environment_variables = variables;
        properties.code_configuration = None;
        properties.scale_settings = None;
        properties.data_collector = None;
        properties.request_settings.as_mut().unwrap().request_timeout = crate::resources::IsoDuration::from_millis(timeout);
        properties.liveness_probe.as_mut().unwrap().initial_delay = crate::resources::IsoDuration::from_millis(delay);
        prop_assert_eq!(again(&deployment), deployment);
    }

    #[test]
    fn any_split_survives_being_written(weights in proptest::collection::vec(0..=10_000_u16, 0..4), tag in "\\PC{0,20}") {
        let mut endpoint: Endpoint = parse_endpoint(&origin(), "name: abc", &[]).unwrap().to_endpoint(WS, "l");
        endpoint.tags.insert("t".into(), tag);
        endpoint.properties.traffic =
            weights.iter().enumerate().map(|(i, w)| (format!("d{i}"), Weight::from_hundredths(*w).unwrap())).collect();
        let text = to_yaml(&endpoint);
        let back = parse_endpoint(&Origin::generated(), &text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"));
        prop_assert_eq!(back.to_endpoint(WS, "l"), endpoint);
    }
}
