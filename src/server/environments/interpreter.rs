//! Finding an interpreter on this machine (reference §3.3.1). Never a download.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::child;
use super::conda::CHOICE;

/// A shim that asks the network, or a broken interpreter, is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Says version, then the interpreter itself rather than the one of a virtual environment or a shim.
const ASK: &str = "import sys; print('%d.%d.%d' % sys.version_info[:3]); print(getattr(sys, '_base_executable', None) or sys.executable); \
                   print(sys.implementation.name)";

/// An interpreter that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interpreter {
    /// Absolute, without links.
    pub path: PathBuf,
    pub minor: (u8, u8),
    /// `3.11.7`.
    pub version: String,
}

/// What was asked before, by the path that was asked: they do not change while the workspace runs.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<BTreeMap<PathBuf, Option<Interpreter>>>);

impl Known {
    /// The best interpreter of one of the minor versions in `wanted` (any, if there are none).
    ///
    /// # Errors
    /// There is none: what is needed, what there is, and what to do.
    pub fn find(&self, search_paths: &[PathBuf], wanted: &[(u8, u8)]) -> Result<Interpreter, String> {
        let wanted = if wanted.is_empty() { &CHOICE[..] } else { wanted };
        let folders = folders(search_paths);
        for minor in wanted {
            let found = candidates(search_paths, &folders, Some(*minor))
                .into_iter()
                .find_map(|path| self.ask(&path).filter(|found| found.minor == *minor));
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Err(none(wanted, &self.all(search_paths, &folders)))
    }

    /// Every interpreter there is, one a minor version.
    fn all(&self, search_paths: &[PathBuf], folders: &[PathBuf]) -> Vec<Interpreter> {
        let mut all: Vec<Interpreter> =
            candidates(search_paths, folders, None).into_iter().filter_map(|path| self.ask(&path)).collect();
        all.sort_by_key(|found| found.minor);
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|found| seen.insert(found.minor));
        all
    }

    fn ask(&self, path: &Path) -> Option<Interpreter> {
        // Links come and go; what they lead to is asked once.
        let real = path.canonicalize().ok()?;
        let known = |key: &Path| self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned();
        if let Some(known) = known(path).or_else(|| known(&real)) {
            return known;
        }
        let answer = child::output(child::command(path).args(["-I", "-c", ASK]), PATIENCE).and_then(|text| read(&text));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(path.to_owned(), answer.clone());
        if let Some(found) = &answer {
            all.insert(found.path.clone(), answer.clone());
        }
        answer
    }
}

fn read(text: &str) -> Option<Interpreter> {
    // What a sitecustomize prints comes before.
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let [.., version, path, "cpython"] = lines.as_slice() else { return None };
    let mut numbers = version.split('.').map_while(|number| number.parse::<u8>().ok());
    let minor = (numbers.next()?, numbers.next()?);
    Some(Interpreter { path: Path::new(path).canonicalize().ok()?, minor, version: (*version).to_owned() })
}

/// Folders that may hold interpreters, the more particular first.
fn folders(search_paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in search_paths.iter().filter(|path| path.is_dir()) {
        folders.push(path.clone());
        folders.push(path.join("bin"));
        folders.extend(inside(path).into_iter().map(|version| version.join("bin")));
    }
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths).filter(|path| path.is_absolute()));
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = etcetera::home_dir().unwrap_or_default();
    let data = set("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
    // Each holds a folder a version.
    let managers = [
        set("PYENV_ROOT").unwrap_or_else(|| home.join(".pyenv")).join("versions"),
        set("ASDF_DATA_DIR").unwrap_or_else(|| home.join(".asdf")).join("installs/python"),
        set("MISE_DATA_DIR").unwrap_or_else(|| data.join("mise")).join("installs/python"),
        set("UV_PYTHON_INSTALL_DIR").unwrap_or_else(|| data.join("uv/python")),
        home.join(".rye/py"),
        home.join("miniconda3/envs"),
        home.join("miniforge3/envs"),
        home.join("mambaforge/envs"),
        home.join("anaconda3/envs"),
        home.join(".conda/envs"),
        PathBuf::from("/opt/conda/envs"),
        PathBuf::from("/opt"),
        PathBuf::from("/opt/python"),
        PathBuf::from("/opt/hostedtoolcache/Python"),
        PathBuf::from("/Library/Frameworks/Python.framework/Versions"),
    ];
    for versions in managers.iter().flat_map(|manager| inside(manager)) {
        folders.push(versions.join("bin"));
        // Some keep the machine's kind between: 3.11.7/x64/bin.
        folders.push(versions.join("x64/bin"));
    }
    for conda in ["miniconda3", "miniforge3", "mambaforge", "anaconda3"] {
        folders.push(home.join(conda).join("bin"));
    }
    folders.extend([home.join(".local/bin"), "/usr/local/bin".into(), "/opt/homebrew/bin".into(), "/usr/bin".into()]);
    folders
}

