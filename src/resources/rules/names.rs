//! What things may be called.

use super::Problems;
use crate::resources::arm::ArmError;
use crate::resources::ids::shorten;

/// 3–32 characters: letters, digits and single inner dashes, a letter first (reference §8).
pub fn check_endpoint_name(name: &str) -> Result<(), ArmError> {
    check_name("endpoint", name)
}

/// The same rule as for endpoints.
pub fn check_deployment_name(name: &str) -> Result<(), ArmError> {
    check_name("deployment", name)
}

fn check_name(noun: &str, name: &str) -> Result<(), ArmError> {
    let mut problems = Problems::default();
    let length = name.chars().count();
    let why = if name.is_empty() {
        Some("it is empty".to_owned())
    } else if let Some(odd) = name.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        Some(format!("it holds {odd:?}"))
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Some("it does not start with a letter".to_owned())
    } else if name.ends_with('-') {
        Some("it ends with a dash".to_owned())
    } else if name.contains("--") {
        Some("two dashes follow each other".to_owned())
    } else if !(3..=32).contains(&length) {
        Some(format!("it has {length} characters"))
    } else {
        None
    };
    if let Some(why) = why {
        problems.add(
            "name",
            format!(
                "The {noun} name \"{}\" cannot be used: {why}. Choose 3 to 32 letters, digits and single dashes, \
                 starting with a letter, for example {}.",
                shorten(name),
                if noun == "endpoint" { "restaurants" } else { "blue" },
            ),
        );
    }
    problems.verdict()
}

/// On Kubernetes both names become one: 6–62 characters together (reference §8).
pub fn check_kubernetes_names(endpoint: &str, deployment: &str) -> Result<(), ArmError> {
    let mut problems = Problems::default();
    let length = endpoint.chars().count() + deployment.chars().count();
    if !(6..=62).contains(&length) {
        problems.add(
            "name",
            format!(
                "The names of endpoint {} and deployment {} have {length} characters together; Kubernetes takes 6 to \
                 62. Choose another name for the deployment.",
                shorten(endpoint),
                shorten(deployment)
            ),
        );
    }
    problems.verdict()
}

/// Name of a model, environment, code or data asset.
pub fn check_asset_name(name: &str) -> Result<(), ArmError> {
    check_asset_part("name", name)
}

/// Version of an asset: a number or any word of the same letters as a name, but for the label `latest`.
pub fn check_asset_version(version: &str) -> Result<(), ArmError> {
    check_asset_part("version", version)?;
    if version.eq_ignore_ascii_case("latest") {
        let mut problems = Problems::default();
        problems.add(
            "version",
            "A version cannot be called \"latest\": that is how the newest one is asked for. Give it a number or \
             another name.",
        );
        return problems.verdict();
    }
    Ok(())
}

fn check_asset_part(what: &str, part: &str) -> Result<(), ArmError> {
    let mut problems = Problems::default();
    if let Err(why) = asset_part(part) {
        problems.add(
            what,
            format!(
                "The asset {what} \"{}\" cannot be used: it {why}. Use up to 255 letters, digits, dashes, dots and \
                 underscores, starting with a letter or digit.",
                shorten(part)
            ),
        );
    }
    problems.verdict()
}

/// Whether `part` can be an asset's name or version (it becomes a folder's name); else why not, after "it".
pub(crate) fn asset_part(part: &str) -> Result<(), String> {
    if part.is_empty() {
        Err("is empty".into())
    } else if part.len() > 255 {
        Err(format!("has {} bytes", part.len()))
    } else if let Some(odd) = part.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(*c))) {
        Err(format!("holds {odd:?}"))
    } else if !part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        Err("does not start with a letter or digit".into())
    } else {
        Ok(())
    }
}
