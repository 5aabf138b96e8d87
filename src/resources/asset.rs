//! Registered assets: models, environments, code and data, each with versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::arm::{Resource, StringMap, null_to_default};

/// A version of a registered model; its `name` is the version.
pub type ModelVersion = Resource<ModelProperties>;
/// A version of an environment; its `name` is the version.
pub type EnvironmentVersion = Resource<EnvironmentProperties>;
/// A code folder.
pub type CodeVersion = Resource<CodeProperties>;
/// A data asset.
pub type DataVersion = Resource<DataProperties>;
/// All versions of one asset; its `name` is the asset's name.
pub type AssetContainer = Resource<ContainerProperties>;

/// A property of a model version that the local workspace sets: what whoever registers it should know.
pub const NOTE: &str = "mlconsole.note";

/// A property that asks the local workspace to convert a scikit-learn model at registration; its only value is `onnx`.
pub const CONVERT: &str = "mlconsole.convert";
/// The environment for that, where the model brings none: `azureml:NAME:VERSION`, or a curated one.
pub const CONVERT_ENVIRONMENT: &str = "mlconsole.convert_environment";
/// What became of it: [`CONVERTING`], [`CONVERTED`] or [`NOT_CONVERTED`].
pub const CONVERSION: &str = "mlconsole.conversion";
/// What is being done for it, while it is under way: `installing 3 of 48 packages`.
pub const CONVERSION_STEP: &str = "mlconsole.conversion_step";
/// The same in a sentence: how the two compare, or why there is no conversion.
pub const CONVERSION_REPORT: &str = "mlconsole.conversion_report";
pub const CONVERTING: &str = "running";
pub const CONVERTED: &str = "native (converted)";
pub const NOT_CONVERTED: &str = "not converted";

/// Reference §5.5.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(deserialize_with = "null_to_default")]
    pub tags: StringMap,
    #[serde(deserialize_with = "null_to_default")]
    pub properties: StringMap,
    /// `custom_model`, `mlflow_model` or `triton_model`.
    pub model_type: String,
    pub model_uri: String,
    /// MLflow flavors; an object in answers, `{}` when none.
    #[serde(deserialize_with = "null_to_default")]
    pub flavors: BTreeMap<String, Value>,
    #[serde(deserialize_with = "null_to_default")]
    pub is_anonymous: bool,
    #[serde(deserialize_with = "null_to_default")]
    pub is_archived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
}

/// Reference §5.5.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvironmentProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(deserialize_with = "null_to_default")]
    pub tags: StringMap,
    #[serde(deserialize_with = "null_to_default")]
    pub properties: StringMap,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// YAML (or JSON) text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conda_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_type: Option<String>,
    #[serde(deserialize_with = "null_to_default")]
    pub is_anonymous: bool,
    #[serde(deserialize_with = "null_to_default")]
    pub is_archived: bool,
}

/// Reference §5.5.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CodeProperties {
    pub code_uri: String,
    #[serde(deserialize_with = "null_to_default")]
    pub is_anonymous: bool,
    /// `hash_sha256` and `hash_version` (a string or a number) live here.
    #[serde(deserialize_with = "null_to_default")]
    pub properties: BTreeMap<String, Value>,
}

/// Reference §5.5.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataProperties {
    pub data_uri: String,
    pub data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(deserialize_with = "null_to_default")]
    pub tags: StringMap,
    #[serde(deserialize_with = "null_to_default")]
    pub properties: StringMap,
    #[serde(deserialize_with = "null_to_default")]
    pub is_anonymous: bool,
    #[serde(deserialize_with = "null_to_default")]
    pub is_archived: bool,
}

/// Reference §5.5: `next_version` drives the SDK's auto-increment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerProperties {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(deserialize_with = "null_to_default")]
    pub tags: StringMap,
    #[serde(deserialize_with = "null_to_default")]
    pub properties: StringMap,
    #[serde(deserialize_with = "null_to_default")]
    pub is_archived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_version: Option<String>,
}
