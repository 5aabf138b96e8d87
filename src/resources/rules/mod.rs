//! The rules every resource must keep (reference §8), checked in one place for server, commands and screens.
//!
//! A check answers all that is wrong at once: an [`ArmError`] whose `target` is the JSON path of the offending field; several
//! problems become `details`, each with its own target, so that a form can show each beside its field.

mod defaults;
mod deployment;
mod endpoint;
mod names;
mod quantity;
mod tags;

pub use defaults::{fill_deployment_defaults, fill_endpoint_defaults};
pub use deployment::{
    MAX_CONCURRENT_REQUESTS, MAX_INSTANCES, MAX_TIMEOUT_KUBERNETES_MS, MAX_TIMEOUT_MANAGED_MS, check_deployment,
};
pub use endpoint::{
    MAX_DEPLOYMENTS, MAX_MIRROR, canonical_traffic, check_deployment_count, check_endpoint, check_mirror,
    check_removable, check_traffic,
};
pub(crate) use names::asset_part;
pub use names::{
    check_asset_name, check_asset_version, check_deployment_name, check_endpoint_name, check_kubernetes_names,
};
pub use quantity::quantity;
pub use tags::{MAX_TAG_NAME, MAX_TAG_VALUE, MAX_TAGS, check_tags};

use super::arm::ArmError;

/// Code of a request that breaks a rule.
pub const BAD_ARGUMENT: &str = "BadArgument";

/// Everything that is wrong with one resource.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<ArmError>);

impl Problems {
    /// Notes that `target` (a JSON path) is wrong. `message` names the thing, the cause and the next step.
    pub fn add(&mut self, target: impl Into<String>, message: impl Into<String>) {
        self.0.push(ArmError { target: Some(target.into()), ..ArmError::new(BAD_ARGUMENT, message) });
    }

    /// Takes over the problems another check found.
    pub fn take(&mut self, result: Result<(), ArmError>) {
        if let Err(error) = result {
            if error.details.is_empty() { self.0.push(error) } else { self.0.extend(error.details) }
        }
    }

    /// The verdict: one error, or one that lists all.
    pub fn verdict(mut self) -> Result<(), ArmError> {
        if self.0.len() <= 1 {
            return self.0.pop().map_or(Ok(()), Err);
        }
        let list: Vec<String> = self.0.iter().map(|problem| format!("- {}", problem.message)).collect();
        let message = format!("{} things are wrong:\n{}", self.0.len(), list.join("\n"));
        Err(ArmError { details: self.0, ..ArmError::new(BAD_ARGUMENT, message) })
    }
}

#[cfg(test)]
mod tests;
