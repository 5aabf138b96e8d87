//! Autoscale settings of deployments: stored and validated (reference §10).

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::context::{entry, etag, overtaken, system_data, until_uncontended};
use super::fault::Fault;
use super::paging::page;
use super::read;
use crate::resources::autoscale::check_autoscale;
use crate::resources::ids::ResourceId;
use crate::resources::rules::check_asset_name;
use crate::server::store::{Change, Doc, Expect, Key, Kind};

impl ControlPlane {
    pub(super) fn autoscale_settings(&self, call: &Call) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("the list of autoscale settings", &["GET"]));
        }
        let docs = self.app.store.list(Kind::Autoscale, None)?;
        let all: Vec<Value> = docs.iter().map(|doc| self.autoscale_resource(doc)).collect();
        Answer::ok(&page(self.base(), call, all)?)
    }

    pub(super) fn autoscale_setting(&self, call: &Call, name: &str, body: &[u8]) -> Result<Answer, Fault> {
        match call.method {
            Method::GET => {
                let doc = self.autoscale_doc(name)?;
                Ok(Answer::ok(&self.autoscale_resource(&doc))?.with("etag", etag(doc.etag)))
            }
            Method::PUT => {
                check_asset_name(name).map_err(Fault::rule)?;
                let value = read::value(body, false)?;
                until_uncontended(|| self.store_autoscale(call, name, value.clone()))
            }
            Method::PATCH => {
                let patch = read::value(body, false)?;
                until_uncontended(|| {
                    let mut value = self.autoscale_doc(name)?.body;
                    merge(&mut value, &patch);
                    self.store_autoscale(call, name, value)
                })
            }
            Method::DELETE => until_uncontended(|| self.delete_autoscale(call, name)),
            _ => Err(call.no_such_method("autoscale settings", &["GET", "PUT", "PATCH", "DELETE"])),
        }
    }

    fn store_autoscale(&self, call: &Call, name: &str, mut value: Value) -> Result<Answer, Fault> {
        check_autoscale(&value).map_err(Fault::rule)?;
        if let Some(members) = value.as_object_mut() {
            // These are added when it is answered.
            for member in ["id", "name", "type", "etag", "systemData"] {
                members.remove(member);
            }
        }
        let (endpoint, deployment) = target(&value);
        let uri = value.pointer("/properties/targetResourceUri").and_then(Value::as_str).unwrap_or_default();
        if !ResourceId::parse(uri).is_ok_and(|id| self.is_here(&id)) {
            return Err(Fault::property(
                "properties.targetResourceUri",
                format!("\"{uri}\" is no deployment of this workspace. Name one by its full resource id."),
            ));
        }
        self.deployment_doc(&endpoint, &deployment).map_err(|fault| {
            let mut fault = Fault::property("properties.targetResourceUri", fault.error.message);
            fault.error.code = "ResourceNotFound".into();
            fault
        })?;
        let key = Key::new(Kind::Autoscale, "", name);
        let existing = self.app.store.get(&key)?;
        call.check_version(&format!("Autoscale settings \"{name}\""), existing.as_ref().map(|doc| doc.etag))?;
        let (status, expect, key) = match &existing {
            Some(doc) => (StatusCode::OK, Expect::Etag(doc.etag), doc.key.clone()),
            None => (StatusCode::CREATED, Expect::Absent, key),
        };
        let mut log = entry(&call.who, "autoscale.set", &endpoint, Some(&deployment));
        log.from = existing.as_ref().map(|doc| summary(&doc.body)).unwrap_or_default();
        log.to = summary(&value);
        self.app.store.commit(Change::new().put(key, &value, expect).journal(log)).map_err(overtaken)?;
        let doc = self.autoscale_doc(name)?;
        Ok(Answer::json(status, &self.autoscale_resource(&doc))?.with("etag", etag(doc.etag)))
    }

    fn delete_autoscale(&self, call: &Call, name: &str) -> Result<Answer, Fault> {
        let Some(doc) = self.app.store.get(&Key::new(Kind::Autoscale, "", name))? else {
            return Ok(Answer::empty(StatusCode::NO_CONTENT));
        };
        call.check_version(&format!("Autoscale settings \"{name}\""), Some(doc.etag))?;
        let (endpoint, deployment) = target(&doc.body);
        let mut log = entry(&call.who, "autoscale.delete", &endpoint, Some(&deployment));
        log.from = summary(&doc.body);
        let change = Change::new().delete(doc.key.clone(), Expect::Etag(doc.etag)).journal(log);
        self.app.store.commit(change).map_err(overtaken)?;
        Ok(Answer::empty(StatusCode::OK))
    }

    fn autoscale_doc(&self, name: &str) -> Result<Doc, Fault> {
        self.app.store.get(&Key::new(Kind::Autoscale, "", name))?.ok_or_else(|| {
            Fault::missing(
                "ResourceNotFound",
                format!("There are no autoscale settings \"{name}\". List them, or create them first."),
            )
        })
    }

    fn autoscale_resource(&self, doc: &Doc) -> Value {
        let mut body = doc.body.clone();
        let name = &doc.key.name;
        if let Some(members) = body.as_object_mut() {
            let id = format!("{}/providers/Microsoft.Insights/autoscalesettings/{name}", self.group_id());
            members.insert("id".into(), id.into());
            members.insert("name".into(), name.clone().into());
            members.insert("type".into(), "Microsoft.Insights/autoscaleSettings".into());
            members.insert("etag".into(), etag(doc.etag).into());
            members.insert("systemData".into(), serde_json::to_value(system_data(doc)).unwrap_or_default());
        }
        if let Some(properties) = body.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("name".into(), name.clone().into());
        }
        body
    }
}

/// Endpoint and deployment the settings scale.
fn target(value: &Value) -> (String, String) {
    let uri = value.pointer("/properties/targetResourceUri").and_then(Value::as_str).unwrap_or_default();
    let id = ResourceId::parse(uri).ok();
    let part = |kind| id.as_ref().and_then(|id| id.get(kind)).unwrap_or_default().to_owned();
    (part("onlineEndpoints"), part("deployments"))
}

/// What a person changes about autoscale settings.
fn summary(value: &Value) -> Value {
    let profiles = value.pointer("/properties/profiles").and_then(Value::as_array).cloned().unwrap_or_default();
    let brief = |profile: &Value| {
        json!({
            "name": profile.get("name"), "capacity": profile.get("capacity"),
            "rules": profile.get("rules").and_then(Value::as_array).map_or(0, Vec::len),
        })
    };
    json!({
        "enabled": value.pointer("/properties/enabled"), "profiles": profiles.iter().map(brief).collect::<Vec<_>>(),
    })
}

/// Lays a patch over a value (RFC 7396): objects member by member, `null` removes, anything else replaces.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *value = patch.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    if let Value::Object(members) = value {
        for (name, change) in changes {
            if change.is_null() {
                members.remove(name);
            } else {
                merge(members.entry(name.clone()).or_insert(Value::Null), change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let mut value = json!({"properties": {"enabled": true, "profiles": [1]}, "tags": {"a": "b"}});
        merge(&mut value, &json!({"properties": {"enabled": false}, "tags": null}));
        assert_eq!(value, json!({"properties": {"enabled": false, "profiles": [1]}}));
    }
}
