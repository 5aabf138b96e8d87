//! Where uploaded files live: `assets/{container}/{blob name}`, so that an uploaded folder is a plain folder.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use ring::digest;

use crate::resources::ids::shorten;

/// Container behind the datastore `workspaceblobstore`.
pub const DATASTORE_CONTAINER: &str = "azureml-blobstore-local";
/// Name of the only datastore.
pub const DATASTORE: &str = "workspaceblobstore";
/// Name of the storage account, as it appears in paths.
pub const ACCOUNT: &str = "local";
/// Host suffix of storage, from the metadata document (reference §1.4).
pub const STORAGE_SUFFIX: &str = "core.local";

/// The folder of uploaded files.
#[derive(Debug, Clone)]
pub struct Assets {
    root: PathBuf,
}

/// Why a name cannot be stored. A whole sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(pub String);

impl Assets {
    /// `data_dir` is the workspace's data folder.
    pub fn new(data_dir: &Path) -> Self {
        Self { root: data_dir.join("assets") }
    }

    /// The folder that holds everything.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a container.
    pub fn container(&self, container: &str) -> Result<PathBuf, BadName> {
        check_container(container)?;
        Ok(self.root.join(container))
    }

    /// The file of a blob. Never outside the container's folder.
    pub fn blob(&self, container: &str, blob: &str) -> Result<PathBuf, BadName> {
        let mut path = self.container(container)?;
        check_blob(blob)?;
        path.extend(blob.split('/'));
        Ok(path)
    }

    /// The file of a blob's metadata; under a hash, so that it can collide with no blob.
    pub fn meta(&self, container: &str, blob: &str) -> Result<PathBuf, BadName> {
        check_container(container)?;
        Ok(self.root.join(".meta").join(container).join(format!("{}.json", hash(blob))))
    }

    /// The folder of blocks that wait for their list.
    pub fn blocks(&self, container: &str, blob: &str) -> PathBuf {
        self.root.join(".blocks").join(hash(&format!("{container}/{blob}")))
    }

    /// The file of a waiting block.
    pub fn block(&self, container: &str, blob: &str, id: &str) -> PathBuf {
        self.blocks(container, blob).join(hash(id))
    }

    /// The folder of files being written.
    pub fn unfinished(&self) -> PathBuf {
        self.root.join(".tmp")
    }

    /// The file or folder an asset's URI names: `azureml://…/datastores/workspaceblobstore/paths/…` or a URL of this
    /// workspace's blob store (whatever port it had when it was stored).
    ///
    /// # Errors
    /// A sentence saying why the URI names nothing in this workspace.
    pub fn resolve(&self, uri: &str) -> Result<PathBuf, BadName> {
        let (container, blob) = split_uri(uri)?;
        self.blob(&container, &blob)
    }
}

/// Container and blob name of an asset's URI.
fn split_uri(uri: &str) -> Result<(String, String), BadName> {
    let elsewhere = || {
        BadName(format!(
            "\"{}\" is not in this workspace's storage. Upload the files here and register the asset again; a local workspace cannot fetch from elsewhere.",
            shorten(uri)
        ))
    };
    let lower = uri.to_ascii_lowercase();
    if let Some(rest) = lower.strip_prefix("azureml://") {
        let marker = format!("datastores/{DATASTORE}/paths/");
        let at = rest.find(&marker).ok_or_else(elsewhere)?;
        if rest.starts_with("registries/") {
            return Err(elsewhere());
        }
        let path = &uri["azureml://".len() + at + marker.len()..];
        return Ok((DATASTORE_CONTAINER.to_owned(), path.trim_matches('/').to_owned()));
    }
    let path =
        lower.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme)).ok_or_else(elsewhere)?.1;
    let at = path.find('/').ok_or_else(elsewhere)?;
    let path = &uri[uri.len() - path.len() + at..];
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let decoded = percent_decode_str(path).decode_utf8().map_err(|_| elsewhere())?;
    let (container, blob) = split_path(&decoded).ok_or_else(elsewhere)?;
    Ok((container.to_owned(), blob.trim_matches('/').to_owned()))
}

