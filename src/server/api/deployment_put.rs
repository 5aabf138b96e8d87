//! Creating, updating and scaling deployments: stored as what is wanted, carried out by the reconciler.

use std::sync::PoisonError;

use http::StatusCode;
use serde_json::{Value, json};

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::context::{entry, etag, overtaken, until_uncontended};
use super::fault::Fault;
use super::read;
use crate::resources::deployment::{is_noted, is_setting};
use crate::resources::ids::{AssetKind, AssetRef};
use crate::resources::rules::{check_deployment, check_deployment_count, fill_deployment_defaults};
use crate::resources::{Deployment, Endpoint, ProvisioningState};
use crate::server::environments::Spec;
use crate::server::store::{Change, Doc, Expect, Key, Kind};

impl ControlPlane {
    pub(super) fn put_deployment(&self, call: &Call, endpoint: &str, name: &str, body: &[u8]) -> Result<Answer, Fault> {
        let value = read::value(body, false)?;
        let wanted: Deployment = read::typed(&value)?;
        until_uncontended(|| self.store_deployment(call, endpoint, name, wanted.clone()))
    }

    fn store_deployment(
        &self,
        call: &Call,
        endpoint: &str,
        name: &str,
        mut wanted: Deployment,
    ) -> Result<Answer, Fault> {
        let lock = self.locks.of(endpoint);
        let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let parent_doc = self.endpoint_doc(endpoint)?;
        let parent: Endpoint = parent_doc.decode()?;
        let endpoint = parent_doc.key.name.as_str();
        let existing = self.app.store.get(&Key::deployment(endpoint, name))?;
        call.check_version(&format!("Deployment \"{name}\""), existing.as_ref().map(|doc| doc.etag))?;
        let name = existing.as_ref().map_or(name, |doc| doc.key.name.as_str());
        wanted.id = self.deployment_id(endpoint, name);
        name.clone_into(&mut wanted.name);
        let kubernetes = parent.properties.compute.is_some();
        if wanted.properties.endpoint_compute_type.is_empty() && kubernetes {
            wanted.properties.endpoint_compute_type = "Kubernetes".into();
        }
        fill_deployment_defaults(&mut wanted);
        check_deployment(&wanted, kubernetes).map_err(Fault::rule)?;
        self.check_references(&wanted)?;
        self.refuse_while_busy(endpoint, None)?;
        // Its deletion may have ended since it was read above; none can begin under the lock.
        self.endpoint_doc(endpoint)?;
        self.refuse_while_busy(endpoint, Some(name))?;
        let status = match &existing {
            None => {
                let siblings = self.app.store.list(Kind::Deployment, Some(endpoint))?.len();
                check_deployment_count(endpoint, siblings).map_err(Fault::rule)?;
                StatusCode::CREATED
            }
            Some(_) => StatusCode::OK,
        };
        match &existing {
            Some(doc) if doc.decode::<Deployment>().is_ok_and(|current| runs_already(&current, &wanted)) => {
                self.relabel(call, doc, wanted)
            }
            _ => self.begin(call, endpoint, existing.as_ref(), wanted, status),
        }
    }

    /// Nothing that runs is changed: what is written about it is stored, and an operation that has ended is answered,
    /// as for any other PUT.
    fn relabel(&self, call: &Call, doc: &Doc, wanted: Deployment) -> Result<Answer, Fault> {
        let (endpoint, name) = (doc.key.parent.as_str(), doc.key.name.as_str());
        let current: Deployment = doc.decode()?;
        let operation = self.finished_operation("update", endpoint, Some(name), &call.who, "nothing to exchange");
        let mut stored = bare(wanted);
        stored.properties.provisioning_state = current.properties.provisioning_state;
        for (kept, value) in current.properties.properties.iter().filter(|(kept, _)| is_noted(kept)) {
            stored.properties.properties.insert(kept.clone(), value.clone());
        }
        let mut change = Change::new().operation(operation.clone());
        let (from, to) = (labels(&current), labels(&stored));
        if from != to {
            let mut log = entry(&call.who, "deployment.update", endpoint, Some(name));
            (log.from, log.to) = (from, to);
            change = change.put(doc.key.clone(), &stored, Expect::Etag(doc.etag)).journal_of(&operation.name, log);
        }
        self.app.store.commit(change).map_err(overtaken)?;
        let doc = self.deployment_doc(endpoint, name)?;
        let answer = Answer::ok(&self.deployment_resource(&doc)?)?.with("etag", etag(doc.etag));
        let location = format!("{}{}?api-version=2023-04-01-preview", self.base(), self.deployment_id(endpoint, name));
        Ok(self.following(answer, &operation, Some(location)))
    }

