//! Uploaded files on disk: `assets/{container}/{blob}`, written whole or not at all.
//!
//! Folders whose names begin with a dot are ours (metadata, blocks, unfinished uploads); containers cannot have such
//! names, so they never meet.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::error::StoreError;

type Result<T> = std::result::Result<T, StoreError>;

/// The container of the default datastore `workspaceblobstore`.
pub const DEFAULT_CONTAINER: &str = "azureml-blobstore";
const DEFAULT_DATASTORE: &str = "workspaceblobstore";

/// The folder of uploaded files.
#[derive(Debug, Clone)]
pub struct Assets {
    root: PathBuf,
}

impl Assets {
    /// Creates the folder and clears what a crash left of unfinished uploads.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let root = dir.join("assets");
        let unfinished = root.join(".tmp");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(|e| StoreError::from_io(&e, &unfinished, "cleared"))?;
        }
        for sub in [".tmp", ".meta", ".blocks", DEFAULT_CONTAINER] {
            let path = root.join(sub);
            fs::create_dir_all(&path).map_err(|e| StoreError::from_io(&e, &path, "created"))?;
        }
        Ok(Self { root })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of a container (it may not exist yet).
    ///
    /// # Errors
    /// [`StoreError::BadPath`] unless the name is 3 to 63 lower-case letters, digits and dashes.
    pub fn container(&self, container: &str) -> Result<PathBuf> {
        let fits = (3..=63).contains(&container.len())
            && container.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !container.starts_with('-');
        if fits {
            Ok(self.root.join(container))
        } else {
            Err(StoreError::BadPath(format!(
                "\"{container}\" is not a container name: use 3 to 63 lower-case letters, digits and dashes."
            )))
        }
    }

    /// File of a blob (it may not exist yet); never outside its container.
    ///
    /// # Errors
    /// [`StoreError::BadPath`] when the name is empty, absolute, or has a part that is `.`, `..`, empty or too long.
    pub fn blob(&self, container: &str, blob: &str) -> Result<PathBuf> {
        let mut path = self.container(container)?;
        for part in blob.split('/') {
            let fits = !matches!(part, "" | "." | "..") && part.len() <= 255 && !part.contains(['\0', '\\']);
            if !fits {
                return Err(StoreError::BadPath(format!(
                    "\"{blob}\" is not a usable path: its part \"{part}\" is empty, a dot name, too long or has a backslash."
                )));
            }
            path.push(part);
        }
        Ok(path)
    }

    /// Where a blob's metadata is kept. A hash names the file, because "a" and "a/b" may both be blobs.
    ///
    /// # Errors
    /// As [`Assets::blob`].
    pub fn metadata_file(&self, container: &str, blob: &str) -> Result<PathBuf> {
        self.blob(container, blob)?;
        Ok(self.root.join(".meta").join(container).join(format!("{}.json", digest(blob))))
    }

    /// Folder for the uncommitted blocks of a blob.
    ///
    /// # Errors
    /// As [`Assets::blob`].
    pub fn blocks_dir(&self, container: &str, blob: &str) -> Result<PathBuf> {
        self.blob(container, blob)?;
        Ok(self.root.join(".blocks").join(container).join(digest(blob)))
    }

    /// The file or folder a registered asset's URI points to: `azureml://…/datastores/workspaceblobstore/paths/…` (long
    /// or short form) or the address of a blob on this server, with or without a query.
    ///
    /// # Errors
    /// [`StoreError::BadPath`] when the URI points anywhere else, naming what is accepted.
    pub fn locate(&self, uri: &str) -> Result<PathBuf> {
        let elsewhere = || {
            StoreError::BadPath(format!(
                "\"{uri}\" does not point into this workspace. Register the asset with a local file or folder; \
                 other datastores and registries cannot be reached from here."
            ))
        };
        let lower = uri.to_ascii_lowercase();
        if lower.starts_with("azureml://") {
            let rest = after(uri, &lower, "/datastores/").ok_or_else(elsewhere)?;
            let (datastore, path) = rest.split_once("/paths/").ok_or_else(elsewhere)?;
            if !datastore.eq_ignore_ascii_case(DEFAULT_DATASTORE) {
                return Err(elsewhere());
            }
            return self.blob(DEFAULT_CONTAINER, path.trim_matches('/'));
        }
        if lower.starts_with("https://") || lower.starts_with("http://") {
            let path = uri.split(['?', '#']).next().unwrap_or(uri);
            let rest = after(path, &lower, "/blob/").ok_or_else(elsewhere)?;
            let mut parts = rest.splitn(3, '/');
            let (_account, container, blob) = (parts.next(), parts.next(), parts.next());
            let (container, blob) = container.zip(blob).ok_or_else(elsewhere)?;
            let blob = percent_encoding::percent_decode_str(blob).decode_utf8().map_err(|_| elsewhere())?;
            return self.blob(container, blob.trim_matches('/'));
        }
        Err(elsewhere())
    }

    /// Begins a file that appears under its name only when [`Upload::commit`] has it safely on disk.
    ///
    /// # Errors
    /// No space or no permission.
    pub fn begin(&self) -> Result<Upload> {
        let dir = self.root.join(".tmp");
        let file = tempfile::Builder::new()
            .prefix("upload-")
            .tempfile_in(&dir)
            .map_err(|e| StoreError::from_io(&e, &dir.join("upload"), "created"))?;
        Ok(Upload { file })
    }

    /// Writes a whole file at once, durably.
    ///
    /// # Errors
    /// No space, no permission, or a folder stands where the file should be.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut upload = self.begin()?;
        upload.append(bytes)?;
        upload.commit(path)
    }
}

