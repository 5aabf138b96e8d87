//! Nouns back into the files that would make them: what a form shows as "the same in YAML".

use serde_json::Value;

use super::Origin;
use crate::resources::arm::Identity;
use crate::resources::deployment::{Deployment, Probe, RequestSettings, ScaleSettings};
use crate::resources::document::Out;
use crate::resources::duration::IsoDuration;
use crate::resources::endpoint::{AuthMode, Endpoint};
use crate::resources::ids::ResourceId;
use crate::resources::traffic::{TrafficMap, Weight};

const SCHEMAS: &str = "https://azuremlschemas.azureedge.net/latest";

/// The endpoint as a CLI v2 YAML file.
pub fn to_yaml(endpoint: &Endpoint) -> String {
    let properties = &endpoint.properties;
    let schema = if properties.compute.is_some() { "kubernetesOnlineEndpoint" } else { "managedOnlineEndpoint" };
    let mut out = Out::map();
    out.put("$schema", Out::from(format!("{SCHEMAS}/{schema}.schema.json")));
    out.put("name", Out::from(endpoint.name.as_str()));
    out.put("description", text(&properties.description));
    out.put("tags", Out::texts(&endpoint.tags));
    out.put("properties", Out::texts(&properties.properties));
    let auth_mode = match properties.auth_mode {
        AuthMode::Key => "key",
        AuthMode::AMLToken => "aml_token",
        AuthMode::AADToken => "aad_token",
    };
    out.put("auth_mode", Out::from(auth_mode));
    out.put(
        "compute",
        properties.compute.as_ref().map(|id| match ResourceId::parse(id) {
            Ok(id) if id.get("computes").is_some() => Out::from(format!("azureml:{}", id.name())),
            _ => Out::from(id.as_str()),
        }),
    );
    out.put("identity", endpoint.identity.as_ref().map(identity));
    out.put("traffic", weights(&properties.traffic));
    out.put("mirror_traffic", weights(&properties.mirror_traffic));
    out.put("public_network_access", switch(&properties.public_network_access));
    out.to_yaml()
}

/// The deployment as a CLI v2 YAML file. Registered assets appear as `azureml:name:version`, code by its id.
pub fn deployment_to_yaml(deployment: &Deployment) -> String {
    let properties = &deployment.properties;
    let kubernetes = properties.endpoint_compute_type.eq_ignore_ascii_case("Kubernetes");
    let schema = if kubernetes { "kubernetesOnlineDeployment" } else { "managedOnlineDeployment" };
    let mut out = Out::map();
    out.put("$schema", Out::from(format!("{SCHEMAS}/{schema}.schema.json")));
    if kubernetes {
        out.put("type", Out::from("kubernetes"));
    }
    out.put("name", Out::from(deployment.name.as_str()));
    out.put("endpoint_name", Out::from(deployment.endpoint_name()));
    out.put("description", text(&properties.description));
    out.put("tags", Out::texts(&deployment.tags));
    out.put("properties", Out::texts(&properties.properties));
    out.put("model", properties.model.as_deref().map(reference));
    out.put("model_mount_path", text(&properties.model_mount_path));
    if let Some(code) = &properties.code_configuration {
        let mut map = Out::map();
        map.put("code", code.code_id.as_deref().map(|id| Out::from(as_reference(id))));
        map.put("scoring_script", Out::from(code.scoring_script.as_str()));
        out.put("code_configuration", map);
    }
    out.put("environment", properties.environment_id.as_deref().map(reference));
    out.put("environment_variables", Out::texts(&properties.environment_variables));
    out.put("instance_type", text(&properties.instance_type));
    out.put("instance_count", Out::Int(deployment.instances().into()));
    if properties.app_insights_enabled {
        out.put("app_insights_enabled", Out::Bool(true));
    }
    out.put("scale_settings", properties.scale_settings.as_ref().filter(|_| kubernetes).map(scale));
    out.put("request_settings", properties.request_settings.as_ref().map(requests));
    out.put("liveness_probe", properties.liveness_probe.as_ref().map(probe));
    out.put("readiness_probe", properties.readiness_probe.as_ref().map(probe));
    out.put("egress_public_network_access", switch(&properties.egress_public_network_access));
    out.put("private_network_connection", properties.private_network_connection.map(Out::Bool));
    out.put("data_collector", properties.data_collector.as_ref().map(collector));
    out.put("resources", properties.container_resource_requirements.as_ref().map(resources));
    out.to_yaml()
}

impl Origin {
    /// Of YAML that [`to_yaml`] or [`deployment_to_yaml`] made.
    pub fn generated() -> Self {
        Self { file: "(generated)".into(), ..Self::nowhere() }
    }
}

fn text(value: &Option<String>) -> Option<Out> {
    value.as_deref().map(Out::from)
}

fn switch(value: &Option<String>) -> Option<Out> {
    value.as_ref().map(|value| Out::from(value.to_ascii_lowercase()))
}

