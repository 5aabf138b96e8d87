//! Creates what a YAML file of the Azure CLI describes: an endpoint, or a deployment with what it brings along.

use std::path::Path;

use super::call::Answer;
use crate::client::{ClientError, NewEnvironment, NewModel, Workspace};
use crate::resources::ids::{AssetKind, AssetRef, AssetVersion};
use crate::resources::yaml::{
    self, AssetPath, AssetSource, DeploymentFile, EnvironmentFile, ModelFile, ResolvedAssets,
};
use crate::resources::{Deployment, Operation};

/// Creates or updates the endpoint or deployment of a file.
///
/// # Errors
/// The file cannot be read or is wrong (with line and column), or the workspace refuses what it describes.
pub async fn file(
    w: &Workspace,
    path: &str,
    say: impl Fn(&str),
    follow: impl Fn(&Operation),
) -> Result<Answer, ClientError> {
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| ClientError::local(format!("cannot read {path}: {error}")))?;
    let is_deployment = text.lines().any(|line| line.starts_with("endpoint_name:"));
    let path = Path::new(path);
    let wrong = |error: crate::resources::document::FileError| ClientError::local(error.to_string());
    if is_deployment {
        let file = yaml::load_deployment(path, &[]).map_err(wrong)?;
        let deployment = prepare(w, &file, &say).await?;
        say(&format!("create {}", deployment.name));
        w.put_deployment(&file.endpoint_name, &deployment).await?.wait(follow).await?;
        let text = format!("deployment {} of {} is ready", deployment.name, file.endpoint_name);
        return Ok(Answer::Made { endpoint: file.endpoint_name, text });
    }
    let file = yaml::load_endpoint(path, &[]).map_err(wrong)?;
    let endpoint = file.to_endpoint(&w.connection().workspace_id(), "local");
    say(&format!("create endpoint {}", endpoint.name));
    w.put_endpoint(&endpoint, None).await?.wait(follow).await?;
    Ok(Answer::Made {
        text: format!("endpoint {} is there; it needs a deployment now", endpoint.name),
        endpoint: endpoint.name,
    })
}

/// Registers what the file brings and resolves what it names.
async fn prepare(w: &Workspace, file: &DeploymentFile, say: &impl Fn(&str)) -> Result<Deployment, ClientError> {
    let mut assets = ResolvedAssets::default();
    if let Some(model) = &file.model {
        assets.model = Some(match model {
            AssetSource::Registered(reference) => id(w, AssetKind::Model, reference).await?,
            AssetSource::Inline(inline) => {
                say("upload the model");
                w.register_model(&new_model(inline), &mut |_, _| {}).await?.id
            }
        });
    }
    if let Some(code) = &file.code {
        assets.code = Some(match &code.code {
            AssetPath::Local(folder) => {
                say("upload the code");
                w.register_code(folder, &mut |_, _| {}).await?
            }
            AssetPath::Remote(text) => {
                let reference = AssetRef::parse(text).map_err(|error| ClientError::local(error.to_string()))?;
                id(w, AssetKind::Code, &reference).await?
            }
        });
    }
    if let Some(environment) = &file.environment {
        assets.environment = Some(match environment {
            AssetSource::Registered(reference) => id(w, AssetKind::Environment, reference).await?,
            AssetSource::Inline(inline) => {
                say("register the environment");
                w.register_environment(&new_environment(inline)?).await?.id
            }
        });
    }
    if file.data_collector.is_some() {
        let advice = "`mlconsole deployment create -f` registers its collections; use that for this file";
        return Err(ClientError::local(format!("the file has a data_collector: {advice}")));
    }
    Ok(file.to_deployment("local", &assets))
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

fn new_environment(file: &EnvironmentFile) -> Result<NewEnvironment, ClientError> {
    let properties = file.to_properties(None).map_err(|error| ClientError::local(error.to_string()))?;
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
async fn id(w: &Workspace, kind: AssetKind, reference: &AssetRef) -> Result<String, ClientError> {
    match reference {
        AssetRef::Named { name, version: AssetVersion::Exact(version) } => {
            let ws = w.connection().workspace_id();
            Ok(format!("{ws}/{}/{name}/versions/{version}", kind.collection()))
        }
        AssetRef::Named { name, version: AssetVersion::Label(label) } if label.eq_ignore_ascii_case("latest") => {
            match kind {
                AssetKind::Model => Ok(w.latest_model(name).await?.id),
                AssetKind::Environment => Ok(w.latest_environment(name).await?.id),
                _ => Err(ClientError::local(format!("{reference}: give the version of this asset by number"))),
            }
        }
        AssetRef::Named { version: AssetVersion::Label(label), .. } => {
            Err(ClientError::local(format!("{reference}: `{label}` is no label of this workspace; `latest` is")))
        }
        AssetRef::Id(id) => Ok(id.to_string()),
        AssetRef::Registry { .. } => Ok(reference.to_string()),
    }
}
