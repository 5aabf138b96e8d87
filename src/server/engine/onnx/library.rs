//! Where an ONNX Runtime library may lie on this machine.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Where to look, besides the variable `ORT_DYLIB_PATH`.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The library's file, as configured.
    pub library: Option<PathBuf>,
    /// Folders of Python environments, which may have the package `onnxruntime`.
    pub environments: Vec<PathBuf>,
}

static PLACES: Mutex<Places> = Mutex::new(Places { library: None, environments: Vec::new() });

/// Says where to look from now on. A process opens one library, the first it needs, and keeps it.
pub fn look_in(places: Places) {
    *PLACES.lock().unwrap_or_else(PoisonError::into_inner) = places;
}

#[cfg(feature = "onnxruntime")]
mod search {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::PoisonError;

    use super::PLACES;
    use crate::server::engine::LoadError;

    /// Folders below an environment's own that are looked into.
    const DEPTH: usize = 3;

    /// The library's file: as configured, as `ORT_DYLIB_PATH` says, or the newest of the environments.
    pub fn find() -> Result<PathBuf, LoadError> {
        let places = PLACES.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(library) = places.library {
            return there(library, "the configuration ([local] onnxruntime_library)");
        }
        if let Some(library) = std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
            return there(library.into(), "the variable ORT_DYLIB_PATH");
        }
        let mut found: Vec<PathBuf> = places.environments.iter().flat_map(|folder| below(folder, DEPTH)).collect();
        found.sort_by_key(|file| version(file));
        found.pop().ok_or_else(|| {
            LoadError::new(
                "no ONNX Runtime library is found on this machine: install the Python package onnxruntime in an \
                 environment of this workspace, set ORT_DYLIB_PATH to libonnxruntime.so, or set onnxruntime_library under \
                 [local] in config.toml",
            )
        })
    }

    fn there(library: PathBuf, who: &str) -> Result<PathBuf, LoadError> {
        if library.is_file() {
            return Ok(library);
        }
        Err(LoadError::new(format!("{who} names the ONNX Runtime library '{}', which is not there", library.display())))
    }

    fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path())
    }

    fn named(path: &Path, start: &str) -> bool {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start))
    }

    /// Libraries of the environments in a folder.
    fn below(folder: &Path, depth: usize) -> Vec<PathBuf> {
        let pythons = folders(&folder.join("lib")).filter(|p| named(p, "python"));
        let capi = pythons.map(|p| p.join("site-packages/onnxruntime/capi"));
        let files = capi.flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()));
        let mut found: Vec<PathBuf> = files.filter(|p| named(p, "libonnxruntime.so")).collect();
        if found.is_empty() && depth > 0 {
            found = folders(folder).flat_map(|inner| below(&inner, depth - 1)).collect();
        }
        found
    }

    /// The numbers behind `.so.`, to compare.
    fn version(file: &Path) -> Vec<u64> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let numbers = name.split_once(".so.").map(|(_, version)| version.to_owned()).unwrap_or_default();
        numbers.split('.').filter_map(|part| part.parse().ok()).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_newest_library_of_the_environments_is_found() {
            let root = tempfile::tempdir().unwrap();
            for (environment, file) in
                [("a", "libonnxruntime.so.1.9.0"), ("b/env", "libonnxruntime.so.1.32.0"), ("c", "other.so")]
            {
                let folder = root.path().join(environment).join("lib/python3.11/site-packages/onnxruntime/capi");
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join(file), "").unwrap();
            }
            let mut found = below(root.path(), DEPTH);
            found.sort_by_key(|file| version(file));
            assert_eq!(found.len(), 2);
            assert!(found[1].ends_with("libonnxruntime.so.1.32.0"), "{found:?}");
        }
    }
}

#[cfg(feature = "onnxruntime")]
pub use search::find;
