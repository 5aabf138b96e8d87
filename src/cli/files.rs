//! From the files people write to the resources workspaces take: what a file refers to is resolved, what lies on this
//! machine is uploaded.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::CliError;
use super::{Session, progress};
use crate::client::{NewEnvironment, NewModel};
use crate::resources::document::FileError;
use crate::resources::ids::{AssetKind, AssetRef, AssetVersion};
use crate::resources::yaml::{self, AssetPath, AssetSource, DeploymentFile, EnvironmentFile, ModelFile, Origin};
use crate::resources::{Deployment, Endpoint};

impl From<FileError> for CliError {
    fn from(error: FileError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// An endpoint file, with `--set` changes.
pub(super) fn endpoint(session: &Session, file: &Path, set: &[String]) -> Result<Endpoint, CliError> {
    let file = yaml::load_endpoint(file, set)?;
    Ok(file.to_endpoint(&session.workspace.connection().workspace_id(), "local"))
}

/// An endpoint as it is, with `--set` changes in the terms of its file.
pub(super) fn change_endpoint(session: &Session, endpoint: &Endpoint, set: &[String]) -> Result<Endpoint, CliError> {
    if set.is_empty() {
        return Ok(endpoint.clone());
    }
    let file = yaml::parse_endpoint(&as_file("endpoint", &endpoint.name), &yaml::to_yaml(endpoint), set)?;
    let mut changed = file.to_endpoint(&session.workspace.connection().workspace_id(), "local");
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
    let file =
        yaml::parse_deployment(&as_file("deployment", &deployment.name), &yaml::deployment_to_yaml(deployment), set)?;
    let mut changed = prepare(session, &file).await?;
    changed.name.clone_from(&deployment.name);
    Ok(changed)
}

/// Registers what the file brings and resolves what it names.
pub(super) async fn prepare(session: &Session, file: &DeploymentFile) -> Result<Deployment, CliError> {
    let mut assets = yaml::ResolvedAssets::default();
    if let Some(model) = &file.model {
        assets.model = Some(match model {
            AssetSource::Registered(reference) => id(session, AssetKind::Model, reference).await?,
            AssetSource::Inline(inline) => {
                let new = new_model(inline);
                let what = new.uri.clone().unwrap_or_else(|| new.path.display().to_string());
                session.workspace.register_model(&new, &mut progress::upload(&what)).await?.id
            }
        });
    }
    if let Some(code) = &file.code {
        assets.code = Some(match &code.code {
            AssetPath::Local(folder) => {
                check_script(folder, &code.scoring_script)?;
                let what = folder.display().to_string();
                session.workspace.register_code(folder, &mut progress::upload(&what)).await?
            }
            AssetPath::Remote(text) => {
                let reference = AssetRef::parse(text).map_err(|e| CliError::failed(e.to_string()))?;
                id(session, AssetKind::Code, &reference).await?
            }
        });
    }
    if let Some(environment) = &file.environment {
        assets.environment = Some(match environment {
            AssetSource::Registered(reference) => id(session, AssetKind::Environment, reference).await?,
            AssetSource::Inline(inline) => {
                let new = new_environment(session, inline).await?;
                session.workspace.register_environment(&new).await?.id
            }
        });
    }
    if let Some(collector) = &file.data_collector {
        assets.data = register_data(session, file, collector).await?;
    }
    Ok(file.to_deployment("local", &assets))
}

/// A model file.
pub(super) fn model(file: &Path) -> Result<NewModel, CliError> {
    Ok(new_model(&yaml::load_model(file, &[])?))
}

/// An environment file.
pub(super) async fn environment(session: &Session, file: &Path) -> Result<NewEnvironment, CliError> {
    new_environment(session, &yaml::load_environment(file, &[])?).await
}

fn new_model(file: &ModelFile) -> NewModel {
    let mut new = NewModel {
        name: file.name.clone(),
        version: file.version.clone(),
        model_type: file.model_type.clone(),
        description: file.description.clone(),
        tags: file.tags.clone(),
        properties: file.properties.clone(),
        flavors: file.flavors.clone(),
        ..NewModel::default()
    };
    match &file.path {
        AssetPath::Local(path) => new.path.clone_from(path),
        AssetPath::Remote(uri) => new.uri = Some(uri.clone()),
    }
    new
}

async fn new_environment(session: &Session, file: &EnvironmentFile) -> Result<NewEnvironment, CliError> {
    let build_uri = match &file.build {
        Some((AssetPath::Local(folder), _)) => {
            let what = folder.display().to_string();
            Some(session.workspace.upload_folder(folder, &mut progress::upload(&what)).await?)
        }
        _ => None,
    };
    let properties = file.to_properties(build_uri.as_deref())?;
    Ok(NewEnvironment {
        name: file.name.clone(),
        version: file.version.clone(),
        image: properties.image,
        conda_file: properties.conda_file,
        build: properties.build,
        inference_config: properties.inference_config,
        description: properties.description,
        tags: properties.tags,
    })
}

/// The full id a reference stands for. `@latest` is looked up; registry references go out as they are.
async fn id(session: &Session, kind: AssetKind, reference: &AssetRef) -> Result<String, CliError> {
    let workspace = &session.workspace;
    match reference {
        AssetRef::Named { name, version: AssetVersion::Exact(version) } => {
            let ws = workspace.connection().workspace_id();
            Ok(format!("{ws}/{}/{name}/versions/{version}", kind.collection()))
        }
        AssetRef::Named { name, version: AssetVersion::Label(label) } if label.eq_ignore_ascii_case("latest") => {
            match kind {
                AssetKind::Model => Ok(workspace.latest_model(name).await?.id),
                AssetKind::Environment => Ok(workspace.latest_environment(name).await?.id),
                _ => Err(CliError::failed(format!("{reference}: give the version of this asset by number"))),
            }
        }
        AssetRef::Named { version: AssetVersion::Label(label), .. } => Err(CliError::failed(format!(
            "{reference}: `{label}` is not a label of this workspace; `latest` is the only one"
        ))),
        AssetRef::Id(id) => Ok(id.to_string()),
        AssetRef::Registry { .. } => Ok(reference.to_string()),
    }
}

/// Said here, with the path the user wrote, instead of minutes later by a failed deployment.
fn check_script(folder: &Path, script: &str) -> Result<(), CliError> {
    if folder.join(script).is_file() {
        return Ok(());
    }
    Err(CliError::failed(format!(
        "there is no scoring script {script} in {}: check code_configuration in the file",
        folder.display()
    )))
}

/// Data assets of a collector's collections, named as the SDK names them (reference §5.5).
async fn register_data(
    session: &Session,
    file: &DeploymentFile,
    collector: &yaml::CollectorFile,
) -> Result<BTreeMap<String, String>, CliError> {
    let mut ids = BTreeMap::new();
    for (name, collection) in &collector.collections {
        let (endpoint, deployment) = (&file.endpoint_name, &file.name);
        let (asset, version, path) = collection.data.clone();
        let asset = asset.unwrap_or_else(|| format!("{endpoint}-{deployment}-{name}"));
        let path = path.unwrap_or_else(|| {
            format!("azureml://datastores/workspaceblobstore/paths/modelDataCollector/{endpoint}/{deployment}/{name}")
        });
        let id = session.workspace.register_data(&asset, version.as_deref().unwrap_or("1"), &path).await?;
        ids.insert(name.clone(), id);
    }
    Ok(ids)
}
