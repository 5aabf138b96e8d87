//! Deployment files, managed and Kubernetes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Origin;
use super::asset::{AssetPath, AssetSource};
use super::endpoint::SWITCH;
use super::model_environment::{EnvironmentFile, ModelFile};
use crate::resources::arm::{Sku, StringMap};
use crate::resources::deployment::{
    CodeConfiguration, Deployment, DeploymentProperties, Probe, RequestSettings, ScaleSettings,
};
use crate::resources::document::{Fields, FileError};
use crate::resources::duration::IsoDuration;

/// A deployment as its YAML file describes it (reference §11).
#[derive(Debug, Clone, PartialEq)]
pub struct DeploymentFile {
    pub name: String,
    pub endpoint_name: String,
    /// `type: kubernetes`, or resources or target utilization given.
    pub kubernetes: bool,
    pub description: Option<String>,
    pub tags: StringMap,
    pub properties: StringMap,
    pub model: Option<AssetSource<ModelFile>>,
    pub model_mount_path: Option<String>,
    pub code: Option<CodeFile>,
    pub environment: Option<AssetSource<EnvironmentFile>>,
    pub environment_variables: StringMap,
    pub instance_type: Option<String>,
    /// `None` only on Kubernetes.
    pub instance_count: Option<u32>,
    pub app_insights_enabled: bool,
    pub scale_settings: Option<ScaleSettings>,
    pub request_settings: Option<RequestSettings>,
    pub liveness_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    /// `Enabled` or `Disabled`.
    pub egress_public_network_access: Option<String>,
    pub private_network_connection: Option<bool>,
    pub data_collector: Option<CollectorFile>,
    /// Kubernetes: `{"containerResourceRequests": …, "containerResourceLimits": …}`.
    pub resources: Option<Value>,
}

/// A scoring script and the folder it lies in.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeFile {
    /// A local folder, or `azureml:…` for registered code.
    pub code: AssetPath,
    /// Relative to that folder.
    pub scoring_script: String,
}

/// What of the requests and answers is collected.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CollectorFile {
    /// 0 to 1.
    pub sampling_rate: Option<f64>,
    pub rolling_rate: Option<String>,
    pub capture_headers: Vec<String>,
    pub collections: BTreeMap<String, Collection>,
}

/// One collection of a data collector.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Collection {
    pub enabled: bool,
    /// Name, version and path of the data asset that takes it; each may be left out.
    pub data: (Option<String>, Option<String>, Option<String>),
    /// Overrides that of the collector.
    pub sampling_rate: Option<f64>,
}

/// Ids of what a deployment refers to, registered by the caller.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResolvedAssets {
    pub model: Option<String>,
    pub code: Option<String>,
    pub environment: Option<String>,
    /// Collection → id of its data asset.
    pub data: BTreeMap<String, String>,
}

impl DeploymentFile {
    pub(super) fn read(origin: &Origin, mut fields: Fields<'_>) -> Result<Self, FileError> {
        fields.node("$schema");
        let name = fields.required("name")?;
        let endpoint_name = fields.required("endpoint_name")?;
        let kind = fields.choice("type", &[("managed", false), ("kubernetes", true)])?;
        let resources = resources(&mut fields)?;
        let scale_settings = scale(&mut fields)?;
        let scales = scale_settings.as_ref().is_some_and(|scale| scale.scale_type == "TargetUtilization");
        let file = Self {
            name,
            endpoint_name,
            kubernetes: kind.unwrap_or(resources.is_some() || scales),
            description: fields.text("description")?,
            tags: fields.texts("tags")?,
            properties: fields.texts("properties")?,
            model: AssetSource::read(&mut fields, "model", |map| ModelFile::read(origin, map))?,
            model_mount_path: fields.text("model_mount_path")?,
            code: code(origin, &mut fields)?,
            environment: AssetSource::read(&mut fields, "environment", |map| EnvironmentFile::read(origin, map))?,
            environment_variables: fields.texts("environment_variables")?,
            instance_type: fields.text("instance_type")?,
            instance_count: fields.count("instance_count")?,
            app_insights_enabled: fields.bool("app_insights_enabled")?.unwrap_or(false),
            scale_settings,
            request_settings: requests(&mut fields)?,
            liveness_probe: probe(&mut fields, "liveness_probe")?,
            readiness_probe: probe(&mut fields, "readiness_probe")?,
            egress_public_network_access: fields.choice("egress_public_network_access", SWITCH)?.map(str::to_owned),
            private_network_connection: fields.bool("private_network_connection")?,
            data_collector: collector(&mut fields)?,
            resources,
        };
        if !file.kubernetes {
            for (key, missing) in
                [("instance_type", file.instance_type.is_none()), ("instance_count", file.instance_count.is_none())]
            {
                if missing {
                    return Err(fields.missing(key));
                }
            }
        }
        fields.finish()?;
        Ok(file)
    }

