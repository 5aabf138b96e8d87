//! The environments on disk: one folder a content, a lock beside it, complete or not there (reference §3.3.5).
//!
//! Who builds holds the lock of an environment alone, who uses it shares it; so nobody removes or changes what somebody
//! uses, in this process or another. The kernel takes locks back when a process dies in any way. The lock file also
//! remembers, a line each, for whom the environment was, and by its time when it was last used.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::EnvironmentError;
use super::disk::size_of;
use crate::server::stop::Stop;
use crate::server::store::files::write_atomic;

/// Written last: an environment without it is none.
const COMPLETE: &str = ".complete";
const PAUSE: Duration = Duration::from_millis(25);

/// What a complete environment holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Contents {
    /// `3.11.7`.
    pub python: String,
    /// `name==version`, sorted.
    pub packages: Vec<String>,
    pub warnings: Vec<String>,
    /// Of all files, in bytes.
    pub size: u64,
    /// Unix milliseconds.
    pub built_ms: i64,
}

/// The folder of all environments.
#[derive(Debug, Clone)]
pub(super) struct Keep {
    root: PathBuf,
    /// Who of this process uses which.
    users: Arc<Mutex<Users>>,
}

#[derive(Debug, Default)]
struct Users {
    next: u64,
    all: BTreeMap<u64, (String, String)>,
}

/// The use of an environment: it is not removed as long as this lives.
#[derive(Debug)]
pub struct Lease {
    _lock: File,
    id: u64,
    users: Arc<Mutex<Users>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).all.remove(&self.id);
    }
}

/// An environment of which nobody else knows anything yet: to be built, or removed.
#[derive(Debug)]
pub(super) struct Alone {
    pub folder: PathBuf,
    lock: File,
}

impl Alone {
    /// The lock, to be handed to children: it is held as long as one of them lives.
    pub fn lock(&self) -> std::io::Result<File> {
        self.lock.try_clone()
    }

    /// Removes the environment, in one step for all who look.
    pub fn remove(&self) -> Result<(), EnvironmentError> {
        let gone = self.folder.with_extension(format!("gone-{}", uuid::Uuid::new_v4().simple()));
        match fs::rename(&self.folder, &gone) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(EnvironmentError::file("an environment cannot be removed", &self.folder, &error)),
        }
        fs::remove_dir_all(&gone).map_err(|e| EnvironmentError::file("an environment cannot be removed", &gone, &e))
    }

    /// Declares the environment complete.
    pub fn complete(&self, contents: &Contents) -> Result<(), EnvironmentError> {
        let json = serde_json::to_vec_pretty(contents).map_err(|e| EnvironmentError::failed(e.to_string()))?;
        let file = self.folder.join(COMPLETE);
        write_atomic(&file, &json, 0o600).map_err(|e| EnvironmentError::failed(e.to_string()))
    }
}

/// How an environment can be had.
pub(super) enum Had {
    Ready(Lease, Contents),
    /// It is not there: build it.
    Missing(Alone),
}

/// An environment on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub key: String,
    pub state: State,
    /// For which environments it was built or used, e.g. `sklearn-env:3`.
    pub names: Vec<String>,
    /// `3.11.7`; empty as long as it is being built.
    pub python: String,
    /// `name==version`, sorted.
    pub packages: Vec<String>,
    /// In bytes.
    pub size: u64,
    /// Unix milliseconds.
    pub built_ms: i64,
    pub last_used_ms: i64,
    /// The deployments that use it now.
    pub users: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ready,
    InUse,
    Building,
    /// Left by a build that was killed; the next one that needs it builds it anew.
    Broken,
}

impl Keep {
    pub fn new(root: PathBuf) -> Self {
        Self { root, users: Arc::default() }
    }

    pub fn folder(&self, key: &str) -> PathBuf {
        self.root.join(key)
    }

