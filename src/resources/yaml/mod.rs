//! Azure CLI v2 YAML files, unchanged (reference §11): endpoints, deployments, models, environments.
//!
//! `parse_*` turns text into a typed file, after `--set PATH=VALUE` changes; `load_*` reads it from disk first. Relative paths
//! resolve against the file's folder. What a file refers to (a local model, a code folder) is kept as a path or reference;
//! once the caller has registered it, `to_endpoint` and `to_deployment` make the noun of the API. [`to_yaml`] and
//! [`deployment_to_yaml`] go the other way.

mod asset;
mod conda;
mod deployment;
mod endpoint;
mod model_environment;
mod write;

use std::path::{Path, PathBuf};

pub use asset::{AssetPath, AssetSource};
pub use conda::Conda;
pub use deployment::{CodeFile, Collection, CollectorFile, DeploymentFile, ResolvedAssets};
pub use endpoint::EndpointFile;
pub use model_environment::{EnvironmentFile, ModelFile};
pub use write::{deployment_to_yaml, to_yaml};

use super::document::{Fields, FileError, Node, apply_set, parse_yaml, read_text};

/// Where a file came from: its name in messages and the folder its relative paths start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub file: String,
    pub folder: PathBuf,
}

impl Origin {
    /// Of the file at `path`.
    pub fn of(path: &Path) -> Self {
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Self { file: path.display().to_string(), folder: folder.unwrap_or(Path::new(".")).to_owned() }
    }

    /// Of text that is in no file, such as a form's.
    pub fn nowhere() -> Self {
        Self { file: "(text)".into(), folder: PathBuf::from(".") }
    }
}

/// Reads an endpoint file.
pub fn load_endpoint(path: &Path, sets: &[String]) -> Result<EndpointFile, FileError> {
    parse_endpoint(&Origin::of(path), &read_text(path)?, sets)
}

/// Reads a deployment file.
pub fn load_deployment(path: &Path, sets: &[String]) -> Result<DeploymentFile, FileError> {
    parse_deployment(&Origin::of(path), &read_text(path)?, sets)
}

/// Reads a model file.
pub fn load_model(path: &Path, sets: &[String]) -> Result<ModelFile, FileError> {
    parse_model(&Origin::of(path), &read_text(path)?, sets)
}

/// Reads an environment file.
pub fn load_environment(path: &Path, sets: &[String]) -> Result<EnvironmentFile, FileError> {
    parse_environment(&Origin::of(path), &read_text(path)?, sets)
}

/// An endpoint from text.
pub fn parse_endpoint(origin: &Origin, text: &str, sets: &[String]) -> Result<EndpointFile, FileError> {
    EndpointFile::read(Fields::top(&origin.file, &tree(origin, text, sets)?)?)
}

/// A deployment from text.
pub fn parse_deployment(origin: &Origin, text: &str, sets: &[String]) -> Result<DeploymentFile, FileError> {
    DeploymentFile::read(origin, Fields::top(&origin.file, &tree(origin, text, sets)?)?)
}

/// A model from text; it must have a name and a path.
pub fn parse_model(origin: &Origin, text: &str, sets: &[String]) -> Result<ModelFile, FileError> {
    let tree = tree(origin, text, sets)?;
    let mut fields = Fields::top(&origin.file, &tree)?;
    fields.required("name")?;
    ModelFile::read(origin, fields)
}

/// An environment from text; it must have a name.
pub fn parse_environment(origin: &Origin, text: &str, sets: &[String]) -> Result<EnvironmentFile, FileError> {
    let tree = tree(origin, text, sets)?;
    let mut fields = Fields::top(&origin.file, &tree)?;
    fields.required("name")?;
    EnvironmentFile::read(origin, fields)
}

fn tree(origin: &Origin, text: &str, sets: &[String]) -> Result<Node, FileError> {
    let mut tree = parse_yaml(&origin.file, text)?;
    sets.iter().try_for_each(|set| apply_set(&origin.file, &mut tree, set))?;
    Ok(tree)
}

#[cfg(test)]
mod tests;
