//! Whether the database that is open is still the one in the data folder.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// Which file the database is. One that was removed goes on taking writes that nobody will ever read.
#[derive(Debug, Clone)]
pub(super) struct Place {
    dir: PathBuf,
    file: PathBuf,
    /// Device and number of the file; `None` where that could not be found out.
    identity: Option<(u64, u64)>,
}

impl Place {
    /// Of the database that has just been opened in `dir`.
    pub fn of(dir: &Path) -> Self {
        let file = dir.join("workspace.db");
        Self { dir: dir.to_owned(), identity: identity(&file), file }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn is_gone(&self) -> bool {
        self.identity.is_some() && identity(&self.file) != self.identity
    }

    pub fn gone(&self) -> StoreError {
        StoreError::Gone { dir: self.dir.clone() }
    }
}

fn identity(file: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(file).ok().map(|meta| (meta.dev(), meta.ino()))
}
