//! Where files can be uploaded: the datastore and one-time containers (reference §6.1, §6.2).

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ControlPlane;
use super::answer::Answer;
use super::assets::noun;
use super::blob::layout::{ACCOUNT, DATASTORE, DATASTORE_CONTAINER, STORAGE_SUFFIX};
use super::call::Call;
use super::fault::Fault;
use super::paging::page;
use super::read;
use super::tokens::now_s;
use crate::resources::ids::AssetKind;
use crate::resources::rules::{check_asset_name, check_asset_version};

/// Rights of an upload: read, add, create, write, list.
const RIGHTS: &str = "racwl";
/// Longest validity of a signature, in hours.
const MAX_HOURS: i64 = 7 * 24;

impl ControlPlane {
    pub(super) fn datastores(&self, call: &Call) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("the list of datastores", &["GET"]));
        }
        Answer::ok(&page(self.base(), call, vec![self.datastore_resource()])?)
    }

    pub(super) fn datastore(&self, call: &Call, name: &str) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("a datastore", &["GET"]));
        }
        only_datastore(name)?;
        Answer::ok(&self.datastore_resource())
    }

    /// A shared access signature for the datastore's container.
    pub(super) fn datastore_secrets(&self, call: &Call, name: &str, body: &[u8]) -> Result<Answer, Fault> {
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct Wanted {
            expire_after_hours: Option<i64>,
        }
        if call.method != Method::POST {
            return Err(call.no_such_method("the secrets of a datastore", &["POST"]));
        }
        only_datastore(name)?;
        let wanted: Wanted = read::typed(&read::value(body, true)?)?;
        let hours = wanted.expire_after_hours.unwrap_or(24).clamp(1, MAX_HOURS);
        let token = self.app.tokens.sas(DATASTORE_CONTAINER, RIGHTS, now_s() + hours * 3600);
        Ok(Answer::ok(&json!({"secretsType": "Sas", "sasToken": token}))?.with("cache-control", "no-store"))
    }

    fn datastore_resource(&self) -> Value {
        // The SDK builds https://{accountName}.blob.{suffix}/… itself: this name makes it a path on this server
        // (reference §6.3), whatever name resolution there is.
        let host = self.base().strip_prefix("https://").unwrap_or(self.base());
        json!({
            "id": format!("{}/datastores/{DATASTORE}", self.workspace_id()),
            "name": DATASTORE,
            "type": "Microsoft.MachineLearningServices/workspaces/datastores",
            "properties": {
                "description": null, "tags": {}, "properties": {},
                "datastoreType": "AzureBlob", "isDefault": true,
                "accountName": format!("{host}/blob/{ACCOUNT}"),
                "containerName": DATASTORE_CONTAINER,
                "endpoint": STORAGE_SUFFIX, "protocol": "https",
                "serviceDataAccessAuthIdentity": "None",
                "credentials": {"credentialsType": "AccountKey"},
                "subscriptionId": self.app.connection.subscription_id,
                "resourceGroup": self.app.connection.resource_group,
            },
            "systemData": {
                "createdAt": "2026-01-01T00:00:00.000000Z", "createdBy": "local", "createdByType": "User",
                "lastModifiedAt": "2026-01-01T00:00:00.000000Z",
            },
        })
    }

    /// A new container for one asset's files, with a signature to write to it.
    pub(super) fn start_pending_upload(
        &self,
        call: &Call,
        kind: AssetKind,
        name: &str,
        version: &str,
    ) -> Result<Answer, Fault> {
        if call.method != Method::POST {
            return Err(call.no_such_method(&format!("an upload of a {}", noun(kind)), &["POST"]));
        }
        check_asset_name(name).map_err(Fault::rule)?;
        check_asset_version(version).map_err(Fault::rule)?;
        let id = uuid::Uuid::new_v4().to_string();
        let container = format!("{}-{id}", kind.collection());
        let folder = self.assets.container(&container).map_err(super::blob::files::bad_name)?;
        std::fs::create_dir_all(&folder).map_err(|e| super::blob::files::disk(&e, self.assets.root()))?;
        let uri = format!("{}/blob/{ACCOUNT}/{container}", self.base());
        let token = self.app.tokens.sas(&container, RIGHTS, now_s() + 24 * 3600);
        let answer = Answer::ok(&json!({
            "pendingUploadId": id,
            "pendingUploadType": "TemporaryBlobReference",
            "blobReferenceForConsumption": {
                "blobUri": uri,
                "storageAccountArmId": format!("{}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}", self.group_id()),
                "credential": {"credentialType": "SAS", "sasUri": format!("{uri}?{token}")},
            },
        }))?;
        Ok(answer.with("cache-control", "no-store"))
    }
}

fn only_datastore(name: &str) -> Result<(), Fault> {
    if name.eq_ignore_ascii_case(DATASTORE) {
        return Ok(());
    }
    Err(Fault::missing(
        "ResourceNotFound",
        format!("There is no datastore \"{name}\". A local workspace has one: {DATASTORE}."),
    ))
}