/// The folders in a folder, the newest version first.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut inside: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    inside.retain(|path| path.is_dir());
    let numbers = |path: &PathBuf| -> Vec<u64> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
    };
    inside.sort_by_key(|path| std::cmp::Reverse(numbers(path)));
    inside
}

/// Files that may be an interpreter of that minor version, or of any.
fn candidates(search_paths: &[PathBuf], folders: &[PathBuf], minor: Option<(u8, u8)>) -> Vec<PathBuf> {
    let mut candidates: Vec<PathBuf> = search_paths.iter().filter(|path| path.is_file()).cloned().collect();
    let exact = minor.map(|(major, minor)| format!("python{major}.{minor}"));
    for folder in folders {
        match &exact {
            Some(name) => candidates.push(folder.join(name)),
            None => {
                candidates.extend(CHOICE.iter().map(|(major, minor)| folder.join(format!("python{major}.{minor}"))))
            }
        }
    }
    for name in ["python3", "python"] {
        candidates.extend(folders.iter().map(|folder| folder.join(name)));
    }
    let mut seen = std::collections::BTreeSet::new();
    candidates.retain(|path| path.is_file() && seen.insert(path.clone()));
    candidates
}

/// `3.10`, or `3.8, 3.9 or 3.10`.
pub(super) fn minors(wanted: &[(u8, u8)]) -> String {
    let mut sorted = wanted.to_vec();
    sorted.sort_unstable();
    let words: Vec<String> = sorted.iter().map(|(major, minor)| format!("{major}.{minor}")).collect();
    crate::resources::nearest::one_of(words.iter().map(String::as_str))
}

fn none(wanted: &[(u8, u8)], found: &[Interpreter]) -> String {
    let mut text = format!("needs Python {}; found ", minors(wanted));
    if found.is_empty() {
        text.push_str("none");
    }
    for (i, interpreter) in found.iter().enumerate() {
        let (comma, (major, minor)) = (if i == 0 { "" } else { ", " }, interpreter.minor);
        // Writing to a text cannot fail.
        let _ = write!(text, "{comma}{major}.{minor} ({})", interpreter.path.display());
    }
    text + ". Install it, set python_search_paths, or allow downloads with allow_python_download = true"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A program that answers as an interpreter of that version does.
    fn fake(folder: &Path, name: &str, script: &str) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.canonicalize().unwrap()
    }

    fn answering(folder: &Path, name: &str, version: &str) -> PathBuf {
        fake(folder, name, &format!("echo noise; echo {version}; echo \"$0\"; echo cpython"))
    }

    #[test]
    fn configured_paths_win_and_shims_that_do_not_answer_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("a"), dir.path().join("b"));
        fake(&first, "python3.77", "echo 'pyenv: python3.77: command not found' >&2; exit 127");
        fake(&first, "python3.78", "echo 3.78.1; echo /nonexistent/python; echo cpython");
        let good = answering(&second.join("3.77.2/bin"), "python3.77", "3.77.2");
        let known = Known::default();
        let paths = [first, second];
        let found = known.find(&paths, &[(3, 78), (3, 77)]).unwrap();
        assert_eq!((found.path, found.minor, found.version.as_str()), (good, (3, 77), "3.77.2"));
        let file = answering(dir.path(), "my-python", "3.79.0");
        assert_eq!(known.find(std::slice::from_ref(&file), &[(3, 79)]).unwrap().path, file);
    }

    #[test]
    fn when_there_is_none_the_error_says_what_there_is_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let other = answering(dir.path(), "python3.12", "3.12.0");
        let known = Known::default();
        let error = known.find(&[dir.path().to_owned()], &[(3, 66)]).unwrap_err();
        assert!(error.starts_with("needs Python 3.66; found "), "{error}");
        assert!(error.contains(&format!("3.12 ({})", other.display())), "{error}");
        assert!(
            error.ends_with(
                ". Install it, set python_search_paths, or allow downloads with allow_python_download = true"
            ),
            "{error}"
        );
        assert_eq!(
            none(&[(3, 9), (3, 8)], &[]),
            "needs Python 3.8 or 3.9; found none. Install it, set python_search_paths, or allow downloads with allow_python_download = true"
        );
    }
}
