//! What Azure fills in for what a request leaves out (reference §5.2, §5.3).

use serde_json::json;

use crate::resources::arm::Sku;
use crate::resources::deployment::{Deployment, Probe, RequestSettings, ScaleSettings};
use crate::resources::endpoint::Endpoint;
use crate::resources::instance_type;

/// Fills in what the request left out, and spells enumerations and the instance type canonically. Leaves what is
/// wrong as it is: that is for [`super::check_deployment`] to say.
pub fn fill_deployment_defaults(deployment: &mut Deployment) {
    let properties = &mut deployment.properties;
    if properties.endpoint_compute_type.is_empty() {
        properties.endpoint_compute_type = "Managed".into();
    }
    canonical(&mut properties.endpoint_compute_type, &["Managed", "Kubernetes"]);
    let kubernetes = properties.endpoint_compute_type == "Kubernetes";
    let sku = deployment.sku.get_or_insert_with(|| Sku { capacity: 1, ..Sku::default() });
    if sku.name.is_empty() {
        sku.name = "Default".into();
    }
    sku.tier.get_or_insert_with(|| "Standard".into());
    let scale = properties.scale_settings.get_or_insert_with(ScaleSettings::default);
    canonical(&mut scale.scale_type, &["Default", "TargetUtilization"]);
    properties.request_settings.get_or_insert_with(RequestSettings::default);
    properties.liveness_probe.get_or_insert_with(Probe::default);
    properties.readiness_probe.get_or_insert_with(Probe::default);
    let egress = properties.egress_public_network_access.get_or_insert_with(|| "Enabled".into());
    canonical(egress, &["Enabled", "Disabled"]);
    if kubernetes {
        properties.container_resource_requirements.get_or_insert_with(|| json!({}));
    } else {
        let size = properties.instance_type.get_or_insert_with(|| instance_type::DEFAULT.into());
        if let Some(known) = instance_type::lookup(size) {
            *size = known.name.into();
        }
    }
}

/// Fills in what the request left out and spells enumerations canonically.
pub fn fill_endpoint_defaults(endpoint: &mut Endpoint) {
    let access = endpoint.properties.public_network_access.get_or_insert_with(|| "Enabled".into());
    canonical(access, &["Enabled", "Disabled"]);
    if let Some(identity) = &mut endpoint.identity {
        identity.identity_type.retain(|c| !c.is_whitespace());
        canonical(
            &mut identity.identity_type,
            &["SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned", "None"],
        );
    }
}

fn canonical(word: &mut String, known: &[&str]) {
    if let Some(spelling) = known.iter().find(|spelling| spelling.eq_ignore_ascii_case(word)) {
        *word = (*spelling).into();
    }
}
