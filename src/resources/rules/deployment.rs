//! Deployments.

use serde_json::Value;

use super::Problems;
use super::endpoint::check_switch;
use super::names::{check_deployment_name, check_kubernetes_names};
use super::quantity::quantity;
use super::tags::check_tags;
use crate::resources::arm::ArmError;
use crate::resources::deployment::{Deployment, Probe, RequestSettings, ScaleSettings};
use crate::resources::ids::shorten;
use crate::resources::instance_type;
use crate::resources::nearest::one_of;
use crate::resources::paths::safe_parts;

/// Instances of one deployment (reference §8).
pub const MAX_INSTANCES: u32 = 50;
/// Longest request timeout of a managed deployment (reference §8).
pub const MAX_TIMEOUT_MANAGED_MS: u64 = 180_000;
/// Longest request timeout of a Kubernetes deployment (reference §8).
pub const MAX_TIMEOUT_KUBERNETES_MS: u64 = 300_000;
/// More than any model runs at once; keeps the arithmetic of queues far from its ends. Our own limit.
pub const MAX_CONCURRENT_REQUESTS: u32 = 10_000;

/// Everything that can be said about a deployment by itself; `kubernetes` is whether its endpoint has a compute.
pub fn check_deployment(deployment: &Deployment, kubernetes: bool) -> Result<(), ArmError> {
    let mut problems = Problems::default();
    let properties = &deployment.properties;
    problems.take(check_deployment_name(&deployment.name));
    problems.take(check_tags("tags", &deployment.tags));
    if kubernetes && !deployment.endpoint_name().is_empty() {
        problems.take(check_kubernetes_names(deployment.endpoint_name(), &deployment.name));
    }
    check_compute(&mut problems, deployment, kubernetes);
    if let Some(settings) = &properties.scale_settings {
        check_scale(&mut problems, settings, kubernetes);
    }
    if let Some(settings) = &properties.request_settings {
        check_requests(&mut problems, settings, kubernetes);
    }
    for (path, name, probe) in [
        ("properties.livenessProbe", "liveness_probe", &properties.liveness_probe),
        ("properties.readinessProbe", "readiness_probe", &properties.readiness_probe),
        ("properties.startupProbe", "startup_probe", &properties.startup_probe),
    ] {
        if let Some(probe) = probe {
            check_probe(&mut problems, path, name, probe);
        }
    }
    if let Some(access) = &properties.egress_public_network_access {
        check_switch(&mut problems, "properties.egressPublicNetworkAccess", "egress_public_network_access", access);
    }
    if let Some(code) = &properties.code_configuration {
        check_script(&mut problems, &code.scoring_script);
    }
    check_variables(&mut problems, deployment);
    if let Some(collector) = &properties.data_collector {
        check_collector(&mut problems, collector);
    }
    if let Some(resources) = properties.container_resource_requirements.as_ref().filter(|_| kubernetes) {
        check_resources(&mut problems, resources);
    }
    problems.verdict()
}

fn check_compute(problems: &mut Problems, deployment: &Deployment, kubernetes: bool) {
    let properties = &deployment.properties;
    let (expected, other) = if kubernetes { ("Kubernetes", "Managed") } else { ("Managed", "Kubernetes") };
    let kind = &properties.endpoint_compute_type;
    if !kind.is_empty() && !kind.eq_ignore_ascii_case(expected) {
        problems.add(
            "properties.endpointComputeType",
            format!(
                "The deployment's compute type is \"{}\" but its endpoint is {expected}: set it to {expected}, or deploy to a \
                 {other} endpoint.",
                shorten(kind)
            ),
        );
    }
    let count = deployment.instances();
    if count > MAX_INSTANCES {
        problems.add(
            "sku.capacity",
            format!("The deployment asks for {count} instances: {MAX_INSTANCES} is the most; lower instance_count."),
        );
    }
    // On Kubernetes the name is that of an instance type the cluster's owner made up.
    if let Some(name) = properties.instance_type.as_deref().filter(|_| !kubernetes)
        && instance_type::lookup(name).is_none()
    {
        let hint = match instance_type::nearest(name) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("use one of the supported sizes, for example {}.", instance_type::DEFAULT),
        };
        problems.add("properties.instanceType", format!("There is no instance type \"{}\": {hint}", shorten(name)));
    }
}