/// A file on its way into the assets folder; dropped without [`Upload::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Upload {
    file: tempfile::NamedTempFile,
}

impl Upload {
    /// # Errors
    /// No space left.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| StoreError::from_io(&e, self.file.path(), "written"))
    }

    /// Flushes the content to disk, then puts the file under its name, replacing what was there.
    ///
    /// # Errors
    /// No space, no permission, or a folder stands where the file should be.
    pub fn commit(self, path: &Path) -> Result<()> {
        let io = |e: &std::io::Error| StoreError::from_io(e, path, "written");
        let parent = path.parent().unwrap_or(path);
        create_dirs(parent)?;
        self.file.as_file().sync_all().map_err(|e| io(&e))?;
        let (_, temporary) = self.file.keep().map_err(|e| io(&e.error))?;
        if let Err(error) = fs::rename(&temporary, path) {
            // The content is lost anyway; a leftover in .tmp is cleared at the next start.
            let _ = fs::remove_file(&temporary);
            return Err(io(&error));
        }
        sync_dir(parent)
    }
}

/// Writes a file durably and atomically beside others (connection file, ready file, certificates), with this mode.
///
/// # Errors
/// No space or no permission.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let io = |e: &std::io::Error| StoreError::from_io(e, path, "written");
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(parent)
        .map_err(|e| io(&e))?;
    file.write_all(bytes).map_err(|e| io(&e))?;
    file.as_file().sync_all().map_err(|e| io(&e))?;
    file.persist(path).map_err(|e| io(&e.error))?;
    sync_dir(parent)
}

/// Creates a folder and makes the names of all new parents durable.
fn create_dirs(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        create_dirs(parent)?;
    }
    match fs::create_dir(dir) {
        Ok(()) => dir.parent().map_or(Ok(()), sync_dir),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(e) => Err(StoreError::from_io(&e, dir, "created")),
    }
}

fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| StoreError::from_io(&e, dir, "flushed"))
}

fn digest(text: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    hash.as_ref().iter().fold(String::new(), |mut hex, byte| {
        use std::fmt::Write as _;
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `text` after the first occurrence of `mark`, found in `lower`, its lower-case form of the same length.
fn after<'a>(text: &'a str, lower: &str, mark: &str) -> Option<&'a str> {
    text.get(lower.find(mark)? + mark.len()..)
}