    /// PATCH changes tags and the number of instances only (reference §13).
    pub(super) fn patch_deployment(
        &self,
        call: &Call,
        endpoint: &str,
        name: &str,
        body: &[u8],
    ) -> Result<Answer, Fault> {
        let value = read::value(body, false)?;
        let wanted: Deployment = read::typed(&value)?;
        let capacity = value.pointer("/sku/capacity").is_some_and(|v| !v.is_null());
        until_uncontended(|| {
            let lock = self.locks.of(endpoint);
            let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
            let doc = self.deployment_doc(endpoint, name)?;
            call.check_version(&format!("Deployment \"{name}\""), Some(doc.etag))?;
            self.refuse_while_busy(endpoint, None)?;
            self.refuse_while_busy(endpoint, Some(name))?;
            let current: Deployment = doc.decode()?;
            let mut new = current.clone();
            if value.get("tags").is_some() {
                new.tags.clone_from(&wanted.tags);
            }
            if capacity && let (Some(sku), Some(given)) = (&mut new.sku, &wanted.sku) {
                sku.capacity = given.capacity;
            }
            new.id = self.deployment_id(&doc.key.parent, &doc.key.name);
            check_deployment(&new, new.properties.endpoint_compute_type == "Kubernetes").map_err(Fault::rule)?;
            if capacity && new.instances() != current.instances() {
                return self.begin(call, &doc.key.parent, Some(&doc), new, StatusCode::ACCEPTED);
            }
            if new.tags != current.tags {
                let mut log = entry(&call.who, "deployment.update", &doc.key.parent, Some(&doc.key.name));
                log.from = json!({"tags": current.tags});
                log.to = json!({"tags": new.tags});
                let change = Change::new().put(doc.key.clone(), &bare(new), Expect::Etag(doc.etag)).journal(log);
                self.app.store.commit(change).map_err(overtaken)?;
            }
            let doc = self.deployment_doc(endpoint, name)?;
            Ok(Answer::ok(&self.deployment_resource(&doc)?)?.with("etag", etag(doc.etag)))
        })
    }

    /// Writes down what is wanted together with the operation that will bring it about.
    fn begin(
        &self,
        call: &Call,
        endpoint: &str,
        existing: Option<&Doc>,
        wanted: Deployment,
        status: StatusCode,
    ) -> Result<Answer, Fault> {
        let name = wanted.name.clone();
        let current: Option<Deployment> = existing.map(Doc::decode).transpose()?;
        let (verb, state) = match &current {
            None => ("create", ProvisioningState::Creating),
            Some(current) if only_scaled(current, &wanted) => ("scale", ProvisioningState::Scaling),
            Some(_) => ("update", ProvisioningState::Updating),
        };
        let operation = self.new_operation(&format!("{state:?}"), verb, endpoint, Some(&name), &call.who);
        let mut stored = bare(wanted);
        stored.properties.provisioning_state = state;
        stored.properties.properties.insert("AzureAsyncOperationUri".into(), self.operation_url(&operation));
        let mut log = entry(&call.who, &format!("deployment.{verb}"), endpoint, Some(&name));
        log.outcome = "running".into();
        log.from = current.as_ref().map_or(Value::Null, summary);
        log.to = summary(&stored);
        let expect = existing.map_or(Expect::Absent, |doc| Expect::Etag(doc.etag));
        let key = existing.map_or_else(|| Key::deployment(endpoint, &name), |doc| doc.key.clone());
        let change =
            Change::new().put(key, &stored, expect).operation(operation.clone()).journal_of(&operation.name, log);
        self.app.store.commit(change).map_err(overtaken)?;
        let doc = self.deployment_doc(endpoint, &name)?;
        let answer = Answer::json(status, &self.deployment_resource(&doc)?)?.with("etag", etag(doc.etag));
        self.app.reconciler.nudge(endpoint, Some(&name));
        let location = format!("{}{}?api-version=2023-04-01-preview", self.base(), self.deployment_id(endpoint, &name));
        Ok(self.following(answer, &operation, Some(location)))
    }

    /// The assets a deployment names must be registered here. References into registries are kept as they are
    /// (reference §5.3).
    fn check_references(&self, deployment: &Deployment) -> Result<(), Fault> {
        let properties = &deployment.properties;
        let code = properties.code_configuration.as_ref().and_then(|c| c.code_id.as_deref());
        for (target, kind, reference) in [
            ("properties.model", AssetKind::Model, properties.model.as_deref()),
            ("properties.environmentId", AssetKind::Environment, properties.environment_id.as_deref()),
            ("properties.codeConfiguration.codeId", AssetKind::Code, code),
        ] {
            let Some(reference) = reference.filter(|r| !r.is_empty()) else { continue };
            let parsed = AssetRef::parse(reference)
                .map_err(|e| Fault::property(target, format!("\"{target}\" names no asset: {e}.")))?;
            self.check_reference(target, kind, &parsed)?;
        }
        Ok(())
    }