    /// The environment `key` for `name`, as soon as nobody builds or removes it any more; `waiting` is called once when
    /// that takes a while.
    pub fn have(
        &self,
        key: &str,
        name: &str,
        user: Option<&str>,
        stop: &Stop,
        waiting: &dyn Fn(),
    ) -> Result<Had, EnvironmentError> {
        let began = std::time::Instant::now();
        let mut told = false;
        loop {
            let lock = self.open(key)?;
            if lock.try_lock_shared().is_ok() {
                if let Some(contents) = self.contents(key) {
                    note_use(&lock, name);
                    return Ok(Had::Ready(self.lease(lock, key, user), contents));
                }
                // Two who would both build have to fight for it: whoever loses waits.
                drop(lock);
                let lock = self.open(key)?;
                if lock.try_lock().is_ok() {
                    let alone = Alone { folder: self.folder(key), lock };
                    if self.contents(key).is_none() {
                        alone.remove()?;
                        note_use(&alone.lock, name);
                        return Ok(Had::Missing(alone));
                    }
                    continue;
                }
            }
            if !told && began.elapsed() > Duration::from_secs(1) {
                told = true;
                waiting();
            }
            if stop.wait(PAUSE) {
                return Err(EnvironmentError::Stopped);
            }
        }
    }

    /// All environments, the last used first.
    pub fn list(&self) -> Vec<Held> {
        let mut all: Vec<Held> = self.keys().into_iter().filter_map(|key| self.held(key)).collect();
        all.sort_by_key(|held| std::cmp::Reverse(held.last_used_ms));
        all
    }

    /// Removes an environment unless somebody uses or builds it; whether it is gone.
    pub fn remove(&self, key: &str) -> Result<bool, EnvironmentError> {
        let lock = self.open(key)?;
        match lock.try_lock() {
            Ok(()) => Alone { folder: self.folder(key), lock }.remove().map(|()| true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => {
                Err(EnvironmentError::file("an environment cannot be locked", &self.folder(key), &error))
            }
        }
    }

    /// Removes what removals that were interrupted have left.
    pub fn sweep(&self) {
        for path in fs::read_dir(&self.root).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.extension().is_some_and(|end| end.to_string_lossy().starts_with("gone-")) {
                // Whoever removes it at the same time is welcome.
                let _ = fs::remove_dir_all(&path);
            }
        }
    }

    fn keys(&self) -> Vec<String> {
        let names = fs::read_dir(&self.root).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let mut keys: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
        keys.retain(|name| is_key(name) && self.folder(name).is_dir());
        keys
    }

    fn held(&self, key: String) -> Option<Held> {
        let lock = self.open(&key).ok()?;
        let free = lock.try_lock().is_ok();
        // The lock goes back at once: it is only asked whether it could be had.
        let shared = free || (lock.unlock().is_ok() && lock.try_lock_shared().is_ok());
        let contents = self.contents(&key);
        let state = match (&contents, free, shared) {
            (_, _, false) => State::Building,
            (None, ..) => State::Broken,
            (Some(_), true, _) => State::Ready,
            (Some(_), false, _) => State::InUse,
        };
        let mut users: Vec<String> = {
            let users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            users.all.values().filter(|(used, _)| *used == key).map(|(_, user)| user.clone()).collect()
        };
        users.sort();
        users.dedup();
        if state == State::InUse && users.is_empty() {
            users.push("another process".to_owned());
        }
        let size = contents.as_ref().map_or_else(|| size_of(&self.folder(&key)), |contents| contents.size);
        let contents = contents.unwrap_or_default();
        Some(Held {
            state,
            names: names(&lock),
            python: contents.python,
            packages: contents.packages,
            size,
            built_ms: contents.built_ms,
            last_used_ms: lock.metadata().and_then(|meta| meta.modified()).map_or(0, unix_ms),
            users,
            key,
        })
    }

    /// What a complete environment holds, whose interpreter is still there.
    fn contents(&self, key: &str) -> Option<Contents> {
        let folder = self.folder(key);
        let contents = serde_json::from_slice(&fs::read(folder.join(COMPLETE)).ok()?).ok()?;
        folder.join("bin/python").exists().then_some(contents)
    }

    fn lease(&self, lock: File, key: &str, user: Option<&str>) -> Lease {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let id = users.next;
        users.next += 1;
        if let Some(user) = user {
            users.all.insert(id, (key.to_owned(), user.to_owned()));
        }
        Lease { _lock: lock, id, users: Arc::clone(&self.users) }
    }

