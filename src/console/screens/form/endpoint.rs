//! The form of an endpoint.

use super::field::{Field, Kind};
use crate::resources::{AuthMode, Endpoint};

/// Headings; a section that is folded at first says so.
pub const SECTIONS: &[(&str, bool)] = &[("Endpoint", false), ("Tags", false)];

const MODES: &[&str] = &["key", "aml_token", "aad_token"];
const ACCESS: &[&str] = &["enabled", "disabled"];

/// Fields for a new endpoint, or for one that exists.
pub fn fields(base: Option<&Endpoint>) -> Vec<Field> {
    let properties = base.map(|base| base.properties.clone()).unwrap_or_default();
    let mode = match properties.auth_mode {
        AuthMode::Key => MODES[0],
        AuthMode::AMLToken => MODES[1],
        AuthMode::AADToken => MODES[2],
    };
    let access = properties.public_network_access.unwrap_or_else(|| "enabled".into()).to_lowercase();
    let name = base.map(|base| base.name.clone()).unwrap_or_default();
    let mut fields = vec![
        Field::new(0, "name", "name", Kind::Text, "3 to 32 letters, digits and dashes; callers see it in the address")
            .with(name)
            .at("name")
            .fixed(base.is_some()),
        Field::new(
            0,
            "auth",
            "opened by",
            Kind::Word(MODES),
            "key: two static keys; aml_token: tokens of a day; aad_token: the caller's identity",
        )
        .with(mode)
        .at("properties.authMode")
        .fixed(base.is_some()),
        Field::new(0, "description", "description", Kind::Text, "for people; optional")
            .with(properties.description.unwrap_or_default()),
        Field::new(
            0,
            "access",
            "public network",
            Kind::Word(ACCESS),
            "kept for Azure; a local workspace listens on loopback either way",
        )
        .with(access)
        .at("properties.publicNetworkAccess"),
        Field::new(
            0,
            "compute",
            "compute",
            Kind::Text,
            "a Kubernetes compute, by name or id; none for a managed endpoint, which is what most people want",
        )
        .with(properties.compute.unwrap_or_default())
        .at("properties.compute")
        .fixed(base.is_some()),
    ];
    for (name, value) in base.iter().flat_map(|base| &base.tags) {
        fields.push(tag(1).with(format!("{name}={value}")));
    }
    fields.push(tag(1));
    fields
}

/// An empty tag.
pub fn tag(section: usize) -> Field {
    Field::new(section, "tag", "tag", Kind::Pair, "NAME=value; optional").at("tags")
}

/// A compute by its name is one of the workspace's own.
fn compute(text: &str, workspace_id: &str) -> String {
    match text.strip_prefix("azureml:").unwrap_or(text) {
        id if id.starts_with('/') => id.to_owned(),
        name => format!("{workspace_id}/computes/{name}"),
    }
}

/// The endpoint the fields describe. Problems are noted at the fields. `workspace_id` is the full id of the workspace.
pub fn build(base: Option<&Endpoint>, fields: &mut [Field], workspace_id: &str) -> Endpoint {
    let mut endpoint = base.cloned().unwrap_or_default();
    endpoint.tags.clear();
    for field in fields {
        match field.id {
            "name" => field.value().clone_into(&mut endpoint.name),
            "auth" => {
                endpoint.properties.auth_mode = match field.value() {
                    "aml_token" => AuthMode::AMLToken,
                    "aad_token" => AuthMode::AADToken,
                    _ => AuthMode::Key,
                }
            }
            "description" => endpoint.properties.description = field.text(),
            "compute" => endpoint.properties.compute = field.text().map(|text| compute(&text, workspace_id)),
            "access" => {
                let word = if field.value() == "disabled" { "Disabled" } else { "Enabled" };
                endpoint.properties.public_network_access = Some(word.into());
            }
            "tag" => match field.pair() {
                Ok(Some((name, value))) => {
                    endpoint.tags.insert(name, value);
                }
                Ok(None) => {}
                Err(why) => field.problem = Some(why),
            },
            _ => {}
        }
    }
    endpoint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compute_is_named_or_given_in_full() {
        assert_eq!(compute("azureml:k8s", "/ws"), "/ws/computes/k8s");
        assert_eq!(compute("/x/computes/k8s", "/ws"), "/x/computes/k8s");
        let mut fields = fields(None);
        assert_eq!(build(None, &mut fields, "/ws").properties.compute, None, "managed unless something is said");
    }
}
