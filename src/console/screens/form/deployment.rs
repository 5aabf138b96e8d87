//! The form of a deployment.

use super::endpoint::tag;
use super::field::{Field, Kind};
use super::kubernetes;
use crate::resources::deployment::{CodeConfiguration, Probe, RequestSettings};
use crate::resources::duration::IsoDuration;
use crate::resources::{Deployment, Sku};

/// Headings; a section that is folded at first says so. The last one is for Kubernetes endpoints only.
pub const SECTIONS: &[(&str, bool)] = &[
    ("Deployment", false),
    ("Requests", false),
    ("Code and environment", false),
    ("Environment variables", false),
    ("Liveness probe", true),
    ("Readiness probe", true),
    ("Tags", true),
    ("Kubernetes", false),
];
pub const TAGS: usize = 6;

/// The headings of a deployment of a managed or a Kubernetes endpoint.
pub fn sections(kubernetes: bool) -> &'static [(&'static str, bool)] {
    if kubernetes { SECTIONS } else { &SECTIONS[..=TAGS] }
}

/// An empty environment variable.
pub fn variable() -> Field {
    Field::new(3, "variable", "variable", Kind::Pair, "NAME=value, for the scoring script; optional")
        .at("properties.environmentVariables")
}

/// What a field is named after: a registered asset as `name:version`, anything else as it is.
pub fn asset(id: &str) -> String {
    let id = id.trim_start_matches("azureml:");
    let parts: Vec<&str> = id.split('/').collect();
    match parts[..] {
        [.., name, "versions", version] => format!("{name}:{version}"),
        _ => id.to_owned(),
    }
}

/// Fields for a new deployment, or for one that exists.
pub fn fields(base: Option<&Deployment>, name: &str, model: &str, kubernetes: bool) -> Vec<Field> {
    let properties = base.map(|base| base.properties.clone()).unwrap_or_default();
    let requests = properties.request_settings.clone().unwrap_or_default();
    let code = properties.code_configuration.clone();
    let usual = if kubernetes { "" } else { "Standard_DS3_v2" };
    let size = properties.instance_type.clone().unwrap_or_else(|| usual.into());
    let model = properties.model.as_deref().map_or_else(|| model.to_owned(), asset);
    let ms = |duration: IsoDuration| duration.as_millis().to_string();
    let mut fields = vec![
        Field::new(
            0,
            "name",
            "name",
            Kind::Text,
            "3 to 32 letters, digits and dashes; blue and green have colours of their own",
        )
        .with(base.map_or(name, |base| &base.name))
        .at("name")
        .fixed(base.is_some()),
        Field::new(0, "model", "model", Kind::Pick, "a registered version; Enter shows them")
            .with(model)
            .at("properties.model"),
        instance_type(kubernetes).with(size).at("properties.instanceType"),
        Field::new(
            0,
            "instances",
            "instances",
            Kind::Number,
            "how many run at once; 1 is the least, 2 survive the loss of one",
        )
        .with(base.map_or(1, Deployment::instances).to_string())
        .at("sku.capacity"),
        Field::new(0, "description", "description", Kind::Text, "for people; optional")
            .with(properties.description.clone().unwrap_or_default()),
        Field::new(
            1,
            "concurrency",
            "at once",
            Kind::Number,
            "requests one instance works on at the same time; 1 suits most models",
        )
        .with(requests.max_concurrent_requests_per_instance.to_string())
        .at("properties.requestSettings.maxConcurrentRequestsPerInstance"),
        Field::new(1, "timeout", "timeout, ms", Kind::Number, "longer requests get 408; up to 180 000")
            .with(ms(requests.request_timeout))
            .at("properties.requestSettings.requestTimeout"),
        Field::new(1, "wait", "queue wait, ms", Kind::Number, "kept for Azure, which no longer uses it")
            .with(ms(requests.max_queue_wait))
            .at("properties.requestSettings.maxQueueWait"),
        Field::new(
            2,
            "code",
            "code folder",
            Kind::Text,
            "a folder here, uploaded when you create; none for ONNX, Triton and MLflow",
        )
        .with(code.as_ref().and_then(|code| code.code_id.clone()).unwrap_or_default())
        .at("properties.codeConfiguration.codeId"),
        Field::new(
            2,
            "script",
            "scoring script",
            Kind::Text,
            "in that folder, with init() and run(); for example score.py",
        )
        .with(code.map(|code| code.scoring_script).unwrap_or_default())
        .at("properties.codeConfiguration.scoringScript"),
        Field::new(
            2,
            "environment",
            "environment",
            Kind::Pick,
            "a registered version; Enter shows them; none for ONNX, Triton and MLflow",
        )
        .with(properties.environment_id.as_deref().map(asset).unwrap_or_default())
        .at("properties.environmentId"),
    ];
    for (name, value) in &properties.environment_variables {
        fields.push(variable().with(format!("{name}={value}")));
    }
    fields.push(variable());
    probe(&mut fields, 4, &LIVENESS, &properties.liveness_probe.clone().unwrap_or_default());
    probe(&mut fields, 5, &READINESS, &properties.readiness_probe.clone().unwrap_or_default());
    for (name, value) in base.iter().flat_map(|base| &base.tags) {
        fields.push(tag(TAGS).with(format!("{name}={value}")));
    }
    fields.push(tag(TAGS));
    if kubernetes {
        fields.extend(kubernetes::fields(&properties));
    }
    fields
}