fn check_scale(problems: &mut Problems, settings: &ScaleSettings, kubernetes: bool) {
    let mut add = |field: &str, message: String| problems.add(format!("properties.scaleSettings.{field}"), message);
    if settings.scale_type.eq_ignore_ascii_case("Default") {
        return;
    }
    if !settings.scale_type.eq_ignore_ascii_case("TargetUtilization") {
        let kind = shorten(&settings.scale_type);
        return add("scaleType", format!("scale_settings has the type \"{kind}\": use default or target_utilization."));
    }
    if !kubernetes {
        return add(
            "scaleType",
            "scale_settings of a managed deployment can only be default: set instance_count, or add autoscale settings \
             for the deployment."
                .into(),
        );
    }
    let (min, max) = (settings.min_instances.unwrap_or(1), settings.max_instances.unwrap_or(1));
    if min == 0 || min > max || max > MAX_INSTANCES {
        add(
            "minInstances",
            format!(
                "scale_settings goes from {min} to {max} instances: give 1 ≤ min_instances ≤ max_instances ≤ \
                 {MAX_INSTANCES}."
            ),
        );
    }
    if let Some(target) = settings.target_utilization_percentage.filter(|target| !(1..=100).contains(target)) {
        add(
            "targetUtilizationPercentage",
            format!("target_utilization_percentage is {target}: give a percentage from 1 to 100."),
        );
    }
    if settings.polling_interval.is_some_and(|interval| interval.as_millis() < 1_000) {
        add("pollingInterval", "polling_interval is under a second: give at least 1.".into());
    }
}

fn check_requests(problems: &mut Problems, settings: &RequestSettings, kubernetes: bool) {
    let mut add = |field: &str, message: String| problems.add(format!("properties.requestSettings.{field}"), message);
    let (most, kind) =
        if kubernetes { (MAX_TIMEOUT_KUBERNETES_MS, "Kubernetes") } else { (MAX_TIMEOUT_MANAGED_MS, "managed") };
    let timeout = settings.request_timeout.as_millis();
    if !(1..=most).contains(&timeout) {
        add(
            "requestTimeout",
            format!("request_timeout_ms is {timeout}: give 1 to {most} milliseconds for a {kind} deployment."),
        );
    }
    let concurrent = settings.max_concurrent_requests_per_instance;
    if !(1..=MAX_CONCURRENT_REQUESTS).contains(&concurrent) {
        add(
            "maxConcurrentRequestsPerInstance",
            format!(
                "max_concurrent_requests_per_instance is {concurrent}: give 1 to {MAX_CONCURRENT_REQUESTS}; 1 is right \
                 for most models."
            ),
        );
    }
    let wait = settings.max_queue_wait.as_millis();
    if wait > MAX_TIMEOUT_KUBERNETES_MS {
        add(
            "maxQueueWait",
            format!("max_queue_wait_ms is {wait}: give at most {MAX_TIMEOUT_KUBERNETES_MS}, or leave it out."),
        );
    }
}

fn check_probe(problems: &mut Problems, path: &str, name: &str, probe: &Probe) {
    for (field, key, duration) in [
        ("initialDelay", "initial_delay", probe.initial_delay),
        ("period", "period", probe.period),
        ("timeout", "timeout", probe.timeout),
    ] {
        if duration.as_millis() < 1_000 {
            problems.add(
                format!("{path}.{field}"),
                format!("{name}.{key} is {} ms: give at least 1 second.", duration.as_millis()),
            );
        }
    }
    let liveness = name != "readiness_probe";
    if probe.success_threshold == 0 || liveness && probe.success_threshold != 1 {
        let allowed = if liveness { "it can only be 1." } else { "give at least 1." };
        problems.add(
            format!("{path}.successThreshold"),
            format!("{name}.success_threshold is {}: {allowed}", probe.success_threshold),
        );
    }
    if probe.failure_threshold == 0 {
        problems.add(
            format!("{path}.failureThreshold"),
            format!("{name}.failure_threshold is 0: give at least 1, the failures in a row that count as failed."),
        );
    }
}

fn check_script(problems: &mut Problems, script: &str) {
    let target = "properties.codeConfiguration.scoringScript";
    if script.is_empty() {
        problems.add(
            target,
            "code_configuration names no scoring_script: name the script in the code folder, for example score.py.",
        );
    } else if let Err(error) = safe_parts(script) {
        problems.add(target, format!("scoring_script: {error}."));
    }
}

