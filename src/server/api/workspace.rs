//! The workspace itself, its instance types and its quotas (reference §5.1, §8, §12).

use http::Method;
use serde_json::{Value, json};

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::context::PROVIDER;
use super::fault::Fault;
use crate::resources::instance_type;
use crate::server::store::Kind;

/// Fixed times: a local workspace has no birthday that anyone asks for.
const CREATED: &str = "2026-01-01T00:00:00.000000Z";

impl ControlPlane {
    pub(super) fn workspaces(&self, call: &Call) -> Result<Answer, Fault> {
        only_get(call, "the list of workspaces")?;
        Answer::ok(&json!({"value": [self.workspace_resource()]}))
    }

    pub(super) fn workspace(&self, call: &Call) -> Result<Answer, Fault> {
        only_get(call, "a local workspace")?;
        Answer::ok(&self.workspace_resource())
    }

    fn workspace_resource(&self) -> Value {
        let (name, guid) = (&self.app.connection.workspace, &self.app.workspace_guid);
        let group = self.group_id();
        json!({
            "id": self.workspace_id(),
            "name": name,
            "type": format!("{PROVIDER}/workspaces"),
            "location": "local",
            "tags": {},
            "kind": "Default",
            "sku": {"name": "Basic", "tier": "Basic"},
            "identity": {"type": "SystemAssigned", "principalId": guid, "tenantId": guid},
            "properties": {
                "friendlyName": name, "description": "Local workspace of mlconsole", "provisioningState": "Succeeded",
                "workspaceId": guid,
                "storageAccount": format!("{group}/providers/Microsoft.Storage/storageAccounts/local"),
                "keyVault": format!("{group}/providers/Microsoft.KeyVault/vaults/local"),
                "applicationInsights": format!("{group}/providers/Microsoft.Insights/components/local"),
                "hbiWorkspace": false,
                "publicNetworkAccess": "Enabled",
                "discoveryUrl": format!("{}/discovery", self.base()),
                "mlFlowTrackingUri": format!("azureml://local.api.azureml.local/mlflow/v1.0{}", self.workspace_id()),
            },
            "systemData": {
                "createdAt": CREATED, "createdBy": "local", "createdByType": "User", "lastModifiedAt": CREATED,
            },
        })
    }

    pub(super) fn vm_sizes(&self, call: &Call) -> Result<Answer, Fault> {
        only_get(call, "the list of sizes")?;
        let size = |size: &instance_type::InstanceType| {
            json!({
                "name": size.name, "family": size.family, "vCPUs": size.vcpus, "gpus": size.gpus,
                "memoryGB": size.memory_gib, "osVhdSizeMB": 131_072, "maxResourceVolumeMB": 131_072,
                "lowPriorityCapable": false, "premiumIO": true, "supportedComputeTypes": ["OnlineEndpoint"],
            })
        };
        Answer::ok(&json!({"value": instance_type::all().iter().map(size).collect::<Vec<_>>()}))
    }

    pub(super) fn usages(&self, call: &Call) -> Result<Answer, Fault> {
        only_get(call, "the list of quotas")?;
        let endpoints = self.app.store.list(Kind::Endpoint, None)?.len();
        let deployments = self.app.store.list(Kind::Deployment, None)?.len();
        // The numbers are Azure's, for planning: on one's own machine nobody is turned away for them.
        let usage = |name: &str, text: &str, current: usize, limit: u32| {
            json!({
                "id": format!("{}/providers/{PROVIDER}/locations/local/usages/{name}", self.subscription_id()),
                "type": format!("{PROVIDER}/locations/usages"),
                "unit": "Count", "currentValue": current, "limit": limit,
                "name": {"value": name, "localizedValue": format!("{text} (Azure's limit, not enforced here)")},
            })
        };
        Answer::ok(&json!({"value": [
            usage("OnlineEndpoints", "Online endpoints", endpoints, 100),
            usage("OnlineDeployments", "Online deployments", deployments, 500),
        ]}))
    }
}

fn only_get(call: &Call, what: &str) -> Result<(), Fault> {
    if call.method == Method::GET { Ok(()) } else { Err(call.no_such_method(what, &["GET"])) }
}