/// On Kubernetes the sizes are the cluster's own.
fn instance_type(kubernetes: bool) -> Field {
    if kubernetes {
        let hint = "as the cluster's owner named it; none takes the cluster's default";
        return Field::new(0, "size", "instance type", Kind::Text, hint);
    }
    Field::new(0, "size", "instance type", Kind::Pick, "vCPU and memory of one instance; Enter shows them")
}

/// Ids and paths of a probe's fields: initial delay, period, timeout, failures, successes.
type Names = [(&'static str, &'static str); 5];

const LIVENESS: Names = [
    ("live.delay", "properties.livenessProbe.initial_delay"),
    ("live.period", "properties.livenessProbe.period"),
    ("live.timeout", "properties.livenessProbe.timeout"),
    ("live.failures", "properties.livenessProbe.failureThreshold"),
    ("live.successes", "properties.livenessProbe.successThreshold"),
];
const READINESS: Names = [
    ("ready.delay", "properties.readinessProbe.initial_delay"),
    ("ready.period", "properties.readinessProbe.period"),
    ("ready.timeout", "properties.readinessProbe.timeout"),
    ("ready.failures", "properties.readinessProbe.failureThreshold"),
    ("ready.successes", "properties.readinessProbe.successThreshold"),
];

fn probe(fields: &mut Vec<Field>, section: usize, names: &Names, probe: &Probe) {
    let seconds = |duration: IsoDuration| duration.0.as_secs().to_string();
    let rows = [
        ("first after, s", "seconds from the start of an instance to its first probe", seconds(probe.initial_delay)),
        ("every, s", "seconds between two probes", seconds(probe.period)),
        ("timeout, s", "a probe that takes longer has failed", seconds(probe.timeout)),
        ("failures", "so many in a row and the instance is replaced", probe.failure_threshold.to_string()),
        ("successes", "so many in a row and it counts as well again", probe.success_threshold.to_string()),
    ];
    for ((id, path), (label, hint, value)) in names.iter().zip(rows) {
        fields.push(Field::new(section, id, label, Kind::Number, hint).with(value).at(path));
    }
}

/// What assets are called, and their ids.
pub type Known = std::collections::BTreeMap<String, String>;