    fn open(&self, key: &str) -> Result<File, EnvironmentError> {
        let path = self.root.join(format!("{key}.lock"));
        let open = || {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&path)
        };
        open().map_err(|error| EnvironmentError::file("the folder of environments cannot be used", &path, &error))
    }
}

/// Whether a name is that of an environment's folder.
pub(super) fn is_key(name: &str) -> bool {
    name.len() == 32 && name.chars().all(|c| c.is_ascii_hexdigit())
}

/// Remembers that an environment was used. What cannot be written down is only missing in the list.
fn note_use(lock: &File, name: &str) {
    if !names(lock).iter().any(|known| known == name) {
        let _ = (&*lock).write_all(format!("{}\n", name.replace('\n', " ")).as_bytes());
    }
    let _ = lock.set_modified(SystemTime::now());
}

fn names(lock: &File) -> Vec<String> {
    use std::os::unix::fs::FileExt as _;
    const LONGEST: usize = 64 * 1024;
    let mut bytes = vec![0; LONGEST];
    // Where others read and write does not matter: at an offset of one's own.
    let length = lock.read_at(&mut bytes, 0).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..length]).lines().map(str::to_owned).collect()
}

fn unix_ms(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn keep() -> (tempfile::TempDir, Keep) {
        let dir = tempfile::tempdir().unwrap();
        let keep = Keep::new(dir.path().join("environments"));
        (dir, keep)
    }

    fn have(keep: &Keep, user: &str) -> Had {
        keep.have(KEY, "env:1", Some(user), &Stop::new(), &|| {}).unwrap()
    }

    fn build(keep: &Keep) {
        let Had::Missing(alone) = have(keep, "nobody") else { panic!("it is not there yet") };
        fs::create_dir_all(alone.folder.join("bin")).unwrap();
        fs::write(alone.folder.join("bin/python"), "x").unwrap();
        alone.complete(&Contents { python: "3.11.7".into(), size: 7, ..Contents::default() }).unwrap();
    }

    #[test]
    fn what_is_used_is_not_removed_and_what_is_not_is() {
        let (_dir, keep) = keep();
        build(&keep);
        let Had::Ready(lease, contents) = have(&keep, "fraud/blue") else { panic!("it is complete") };
        assert_eq!(contents.python, "3.11.7");
        let held = &keep.list()[0];
        assert_eq!((held.state, held.users.as_slice()), (State::InUse, ["fraud/blue".to_owned()].as_slice()));
        assert_eq!((held.names.as_slice(), held.size), (["env:1".to_owned()].as_slice(), 7));
        // As another process sees it.
        let other = Keep::new(keep.root.clone());
        assert_eq!(other.list()[0].users, ["another process"]);
        assert!(!other.remove(KEY).unwrap() && !keep.remove(KEY).unwrap());
        drop(lease);
        assert_eq!(keep.list()[0].state, State::Ready);
        assert!(other.remove(KEY).unwrap());
        assert!(keep.list().is_empty() && matches!(have(&keep, "x"), Had::Missing(_)));
    }

    #[test]
    fn a_half_built_one_is_none() {
        let (_dir, keep) = keep();
        build(&keep);
        fs::remove_file(keep.folder(KEY).join(COMPLETE)).unwrap();
        assert_eq!(keep.list()[0].state, State::Broken);
        let Had::Missing(alone) = have(&keep, "x") else { panic!("it is broken") };
        assert!(!alone.folder.exists(), "what was left is gone");
        fs::create_dir_all(&alone.folder).unwrap();
        assert_eq!(keep.list()[0].state, State::Building);
        let stop = Stop::new();
        stop.ask();
        let waiting = keep.have(KEY, "env:1", None, &stop, &|| {});
        assert!(matches!(waiting, Err(EnvironmentError::Stopped)), "one who waits can be told to stop");
    }

    #[test]
    fn an_interpreter_that_went_away_makes_it_incomplete() {
        let (_dir, keep) = keep();
        build(&keep);
        fs::remove_file(keep.folder(KEY).join("bin/python")).unwrap();
        assert!(matches!(have(&keep, "x"), Had::Missing(_)));
    }
}
