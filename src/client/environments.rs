//! Registered environments.

use serde_json::{Value, json};

use super::assets::view;
use super::error::{ClientError, ErrorKind};
use super::workspace::{Workspace, segment};
use crate::resources::{AssetContainer, EnvironmentVersion, StringMap};

/// An environment that is to be registered.
#[derive(Debug, Clone, Default)]
pub struct NewEnvironment {
    /// `None` = anonymous: named and found again by its content.
    pub name: Option<String>,
    /// `None` = the next one.
    pub version: Option<String>,
    pub image: Option<String>,
    /// Text of the conda file.
    pub conda_file: Option<String>,
    /// `{"contextUri", "dockerfilePath"}`.
    pub build: Option<Value>,
    /// `{"livenessRoute", "readinessRoute", "scoringRoute"}`.
    pub inference_config: Option<Value>,
    pub description: Option<String>,
    pub tags: StringMap,
}

/// The name all anonymous environments share; their version is their content (reference §5.5).
const ANONYMOUS: &str = "CliV2AnonymousEnvironment";

fn version_path(name: &str, version: &str) -> String {
    format!("/environments/{}/versions/{}", segment(name), segment(version))
}

impl Workspace {
    /// Environment containers; unless `all`, neither archived nor unnamed ones.
    pub async fn environments(&self, all: bool) -> Result<Vec<AssetContainer>, ClientError> {
        self.list(&format!("/environments?listViewType={}", view(all))).await
    }

    /// The versions of an environment, newest first; unless `all`, those that are not archived.
    pub async fn environment_versions(&self, name: &str, all: bool) -> Result<Vec<EnvironmentVersion>, ClientError> {
        self.list(&format!("/environments/{}/versions?listViewType={}", segment(name), view(all))).await
    }

    /// One version.
    pub async fn environment(&self, name: &str, version: &str) -> Result<EnvironmentVersion, ClientError> {
        self.get(&version_path(name, version)).await
    }

    /// The newest version of an environment.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none.
    pub async fn latest_environment(&self, name: &str) -> Result<EnvironmentVersion, ClientError> {
        let path = format!("/environments/{}/versions?$orderBy=createdtime%20desc&$top=1", segment(name));
        self.list(&path).await?.into_iter().next().ok_or_else(|| {
            ClientError::new(
                ErrorKind::NotFound,
                format!("no environment is called {name}: `mlconsole environment list` shows the registered ones"),
            )
        })
    }

    /// Registers an environment.
    pub async fn register_environment(&self, new: &NewEnvironment) -> Result<EnvironmentVersion, ClientError> {
        let mut properties = json!({"tags": new.tags, "isAnonymous": new.name.is_none(), "isArchived": false});
        let optional = [
            ("image", new.image.as_ref().map(|text| json!(text))),
            ("condaFile", new.conda_file.as_ref().map(|text| json!(text))),
            ("build", new.build.clone()),
            ("inferenceConfig", new.inference_config.clone()),
            ("description", new.description.as_ref().map(|text| json!(text))),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                properties[name] = value;
            }
        }
        let (name, version) = match (&new.name, &new.version) {
            (Some(name), Some(version)) => (name.clone(), version.clone()),
            (Some(name), None) => (name.clone(), self.next_version("environments", name).await?),
            (None, _) => (ANONYMOUS.to_owned(), content_version(&properties)),
        };
        self.put(&version_path(&name, &version), &json!({ "properties": properties })).await
    }

    /// Hides a version from lists (`archived`), or shows it again.
    pub async fn archive_environment(
        &self,
        name: &str,
        version: &str,
        archived: bool,
    ) -> Result<EnvironmentVersion, ClientError> {
        let mut environment = self.environment(name, version).await?;
        environment.properties.is_archived = archived;
        self.put(&version_path(name, version), &environment).await
    }
}

/// The same content has the same version: 32 hex digits of its SHA-256.
fn content_version(properties: &Value) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, properties.to_string().as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
