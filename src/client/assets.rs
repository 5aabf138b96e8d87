//! Registered models.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::error::{ClientError, ErrorKind};
use super::uploads::read_local;
use super::workspace::{Workspace, segment};
use crate::resources::{AssetContainer, ModelReport, ModelVersion, StringMap};

/// A model on this machine that is to be registered.
#[derive(Debug, Clone, Default)]
pub struct NewModel {
    /// `None` = anonymous: named and found again by its content.
    pub name: Option<String>,
    /// `None` = the next one.
    pub version: Option<String>,
    /// File or folder to upload, unless `uri` is given.
    pub path: PathBuf,
    /// Where the content already lies: `azureml://…`, `https://…`. Nothing is uploaded then.
    pub uri: Option<String>,
    /// `custom_model`, `mlflow_model` or `triton_model`; empty = `custom_model`.
    pub model_type: String,
    pub description: Option<String>,
    pub tags: StringMap,
    pub properties: StringMap,
    /// MLflow flavors.
    pub flavors: BTreeMap<String, Value>,
}

/// Which assets a list is to show.
pub(super) fn view(all: bool) -> &'static str {
    if all { "All" } else { "ActiveOnly" }
}

fn version_path(name: &str, version: &str) -> String {
    format!("/models/{}/versions/{}", segment(name), segment(version))
}

impl Workspace {
    /// Model containers: a name, its latest version, its tags. Unless `all`, neither archived nor unnamed ones.
    pub async fn models(&self, all: bool) -> Result<Vec<AssetContainer>, ClientError> {
        self.list(&format!("/models?listViewType={}", view(all))).await
    }

    /// The versions of a model, newest first; unless `all`, those that are not archived.
    pub async fn model_versions(&self, name: &str, all: bool) -> Result<Vec<ModelVersion>, ClientError> {
        self.list(&format!("/models/{}/versions?listViewType={}", segment(name), view(all))).await
    }

    /// One version.
    pub async fn model(&self, name: &str, version: &str) -> Result<ModelVersion, ClientError> {
        self.get(&version_path(name, version)).await
    }

    /// The newest version of a model.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub async fn latest_model(&self, name: &str) -> Result<ModelVersion, ClientError> {
        let path = format!("/models/{}/versions?$orderBy=createdtime%20desc&$top=1", segment(name));
        self.list(&path).await?.into_iter().next().ok_or_else(|| {
            ClientError::new(
                ErrorKind::NotFound,
                format!("no model is called {name}: `mlconsole model list` shows the registered ones"),
            )
        })
    }

    /// Uploads a file or folder and registers it. `progress` hears bytes sent of all bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] when files cannot be read; [`ErrorKind::Refused`] when this version exists with other content.
    pub async fn register_model(
        &self,
        model: &NewModel,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<ModelVersion, ClientError> {
        let upload = match &model.uri {
            Some(_) => None,
            None => Some(read_local(&model.path).await?),
        };
        let anonymous = model.name.is_none();
        let name = match (&model.name, &upload) {
            (Some(name), _) => name.clone(),
            (None, Some(upload)) => upload.hash.clone(),
            (None, None) => uuid::Uuid::new_v4().to_string(),
        };
        let mut version = match (&model.version, anonymous) {
            (Some(version), _) => version.clone(),
            (None, true) => "1".into(),
            (None, false) => self.next_version("models", &name).await?,
        };
        let uri = match (&model.uri, &upload) {
            (None, Some(upload)) => self.upload_asset(upload, &name, &version, progress).await?,
            (uri, _) => uri.clone().unwrap_or_default(),
        };
        let model_type = if model.model_type.is_empty() { "custom_model" } else { model.model_type.as_str() };
        let mut properties = json!({
            "tags": model.tags, "properties": model.properties, "modelType": model_type, "modelUri": uri,
            "isAnonymous": anonymous, "isArchived": false,
        });
        if let Some(description) = &model.description {
            properties["description"] = json!(description);
        }
        if !model.flavors.is_empty() {
            properties["flavors"] = json!(model.flavors);
        }
        let body = json!({ "properties": properties });
        for _ in 0..5 {
            match self.put(&version_path(&name, &version), &body).await {
                // Somebody registered the same number meanwhile: take the next one, as the SDK does.
                Err(error) if model.version.is_none() && !anonymous && error.message.contains("cannot be updated") => {
                    version = self.next_version("models", &name).await?;
                }
                other => return other,
            }
        }
        Err(ClientError::new(
            ErrorKind::Conflict,
            format!("others keep registering versions of model {name}: give a version of your own"),
        ))
    }

    /// Hides a version from lists (`archived`), or shows it again. Deployments that use it go on.
    pub async fn archive_model(&self, name: &str, version: &str, archived: bool) -> Result<ModelVersion, ClientError> {
        let mut model = self.model(name, version).await?;
        model.properties.is_archived = archived;
        self.put(&version_path(name, version), &model).await
    }

    /// Inputs, outputs, operators and whether it runs here. Local workspaces only.
    pub async fn inspect_model(&self, name: &str, version: &str) -> Result<ModelReport, ClientError> {
        let path = format!("/models/{}/versions/{}/inspect", segment(name), segment(version));
        self.get_url(self.extension(&path)?).await
    }

    /// Registers a folder of a datastore as a data asset and answers its id; an existing one of this name is used.
    pub async fn register_data(&self, name: &str, version: &str, uri: &str) -> Result<String, ClientError> {
        let path = format!("/data/{}/versions/{}", segment(name), segment(version));
        let body = json!({"properties": {"dataUri": uri, "dataType": "uri_folder", "isAnonymous": false,
            "isArchived": false, "tags": {}, "properties": {}}});
        match self.put::<Value>(&path, &body).await {
            Err(error) if !error.message.contains("already exists") => return Err(error),
            _ => {}
        }
        Ok(format!("{}{path}", self.connection().workspace_id()))
    }

    /// The number a new version gets; "1" for a name nobody used.
    pub(super) async fn next_version(&self, kind: &str, name: &str) -> Result<String, ClientError> {
        match self.get::<AssetContainer>(&format!("/{kind}/{}", segment(name))).await {
            Ok(container) => Ok(container.properties.next_version.unwrap_or_else(|| "1".into())),
            Err(error) if error.kind == ErrorKind::NotFound => Ok("1".into()),
            Err(error) => Err(error),
        }
    }
}
