//! The SDK's upload protocol: models to the workspace's blob store, code to a container of its own (reference §6).

use serde::Deserialize;
use serde_json::{Value, json};

use super::blobs::Container;
use super::error::{ClientError, ErrorKind};
use super::files::Upload;
use super::shared_key::SharedKey;
use super::workspace::Workspace;

/// Part of a cloud's metadata document (reference §1.4).
#[derive(Clone)]
pub(super) struct CloudMetadata {
    /// `core.windows.net`, `core.local`.
    pub storage_suffix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CloudEntry {
    #[serde(default)]
    resource_manager: String,
    suffixes: Suffixes,
}

#[derive(Deserialize)]
struct Suffixes {
    storage: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Datastore {
    properties: DatastoreProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DatastoreProperties {
    account_name: String,
    container_name: String,
    #[serde(default)]
    protocol: Option<String>,
}

/// Bytes sent of all bytes.
pub(super) type Progress<'a> = &'a mut (dyn FnMut(u64, u64) + Send);

/// Reads and hashes off the runtime's threads.
pub(super) async fn read_local(path: &std::path::Path) -> Result<Upload, ClientError> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || Upload::read(&path))
        .await
        .map_err(|e| ClientError::local(format!("reading the files was interrupted: {e}")))?
}

impl Workspace {
    /// Uploads to the default datastore, unless the same content is there already. Answers the asset's URI.
    pub(super) async fn upload_asset(
        &self,
        upload: &Upload,
        name: &str,
        version: &str,
        progress: Progress<'_>,
    ) -> Result<String, ClientError> {
        let store: Datastore = self.get("/datastores/workspaceblobstore").await?;
        let secret: Value = self
            .post(
                "/datastores/workspaceblobstore/listSecrets",
                &json!({"expirableSecret": true, "expireAfterHours": 1}),
            )
            .await?;
        let key = match (secret["sasToken"].as_str(), secret["key"].as_str()) {
            (Some(_), _) => None,
            (None, Some(key)) => Some(SharedKey::new(&store.properties.account_name, key)?),
            (None, None) => {
                return Err(ClientError::new(
                    ErrorKind::NotSupported,
                    "the workspace's datastore hands out neither a shared-access signature nor a key: register the \
                     model with the Azure command line instead",
                ));
            }
        };
        let store = store.properties;
        let protocol = store.protocol.as_deref().unwrap_or("https");
        let suffix = &self.metadata().await?.storage_suffix;
        let container = Container {
            url: format!("{protocol}://{}.blob.{suffix}/{}", store.account_name, store.container_name),
            sas: secret["sasToken"].as_str().unwrap_or_default().trim_start_matches('?').to_owned(),
            key,
        };
        let prefix = format!("LocalUpload/{}/", upload.hash);
        let Some(first) = upload.files.first() else {
            return Err(ClientError::local("there is nothing to upload"));
        };
        let indicator = format!("{prefix}{}", upload.blob_path(first));
        let transport = &self.inner.transport;
        let there = container.head(transport, &indicator).await?;
        let complete = there.is_some_and(|headers| {
            headers.get("x-ms-meta-upload_status").is_some_and(|status| status.as_bytes() == b"completed")
        });
        if complete {
            progress(upload.bytes(), upload.bytes());
        } else {
            container.put_all(transport, &prefix, upload, progress).await?;
            container.mark_complete(transport, &indicator, name, version).await?;
        }
        let at = self.connection();
        Ok(format!(
            "azureml://subscriptions/{}/resourcegroups/{}/workspaces/{}/datastores/workspaceblobstore/paths/{prefix}{}",
            at.subscription_id, at.resource_group, at.workspace, upload.name
        ))
    }

    /// Uploads a folder that belongs to another asset (the context of a container build) and answers its URI.
    ///
    /// # Errors
    /// When files cannot be read or the workspace refuses them.
    pub async fn upload_folder(
        &self,
        folder: &std::path::Path,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<String, ClientError> {
        let upload = read_local(folder).await?;
        self.upload_asset(&upload, &upload.hash, "1", progress).await
    }

    /// Uploads a code folder (or the folder of a single script) and registers it, unless the workspace has the same
    /// content already. Answers the id of the code asset.
    ///
    /// # Errors
    /// When files cannot be read or the workspace refuses them.
    pub async fn register_code(
        &self,
        folder: &std::path::Path,
        progress: &mut (dyn FnMut(u64, u64) + Send),
    ) -> Result<String, ClientError> {
        let upload = read_local(folder).await?;
        let name = uuid::Uuid::new_v4();
        let same = self.list::<Value>(&format!("/codes/{name}/versions?hash={}&hashVersion=202208", upload.hash)).await;
        // A service that cannot search by content is no reason not to upload.
        if let Some(id) = same.unwrap_or_default().first().and_then(|code| code["id"].as_str()) {
            progress(upload.bytes(), upload.bytes());
            return Ok(id.to_owned());
        }
        let path = format!("/codes/{name}/versions/1");
        let pending: Value = self
            .post(&format!("{path}/startPendingUpload"), &json!({"pendingUploadType": "TemporaryBlobReference"}))
            .await?;
        let place = &pending["blobReferenceForConsumption"];
        let (Some(blob_uri), Some(sas_uri)) = (place["blobUri"].as_str(), place["credential"]["sasUri"].as_str())
        else {
            return Err(ClientError::protocol("the workspace named no place to upload the code to"));
        };
        let container = Container::from_sas_uri(sas_uri);
        container.put_all(&self.inner.transport, "", &upload, progress).await?;
        let body = json!({"properties": {
            "codeUri": format!("{}/{}", blob_uri.trim_end_matches('/'), upload.name),
            "isAnonymous": true,
            "properties": {"hash_sha256": upload.hash, "hash_version": "202208"},
        }});
        let code: Value = self.put(&path, &body).await?;
        code["id"].as_str().map(str::to_owned).ok_or_else(|| ClientError::protocol("the code asset came without an id"))
    }

    async fn metadata(&self) -> Result<&CloudMetadata, ClientError> {
        let fetch = async {
            let base = &self.inner.transport.base;
            let mut entries: Vec<CloudEntry> =
                self.get_url(format!("{base}/metadata/endpoints?api-version=2019-05-01")).await?;
            let ours = entries.iter().position(|entry| entry.resource_manager.trim_end_matches('/') == base);
            if entries.is_empty() {
                return Err(ClientError::protocol(format!("{base} describes no cloud in its metadata document")));
            }
            Ok(CloudMetadata { storage_suffix: entries.swap_remove(ours.unwrap_or(0)).suffixes.storage })
        };
        self.inner.metadata.get_or_try_init(|| fetch).await
    }
}
