//! What a file brings along: local models, code and environments are registered, references are resolved.

use std::collections::BTreeMap;
use std::path::Path;

use super::assets::NewModel;
use super::environments::NewEnvironment;
use super::error::{ClientError, ErrorKind};
use super::workspace::Workspace;
use crate::resources::ids::{AssetKind, AssetRef, AssetVersion};
use crate::resources::yaml::{
    AssetPath, AssetSource, CollectorFile, DeploymentFile, EndpointFile, EnvironmentFile, ModelFile, ResolvedAssets,
};
use crate::resources::{Deployment, Endpoint};

/// Hears what is uploaded, and how many bytes of how many are there.
pub type UploadProgress<'a> = &'a mut (dyn FnMut(&str, u64, u64) + Send);

impl From<&ModelFile> for NewModel {
    fn from(file: &ModelFile) -> Self {
        let mut new = Self {
            name: file.name.clone(),
            version: file.version.clone(),
            model_type: file.model_type.clone(),
            description: file.description.clone(),
            tags: file.tags.clone(),
            properties: file.properties.clone(),
            flavors: file.flavors.clone(),
            ..Self::default()
        };
        match &file.path {
            AssetPath::Local(path) => new.path.clone_from(path),
            AssetPath::Remote(uri) => new.uri = Some(uri.clone()),
        }
        new
    }
}

impl Workspace {
    /// The endpoint a file describes, in this workspace.
    pub fn endpoint_of(&self, file: &EndpointFile) -> Endpoint {
        file.to_endpoint(&self.connection().workspace_id(), "local")
    }

    /// The endpoint to put for one from a file, and the one of that name as it is, if there is one. A file that does not
    /// speak of traffic leaves it as it is: replacing an endpoint must not switch it off.
    ///
    /// # Errors
    /// When the workspace cannot say what there is.
    pub async fn prepare_endpoint(&self, mut endpoint: Endpoint) -> Result<(Endpoint, Option<Endpoint>), ClientError> {
        let existing = match self.endpoint(&endpoint.name).await {
            Ok(existing) => existing,
            Err(error) if error.kind == ErrorKind::NotFound => return Ok((endpoint, None)),
            Err(error) => return Err(error),
        };
        let (new, old) = (&mut endpoint.properties, &existing.properties);
        if new.traffic.is_empty() {
            new.traffic.clone_from(&old.traffic);
        }
        if new.mirror_traffic.is_empty() {
            new.mirror_traffic.clone_from(&old.mirror_traffic);
        }
        Ok((endpoint, Some(existing)))
    }

    /// The deployment a file describes, ready for [`Workspace::put_deployment`]: what it brings is uploaded and
    /// registered, what it names is resolved.
    ///
    /// # Errors
    /// When something it brings cannot be read, or something it names is not there.
    pub async fn prepare_deployment(
        &self,
        file: &DeploymentFile,
        progress: UploadProgress<'_>,
    ) -> Result<Deployment, ClientError> {
        let mut assets = ResolvedAssets::default();
        if let Some(model) = &file.model {
            assets.model = Some(match model {
                AssetSource::Registered(reference) => self.resolve(AssetKind::Model, reference).await?,
                AssetSource::Inline(inline) => {
                    let new = NewModel::from(&**inline);
                    let what = new.uri.clone().unwrap_or_else(|| new.path.display().to_string());
                    self.register_model(&new, &mut |sent, all| progress(&what, sent, all)).await?.id
                }
            });
        }
        if let Some(code) = &file.code {
            assets.code = Some(match &code.code {
                AssetPath::Local(folder) => {
                    check_script(folder, &code.scoring_script)?;
                    let what = folder.display().to_string();
                    self.register_code(folder, &mut |sent, all| progress(&what, sent, all)).await?
                }
                AssetPath::Remote(text) => {
                    let reference = AssetRef::parse(text).map_err(|e| ClientError::local(e.to_string()))?;
                    self.resolve(AssetKind::Code, &reference).await?
                }
            });
        }
        if let Some(environment) = &file.environment {
            assets.environment = Some(match environment {
                AssetSource::Registered(reference) => self.resolve(AssetKind::Environment, reference).await?,
                AssetSource::Inline(inline) => {
                    let new = self.new_environment(inline, progress).await?;
                    self.register_environment(&new).await?.id
                }
            });
        }
        if let Some(collector) = &file.data_collector {
            assets.data = self.bring_data(file, collector).await?;
        }
        Ok(file.to_deployment("local", &assets))
    }

    /// The environment a file describes, ready for [`Workspace::register_environment`]: the folder of a container build
    /// is uploaded.
    ///
    /// # Errors
    /// When its conda file or build folder cannot be read.
    pub async fn new_environment(
        &self,
        file: &EnvironmentFile,
        progress: UploadProgress<'_>,
    ) -> Result<NewEnvironment, ClientError> {
        let build_uri = match &file.build {
            Some((AssetPath::Local(folder), _)) => {
                let what = folder.display().to_string();
                Some(self.upload_folder(folder, &mut |sent, all| progress(&what, sent, all)).await?)
            }
            _ => None,
        };
        let properties =
            file.to_properties(build_uri.as_deref()).map_err(|error| ClientError::local(error.to_string()))?;
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
    async fn resolve(&self, kind: AssetKind, reference: &AssetRef) -> Result<String, ClientError> {
        match reference {
            AssetRef::Named { name, version: AssetVersion::Exact(version) } => {
                let ws = self.connection().workspace_id();
                Ok(format!("{ws}/{}/{name}/versions/{version}", kind.collection()))
            }
            AssetRef::Named { name, version: AssetVersion::Label(label) } if label.eq_ignore_ascii_case("latest") => {
                match kind {
                    AssetKind::Model => Ok(self.latest_model(name).await?.id),
                    AssetKind::Environment => Ok(self.latest_environment(name).await?.id),
                    _ => Err(ClientError::local(format!("{reference}: give the version of this asset by number"))),
                }
            }
            AssetRef::Named { version: AssetVersion::Label(label), .. } => Err(ClientError::local(format!(
                "{reference}: `{label}` is not a label of this workspace; `latest` is the only one"
            ))),
            AssetRef::Id(id) => Ok(id.to_string()),
            AssetRef::Registry { .. } => Ok(reference.to_string()),
        }
    }

    /// Data assets of a collector's collections, named as the SDK names them (reference §5.5).
    async fn bring_data(
        &self,
        file: &DeploymentFile,
        collector: &CollectorFile,
    ) -> Result<BTreeMap<String, String>, ClientError> {
        let mut ids = BTreeMap::new();
        for (name, collection) in &collector.collections {
            let (endpoint, deployment) = (&file.endpoint_name, &file.name);
            let (asset, version, path) = collection.data.clone();
            let asset = asset.unwrap_or_else(|| format!("{endpoint}-{deployment}-{name}"));
            let path = path.unwrap_or_else(|| {
                let store = "azureml://datastores/workspaceblobstore/paths/modelDataCollector";
                format!("{store}/{endpoint}/{deployment}/{name}")
            });
            let id = self.register_data(&asset, version.as_deref().unwrap_or("1"), &path).await?;
            ids.insert(name.clone(), id);
        }
        Ok(ids)
    }
}

/// Said here, with the path the user wrote, instead of minutes later by a failed deployment.
fn check_script(folder: &Path, script: &str) -> Result<(), ClientError> {
    if folder.join(script).is_file() {
        return Ok(());
    }
    Err(ClientError::local(format!(
        "there is no scoring script {script} in {}: check code_configuration in the file",
        folder.display()
    )))
}
