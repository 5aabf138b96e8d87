//! What the stories need of the machine: an interpreter, and uv in a virtual environment below the target folder.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The interpreter of this machine, or `None` after saying why the story is skipped.
pub fn interpreter() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let ask = "import sys, venv, ensurepip; assert sys.version_info >= (3, 9); print(getattr(sys, '_base_executable', None) or sys.executable)";
        let output = Command::new(std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into())).args(["-c", ask]).output().ok()?;
        let path = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| PathBuf::from(path.trim()))
    });
    if found.is_none() {
        skipped("there is no python3 of 3.9 or later with venv");
    }
    found.as_deref()
}

/// uv, installed once; `None` after saying why the story is skipped.
pub fn uv() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = interpreter()?;
    match FOUND.get_or_init(|| install(python)) {
        Ok(uv) => Some(uv),
        Err(why) => {
            skipped(why);
            None
        }
    }
}

/// Straight to the stream: the test harness hides what `eprintln!` writes in a test that passes.
pub fn skipped(why: &str) {
    let name = std::thread::current().name().unwrap_or("?").to_owned();
    let _ = std::io::stderr().write_all(format!("\n**** SKIPPED {name}: {why}\n\n").as_bytes());
    assert!(std::env::var_os("MLCONSOLE_REQUIRE_SDK").is_none(), "MLCONSOLE_REQUIRE_SDK is set, but {why}");
}

fn install(python: &Path) -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("the target folder has no parent")?;
    let folder = target.join("test-venv/uv");
    std::fs::create_dir_all(target.join("test-venv")).map_err(|e| e.to_string())?;
    let lock = File::create(target.join("test-venv/uv.lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    let uv = folder.join("bin/uv");
    if Command::new(&uv).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(uv);
    }
    let _ = std::fs::remove_dir_all(&folder);
    run(Command::new(python).args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(folder.join("bin/python")).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "uv",
    ]))?;
    Ok(uv)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?} does not start: {e}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{command:?} failed: {}", said.trim())) }
}
