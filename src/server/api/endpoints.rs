//! Endpoints: read, list, change tags, delete. Creating and updating is next door in `endpoint_put`.

use std::sync::PoisonError;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::context::{entry, etag, overtaken, system_data, until_uncontended};
use super::fault::Fault;
use super::paging::page;
use super::read;
use crate::resources::rules::check_endpoint;
use crate::resources::{Endpoint, ProvisioningState};
use crate::server::store::{Change, Doc, Expect, Key, Kind};

/// Resource type of endpoints.
pub const ENDPOINT_TYPE: &str = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints";

impl ControlPlane {
    pub(super) fn endpoints(&self, call: &Call) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("the list of endpoints", &["GET"]));
        }
        let mut docs = self.app.store.list(Kind::Endpoint, None)?;
        match call.query.get("orderBy").unwrap_or_default().to_ascii_lowercase().as_str() {
            "createdtimedesc" => docs.sort_by_key(|doc| std::cmp::Reverse(doc.created_ms)),
            "createdtimeasc" => docs.sort_by_key(|doc| doc.created_ms),
            "updatedtimedesc" => docs.sort_by_key(|doc| std::cmp::Reverse(doc.modified_ms)),
            "updatedtimeasc" => docs.sort_by_key(|doc| doc.modified_ms),
            _ => {}
        }
        if let Some(name) = call.query.get("name") {
            docs.retain(|doc| doc.key.name.eq_ignore_ascii_case(name));
        }
        if let Some(kind) = call.query.get("computeType") {
            let managed = kind.eq_ignore_ascii_case("Managed");
            docs.retain(|doc| doc.body.pointer("/properties/compute").is_none_or(Value::is_null) == managed);
        }
        Answer::ok(&page(self.base(), call, docs)?.try_map(|doc| self.endpoint_resource(&doc))?)
    }

    pub(super) fn endpoint(&self, call: &Call, name: &str, body: &[u8]) -> Result<Answer, Fault> {
        match call.method {
            Method::GET => {
                let doc = self.endpoint_doc(name)?;
                Ok(Answer::ok(&self.endpoint_resource(&doc)?)?.with("etag", etag(doc.etag)))
            }
            Method::PUT => self.put_endpoint(call, name, body),
            Method::PATCH => self.patch_endpoint(call, name, body),
            Method::DELETE => until_uncontended(|| self.delete_endpoint(call, name)),
            _ => Err(call.no_such_method("an endpoint", &["GET", "PUT", "PATCH", "DELETE"])),
        }
    }

    /// The stored endpoint; 404 that names it otherwise.
    pub(super) fn endpoint_doc(&self, name: &str) -> Result<Doc, Fault> {
        self.app.store.get(&Key::endpoint(name))?.ok_or_else(|| {
            Fault::missing(
                "ResourceNotFound",
                format!(
                    "Endpoint \"{name}\" does not exist in workspace \"local\". List the endpoints, or create it first."
                ),
            )
        })
    }

    /// An endpoint as it is answered: with id, addresses, version and times.
    pub(super) fn endpoint_resource(&self, doc: &Doc) -> Result<Endpoint, Fault> {
        let mut endpoint: Endpoint = doc.decode()?;
        let name = doc.key.name.clone();
        endpoint.id = self.endpoint_id(&name);
        endpoint.resource_type = ENDPOINT_TYPE.into();
        endpoint.location = Some("local".into());
        endpoint.kind = Some(if endpoint.properties.compute.is_some() { "K8S" } else { "Managed" }.into());
        endpoint.system_data = Some(system_data(doc));
        endpoint.etag = Some(etag(doc.etag));
        let properties = &mut endpoint.properties;
        properties.properties.insert("azureml.onlineendpointid".into(), endpoint.id.to_lowercase());
        properties.scoring_uri = Some(format!("{}/endpoints/{name}/score", self.base()));
        properties.swagger_uri = Some(format!("{}/endpoints/{name}/swagger.json", self.base()));
        properties.keys = None;
        endpoint.name = name;
        Ok(endpoint)
    }

    /// PATCH changes tags and identity only (reference §13).
    fn patch_endpoint(&self, call: &Call, name: &str, body: &[u8]) -> Result<Answer, Fault> {
        let value = read::value(body, false)?;
        let wanted: Endpoint = read::typed(&value)?;
        until_uncontended(|| {
            let lock = self.locks.of(name);
            let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
            let doc = self.endpoint_doc(name)?;
            call.check_version(&format!("Endpoint \"{name}\""), Some(doc.etag))?;
            self.refuse_while_busy(name, None)?;
            let mut endpoint: Endpoint = doc.decode()?;
            let before = json!({"tags": endpoint.tags, "identity": identity_kind(&endpoint)});
            if value.get("tags").is_some() {
                endpoint.tags.clone_from(&wanted.tags);
            }
            if let Some(identity) = wanted.identity.clone() {
                endpoint.identity = Some(super::endpoint_put::filled_identity(identity, endpoint.identity.as_ref()));
            }
            let deployments: Vec<String> =
                self.app.store.list(Kind::Deployment, Some(name))?.into_iter().map(|d| d.key.name).collect();
            endpoint.name.clone_from(&doc.key.name);
            check_endpoint(&endpoint, &deployments).map_err(Fault::rule)?;
            let mut log = entry(&call.who, "endpoint.update", &doc.key.name, None);
            log.from = before;
            log.to = json!({"tags": endpoint.tags, "identity": identity_kind(&endpoint)});
            let change = Change::new().put(doc.key.clone(), &endpoint, Expect::Etag(doc.etag)).journal(log);
            self.app.store.commit(change).map_err(overtaken)?;
            let doc = self.endpoint_doc(name)?;
            Ok(Answer::ok(&self.endpoint_resource(&doc)?)?.with("etag", etag(doc.etag)))
        })
    }

    /// Deleting an endpoint deletes its deployments with it.
    fn delete_endpoint(&self, call: &Call, name: &str) -> Result<Answer, Fault> {
        let lock = self.locks.of(name);
        let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(doc) = self.app.store.get(&Key::endpoint(name))? else {
            return Ok(Answer::empty(StatusCode::NO_CONTENT));
        };
        call.check_version(&format!("Endpoint \"{name}\""), Some(doc.etag))?;
        self.refuse_while_busy(name, None)?;
        let deployments = self.app.store.list(Kind::Deployment, Some(name))?;
        for deployment in &deployments {
            self.refuse_while_busy(name, Some(&deployment.key.name))?;
        }
        let mut endpoint: Endpoint = doc.decode()?;
        let mut log = entry(&call.who, "endpoint.delete", &doc.key.name, None);
        log.outcome = "running".into();
        log.from = json!({
            "traffic": endpoint.properties.traffic,
            "deployments": deployments.iter().map(|d| &d.key.name).collect::<Vec<_>>(),
        });
        endpoint.properties.provisioning_state = ProvisioningState::Deleting;
        let operation = self.new_operation("Deleting", "delete", &doc.key.name, None, &call.who);
        let change = Change::new()
            .put(doc.key.clone(), &endpoint, Expect::Etag(doc.etag))
            .operation(operation.clone())
            .journal_of(&operation.name, log);
        self.app.store.commit(change).map_err(overtaken)?;
        self.app.reconciler.nudge(&doc.key.name, None);
        Ok(self.following(Answer::json(StatusCode::ACCEPTED, &Value::Null)?, &operation, None))
    }
}

/// The word for an endpoint's identity, for the journal.
pub fn identity_kind(endpoint: &Endpoint) -> &str {
    endpoint.identity.as_ref().map_or("None", |identity| identity.identity_type.as_str())
}