    fn check_reference(&self, target: &str, kind: AssetKind, reference: &AssetRef) -> Result<(), Fault> {
        let (name, version) = match reference {
            AssetRef::Registry { kind: given, .. } if *given == kind => return Ok(()),
            AssetRef::Id(id) if !self.is_here(id) => {
                return Err(Fault::property(
                    target,
                    format!(
                        "\"{target}\" is \"{reference}\", which belongs to another workspace. Register it here, then name it."
                    ),
                ));
            }
            AssetRef::Id(id) => match id.asset() {
                Some((given, name, version)) if given == kind => (name, version),
                _ => return Err(wrong_kind(target, kind, reference)),
            },
            AssetRef::Named { .. } => {
                return Err(Fault::property(
                    target,
                    format!(
                        "\"{target}\" is \"{reference}\", which only clients can resolve. Send the full resource id of the {}.",
                        kind.collection()
                    ),
                ));
            }
            AssetRef::Registry { .. } => return Err(wrong_kind(target, kind, reference)),
        };
        if self.app.store.get(&Key::new(super::assets::version_kind(kind), name, version))?.is_some() {
            return Ok(());
        }
        // Azure's curated environments are there without being registered, as far as their packages are known.
        if kind == AssetKind::Environment
            && let Some(curated) = Spec::curated(name)
        {
            return curated.map(|_| ()).map_err(|error| Fault::property(target, error.to_string()));
        }
        let (noun, next) = match kind {
            AssetKind::Model => ("Model", "Register it (mlconsole model register), or name one that is."),
            AssetKind::Environment => (
                "Environment",
                "Register it (mlconsole environment register), or leave it out for a model that needs none.",
            ),
            AssetKind::Code | AssetKind::Data => ("Code asset", "Upload the code folder again."),
        };
        Err(Fault::property(
            target,
            format!("{noun} \"{name}\" version {version} is not registered in this workspace. {next}"),
        ))
    }
}

fn wrong_kind(target: &str, kind: AssetKind, reference: &AssetRef) -> Fault {
    Fault::property(
        target,
        format!(
            "\"{target}\" is \"{reference}\", which is not one of the workspace's {}. Name one of those.",
            kind.collection()
        ),
    )
}

/// What is stored of a deployment: not what is added when it is answered.
fn bare(mut deployment: Deployment) -> Deployment {
    deployment.location = Some("local".into());
    deployment.kind = None;
    deployment.system_data = None;
    deployment.etag = None;
    for name in ["createdBy", "createdAt", "lastModifiedAt"] {
        deployment.properties.properties.remove(name);
    }
    deployment
}

/// Whether two deployments differ in their number of instances and in nothing else that runs.
fn only_scaled(current: &Deployment, wanted: &Deployment) -> bool {
    current.instances() != wanted.instances() && what_runs(current) == what_runs(wanted)
}

/// Whether `wanted` is what runs already: to start the same instances again there is `restart`.
fn runs_already(current: &Deployment, wanted: &Deployment) -> bool {
    current.properties.provisioning_state == ProvisioningState::Succeeded
        && current.instances() == wanted.instances()
        && what_runs(current) == what_runs(wanted)
}

/// What is written about a deployment without being run.
fn labels(deployment: &Deployment) -> Value {
    let properties: std::collections::BTreeMap<_, _> =
        deployment.properties.properties.iter().filter(|(name, _)| !is_noted(name)).collect();
    json!({
        "tags": deployment.tags, "description": deployment.properties.description, "properties": properties,
        "identity": deployment.identity.as_ref().map(|identity| &identity.identity_type),
    })
}

/// A deployment without its number of instances and its bookkeeping.
fn what_runs(deployment: &Deployment) -> Deployment {
    let mut same = bare(deployment.clone());
    same.id = String::new();
    same.resource_type = String::new();
    same.sku = None;
    same.identity = None;
    same.tags.clear();
    same.properties.description = None;
    same.properties.provisioning_state = ProvisioningState::Succeeded;
    same.properties.properties.retain(|name, _| is_setting(name));
    same
}

/// What a person changes about a deployment. Environment variables are left out: they may hold secrets.
pub fn summary(deployment: &Deployment) -> Value {
    let properties = &deployment.properties;
    json!({
        "instances": deployment.instances(), "model": properties.model, "environment": properties.environment_id,
        "scoringScript": properties.code_configuration.as_ref().map(|code| &code.scoring_script),
        "instanceType": properties.instance_type, "requestSettings": properties.request_settings,
    })
}