    /// The deployment to send, once everything local is registered.
    pub fn to_deployment(&self, location: &str, assets: &ResolvedAssets) -> Deployment {
        let compute_type = if self.kubernetes { "Kubernetes" } else { "Managed" };
        Deployment {
            name: self.name.clone(),
            location: Some(location.to_owned()),
            tags: self.tags.clone(),
            sku: Some(Sku { name: "Default".into(), tier: None, capacity: self.instance_count.unwrap_or(1) }),
            properties: DeploymentProperties {
                endpoint_compute_type: compute_type.into(),
                description: self.description.clone(),
                model: assets.model.clone(),
                model_mount_path: self.model_mount_path.clone(),
                code_configuration: self.code.as_ref().map(|code| CodeConfiguration {
                    code_id: assets.code.clone(),
                    scoring_script: code.scoring_script.clone(),
                }),
                environment_id: assets.environment.clone(),
                environment_variables: self.environment_variables.clone(),
                instance_type: self.instance_type.clone(),
                app_insights_enabled: self.app_insights_enabled,
                egress_public_network_access: self.egress_public_network_access.clone(),
                scale_settings: self.scale_settings.clone(),
                request_settings: self.request_settings.clone(),
                liveness_probe: self.liveness_probe.clone(),
                readiness_probe: self.readiness_probe.clone(),
                data_collector: self.data_collector.as_ref().map(|collector| collector.to_json(&assets.data)),
                container_resource_requirements: self.resources.clone(),
                private_network_connection: self.private_network_connection,
                properties: self.properties.clone(),
                ..DeploymentProperties::default()
            },
            ..Deployment::default()
        }
    }
}

impl CollectorFile {
    fn to_json(&self, ids: &BTreeMap<String, String>) -> Value {
        let collection = |(name, collection): (&String, &Collection)| {
            let mut value = json!({"dataCollectionMode": if collection.enabled { "enabled" } else { "disabled" }});
            if let Some(rate) = collection.sampling_rate.or(self.sampling_rate) {
                value["samplingRate"] = json!(rate);
            }
            if let Some(id) = ids.get(name) {
                value["dataId"] = json!(id);
            }
            (name.clone(), value)
        };
        let mut value =
            json!({"collections": self.collections.iter().map(collection).collect::<serde_json::Map<_, _>>()});
        if let Some(rate) = &self.rolling_rate {
            value["rollingRate"] = json!(rate);
        }
        if !self.capture_headers.is_empty() {
            value["requestLogging"] = json!({"captureHeaders": self.capture_headers});
        }
        value
    }
}

fn code(origin: &Origin, fields: &mut Fields<'_>) -> Result<Option<CodeFile>, FileError> {
    let Some(mut map) = fields.map("code_configuration")? else { return Ok(None) };
    let code = AssetPath::read(origin, &map.required("code")?);
    let scoring_script = map.required("scoring_script")?;
    map.finish()?;
    Ok(Some(CodeFile { code, scoring_script }))
}

fn scale(fields: &mut Fields<'_>) -> Result<Option<ScaleSettings>, FileError> {
    const TYPES: &[(&str, &str)] = &[("default", "Default"), ("target_utilization", "TargetUtilization")];
    let Some(mut map) = fields.map("scale_settings")? else { return Ok(None) };
    let scale_type = map.choice("type", TYPES)?.unwrap_or("Default");
    let mut settings = ScaleSettings { scale_type: scale_type.into(), ..ScaleSettings::default() };
    if scale_type == "TargetUtilization" {
        settings.min_instances = map.count("min_instances")?;
        settings.max_instances = map.count("max_instances")?;
        settings.target_utilization_percentage = map.count("target_utilization_percentage")?;
        settings.polling_interval = seconds(&mut map, "polling_interval")?;
    }
    map.finish()?;
    Ok(Some(settings))
}