/// Container and blob name (may be empty) of a decoded path `/blob/{account}/{container}/{blob}`.
pub fn split_path(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/blob/")?;
    let (account, rest) = rest.split_once('/')?;
    let known = account.eq_ignore_ascii_case(ACCOUNT)
        || account.split_once(".blob.").is_some_and(|(name, suffix)| {
            name.eq_ignore_ascii_case(ACCOUNT) && suffix.eq_ignore_ascii_case(STORAGE_SUFFIX)
        });
    if !known {
        return None;
    }
    let (container, blob) = rest.split_once('/').unwrap_or((rest, ""));
    (!container.is_empty()).then_some((container, blob))
}

fn check_container(name: &str) -> Result<(), BadName> {
    let fine = (3..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if fine {
        return Ok(());
    }
    Err(BadName(format!(
        "\"{}\" is not a container's name: 3 to 63 lower-case letters, digits and inner dashes are allowed.",
        shorten(name)
    )))
}

/// A blob's name must be a relative path of plain segments, short enough for the file system.
fn check_blob(name: &str) -> Result<(), BadName> {
    let wrong = |why: &str| {
        Err(BadName(format!("\"{}\" cannot be stored: {why}. Rename the file and upload it again.", shorten(name))))
    };
    if name.is_empty() {
        return wrong("the name is empty");
    }
    if name.len() > 1024 {
        return wrong("the name is longer than 1,024 bytes");
    }
    for part in name.split('/') {
        match part {
            "" => return wrong("it has an empty path segment"),
            "." | ".." => return wrong("\".\" and \"..\" are not allowed in it"),
            _ if part.len() > 255 => return wrong("a path segment is longer than 255 bytes"),
            _ if part.contains(|c: char| c == '\\' || c.is_control()) => {
                return wrong("it has a backslash or a control character");
            }
            _ => {}
        }
    }
    Ok(())
}

fn hash(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assets() -> Assets {
        Assets::new(Path::new("/data"))
    }

    #[test]
    fn asset_uris_name_files() {
        let a = assets();
        let model = "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/workspaceblobstore/paths/LocalUpload/ab12/model";
        assert_eq!(a.resolve(model).unwrap(), Path::new("/data/assets/azureml-blobstore-local/LocalUpload/ab12/model"));
        assert_eq!(
            a.resolve("https://127.0.0.1:8443/blob/local/c0de-1/src%20dir").unwrap(),
            Path::new("/data/assets/c0de-1/src dir")
        );
        assert_eq!(
            a.resolve("https://127.0.0.1:8443/blob/local.blob.core.local/c0de-1/src/").unwrap(),
            Path::new("/data/assets/c0de-1/src")
        );
        for uri in [
            "azureml://registries/azureml/models/m/versions/1",
            "https://example.com/models/x",
            "https://example.com",
            "file:///etc/passwd",
            "",
            "https://h/blob/local/c0de-1/../../../etc/passwd",
            "https://h/blob/local/c0de-1/%2e%2e/%2e%2e/etc",
            "azureml://datastores/workspaceblobstore/paths/../../../x",
        ] {
            assert!(a.resolve(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn metadata_never_collides_with_a_blob() {
        let a = assets();
        assert!(a.container(".meta").is_err());
        assert_ne!(a.meta("abc", "x").unwrap(), a.meta("abc", "x.json").unwrap());
    }

    proptest::proptest! {
        #[test]
        fn no_name_leaves_the_folder(container in ".{0,20}", blob in "[a./\\\\%\u{0}-\u{ff}]{0,40}") {
            let a = assets();
            if let Ok(path) = a.blob(&container, &blob) {
                proptest::prop_assert!(path.starts_with("/data/assets"));
                proptest::prop_assert!(path.components().all(|c| !matches!(c, std::path::Component::ParentDir)));
                proptest::prop_assert!(!path.starts_with("/data/assets/.meta"));
            }
        }

        #[test]
        fn no_uri_panics_or_escapes(uri in "(azureml://|https://|http:/|)[a-z/.:%0-9A-Zé?#]{0,60}") {
            if let Ok(path) = assets().resolve(&uri) {
                proptest::prop_assert!(path.starts_with("/data/assets"));
            }
        }
    }
}
