//! Creating and updating endpoints. A PUT replaces both traffic maps (reference §5.2); it is in force when it is answered.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, Value, json};

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::context::{entry, etag, overtaken, until_uncontended};
use super::endpoints::identity_kind;
use super::fault::Fault;
use super::read;
use crate::resources::rules::{canonical_traffic, check_endpoint, fill_endpoint_defaults};
use crate::resources::{Endpoint, EndpointKeys, Identity, JournalEntry, ProvisioningState, TrafficMap};
use crate::server::store::{Change, Doc, Expect, Key, Kind};

impl ControlPlane {
    pub(super) fn put_endpoint(&self, call: &Call, name: &str, body: &[u8]) -> Result<Answer, Fault> {
        let mut value = read::value(body, false)?;
        read::canonical(&mut value, &["properties", "authMode"], &["Key", "AMLToken", "AADToken"]);
        let mut wanted: Endpoint = read::typed(&value)?;
        name.clone_into(&mut wanted.name);
        fill_endpoint_defaults(&mut wanted);
        let (answer, changed) = until_uncontended(|| self.store_endpoint(call, name, wanted.clone()))?;
        if changed {
            self.publish(name)?;
        }
        Ok(answer)
    }

    /// Judges and stores the endpoint; the answer, and whether the gateway must hear of it.
    fn store_endpoint(&self, call: &Call, name: &str, wanted: Endpoint) -> Result<(Answer, bool), Fault> {
        let lock = self.locks.of(name);
        let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let existing = self.app.store.get(&Key::endpoint(name))?;
        call.check_version(&format!("Endpoint \"{name}\""), existing.as_ref().map(|doc| doc.etag))?;
        match existing {
            None => self.create_endpoint(call, name, wanted).map(|answer| (answer, true)),
            Some(doc) => self.update_endpoint(call, &doc, wanted),
        }
    }

    fn create_endpoint(&self, call: &Call, name: &str, mut wanted: Endpoint) -> Result<Answer, Fault> {
        check_endpoint(&wanted, &[]).map_err(Fault::rule)?;
        let given = wanted.properties.keys.take().unwrap_or_default();
        let keys = EndpointKeys {
            primary_key: key_or_new(given.primary_key)?,
            secondary_key: key_or_new(given.secondary_key)?,
        };
        let identity = wanted
            .identity
            .take()
            .unwrap_or_else(|| Identity { identity_type: "SystemAssigned".into(), ..Identity::default() });
        wanted.identity = Some(filled_identity(identity, None));
        let operation = self.finished_operation("create", name, None, &call.who, "publish the endpoint");
        let mut stored = bare(wanted);
        stored.properties.provisioning_state = ProvisioningState::Succeeded;
        stored.properties.properties.insert("AzureAsyncOperationUri".into(), self.operation_url(&operation));
        let mut log = entry(&call.who, "endpoint.create", name, None);
        log.to = summary(&stored);
        let change = Change::new()
            .put(Key::endpoint(name), &stored, Expect::Absent)
            .endpoint_keys(name, &keys)
            .operation(operation.clone())
            .journal_of(&operation.name, log);
        self.app.store.commit(change).map_err(overtaken)?;
        let doc = self.endpoint_doc(name)?;
        let answer = Answer::json(StatusCode::CREATED, &self.endpoint_resource(&doc)?)?.with("etag", etag(doc.etag));
        let location = format!("{}{}?api-version=2022-02-01-preview", self.base(), self.endpoint_id(name));
        Ok(self.following(answer, &operation, Some(location)))
    }

    fn update_endpoint(&self, call: &Call, doc: &Doc, mut wanted: Endpoint) -> Result<(Answer, bool), Fault> {
        let name = &doc.key.name;
        self.refuse_while_busy(name, None)?;
        let current: Endpoint = doc.decode()?;
        let deployments: Vec<String> =
            self.app.store.list(Kind::Deployment, Some(name))?.into_iter().map(|d| d.key.name).collect();
        check_endpoint(&wanted, &deployments).map_err(Fault::rule)?;
        if wanted.properties.compute.is_some() != current.properties.compute.is_some() {
            return Err(Fault::property(
                "properties.compute",
                format!(
                    "Endpoint \"{name}\" cannot change between managed and Kubernetes. Create another endpoint and move its callers."
                ),
            ));
        }
        wanted.properties.traffic = canonical_traffic(&wanted.properties.traffic, &deployments);
        wanted.properties.mirror_traffic = canonical_traffic(&wanted.properties.mirror_traffic, &deployments);
        self.check_ready(name, &current, &wanted)?;
        wanted.identity = match wanted.identity.take() {
            Some(identity) => Some(filled_identity(identity, current.identity.as_ref())),
            None => current.identity.clone(),
        };
        let mut stored = bare(wanted);
        stored.properties.keys = None;
        stored.properties.provisioning_state = current.properties.provisioning_state;
        if let Some(uri) = current.properties.properties.get("AzureAsyncOperationUri") {
            stored.properties.properties.insert("AzureAsyncOperationUri".into(), uri.clone());
        }
        let entries = differences(call, name, &current, &stored);
        let changed = !entries.is_empty();
        if changed {
            let change = Change::new().put(doc.key.clone(), &stored, Expect::Etag(doc.etag));
            let change = entries.into_iter().fold(change, Change::journal);
            self.app.store.commit(change).map_err(overtaken)?;
        }
        let doc = self.endpoint_doc(name)?;
        Ok((Answer::ok(&self.endpoint_resource(&doc)?)?.with("etag", etag(doc.etag)), changed))
    }

