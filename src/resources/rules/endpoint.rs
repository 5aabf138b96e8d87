//! Endpoints and how they split traffic.

use super::Problems;
use super::names::check_endpoint_name;
use super::tags::check_tags;
use crate::resources::arm::{ArmError, Identity};
use crate::resources::endpoint::Endpoint;
use crate::resources::ids::{ResourceId, shorten};
use crate::resources::nearest::{nearest, one_of};
use crate::resources::traffic::{TrafficMap, Weight, sum};

/// Deployments of one endpoint (reference §8).
pub const MAX_DEPLOYMENTS: usize = 20;
/// Most of the traffic that may be mirrored (reference §8).
pub const MAX_MIRROR: Weight = Weight::percent(50);

/// Everything that can be said about an endpoint by itself. `existing_deployments` are the names of its deployments;
/// none while it is being created.
pub fn check_endpoint(endpoint: &Endpoint, existing_deployments: &[String]) -> Result<(), ArmError> {
    let mut problems = Problems::default();
    let properties = &endpoint.properties;
    let kubernetes = properties.compute.is_some();
    problems.take(check_endpoint_name(&endpoint.name));
    problems.take(check_tags("tags", &endpoint.tags));
    problems.take(check_traffic(&properties.traffic, existing_deployments));
    problems.take(check_mirror(&properties.mirror_traffic, &properties.traffic, existing_deployments, kubernetes));
    if let Some(access) = &properties.public_network_access {
        check_switch(&mut problems, "properties.publicNetworkAccess", "public_network_access", access);
    }
    if let Some(identity) = &endpoint.identity {
        check_identity(&mut problems, identity);
    }
    if properties.compute.as_deref().is_some_and(|compute| compute.trim().is_empty()) {
        problems.add(
            "properties.compute",
            "The compute of the endpoint is empty: name a Kubernetes compute, or leave compute out for a managed \
             endpoint.",
        );
    }
    if let Some(keys) = &properties.keys
        && [&keys.primary_key, &keys.secondary_key].iter().any(|key| key.chars().any(|c| !c.is_ascii_graphic()))
    {
        problems.add(
            "properties.keys",
            "The endpoint's keys hold characters that cannot travel in a header: use printable ASCII without spaces, \
             or leave keys out and have them made.",
        );
    }
    problems.verdict()
}

/// `Enabled` or `Disabled`, in any case.
pub(super) fn check_switch(problems: &mut Problems, target: &str, name: &str, value: &str) {
    if !["enabled", "disabled"].iter().any(|word| value.eq_ignore_ascii_case(word)) {
        problems.add(target, format!("{name} is \"{}\": set it to enabled or disabled.", shorten(value)));
    }
}

const IDENTITIES: [&str; 4] = ["SystemAssigned", "UserAssigned", "SystemAssigned,UserAssigned", "None"];

fn check_identity(problems: &mut Problems, identity: &Identity) {
    let kind: String = identity.identity_type.split_whitespace().collect();
    if !IDENTITIES.iter().any(|known| known.eq_ignore_ascii_case(&kind)) {
        problems.add(
            "identity.type",
            format!("The identity type \"{}\" does not exist: use {}.", shorten(&kind), one_of(IDENTITIES)),
        );
    }
    let assigned = identity.user_assigned_identities.as_ref();
    if kind.to_ascii_lowercase().contains("userassigned") && assigned.is_none_or(|map| map.is_empty()) {
        problems.add(
            "identity.userAssignedIdentities",
            "The identity is user-assigned but names no identity: give the resource id of one, or use SystemAssigned.",
        );
    }
    for id in assigned.into_iter().flatten().map(|(id, _)| id) {
        if let Err(error) = ResourceId::parse(id) {
            problems.add("identity.userAssignedIdentities", format!("User-assigned identity: {error}."));
        }
    }
}

/// Weights name existing deployments and sum to 100 %, or to 0 when traffic is off (reference §8). A weight of 0 may
/// name anything: absent and 0 mean the same.
pub fn check_traffic(traffic: &TrafficMap, deployments: &[String]) -> Result<(), ArmError> {
    let mut problems = Problems::default();
    known_deployments(&mut problems, "properties.traffic", "traffic", traffic, deployments);
    let total = sum(traffic);
    if total != 0 && total != u32::from(Weight::FULL.hundredths()) {
        let parts: Vec<String> = positive(traffic).map(|(name, weight)| format!("{name} {weight}")).collect();
        let total = f64::from(total) / 100.0;
        problems.add(
            "properties.traffic",
            format!(
                "The traffic weights sum to {total}, not 100: {}. Change them to sum to 100, or set all to 0 to take \
                 the endpoint out of service.",
                parts.join(" + ")
            ),
        );
    }
    problems.verdict()
}

