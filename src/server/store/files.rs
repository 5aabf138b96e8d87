//! Files beside the database, written whole or not at all: uploads, certificates, the connection file.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use super::error::StoreError;

type Result<T> = std::result::Result<T, StoreError>;

/// Creates the assets folder and clears what a crash left of unfinished uploads in `assets/.tmp`.
pub(super) fn prepare(dir: &Path) -> Result<()> {
    let unfinished = dir.join("assets").join(".tmp");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(|e| StoreError::from_io(&e, &unfinished, "cleared"))?;
    }
    fs::create_dir_all(&unfinished).map_err(|e| StoreError::from_io(&e, &unfinished, "created"))
}

/// A file on its way into the assets folder; dropped without [`Upload::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Upload {
    file: tempfile::NamedTempFile,
}

impl Upload {
    /// Begins a file in the folder of unfinished ones, which must be on the same file system as its final place.
    /// It appears under its name only when [`Upload::commit`] has it safely on disk.
    ///
    /// # Errors
    /// No space or no permission.
    pub fn begin(unfinished: &Path) -> Result<Self> {
        create_dirs(unfinished)?;
        let file = tempfile::Builder::new()
            .prefix("upload-")
            .tempfile_in(unfinished)
            .map_err(|e| StoreError::from_io(&e, &unfinished.join("upload"), "created"))?;
        Ok(Self { file })
    }

    /// The unfinished file, for writers that bring their own handle.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

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

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| StoreError::from_io(&e, dir, "flushed"))
}
