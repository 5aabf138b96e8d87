//! What can go wrong with the data folder, told so that its owner can act.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::change::{Expect, Key};
use crate::resources::ArmError;

/// Why something could not be read or written. After any of these the previous state is intact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The document is not in the state the change was made for.
    #[error("{}", conflict_text(key, expected, found))]
    Conflict { key: Box<Key>, expected: Expect, found: Option<u64> },
    /// No space left, or a quota or size limit was reached.
    #[error(
        "there is no space left for \"{}\": nothing was changed. Free space on that disk (old model versions are in {}), then try again.",
        dir.display(), dir.join("assets").display()
    )]
    StorageFull { dir: PathBuf },
    #[error(
        "\"{}\" cannot be written ({cause}): nothing was changed. Make it writable for this user, or start with another --data-dir.",
        dir.display()
    )]
    ReadOnly { dir: PathBuf, cause: String },
    /// The database that is open is no longer the one in the folder: what is written would be lost.
    #[error(
        "the data folder \"{}\" was removed or replaced while the workspace runs: nothing was changed. What runs goes on; put the folder back in its place, or stop this workspace and start it again.",
        dir.display()
    )]
    Gone { dir: PathBuf },
    #[error("{what}. {next}")]
    Corrupt { what: String, next: String },
    /// The folder was written by a newer version.
    #[error(
        "\"{}\" was written by a newer mlconsole (format {found}, this version reads up to {known}). Update mlconsole, or start with another --data-dir.",
        dir.display()
    )]
    TooNew { dir: PathBuf, found: i64, known: i64 },
    #[error("the workspace in \"{}\" is shutting down; nothing was changed.", dir.display())]
    Closed { dir: PathBuf },
    #[error("\"{}\" could not be {doing}: {cause}. Nothing was changed; check the disk and try again.", path.display())]
    Io { path: PathBuf, doing: &'static str, cause: String },
    #[error("a change could not be stored: {0}")]
    Invalid(String),
}

fn conflict_text(key: &Key, expected: &Expect, found: &Option<u64>) -> String {
    let thing = key.describe();
    match (expected, found) {
        (Expect::Absent, _) => format!("{thing} exists already. Choose another name, or update it."),
        (Expect::Etag(want), Some(found)) => format!(
            "{thing} was changed by someone else: this change was made for version {want}, it is at version {found} now. Read it again and repeat the change."
        ),
        (_, None) => format!("{thing} does not exist (any more). Create it first."),
        (_, Some(found)) => format!("{thing} is in an unexpected state (version {found})."),
    }
}

impl StoreError {
    /// The HTTP status that says it: 409, 412, 404, 507, 503 or 500.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Conflict { expected: Expect::Absent, .. } => 409,
            Self::Conflict { found: None, .. } => 404,
            Self::Conflict { .. } => 412,
            Self::StorageFull { .. } | Self::ReadOnly { .. } | Self::Gone { .. } => 507,
            Self::Closed { .. } => 503,
            Self::Corrupt { .. } | Self::TooNew { .. } | Self::Io { .. } | Self::Invalid(_) => 500,
        }
    }

    /// ARM's word for it.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Conflict { expected: Expect::Absent, .. } => "ResourceExists",
            Self::Conflict { found: None, .. } => "ResourceNotFound",
            Self::Conflict { .. } => "PreconditionFailed",
            Self::StorageFull { .. } => "StorageFull",
            Self::ReadOnly { .. } => "StorageReadOnly",
            Self::Gone { .. } => "StorageGone",
            Self::Closed { .. } => "ShuttingDown",
            Self::Corrupt { .. } | Self::TooNew { .. } => "StorageCorrupt",
            Self::Io { .. } | Self::Invalid(_) => "InternalServerError",
        }
    }

    pub fn to_arm(&self) -> ArmError {
        ArmError::new(self.code(), self.to_string())
    }

    /// What an error of the database means for the folder it lives in.
    pub(super) fn from_sqlite(error: &rusqlite::Error, dir: &Path) -> Self {
        let cause = error.to_string();
        let io = |doing| Self::Io { path: dir.join("workspace.db"), doing, cause: cause.clone() };
        let corrupt = || Self::Corrupt {
            what: format!("the workspace database in \"{}\" is damaged ({cause})", dir.display()),
            next: "Move the folder aside and restore a copy, or start with another --data-dir.".into(),
        };
        let rusqlite::Error::SqliteFailure(failure, _) = error else {
            return match error {
                rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => corrupt(),
                _ => io("read"),
            };
        };
        match failure.code {
            ErrorCode::DiskFull => Self::StorageFull { dir: dir.to_owned() },
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::CannotOpen
            | ErrorCode::AuthorizationForStatementDenied => Self::ReadOnly { dir: dir.to_owned(), cause },
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => corrupt(),
            // A write beyond a quota or file size limit reports as an input/output error of a write.
            ErrorCode::SystemIoFailure
                if [
                    rusqlite::ffi::SQLITE_IOERR_WRITE,
                    rusqlite::ffi::SQLITE_IOERR_SHMSIZE,
                    rusqlite::ffi::SQLITE_IOERR_TRUNCATE,
                ]
                .contains(&failure.extended_code) =>
            {
                Self::StorageFull { dir: dir.to_owned() }
            }
            _ => io("written"),
        }
    }

    /// What a failure of a file operation means.
    pub(super) fn from_io(error: &std::io::Error, path: &Path, doing: &'static str) -> Self {
        use std::io::ErrorKind;
        let dir = path.parent().unwrap_or(path).to_owned();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Self::StorageFull { dir },
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => {
                Self::ReadOnly { dir, cause: error.to_string() }
            }
            _ => Self::Io { path: path.to_owned(), doing, cause: error.to_string() },
        }
    }
}