fn requests(fields: &mut Fields<'_>) -> Result<Option<RequestSettings>, FileError> {
    let Some(mut map) = fields.map("request_settings")? else { return Ok(None) };
    let mut settings = RequestSettings::default();
    if let Some(millis) = map.count("request_timeout_ms")? {
        settings.request_timeout = IsoDuration::from_millis(millis.into());
    }
    if let Some(count) = map.count("max_concurrent_requests_per_instance")? {
        settings.max_concurrent_requests_per_instance = count;
    }
    if let Some(millis) = map.count("max_queue_wait_ms")? {
        settings.max_queue_wait = IsoDuration::from_millis(millis.into());
    }
    map.finish()?;
    Ok(Some(settings))
}

fn probe(fields: &mut Fields<'_>, key: &'static str) -> Result<Option<Probe>, FileError> {
    let Some(mut map) = fields.map(key)? else { return Ok(None) };
    let mut probe = Probe::default();
    for (key, target) in
        [("initial_delay", &mut probe.initial_delay), ("period", &mut probe.period), ("timeout", &mut probe.timeout)]
    {
        if let Some(duration) = seconds(&mut map, key)? {
            *target = duration;
        }
    }
    probe.success_threshold = map.count("success_threshold")?.unwrap_or(probe.success_threshold);
    probe.failure_threshold = map.count("failure_threshold")?.unwrap_or(probe.failure_threshold);
    map.finish()?;
    Ok(Some(probe))
}

/// A number of seconds, up to a day.
fn seconds(map: &mut Fields<'_>, key: &'static str) -> Result<Option<IsoDuration>, FileError> {
    let Some(value) = map.number(key)? else { return Ok(None) };
    if (0.0..=86_400.0).contains(&value) {
        return Ok(Some(IsoDuration::from_millis((value * 1_000.0).round() as u64)));
    }
    match map.node(key) {
        Some(node) => Err(map.wrong(key, node, "give seconds, from 0 to 86400")),
        None => Ok(None),
    }
}

fn collector(fields: &mut Fields<'_>) -> Result<Option<CollectorFile>, FileError> {
    let Some(mut map) = fields.map("data_collector")? else { return Ok(None) };
    let mut collector = CollectorFile {
        sampling_rate: map.number("sampling_rate")?,
        rolling_rate: map.text("rolling_rate")?,
        ..CollectorFile::default()
    };
    if let Some(mut logging) = map.map("request_logging")? {
        let headers = logging.list("capture_headers").into_iter();
        collector.capture_headers = headers.filter_map(|node| node.as_text().map(str::to_owned)).collect();
        logging.finish()?;
    }
    for (entry, mut map) in map.maps("collections")? {
        let mut collection = Collection {
            enabled: map.bool("enabled")?.unwrap_or(false),
            sampling_rate: map.number("sampling_rate")?,
            ..Collection::default()
        };
        map.node("client_id");
        if map.node("data").is_some_and(|node| node.as_text().is_some()) {
            collection.data.2 = map.text("data")?;
        } else if let Some(mut data) = map.map("data")? {
            collection.data = (data.text("name")?, data.text("version")?, data.text("path")?);
            data.finish()?;
        }
        map.finish()?;
        collector.collections.insert(entry.key.clone(), collection);
    }
    map.finish()?;
    Ok(Some(collector))
}

fn resources(fields: &mut Fields<'_>) -> Result<Option<Value>, FileError> {
    let Some(mut map) = fields.map("resources")? else { return Ok(None) };
    let mut value = serde_json::Map::new();
    for (key, name) in [("requests", "containerResourceRequests"), ("limits", "containerResourceLimits")] {
        if let Some(mut side) = map.map(key)? {
            let mut amounts = serde_json::Map::new();
            for (key, name) in [("cpu", "cpu"), ("memory", "memory"), ("nvidia.com/gpu", "gpu")] {
                if let Some(amount) = side.text(key)? {
                    amounts.insert(name.to_owned(), json!(amount));
                }
            }
            side.finish()?;
            value.insert(name.to_owned(), Value::Object(amounts));
        }
    }
    map.finish()?;
    Ok(Some(Value::Object(value)))
}
