//! Files and folders: how much they take, and what is in them.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Bytes of all files below a folder; what cannot be read counts as nothing.
pub fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size_of(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

/// What decides whether a file or folder of this machine is still the same, without reading more than it must.
pub(super) fn stamp(path: &Path, into: &mut ring::digest::Context) {
    let mut buffer = [0; 64 * 1024];
    if path.is_dir() {
        let mut inside: Vec<PathBuf> = fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path()).collect();
        inside.sort();
        for path in inside {
            into.update(path.as_os_str().as_encoded_bytes());
            into.update(&[0]);
            stamp(&path, into);
        }
    } else if let Ok(mut file) = File::open(path) {
        while let Ok(read) = file.read(&mut buffer)
            && read > 0
        {
            into.update(&buffer[..read]);
        }
    }
}
