//! Online endpoints.

use serde::{Deserialize, Serialize};

use super::arm::{Resource, StringMap, null_to_default};
use super::traffic::TrafficMap;

/// An online endpoint: a unique name, an HTTPS address, credentials and a traffic split.
pub type Endpoint = Resource<EndpointProperties>;

/// How callers of an endpoint prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AuthMode {
    /// Two static keys.
    #[default]
    #[serde(alias = "key", alias = "KEY")]
    Key,
    /// A signed token of 24 hours.
    #[serde(alias = "AmlToken", alias = "aml_token", alias = "amlToken", alias = "amltoken")]
    AMLToken,
    /// A token of the workspace's identity provider.
    #[serde(alias = "AadToken", alias = "aad_token", alias = "aadToken", alias = "aadtoken")]
    AADToken,
}

/// Where a resource is in its life (reference §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ProvisioningState {
    #[default]
    Creating,
    Updating,
    Scaling,
    Deleting,
    Succeeded,
    Failed,
    Canceled,
    /// A word this version does not know: treated as still running.
    #[serde(other)]
    Unknown,
}

impl ProvisioningState {
    /// Whether no operation is in progress any more.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }
}

/// What is particular to an online endpoint (reference §5.2).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointProperties {
    pub auth_mode: AuthMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Free-form; must be an object in answers or the SDK fails.
    #[serde(deserialize_with = "null_to_default")]
    pub properties: StringMap,
    /// Deployment → percent of requests. Absent means 0; a PUT replaces the map.
    #[serde(deserialize_with = "null_to_default")]
    pub traffic: TrafficMap,
    /// Deployment → percent of requests copied to it.
    #[serde(deserialize_with = "null_to_default")]
    pub mirror_traffic: TrafficMap,
    /// Resource id of a Kubernetes compute; `None` for managed endpoints.
    pub compute: Option<String>,
    /// `Enabled` or `Disabled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_network_access: Option<String>,
    pub provisioning_state: ProvisioningState,
    /// Address to POST to; `None` until created. Never build it from the name.
    pub scoring_uri: Option<String>,
    pub swagger_uri: Option<String>,
    /// Keys to start with; requests only, never answered.
    #[serde(skip_serializing)]
    pub keys: Option<EndpointKeys>,
}

/// The two keys of an endpoint in `Key` mode. `Debug` never shows them.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointKeys {
    pub primary_key: String,
    pub secondary_key: String,
}

impl std::fmt::Debug for EndpointKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EndpointKeys(…)")
    }
}

/// A token for scoring (`aml_token` mode). `Debug` never shows it.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointToken {
    pub access_token: String,
    pub token_type: String,
    /// Unix seconds.
    pub expiry_time_utc: i64,
    /// Unix seconds.
    pub refresh_after_time_utc: i64,
}

impl std::fmt::Debug for EndpointToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EndpointToken(…, expires {})", self.expiry_time_utc)
    }
}