fn check_variables(problems: &mut Problems, deployment: &Deployment) {
    for (name, value) in &deployment.properties.environment_variables {
        let target = format!("properties.environmentVariables.{}", shorten(name));
        if name.is_empty() || name.contains(['=', '\0']) {
            let name = shorten(name);
            problems.add(target, format!("\"{name}\" cannot name an environment variable: use letters, digits and _."));
        } else if value.contains('\0') {
            problems.add(target, format!("The environment variable {name} holds a zero byte: remove it."));
        } else if deployment.properties.code_configuration.is_some() {
            check_worker(problems, target, name, value);
        }
    }
}

/// The variables that the inference server of a scoring script reads as numbers.
fn check_worker(problems: &mut Problems, target: String, name: &str, value: &str) {
    let (most, what) = match name {
        "WORKER_COUNT" => (64, "the number of processes of an instance, 1 to 64"),
        "WORKER_TIMEOUT" => (u64::from(u32::MAX), "whole seconds, or 0 for no limit"),
        _ => return,
    };
    let least = u64::from(name == "WORKER_COUNT");
    if !value.trim().parse::<u64>().is_ok_and(|number| (least..=most).contains(&number)) {
        let value = shorten(value);
        problems.add(target, format!("The environment variable {name} is \"{value}\": give {what}."));
    }
}

const ROLLING_RATES: [&str; 5] = ["Year", "Month", "Day", "Hour", "Minute"];

fn check_collector(problems: &mut Problems, collector: &Value) {
    if let Some(rate) = collector.get("rollingRate").filter(|rate| !rate.is_null())
        && !rate.as_str().is_some_and(|rate| ROLLING_RATES.iter().any(|known| known.eq_ignore_ascii_case(rate)))
    {
        problems.add(
            "properties.dataCollector.rollingRate",
            format!("data_collector.rolling_rate is {rate}: use {}.", one_of(ROLLING_RATES)),
        );
    }
    for (name, collection) in collector.get("collections").and_then(Value::as_object).into_iter().flatten() {
        let name = shorten(name);
        let target = |field: &str| format!("properties.dataCollector.collections.{name}.{field}");
        if let Some(rate) = collection.get("samplingRate").filter(|rate| !rate.is_null())
            && !rate.as_f64().is_some_and(|rate| (0.0..=1.0).contains(&rate))
        {
            problems.add(
                target("samplingRate"),
                format!("data_collector.collections.{name}.sampling_rate is {rate}: give a share from 0 to 1."),
            );
        }
        if let Some(mode) = collection.get("dataCollectionMode").and_then(Value::as_str) {
            let key = format!("data_collector.collections.{name}.data_collection_mode");
            check_switch(problems, &target("dataCollectionMode"), &key, mode);
        }
    }
}

/// Requests must not exceed limits (reference §8).
fn check_resources(problems: &mut Problems, resources: &Value) {
    const PATH: &str = "properties.containerResourceRequirements";
    let part = |part: &str| resources.get(part).and_then(Value::as_object);
    let amount = |value: &Value| match value {
        Value::String(text) => quantity(text),
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    let (requests, limits) = (part("containerResourceRequests"), part("containerResourceLimits"));
    for (side, key, map) in
        [("containerResourceRequests", "requests", requests), ("containerResourceLimits", "limits", limits)]
    {
        for (name, value) in map.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            if amount(value).is_none() {
                problems.add(
                    format!("{PATH}.{side}.{}", shorten(name)),
                    format!(
                        "resources.{key}.{} is {value}: give a Kubernetes quantity such as \"0.5\", \"500m\" or \
                         \"0.5Gi\".",
                        shorten(name)
                    ),
                );
            }
        }
    }
    for (name, request) in requests.into_iter().flatten() {
        let limit = limits.and_then(|limits| limits.get(name));
        if let (Some(asked), Some(most)) = (amount(request), limit.and_then(amount))
            && asked > most
        {
            problems.add(
                format!("{PATH}.containerResourceRequests.{}", shorten(name)),
                format!(
                    "resources.requests.{0} is {request}, more than resources.limits.{0}: raise the limit or lower the request.",
                    shorten(name)
                ),
            );
        }
    }
}
