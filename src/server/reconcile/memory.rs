//! How much memory an instance has: that of its type, unless the deployment or the machine says otherwise.

use super::MEMORY_LIMIT;
use crate::resources::{ArmError, Deployment, instance_type};
use crate::server::engine::InstanceMemory;
use crate::server::telemetry::machine_memory;

const GIB: f64 = (1u64 << 30) as f64;

/// The memory of one of the deployment's instances.
///
/// # Errors
/// The deployment's own limit is not a number of MiB.
pub(super) fn memory_of(deployment: &Deployment) -> Result<InstanceMemory, ArmError> {
    let request = deployment.properties.request_settings.as_ref();
    let sharers = request.map_or(1, |r| r.max_concurrent_requests_per_instance.max(1));
    let asked = match deployment.properties.properties.get(MEMORY_LIMIT) {
        Some(text) => Some(own_limit(text)?),
        None => of_type(deployment),
    };
    let bytes = match (asked, spare()) {
        (Some(asked), Some(spare)) => asked.min(spare),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        (None, None) => u64::MAX / 4,
    };
    Ok(InstanceMemory { bytes, sharers })
}

fn own_limit(text: &str) -> Result<u64, ArmError> {
    text.trim().parse::<u64>().ok().filter(|n| *n > 0).and_then(|n| n.checked_mul(1 << 20)).ok_or_else(|| {
        ArmError::new(
            "BadArgument",
            format!(
                "The property \"{MEMORY_LIMIT}\" is \"{text}\"; give the memory of an instance in MiB, e.g. \"512\"."
            ),
        )
    })
}

/// What the instance type has (on Kubernetes: what the resource limits say), in bytes.
fn of_type(deployment: &Deployment) -> Option<u64> {
    let limits = deployment.properties.container_resource_requirements.as_ref();
    let limits = limits.and_then(|r| r.get("containerResourceLimits"));
    if let Some(bytes) = limits.and_then(|l| l.get("memory")?.as_str()).and_then(quantity) {
        return Some(bytes);
    }
    let size = instance_type::lookup(deployment.properties.instance_type.as_deref()?)?;
    Some((size.memory_gib * GIB) as u64)
}

/// A Kubernetes quantity of memory, e.g. `512Mi`.
fn quantity(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = match unit {
        "" => 1.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => GIB,
        _ => return None,
    };
    Some((number.parse::<f64>().ok()? * unit) as u64).filter(|bytes| *bytes > 0)
}

/// What one instance may take of this machine at most: the rest is for the workspace itself.
fn spare() -> Option<u64> {
    machine_memory().map(|total| total / 8 * 7)
}

/// What all instances of a deployment are meant to have, in bytes.
pub(super) fn memory_asked(deployment: &Deployment) -> u64 {
    let own = deployment.properties.properties.get(MEMORY_LIMIT).and_then(|text| own_limit(text).ok());
    own.or_else(|| of_type(deployment)).unwrap_or(0).saturating_mul(u64::from(deployment.instances()))
}

/// What to say when the machine has less than all instances are meant to have.
pub(super) fn memory_note(mine: u64, others: u64) -> Option<String> {
    let (total, wanted) = (machine_memory()?, mine.saturating_add(others));
    if mine == 0 || wanted <= total {
        return None;
    }
    let gib = |bytes: u64| bytes as f64 / GIB;
    Some(format!(
        "All deployments together ask for {:.1} GiB of memory, this machine has {:.1}: an instance is stopped at {:.1} GiB \
         at the latest.",
        gib(wanted),
        gib(total),
        gib(spare()?)
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(edit: impl FnOnce(&mut Deployment)) -> Result<InstanceMemory, ArmError> {
        let mut deployment = Deployment::default();
        edit(&mut deployment);
        memory_of(&deployment)
    }

    #[test]
    fn an_instance_has_what_its_type_or_its_owner_says_and_the_machine_allows() {
        let limit = |text: &str| {
            let text = text.to_owned();
            with(|d| drop(d.properties.properties.insert(MEMORY_LIMIT.to_owned(), text)))
        };
        assert_eq!(limit("16").unwrap().bytes, 16 << 20);
        for wrong in ["", "0", "-1", "many", "1.5", "99999999999999999999"] {
            assert!(limit(wrong).unwrap_err().message.contains("in MiB"), "{wrong}");
        }
        let tiny = with(|d| {
            d.properties.container_resource_requirements =
                Some(json!({"containerResourceLimits": {"cpu": "1", "memory": "64Mi"}}));
        });
        assert_eq!(tiny.unwrap().bytes, 64 << 20);
        let huge = with(|d| d.properties.instance_type = Some("Standard_ND96amsr_A100_v4".to_owned())).unwrap();
        assert_eq!(Some(huge.bytes), spare().map(|s| s.min((1900.0 * GIB) as u64)));
        assert_eq!(huge.sharers, 1);
    }

    #[test]
    fn a_machine_that_is_too_small_is_named() {
        assert_eq!(memory_note(1, 0), None);
        let note = memory_note(machine_memory().unwrap(), 1 << 30).unwrap();
        assert!(note.contains("this machine has"), "{note}");
    }
}
