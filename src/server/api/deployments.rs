//! Deployments: read, list, delete, logs, sizes. Creating and updating is next door in `deployment_put`.

use std::sync::PoisonError;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::context::{entry, etag, overtaken, system_data, until_uncontended};
use super::fault::Fault;
use super::paging::page;
use super::read;
use crate::resources::rules::check_removable;
use crate::resources::{Deployment, Endpoint, ProvisioningState};
use crate::server::store::{Change, Doc, Expect, Key, Kind};

/// Resource type of deployments.
const DEPLOYMENT_TYPE: &str = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/deployments";

impl ControlPlane {
    pub(super) fn deployments(&self, call: &Call, endpoint: &str) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("the list of deployments", &["GET"]));
        }
        self.endpoint_doc(endpoint)?;
        let docs = self.app.store.list(Kind::Deployment, Some(endpoint))?;
        Answer::ok(&page(self.base(), call, docs)?.try_map(|doc| self.deployment_resource(&doc))?)
    }

    pub(super) fn deployment(&self, call: &Call, endpoint: &str, name: &str, body: &[u8]) -> Result<Answer, Fault> {
        match call.method {
            Method::GET => {
                let doc = self.deployment_doc(endpoint, name)?;
                Ok(Answer::ok(&self.deployment_resource(&doc)?)?.with("etag", etag(doc.etag)))
            }
            Method::PUT => self.put_deployment(call, endpoint, name, body),
            Method::PATCH => self.patch_deployment(call, endpoint, name, body),
            Method::DELETE => until_uncontended(|| self.delete_deployment(call, endpoint, name)),
            _ => Err(call.no_such_method("a deployment", &["GET", "PUT", "PATCH", "DELETE"])),
        }
    }

    /// The stored deployment; 404 that says whether it or its endpoint is missing.
    pub(super) fn deployment_doc(&self, endpoint: &str, name: &str) -> Result<Doc, Fault> {
        if let Some(doc) = self.app.store.get(&Key::deployment(endpoint, name))? {
            return Ok(doc);
        }
        self.endpoint_doc(endpoint)?;
        Err(Fault::missing(
            "ResourceNotFound",
            format!(
                "Deployment \"{name}\" does not exist under endpoint \"{endpoint}\". List the deployments, or create it first."
            ),
        ))
    }

    /// The word for a deployment's state; for messages.
    pub(super) fn deployment_state(&self, endpoint: &str, name: &str) -> Result<String, Fault> {
        let deployment: Deployment = self.deployment_doc(endpoint, name)?.decode()?;
        Ok(format!("{:?}", deployment.properties.provisioning_state))
    }

    /// A deployment as it is answered: with id, version and times.
    pub(super) fn deployment_resource(&self, doc: &Doc) -> Result<Deployment, Fault> {
        let mut deployment: Deployment = doc.decode()?;
        let kubernetes = deployment.properties.endpoint_compute_type.eq_ignore_ascii_case("Kubernetes");
        deployment.id = self.deployment_id(&doc.key.parent, &doc.key.name);
        deployment.name.clone_from(&doc.key.name);
        deployment.resource_type = DEPLOYMENT_TYPE.into();
        deployment.location = Some("local".into());
        deployment.kind = Some(if kubernetes { "K8S" } else { "Managed" }.into());
        deployment.system_data = Some(system_data(doc));
        deployment.etag = Some(etag(doc.etag));
        Ok(deployment)
    }

    /// Refused while it has traffic, live or mirrored; then drained and removed as an operation.
    fn delete_deployment(&self, call: &Call, endpoint: &str, name: &str) -> Result<Answer, Fault> {
        let lock = self.locks.of(endpoint);
        let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(doc) = self.app.store.get(&Key::deployment(endpoint, name))? else {
            return Ok(Answer::empty(StatusCode::NO_CONTENT));
        };
        call.check_version(&format!("Deployment \"{name}\""), Some(doc.etag))?;
        self.refuse_while_busy(endpoint, None)?;
        let parent: Endpoint = self.endpoint_doc(endpoint)?.decode()?;
        check_removable(name, &parent.properties.traffic).map_err(Fault::rule)?;
        if let Some((mirror, weight)) = parent
            .properties
            .mirror_traffic
            .iter()
            .find(|(n, weight)| n.eq_ignore_ascii_case(name) && !weight.is_zero())
        {
            return Err(Fault::property(
                "properties.mirrorTraffic",
                format!("Deployment {mirror} gets {weight} % mirrored traffic: switch the mirror off, then delete it."),
            ));
        }
        self.app.reconciler.give_up_revival(endpoint, Some(name));
        // A deployment that is still being made, or does not come to an end with it, need not be waited for.
        let begun = self.app.reconciler.busy(endpoint, Some(name))?;
        let stopped = begun.is_some_and(|operation| {
            let verb = operation.properties.as_ref().map(|p| p.verb.as_str()).unwrap_or_default();
            matches!(verb, "create" | "update" | "scale" | "restart")
                && self.app.reconciler.stop_operation(&operation.name)
        });
        if !stopped {
            self.refuse_while_busy(endpoint, Some(name))?;
        }
        let mut deployment: Deployment = doc.decode()?;
        deployment.properties.provisioning_state = ProvisioningState::Deleting;
        let operation = self.new_operation("Deleting", "delete", &doc.key.parent, Some(&doc.key.name), &call.who);
        let mut log = entry(&call.who, "deployment.delete", &doc.key.parent, Some(&doc.key.name));
        log.outcome = "running".into();
        log.from = super::deployment_put::summary(&deployment);
        let change = Change::new()
            .put(doc.key.clone(), &deployment, Expect::Etag(doc.etag))
            .operation(operation.clone())
            .journal_of(&operation.name, log);
        self.app.store.commit(change).map_err(overtaken)?;
        self.app.reconciler.nudge(&doc.key.parent, Some(&doc.key.name));
        Ok(self.following(Answer::json(StatusCode::ACCEPTED, &Value::Null)?, &operation, None))
    }

    /// Container sizes a deployment can have (reference §5.4).
    pub(super) fn deployment_skus(&self, call: &Call, endpoint: &str, name: &str) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("the sizes of a deployment", &["GET"]));
        }
        self.deployment_doc(endpoint, name)?;
        Answer::ok(&json!({"value": [{
            "resourceType": "Microsoft.MachineLearning.Services/endpoints/deployments",
            "sku": {"name": "Default", "tier": "Standard"},
            "capacity": {"minimum": 0, "maximum": crate::resources::rules::MAX_INSTANCES, "default": 1, "scaleType": "Manual"},
        }]}))
    }

    /// The log of one container, in Azure's layout (reference §5.4); also while it is created and after it failed.
    pub(super) fn deployment_logs(
        &self,
        call: &Call,
        endpoint: &str,
        name: &str,
        body: &[u8],
    ) -> Result<Answer, Fault> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Wanted {
            container_type: Option<String>,
            tail: Option<u32>,
        }
        if call.method != Method::POST {
            return Err(call.no_such_method("the logs of a deployment", &["POST"]));
        }
        let wanted: Wanted = read::typed(&read::value(body, true)?)?;
        let doc = self.deployment_doc(endpoint, name)?;
        let container = super::logs::container(wanted.container_type.as_deref())?;
        let tail = usize::try_from(wanted.tail.unwrap_or(2_000)).unwrap_or(usize::MAX);
        let content = self.log_text(&doc, container, tail)?;
        Answer::ok(&json!({"content": content}))
    }
}
