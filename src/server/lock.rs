//! One process owns a data folder; others find out who it is and how to reach it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::start::StartError;
use super::store::files::write_atomic;
use crate::resources::Connection;

/// How long an attaching process waits for an owner that is just starting.
const STARTING: Duration = Duration::from_secs(10);
/// How long a starting process puts up with one that merely looks whether there is an owner.
const LOOKING: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(20);

/// Ownership of a data folder, as long as it lives; the kernel takes it back when the process dies in any way.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    dir: PathBuf,
}

impl Lock {
    /// # Errors
    /// [`StartError::Owned`] when another process owns the folder.
    pub fn acquire(dir: &Path) -> Result<Self, StartError> {
        let mut file = open(dir, true).map_err(|e| StartError::folder(dir, &e))?;
        let until = Instant::now() + LOOKING;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(StartError::Owned { dir: dir.to_owned(), pid: read_pid(&mut file) });
                }
                Err(TryLockError::Error(e)) => return Err(StartError::folder(dir, &e)),
            }
        }
        let lock = Self { file, dir: dir.to_owned() };
        lock.forget_connection();
        lock.write_pid().map_err(|e| StartError::folder(dir, &e))?;
        Ok(lock)
    }

    fn write_pid(&self) -> std::io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    }

    /// Tells other processes how to reach this one.
    pub fn publish(&self, connection: &Connection) -> Result<(), StartError> {
        let json = serde_json::to_vec_pretty(connection).map_err(|e| StartError::Connection(e.to_string()))?;
        Ok(write_atomic(&connection_file(&self.dir), &json, 0o600)?)
    }

    fn forget_connection(&self) {
        // Absent is as good as removed; a leftover names a dead process and is not believed.
        let _ = std::fs::remove_file(connection_file(&self.dir));
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.forget_connection();
    }
}

/// How to reach the process that owns a data folder; `None` when nobody does (also after a crash).
///
/// Waits a little for an owner that is just starting. Blocks: call it before an asynchronous runtime matters.
///
/// # Errors
/// The folder cannot be read, or its owner does not say how to reach it.
pub fn attach(data_dir: &Path) -> Result<Option<Connection>, StartError> {
    let mut file = match open(data_dir, false) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StartError::folder(data_dir, &e)),
    };
    let until = Instant::now() + STARTING;
    loop {
        match file.try_lock_shared() {
            // Nobody owns the folder; the lock goes with `file`.
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(StartError::folder(data_dir, &e)),
        }
        let pid = read_pid(&mut file);
        let connection = std::fs::read(connection_file(data_dir)).ok();
        let connection = connection.and_then(|json| serde_json::from_slice::<Connection>(&json).ok());
        if let Some(connection) = connection.filter(|c| pid.is_none_or(|pid| c.pid == pid)) {
            return Ok(Some(connection));
        }
        if Instant::now() >= until {
            return Err(StartError::Silent { dir: data_dir.to_owned(), pid });
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether a process owns a data folder now, be it that it is only just starting. Does not wait.
///
/// # Errors
/// The folder cannot be read.
pub fn is_owned(data_dir: &Path) -> Result<bool, StartError> {
    let file = match open(data_dir, false) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(StartError::folder(data_dir, &e)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(StartError::folder(data_dir, &e)),
    }
}

fn open(dir: &Path, create: bool) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().read(true).write(true).create(create).truncate(false).mode(0o600).open(dir.join("lock"))
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn connection_file(dir: &Path) -> PathBuf {
    dir.join("connection.json")
}