/// At most one mirror deployment, at most 50 %, not one with live traffic, none on Kubernetes (reference §8).
pub fn check_mirror(
    mirror: &TrafficMap,
    live: &TrafficMap,
    deployments: &[String],
    kubernetes: bool,
) -> Result<(), ArmError> {
    const TARGET: &str = "properties.mirrorTraffic";
    let mut problems = Problems::default();
    known_deployments(&mut problems, TARGET, "mirror traffic", mirror, deployments);
    let targets: Vec<(&String, Weight)> = positive(mirror).collect();
    if kubernetes && !targets.is_empty() {
        problems.add(
            TARGET,
            "Mirror traffic is set on a Kubernetes endpoint, which cannot mirror: remove mirror_traffic, or use a \
             managed endpoint.",
        );
    }
    if targets.len() > 1 {
        let names = one_of(targets.iter().map(|(name, _)| name.as_str()));
        problems.add(TARGET, format!("Traffic can be mirrored to one deployment only: keep {names}."));
    }
    for (name, weight) in targets {
        if weight > MAX_MIRROR {
            problems
                .add(TARGET, format!("Mirroring {weight} % to {name} is too much: at most {MAX_MIRROR} % is allowed."));
        }
        if let Some((_, share)) = positive(live).find(|(other, _)| other.eq_ignore_ascii_case(name)) {
            problems.add(
                TARGET,
                format!(
                    "Deployment {name} takes {share} % of the live traffic and cannot be the mirror too: set its \
                     traffic to 0 first, or mirror to another deployment."
                ),
            );
        }
    }
    problems.verdict()
}

fn positive(map: &TrafficMap) -> impl Iterator<Item = (&String, Weight)> {
    map.iter().filter(|(_, weight)| !weight.is_zero()).map(|(name, weight)| (name, *weight))
}

fn known_deployments(problems: &mut Problems, target: &str, what: &str, map: &TrafficMap, deployments: &[String]) {
    let mut seen: Vec<&str> = Vec::new();
    for (name, weight) in positive(map) {
        let shown = shorten(name);
        let twice = seen.iter().any(|other| other.eq_ignore_ascii_case(name));
        seen.push(name);
        if twice {
            problems.add(target, format!("{shown} stands twice in the {what} (names compare in any case): keep one."));
        } else if deployments.is_empty() {
            problems.add(
                target,
                format!(
                    "The {what} gives {weight} % to {shown}, but the endpoint has no deployments yet: create the \
                     endpoint without traffic, deploy {shown}, then set its traffic."
                ),
            );
        } else if !deployments.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            let known = || deployments.iter().map(String::as_str);
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("use {}, or create it first.", one_of(known())),
            };
            problems.add(
                target,
                format!("The {what} gives {weight} % to {shown}, which is no deployment of this endpoint: {hint}"),
            );
        }
    }
}

/// The map as it is stored: names spelled as the deployments are, zeros left out.
pub fn canonical_traffic(map: &TrafficMap, deployments: &[String]) -> TrafficMap {
    let spelled = |(name, weight): (&String, Weight)| {
        let known = deployments.iter().find(|known| known.eq_ignore_ascii_case(name));
        (known.unwrap_or(name).clone(), weight)
    };
    positive(map).map(spelled).collect()
}

/// Whether an endpoint that has `existing` deployments can take one more.
pub fn check_deployment_count(endpoint: &str, existing: usize) -> Result<(), ArmError> {
    if existing < MAX_DEPLOYMENTS {
        return Ok(());
    }
    Err(ArmError::new(
        "OutOfQuota",
        format!(
            "Endpoint {endpoint} has {existing} deployments, and {MAX_DEPLOYMENTS} is the most: delete one that takes \
             no traffic first."
        ),
    ))
}

/// A deployment with live traffic is not deleted (reference §8).
pub fn check_removable(deployment: &str, traffic: &TrafficMap) -> Result<(), ArmError> {
    let mut problems = Problems::default();
    if let Some((name, weight)) = positive(traffic).find(|(name, _)| name.eq_ignore_ascii_case(deployment)) {
        problems.add(
            "properties.traffic",
            format!("Deployment {name} takes {weight} % of the traffic: set its traffic to 0, then delete it."),
        );
    }
    problems.verdict()
}
