//! What the stories need of the machine: an interpreter, and uv in a virtual environment below the target folder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

#[path = "../shared/python.rs"]
mod shared;

/// The interpreter of this machine, or `None` after saying why the story is skipped.
pub fn interpreter() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let ask = "import sys, venv, ensurepip; assert sys.version_info >= (3, 9); print(getattr(sys, '_base_executable', None) or sys.executable)";
        let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        let output = Command::new(python).args(["-c", ask]).output().ok().filter(|output| output.status.success());
        let path = output.and_then(|output| String::from_utf8(output.stdout).ok());
        path.map(|path| PathBuf::from(path.trim())).ok_or_else(|| "there is no python3 of 3.9 or later with venv".into())
    });
    shared::or_skip(found).map(PathBuf::as_path)
}

/// uv, installed once; `None` after saying why the story is skipped.
pub fn uv() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    interpreter()?;
    shared::or_skip(FOUND.get_or_init(shared::uv)).map(PathBuf::as_path)
}

/// Says loudly why the story is skipped.
pub fn skipped(why: &str) {
    shared::or_skip::<()>(&Err(why.to_owned()));
}
