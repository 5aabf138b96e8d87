//! Endpoint files.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::resources::arm::{Identity, StringMap};
use crate::resources::document::{Fields, FileError, Value as Written};
use crate::resources::endpoint::{AuthMode, Endpoint, EndpointProperties};
use crate::resources::traffic::{TrafficMap, Weight};

/// An online endpoint as its YAML file describes it (reference §11).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EndpointFile {
    pub name: String,
    pub description: Option<String>,
    pub tags: StringMap,
    pub properties: StringMap,
    pub auth_mode: AuthMode,
    /// A Kubernetes compute: a name or a full id. `None` for managed endpoints.
    pub compute: Option<String>,
    pub identity: Option<Identity>,
    pub traffic: TrafficMap,
    pub mirror_traffic: TrafficMap,
    /// `Enabled` or `Disabled`.
    pub public_network_access: Option<String>,
}

pub(super) const SWITCH: &[(&str, &str)] = &[("enabled", "Enabled"), ("disabled", "Disabled")];

const AUTH: &[(&str, AuthMode)] =
    &[("key", AuthMode::Key), ("aml_token", AuthMode::AMLToken), ("aad_token", AuthMode::AADToken)];

const IDENTITY: &[(&str, &str)] = &[
    ("system_assigned", "SystemAssigned"),
    ("user_assigned", "UserAssigned"),
    ("system_assigned,user_assigned", "SystemAssigned,UserAssigned"),
    ("none", "None"),
];

impl EndpointFile {
    pub(super) fn read(mut fields: Fields<'_>) -> Result<Self, FileError> {
        fields.node("$schema");
        let name = fields.required("name")?;
        let kind = fields.choice("type", &[("managed", false), ("kubernetes", true), ("online", false)])?;
        let file = Self {
            name,
            description: fields.text("description")?,
            tags: fields.texts("tags")?,
            properties: fields.texts("properties")?,
            auth_mode: fields.choice("auth_mode", AUTH)?.unwrap_or_default(),
            compute: fields.text("compute")?.map(|text| text.trim_start_matches("azureml:").to_owned()),
            identity: identity(&mut fields)?,
            traffic: weights(&mut fields, "traffic")?,
            mirror_traffic: weights(&mut fields, "mirror_traffic")?,
            public_network_access: fields.choice("public_network_access", SWITCH)?.map(str::to_owned),
        };
        if kind == Some(true) && file.compute.is_none() {
            return Err(fields.missing("compute"));
        }
        fields.finish()?;
        Ok(file)
    }

    /// The endpoint to send to a workspace (`workspace_id` without a slash at the end) in its `location`.
    pub fn to_endpoint(&self, workspace_id: &str, location: &str) -> Endpoint {
        let compute = self.compute.as_ref().map(|compute| match compute.starts_with('/') {
            true => compute.clone(),
            false => format!("{workspace_id}/computes/{compute}"),
        });
        Endpoint {
            name: self.name.clone(),
            location: Some(location.to_owned()),
            tags: self.tags.clone(),
            identity: self
                .identity
                .clone()
                .or_else(|| Some(Identity { identity_type: "SystemAssigned".into(), ..Identity::default() })),
            properties: EndpointProperties {
                auth_mode: self.auth_mode,
                description: self.description.clone(),
                properties: self.properties.clone(),
                traffic: self.traffic.clone(),
                mirror_traffic: self.mirror_traffic.clone(),
                compute,
                public_network_access: self.public_network_access.clone(),
                ..EndpointProperties::default()
            },
            ..Endpoint::default()
        }
    }
}

fn weights(fields: &mut Fields<'_>, key: &'static str) -> Result<TrafficMap, FileError> {
    fields.each(key, "give a percentage from 0 to 100, in steps of 0.01", |node| {
        let percent: f64 = node.as_text()?.trim_end_matches('%').trim().parse().ok()?;
        serde_json::from_value::<Weight>(json!(percent)).ok()
    })
}

fn identity(fields: &mut Fields<'_>) -> Result<Option<Identity>, FileError> {
    let Some(mut map) = fields.map("identity")? else { return Ok(None) };
    let kind = map.choice("type", IDENTITY)?.unwrap_or("SystemAssigned");
    let mut assigned: BTreeMap<String, Value> = BTreeMap::new();
    for (i, node) in map.list("user_assigned_identities").into_iter().enumerate() {
        let id = match &node.value {
            Written::Text(id) => id.clone(),
            _ => {
                let mut item = map.item("user_assigned_identities", i, node)?;
                let id = item.required("resource_id")?;
                // What `az … show` prints beside it.
                item.node("principal_id");
                item.node("client_id");
                item.finish()?;
                id
            }
        };
        assigned.insert(id, json!({}));
    }
    map.node("principal_id");
    map.node("tenant_id");
    map.finish()?;
    Ok(Some(Identity {
        identity_type: kind.to_owned(),
        user_assigned_identities: (!assigned.is_empty()).then_some(assigned),
        ..Identity::default()
    }))
}