/// The deployment the fields describe. Problems are noted at the fields.
pub fn build(
    base: Option<&Deployment>,
    fields: &mut [Field],
    models: &Known,
    environments: &Known,
    kubernetes: bool,
) -> Deployment {
    let mut deployment = base.cloned().unwrap_or_default();
    deployment.tags.clear();
    let mut requests = deployment.properties.request_settings.clone().unwrap_or_default();
    let mut live = deployment.properties.liveness_probe.clone().unwrap_or_default();
    let mut ready = deployment.properties.readiness_probe.clone().unwrap_or_default();
    let (mut code, mut script) = (None, String::new());
    deployment.properties.environment_variables.clear();
    for field in fields.iter_mut() {
        let told = match field.id {
            "name" => {
                field.value().clone_into(&mut deployment.name);
                Ok(())
            }
            "model" => {
                deployment.properties.model = field.text().map(|text| reference(&text, models));
                Ok(())
            }
            "size" => {
                deployment.properties.instance_type = field.text();
                Ok(())
            }
            "instances" => field.number(1).and_then(|count| {
                let sku = deployment.sku.get_or_insert_with(|| Sku { name: "Default".into(), ..Sku::default() });
                sku.capacity = count;
                if count == 0 { Err("one instance is the least".into()) } else { Ok(()) }
            }),
            "description" => {
                deployment.properties.description = field.text();
                Ok(())
            }
            "code" => {
                code = field.text();
                Ok(())
            }
            "script" => {
                field.value().clone_into(&mut script);
                Ok(())
            }
            "environment" => {
                deployment.properties.environment_id = field.text().map(|text| reference(&text, environments));
                Ok(())
            }
            "variable" => field.pair().map(|pair| deployment.properties.environment_variables.extend(pair)),
            "tag" => field.pair().map(|pair| deployment.tags.extend(pair)),
            id if id.starts_with("k8s.") => Ok(()),
            id => number(id, field, &mut requests, &mut live, &mut ready),
        };
        if let Err(why) = told {
            field.problem = Some(why);
        }
    }
    if kubernetes {
        kubernetes::build(&mut deployment.properties, fields);
    }
    let properties = &mut deployment.properties;
    properties.code_configuration =
        (code.is_some() || !script.is_empty()).then_some(CodeConfiguration { code_id: code, scoring_script: script });
    properties.request_settings = (requests != RequestSettings::default() || base.is_some()).then_some(requests);
    properties.liveness_probe = (live != Probe::default() || base.is_some()).then_some(live);
    properties.readiness_probe = (ready != Probe::default() || base.is_some()).then_some(ready);
    deployment
}

fn number(
    id: &str,
    field: &Field,
    requests: &mut RequestSettings,
    live: &mut Probe,
    ready: &mut Probe,
) -> Result<(), String> {
    match id {
        "concurrency" => requests.max_concurrent_requests_per_instance = field.number(1)?,
        "timeout" => requests.request_timeout = IsoDuration::from_millis(field.number(5_000)?),
        "wait" => requests.max_queue_wait = IsoDuration::from_millis(field.number(500)?),
        _ => {
            let (probe, what) = match id.split_once('.') {
                Some(("live", what)) => (live, what),
                Some((_, what)) => (ready, what),
                None => return Ok(()),
            };
            let fresh = Probe::default();
            let seconds = |empty: IsoDuration| -> Result<IsoDuration, String> {
                let seconds: u32 = field.number(empty.0.as_secs() as u32)?;
                Ok(IsoDuration::from_millis(u64::from(seconds) * 1_000))
            };
            match what {
                "delay" => probe.initial_delay = seconds(fresh.initial_delay)?,
                "period" => probe.period = seconds(fresh.period)?,
                "timeout" => probe.timeout = seconds(fresh.timeout)?,
                "failures" => probe.failure_threshold = field.number(fresh.failure_threshold)?,
                _ => probe.success_threshold = field.number(fresh.success_threshold)?,
            }
        }
    }
    Ok(())
}

/// `name:version` as the id of the registered asset, or as a reference for the service to resolve.
fn reference(text: &str, known: &Known) -> String {
    match known.get(text) {
        Some(id) => id.clone(),
        None if text.starts_with('/') || text.starts_with("azureml:") => text.to_owned(),
        None => format!("azureml:{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_existing_deployment_comes_back_as_it_was() {
        let mut deployment = Deployment { name: "blue".into(), ..Deployment::default() };
        deployment.sku = Some(Sku { name: "Default".into(), tier: None, capacity: 3 });
        let properties = &mut deployment.properties;
        properties.model = Some("/x/models/recommender/versions/2".into());
        properties.instance_type = Some("Standard_DS3_v2".into());
        properties.environment_variables.insert("A".into(), "b=c".into());
        properties.request_settings =
            Some(RequestSettings { max_concurrent_requests_per_instance: 4, ..RequestSettings::default() });
        properties.liveness_probe = Some(Probe::default());
        properties.readiness_probe = Some(Probe { failure_threshold: 7, ..Probe::default() });
        deployment.tags.insert("team".into(), "food".into());
        let mut fields = fields(Some(&deployment), "", "", false);
        let models = Known::from([("recommender:2".into(), "/x/models/recommender/versions/2".into())]);
        assert_eq!(build(Some(&deployment), &mut fields, &models, &Known::new(), false), deployment);
        assert!(fields.iter().all(|field| field.problem.is_none()));
    }

    #[test]
    fn assets_are_called_by_name_and_version() {
        assert_eq!(asset("/subscriptions/0/models/m/versions/2"), "m:2");
        assert_eq!(asset("azureml:m:2"), "m:2");
        assert_eq!(reference("m:2", &Known::new()), "azureml:m:2");
    }
}