    /// Weight must not be raised on a deployment that does not serve (rollout semantics §1).
    fn check_ready(&self, endpoint: &str, current: &Endpoint, wanted: &Endpoint) -> Result<(), Fault> {
        let raised = |new: &TrafficMap, old: &TrafficMap| -> Vec<String> {
            let before = |name: &String| old.get(name).copied().unwrap_or_default();
            new.iter().filter(|(name, weight)| **weight > before(name)).map(|(name, _)| name.clone()).collect()
        };
        for (target, new, old) in [
            ("properties.traffic", &wanted.properties.traffic, &current.properties.traffic),
            ("properties.mirrorTraffic", &wanted.properties.mirror_traffic, &current.properties.mirror_traffic),
        ] {
            for name in raised(new, old) {
                let state = self.deployment_state(endpoint, &name)?;
                let serves = self.app.store.get(&Key::new(Kind::Serving, endpoint, &name))?.is_some();
                // One that is being deleted still serves what it has, but must get nothing new.
                let why = if !serves || state == "Deleting" {
                    format!(
                        "it does not serve (its state is {state}). Wait until it has succeeded; if it failed, see its logs, correct it and deploy again."
                    )
                } else if self.app.reconciler.pool(endpoint, &name).is_some_and(|pool| pool.status().wanted == 0) {
                    "it has no instances. Scale it to at least 1 first.".to_owned()
                } else {
                    continue;
                };
                return Err(Fault::property(target, format!("Deployment \"{name}\" cannot take traffic: {why}")));
            }
        }
        Ok(())
    }
}

/// What is stored of an endpoint: not what is added when it is answered.
fn bare(mut endpoint: Endpoint) -> Endpoint {
    endpoint.id = String::new();
    endpoint.location = Some("local".into());
    endpoint.kind = None;
    endpoint.sku = None;
    endpoint.system_data = None;
    endpoint.etag = None;
    endpoint.properties.scoring_uri = None;
    endpoint.properties.swagger_uri = None;
    for map in [&mut endpoint.properties.traffic, &mut endpoint.properties.mirror_traffic] {
        map.retain(|_, weight| !weight.is_zero());
    }
    // The SDK copies these from systemData into the properties of what it sends back (reference §5.2).
    for name in ["createdBy", "createdAt", "lastModifiedAt", "AzureAsyncOperationUri", "azureml.onlineendpointid"] {
        endpoint.properties.properties.remove(name);
    }
    endpoint
}

/// The journal's entries for what an update changes; empty when it changes nothing.
fn differences(call: &Call, name: &str, current: &Endpoint, stored: &Endpoint) -> Vec<JournalEntry> {
    let mut entries = Vec::new();
    let mut map = |action: &str, from: &TrafficMap, to: &TrafficMap| {
        if from != to {
            let mut log = entry(&call.who, action, name, None);
            log.from = json!(from);
            log.to = json!(to);
            entries.push(log);
        }
    };
    map("traffic", &current.properties.traffic, &stored.properties.traffic);
    map("mirror", &current.properties.mirror_traffic, &stored.properties.mirror_traffic);
    let (Value::Object(from), Value::Object(to)) = (summary(current), summary(stored)) else { return entries };
    let names: Vec<&String> = from
        .keys()
        .filter(|key| !["traffic", "mirrorTraffic"].contains(&key.as_str()) && from.get(*key) != to.get(*key))
        .collect();
    if !names.is_empty() {
        let pick = |all: &Map<String, Value>| -> Value {
            names
                .iter()
                .map(|key| ((*key).clone(), all.get(*key).cloned().unwrap_or_default()))
                .collect::<Map<_, _>>()
                .into()
        };
        let mut log = entry(&call.who, "endpoint.update", name, None);
        log.from = pick(&from);
        log.to = pick(&to);
        entries.push(log);
    }
    entries
}

/// What a person changes about an endpoint; no secrets.
fn summary(endpoint: &Endpoint) -> Value {
    let properties = &endpoint.properties;
    let own: BTreeMap<_, _> =
        properties.properties.iter().filter(|(name, _)| name.as_str() != "AzureAsyncOperationUri").collect();
    json!({
        "authMode": properties.auth_mode, "description": properties.description, "tags": endpoint.tags,
        "properties": own, "identity": identity_kind(endpoint),
        "userAssignedIdentities": endpoint.identity.as_ref()
            .and_then(|i| i.user_assigned_identities.as_ref()).map(|m| m.keys().collect::<Vec<_>>()),
        "publicNetworkAccess": properties.public_network_access, "compute": properties.compute,
        "traffic": properties.traffic, "mirrorTraffic": properties.mirror_traffic,
    })
}

/// Gives an identity its ids, keeping those it had.
pub fn filled_identity(mut identity: Identity, before: Option<&Identity>) -> Identity {
    let guid = || uuid::Uuid::new_v4().to_string();
    if identity.identity_type.to_ascii_lowercase().contains("systemassigned") {
        let kept = before.and_then(|b| b.principal_id.clone().zip(b.tenant_id.clone()));
        let (principal, tenant) = kept.unwrap_or_else(|| (guid(), guid()));
        identity.principal_id = Some(principal);
        identity.tenant_id = Some(tenant);
    } else {
        identity.principal_id = None;
        identity.tenant_id = None;
    }
    for (id, value) in identity.user_assigned_identities.iter_mut().flatten() {
        let kept = before.and_then(|b| b.user_assigned_identities.as_ref()?.get(id).cloned());
        *value = kept.unwrap_or_else(|| json!({"principalId": guid(), "clientId": guid()}));
    }
    identity
}

fn key_or_new(given: String) -> Result<String, Fault> {
    if given.is_empty() { new_key() } else { Ok(given) }
}

/// A new key: 32 random bytes as text.
pub fn new_key() -> Result<String, Fault> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Fault::internal("Making a key", "the system gives no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
