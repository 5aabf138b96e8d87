//! Deployments: model assets, scoring script, environment and compute configuration.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arm::{Resource, StringMap, null_to_default};
use super::duration::IsoDuration;
use super::endpoint::ProvisioningState;

/// A deployment under an endpoint. Its number of instances is `sku.capacity`.
pub type Deployment = Resource<DeploymentProperties>;

/// Property of a deployment in which a local workspace says what its owner should know although it serves.
pub const NOTE: &str = "mlconsole.note";
/// Property of a deployment in which a local workspace says why it failed.
pub const ERROR: &str = "mlconsole.error";

/// Whether a property is the service's own word about a resource. Others are wishes of whoever made it, among them those
/// under `mlconsole.` that say how a model is run.
pub fn is_noted(property: &str) -> bool {
    matches!(property, NOTE | ERROR | "AzureAsyncOperationUri") || property.starts_with("azureml.")
}

/// Whether a property of a deployment says how its model is run.
pub fn is_setting(property: &str) -> bool {
    property.starts_with("mlconsole.") && !is_noted(property)
}

/// What is particular to a deployment (reference §5.3).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentProperties {
    /// `Managed` or `Kubernetes`; must be present in answers.
    pub endpoint_compute_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Id of a registered model version (or a registry URI).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_mount_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_configuration: Option<CodeConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_id: Option<String>,
    #[serde(deserialize_with = "null_to_default")]
    pub environment_variables: StringMap,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    #[serde(deserialize_with = "null_to_default")]
    pub app_insights_enabled: bool,
    /// `Enabled` or `Disabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress_public_network_access: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_settings: Option<ScaleSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_settings: Option<RequestSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// Newer API versions; stored and returned as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_collector: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_resource_requirements: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_network_connection: Option<bool>,
    #[serde(deserialize_with = "null_to_default")]
    pub properties: StringMap,
    pub provisioning_state: ProvisioningState,
}

/// The folder that holds the scoring script and the script's path in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CodeConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_id: Option<String>,
    pub scoring_script: String,
}

/// How the number of instances changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScaleSettings {
    /// `Default` (managed) or `TargetUtilization` (Kubernetes).
    pub scale_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_instances: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polling_interval: Option<IsoDuration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_utilization_percentage: Option<u32>,
}

impl Default for ScaleSettings {
    fn default() -> Self {
        Self {
            scale_type: "Default".into(),
            min_instances: None,
            max_instances: None,
            polling_interval: None,
            target_utilization_percentage: None,
        }
    }
}

/// Concurrency and time limits of one instance (reference §8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestSettings {
    /// Deprecated on Azure; stored.
    pub max_queue_wait: IsoDuration,
    pub max_concurrent_requests_per_instance: u32,
    pub request_timeout: IsoDuration,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self {
            max_queue_wait: IsoDuration::from_millis(500),
            max_concurrent_requests_per_instance: 1,
            request_timeout: IsoDuration::from_millis(5_000),
        }
    }
}

/// A liveness or readiness probe (reference §8 for limits and defaults).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    pub failure_threshold: u32,
    pub success_threshold: u32,
    pub timeout: IsoDuration,
    pub period: IsoDuration,
    pub initial_delay: IsoDuration,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            failure_threshold: 30,
            success_threshold: 1,
            timeout: IsoDuration::from_millis(2_000),
            period: IsoDuration::from_millis(10_000),
            initial_delay: IsoDuration::from_millis(10_000),
        }
    }
}

impl Resource<DeploymentProperties> {
    /// Number of instances wanted.
    pub fn instances(&self) -> u32 {
        self.sku.as_ref().map_or(1, |sku| sku.capacity)
    }

    /// The endpoint's name, read from the resource id; empty when the id has none.
    pub fn endpoint_name(&self) -> &str {
        let mut parts = self.id.split('/');
        parts.find(|part| part.eq_ignore_ascii_case("onlineEndpoints"));
        parts.next().unwrap_or("")
    }
}