fn reference(id: &str) -> Out {
    Out::from(match ResourceId::parse(id) {
        Ok(parsed) => match parsed.asset() {
            Some((_, name, version)) => format!("azureml:{name}:{version}"),
            None => as_reference(id),
        },
        Err(_) => id.to_owned(),
    })
}

/// A full id with `azureml:` in front, as the files want it; anything else as it is.
fn as_reference(id: &str) -> String {
    if id.starts_with('/') { format!("azureml:{id}") } else { id.to_owned() }
}

fn weights(map: &TrafficMap) -> Out {
    let number = |weight: &Weight| match weight.hundredths() % 100 {
        0 => Out::Int(i64::from(weight.hundredths() / 100)),
        _ => Out::Float(weight.as_percent()),
    };
    Out::Map(map.iter().map(|(name, weight)| (name.clone(), number(weight))).collect())
}

fn identity(identity: &Identity) -> Out {
    let mut out = Out::map();
    let kind = match identity.identity_type.as_str() {
        "SystemAssigned" => "system_assigned",
        "UserAssigned" => "user_assigned",
        "SystemAssigned,UserAssigned" => "system_assigned,user_assigned",
        _ => "none",
    };
    out.put("type", Out::from(kind));
    let ids = identity.user_assigned_identities.iter().flatten();
    let item = |id: &String| Out::Map(vec![("resource_id".into(), Out::from(id.as_str()))]);
    out.put("user_assigned_identities", Out::List(ids.map(|(id, _)| item(id)).collect()));
    out
}

fn scale(settings: &ScaleSettings) -> Out {
    let mut out = Out::map();
    let target = settings.scale_type == "TargetUtilization";
    out.put("type", Out::from(if target { "target_utilization" } else { "default" }));
    if target {
        let count = |value: Option<u32>| value.map(|value| Out::Int(value.into()));
        out.put("min_instances", count(settings.min_instances));
        out.put("max_instances", count(settings.max_instances));
        out.put("target_utilization_percentage", count(settings.target_utilization_percentage));
        out.put("polling_interval", settings.polling_interval.map(seconds));
    }
    out
}

fn requests(settings: &RequestSettings) -> Out {
    let millis = |duration: IsoDuration| Out::Int(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
    let mut out = Out::map();
    out.put("request_timeout_ms", millis(settings.request_timeout));
    out.put("max_concurrent_requests_per_instance", Out::Int(settings.max_concurrent_requests_per_instance.into()));
    out.put("max_queue_wait_ms", millis(settings.max_queue_wait));
    out
}

fn probe(probe: &Probe) -> Out {
    let mut out = Out::map();
    out.put("initial_delay", seconds(probe.initial_delay));
    out.put("period", seconds(probe.period));
    out.put("timeout", seconds(probe.timeout));
    out.put("success_threshold", Out::Int(probe.success_threshold.into()));
    out.put("failure_threshold", Out::Int(probe.failure_threshold.into()));
    out
}

fn seconds(duration: IsoDuration) -> Out {
    match duration.as_millis() {
        millis if millis.is_multiple_of(1_000) => Out::Int(i64::try_from(millis / 1_000).unwrap_or(i64::MAX)),
        millis => Out::Float(millis as f64 / 1_000.0),
    }
}

fn collector(value: &Value) -> Out {
    let mut out = Out::map();
    out.put("rolling_rate", value.get("rollingRate").and_then(Value::as_str).map(Out::from));
    let mut collections = Out::map();
    for (name, collection) in value.get("collections").and_then(Value::as_object).into_iter().flatten() {
        let mut map = Out::map();
        let mode = collection.get("dataCollectionMode").and_then(Value::as_str).unwrap_or_default();
        map.put("enabled", Out::Bool(mode.eq_ignore_ascii_case("enabled")));
        map.put("sampling_rate", collection.get("samplingRate").and_then(Value::as_f64).map(Out::Float));
        map.put("data", collection.get("dataId").and_then(Value::as_str).map(|id| Out::from(as_reference(id))));
        collections.put(name.as_str(), map);
    }
    out.put("collections", collections);
    let headers = value.pointer("/requestLogging/captureHeaders").and_then(Value::as_array);
    let headers = headers.into_iter().flatten().filter_map(Value::as_str).map(Out::from).collect();
    let mut logging = Out::map();
    logging.put("capture_headers", Out::List(headers));
    out.put("request_logging", logging);
    out
}

fn resources(value: &Value) -> Out {
    let mut out = Out::map();
    for (key, side) in [("requests", "containerResourceRequests"), ("limits", "containerResourceLimits")] {
        let mut amounts = Out::map();
        for (key, name) in [("cpu", "cpu"), ("memory", "memory"), ("nvidia.com/gpu", "gpu")] {
            let amount = value.get(side).and_then(|side| side.get(name)).and_then(Value::as_str);
            amounts.put(key, amount.map(Out::from));
        }
        out.put(key, amounts);
    }
    out
}
