//! Visitors of a workspace: a command that started one must not close it under others that use it meanwhile.
//!
//! Each visitor holds a shared lock on a file of the data folder; who wants to close takes it alone. The kernel takes
//! either back when a process dies in any way.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::start::StartError;

/// The use of somebody's workspace, as long as it lives.
#[derive(Debug)]
pub struct Visit {
    /// `None` where there was no data folder, hence nobody to visit.
    file: Option<File>,
}

impl Visit {
    /// Begins a visit, before looking for a workspace; `None` while the one that runs is closing.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn begin(data_dir: &Path) -> Result<Option<Self>, StartError> {
        let file = match open(data_dir) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Some(Self { file: None })),
            Err(e) => return Err(StartError::folder(data_dir, &e)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(StartError::folder(data_dir, &e)),
        }
    }

    /// Whether anybody would wait for its end; not if it began before there was a data folder.
    pub fn counts(&self) -> bool {
        self.file.is_some()
    }
}

/// Keeps visitors out, as long as it lives.
#[derive(Debug)]
pub struct ClosedDoor {
    _file: File,
}

impl ClosedDoor {
    /// Closes the door behind the last visitor; `None` while there is one.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn close(data_dir: &Path) -> Result<Option<Self>, StartError> {
        let file = open(data_dir).map_err(|e| StartError::folder(data_dir, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(StartError::folder(data_dir, &e)),
        }
    }
}

fn open(data_dir: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(data_dir.join("visitors"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_closes_behind_the_last_visitor_and_nobody_enters_a_closed_one() {
        let dir = tempfile::tempdir().unwrap();
        let first = Visit::begin(dir.path()).unwrap().expect("the door is open");
        let second = Visit::begin(dir.path()).unwrap().expect("there may be many");
        drop(first);
        assert!(ClosedDoor::close(dir.path()).unwrap().is_none(), "somebody is still there");
        drop(second);
        let door = ClosedDoor::close(dir.path()).unwrap().expect("all have left");
        assert!(Visit::begin(dir.path()).unwrap().is_none());
        drop(door);
        assert!(Visit::begin(dir.path()).unwrap().is_some());
    }

    #[test]
    fn where_there_is_no_folder_nobody_is_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = dir.path().join("not/yet");
        assert!(!Visit::begin(&nowhere).unwrap().expect("nobody is in the way").counts());
        assert!(!nowhere.exists());
    }
}
