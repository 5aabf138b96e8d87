//! From the files people write to the resources workspaces take.

use std::path::Path;

use super::error::CliError;
use super::{Session, progress};
use crate::client::{NewEnvironment, NewModel};
use crate::resources::document::FileError;
use crate::resources::yaml::{self, DeploymentFile, Origin};
use crate::resources::{Deployment, Endpoint};

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// An endpoint file, with `--set` changes.
pub(super) fn endpoint(session: &Session, file: &Path, set: &[String]) -> Result<Endpoint, CliError> {
    Ok(session.workspace.endpoint_of(&yaml::load_endpoint(file, set)?))
}

/// An endpoint as it is, with `--set` changes in the terms of its file.
pub(super) fn change_endpoint(session: &Session, endpoint: &Endpoint, set: &[String]) -> Result<Endpoint, CliError> {
    if set.is_empty() {
        return Ok(endpoint.clone());
    }
    let file = yaml::parse_endpoint(&as_file("endpoint", &endpoint.name), &yaml::to_yaml(endpoint), set)?;
    let mut changed = session.workspace.endpoint_of(&file);
    // Its name is its identity: a change of it would make another endpoint.
    changed.name.clone_from(&endpoint.name);
    Ok(changed)
}

/// What errors call the file that an existing resource would be written as.
fn as_file(kind: &str, name: &str) -> Origin {
    Origin { file: format!("{kind} {name}"), ..Origin::generated() }
}

/// A deployment file, with `--set` changes.
pub(super) fn deployment(file: &Path, set: &[String]) -> Result<DeploymentFile, CliError> {
    Ok(yaml::load_deployment(file, set)?)
}

/// A deployment as it is, with `--set` changes in the terms of its file.
pub(super) async fn change_deployment(
    session: &Session,
    deployment: &Deployment,
    set: &[String],
) -> Result<Deployment, CliError> {
    let written = yaml::deployment_to_yaml(deployment);
    let file = yaml::parse_deployment(&as_file("deployment", &deployment.name), &written, set)?;
    let mut changed = prepare(session, &file).await?;
    changed.name.clone_from(&deployment.name);
    Ok(changed)
}

/// Registers what the file brings and resolves what it names.
pub(super) async fn prepare(session: &Session, file: &DeploymentFile) -> Result<Deployment, CliError> {
    Ok(session.workspace.prepare_deployment(file, &mut progress::uploads()).await?)
}

/// A model file.
pub(super) fn model(file: &Path) -> Result<NewModel, CliError> {
    Ok(NewModel::from(&yaml::load_model(file, &[])?))
}

/// An environment file.
pub(super) async fn environment(session: &Session, file: &Path) -> Result<NewEnvironment, CliError> {
    let file = yaml::load_environment(file, &[])?;
    Ok(session.workspace.new_environment(&file, &mut progress::uploads()).await?)
}
