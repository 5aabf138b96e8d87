//! Conda files, and MLflow's `python_env.yaml` (reference §3.2, §4.1).

use std::path::Path;

use super::EnvironmentError;
use super::match_spec::{self, Constraint, Entry};
use super::spec::Spec;
use super::{numpy, requirements};
use crate::resources::document::{Node, Value, parse_yaml};

/// The interpreters a range may choose from, the best first: those that most packages have wheels for.
pub(super) const CHOICE: [(u8, u8); 10] =
    [(3, 11), (3, 12), (3, 10), (3, 13), (3, 9), (3, 14), (3, 15), (3, 8), (3, 7), (3, 6)];

/// Reads the text of a conda file into `spec`. `file` names it in messages.
pub(super) fn conda(spec: &mut Spec, file: &str, text: &str, folder: Option<&Path>) -> Result<(), EnvironmentError> {
    let tree = parse_yaml(file, text).map_err(|e| EnvironmentError::Refused(e.to_string()))?;
    let Value::Map(entries) = &tree.value else {
        return Err(refused(
            file,
            "it is no conda file: write `dependencies:` with a list of packages below. A requirements file goes below \
             `- pip:` as `- -r requirements.txt`",
        ));
    };
    let mut conda_only = Vec::new();
    for entry in entries {
        match entry.key.as_str() {
            "dependencies" => dependencies(spec, file, &entry.node, folder, &mut conda_only)?,
            "variables" => spec.notes.push(
                "the conda file's variables are not set: give them as environment_variables of the deployment".into(),
            ),
            _ => {}
        }
    }
    if !entries.iter().any(|entry| entry.key == "dependencies") {
        return Err(refused(file, "`dependencies` is missing: write the packages below it"));
    }
    if conda_only.is_empty() {
        return Ok(());
    }
    let (verb, them) = if conda_only.len() == 1 { ("exists", "it") } else { ("exist", "them") };
    Err(refused(
        file,
        &format!(
            "{} {verb} only as conda packages, and there is no conda here. Remove {them}: wheels of PyPI bring the native \
             libraries they need; or name what is needed below `- pip:`",
            conda_only.join(", ")
        ),
    ))
}

fn dependencies(
    spec: &mut Spec,
    file: &str,
    node: &Node,
    folder: Option<&Path>,
    conda_only: &mut Vec<String>,
) -> Result<(), EnvironmentError> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Null => &[],
        _ => return Err(refused(file, &format!("`dependencies` is {}: write a list", node.describe()))),
    };
    let mut of_conda = Vec::new();
    for item in items {
        match &item.value {
            Value::Map(entries) => {
                for entry in entries {
                    if entry.key != "pip" {
                        let key = crate::resources::ids::shorten(&entry.key);
                        return Err(refused(
                            file,
                            &format!("`{key}:` is not known below `dependencies`; only `pip:` is"),
                        ));
                    }
                    pip(spec, file, &entry.node, folder)?;
                }
            }
            Value::Null => {}
            _ => {
                let text = item
                    .as_text()
                    .ok_or_else(|| refused(file, &format!("{} is no package: write name=version", item.describe())))?;
                let before = spec.requirements.len();
                package(spec, file, text, conda_only)?;
                of_conda.extend_from_slice(&spec.requirements[before..]);
            }
        }
    }
    numpy::keep_together(spec, &of_conda);
    Ok(())
}

fn package(spec: &mut Spec, file: &str, text: &str, conda_only: &mut Vec<String>) -> Result<(), EnvironmentError> {
    let shown = crate::resources::ids::shorten(text);
    match match_spec::read(text).map_err(|why| refused(file, &format!("`{shown}`: {why}")))? {
        Entry::Python(alternatives) => python(spec, file, text, &alternatives)?,
        Entry::Package(package) => {
            let written = text.rsplit_once("::").map_or(text, |(_, rest)| rest).trim();
            if requirements::project(&package) != requirements::project(written) {
                spec.notes.push(format!("{written} of conda is {package} on PyPI"));
            }
            if !spec.requirements.contains(&package) {
                spec.requirements.push(package);
            }
        }
        Entry::CondaOnly(name) => {
            if !conda_only.contains(&name) {
                conda_only.push(name);
            }
        }
        Entry::Ignored(_) if text.starts_with("pip") => {}
        Entry::Ignored(why) => spec.notes.push(format!("{shown} is left out: {why}")),
    }
    Ok(())
}

fn pip(spec: &mut Spec, file: &str, node: &Node, folder: Option<&Path>) -> Result<(), EnvironmentError> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Null => &[],
        _ => std::slice::from_ref(node),
    };
    for item in items {
        let text = item
            .as_text()
            .ok_or_else(|| refused(file, &format!("{} below `pip:` is no requirement", item.describe())))?;
        requirements::add(spec, file, text, folder)?;
    }
    Ok(())
}

/// Takes over which interpreters will do.
fn python(spec: &mut Spec, file: &str, text: &str, alternatives: &[Vec<Constraint>]) -> Result<(), EnvironmentError> {
    if alternatives.is_empty() {
        return Ok(());
    }
    let meets = |minor: (u8, u8)| alternatives.iter().any(|all| all.iter().all(|c| c.allows_minor(minor)));
    spec.pythons = CHOICE.into_iter().filter(|minor| meets(*minor)).collect();
    if let [one] = alternatives
        && let [Constraint { operator: "==" | "===", version }] = one.as_slice()
    {
        spec.python_written = Some(version.clone()).filter(|version| !version.ends_with(".*"));
    }
    if spec.pythons.is_empty() {
        // What is newer or older than this program knows is looked for all the same.
        let exact = alternatives.iter().flatten().find(|c| c.operator == "==").map(|c| c.version.clone());
        let mut numbers = exact.iter().flat_map(|v| v.split('.')).map_while(|n| n.parse::<u8>().ok());
        match (numbers.next(), numbers.next()) {
            (Some(major), Some(minor)) => spec.pythons = vec![(major, minor)],
            _ => {
                let shown = crate::resources::ids::shorten(text);
                return Err(refused(file, &format!("no Python meets `{shown}`: write for example python=3.11")));
            }
        }
    }
    Ok(())
}

/// Reads the text of a `python_env.yaml` into `spec`.
pub(super) fn python_env(
    spec: &mut Spec,
    file: &str,
    text: &str,
    folder: Option<&Path>,
) -> Result<(), EnvironmentError> {
    let tree = parse_yaml(file, text).map_err(|e| EnvironmentError::Refused(e.to_string()))?;
    let Value::Map(entries) = &tree.value else {
        return Err(refused(file, "it is no python_env.yaml: write `python:` and `dependencies:`"));
    };
    for entry in entries {
        match entry.key.as_str() {
            "python" => {
                let version = entry.node.as_text().unwrap_or_default();
                let text = format!("python={version}");
                match match_spec::read(&text) {
                    Ok(Entry::Python(alternatives)) => python(spec, file, &text, &alternatives)?,
                    _ => return Err(refused(file, &format!("`python` is {}: write a version", entry.node.describe()))),
                }
            }
            "dependencies" => pip(spec, file, &entry.node, folder)?,
            "build_dependencies" => {
                pip(spec, file, &entry.node, folder)?;
                // The builder brings its own.
                let own = |line: &String| ["pip", "wheel"].iter().any(|own| requirements::is_named(line, own));
                spec.requirements.retain(|line| !own(line));
            }
            _ => {}
        }
    }
    Ok(())
}

fn refused(file: &str, why: &str) -> EnvironmentError {
    EnvironmentError::Refused(format!("{file}: {why}."))
}
