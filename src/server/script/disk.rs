//! The disk of an instance: as each container on Azure has, a copy of the code of its own. What a script writes beside itself
//! is seen by the processes of its instance, and by no other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, io};

use super::{Script, ScriptSpec};
use crate::server::telemetry::lock;

/// The processes that run on each instance's disk.
#[derive(Debug, Default)]
pub struct Disks(Mutex<BTreeMap<u32, u32>>);

/// An instance's disk, as one of its processes holds it.
pub struct Disk<'a> {
    script: &'a Script,
    instance: u32,
    folder: PathBuf,
}

impl<'a> Disk<'a> {
    /// The disk of an instance, made for its first process.
    ///
    /// # Errors
    /// The code cannot be copied.
    pub fn of(script: &'a Script, instance: u32) -> io::Result<Self> {
        let folder = script.spec.home.path().join("instances").join(instance.to_string());
        let mut disks = lock(&script.disks.0);
        if !folder.is_dir() {
            let half = folder.with_extension("new");
            // What an attempt on a full disk has left may not be writable; absent is as good.
            let _ = fs::remove_dir_all(&half);
            copy_tree(&script.spec.code, &half.join(name(&script.spec)), &|from, to| fs::copy(from, to).map(drop))?;
            fs::rename(half, &folder)?;
        }
        *disks.entry(instance).or_default() += 1;
        drop(disks);
        Ok(Self { script, instance, folder })
    }

    /// The scoring script on it.
    pub fn scoring_script(&self) -> PathBuf {
        let spec = &self.script.spec;
        let inner = spec.script.strip_prefix(&spec.code).unwrap_or(&spec.script);
        self.folder.join(name(spec)).join(inner)
    }

    /// A process has ended; `for_good` says that none will take its place. The last of these takes the disk with it.
    pub fn leave(self, for_good: bool) {
        let mut disks = lock(&self.script.disks.0);
        let Some(processes) = disks.get_mut(&self.instance) else { return };
        *processes = processes.saturating_sub(1);
        if *processes == 0 && for_good {
            disks.remove(&self.instance);
            // What cannot be removed goes with the deployment.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

fn name(spec: &ScriptSpec) -> &Path {
    spec.code.file_name().unwrap_or("code".as_ref()).as_ref()
}

/// Copies a file or a folder with all in it, each file by `file`. Links are followed within the folder they are in, and left
/// out otherwise.
///
/// # Errors
/// Something cannot be read or written.
pub fn copy_tree(from: &Path, to: &Path, file: &dyn Fn(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    if !from.is_dir() {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        return file(from, to);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        // Uploads hold no links; whoever put one into the data folder gets what it points to, but no circles.
        if kind.is_dir() || kind.is_file() || (kind.is_symlink() && entry.path().is_file()) {
            copy_tree(&entry.path(), &to.join(entry.file_name()), file)?;
        }
    }
    Ok(())
}
