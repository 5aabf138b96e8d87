//! The Python environments of the suites: made once, kept below the target folder, remade when what they are to hold changes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment of uv alone.
const UV: &str = "uv";

/// Where they lie.
pub fn place() -> PathBuf {
    // CARGO_TARGET_TMPDIR is target/tmp, whatever the target folder is called.
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-venv")
}

/// What was found, or `None` after saying loudly why the story is skipped; `MLCONSOLE_REQUIRE_SDK=1` makes that a failure.
pub fn or_skip<T>(found: &Result<T, String>) -> Option<&T> {
    let why = match found {
        Ok(found) => return Some(found),
        Err(why) => why,
    };
    say(&format!("\n**** SKIPPED {}: {why}\n\n", std::thread::current().name().unwrap_or("?")));
    assert!(std::env::var_os("MLCONSOLE_REQUIRE_SDK").is_none(), "MLCONSOLE_REQUIRE_SDK is set, but {why}");
    None
}

/// Straight to the stream: the harness hides what `eprintln!` writes in a test that passes.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// uv, which installs packages.
pub fn uv() -> Result<PathBuf, String> {
    Ok(environment(UV, "uv\n")?.with_file_name("uv"))
}

/// The interpreter of an environment that holds what the lines of a requirements file ask for.
pub fn environment(name: &str, requirements: &str) -> Result<PathBuf, String> {
    // pip brings uv, and uv everything else.
    let uv = if name == UV { None } else { Some(uv()?) };
    let (place, folder) = (place(), place().join(name));
    fs::create_dir_all(&place).map_err(|e| format!("{} cannot be made: {e}", place.display()))?;
    let lock = File::create(place.join(format!("{name}.lock"))).map_err(|e| format!("the lock file: {e}"))?;
    lock.lock().map_err(|e| format!("the lock file cannot be locked: {e}"))?;
    let (python, stamp) = (folder.join("bin/python"), folder.join("installed.txt"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == requirements) && python.exists() {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(&folder);
    say(&format!("making the Python environment '{name}' (once, up to a minute)\n"));
    let system = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    run(Command::new(system).args(["-m", "venv"]).arg(&folder), "python3 -m venv")?;
    let wanted = folder.join("wanted.txt");
    let write =
        |path: &Path| fs::write(path, requirements).map_err(|e| format!("{} cannot be written: {e}", path.display()));
    write(&wanted)?;
    let mut install = Command::new(uv.as_ref().unwrap_or(&python));
    match uv {
        Some(_) => install.args(["pip", "install", "--quiet", "--compile-bytecode", "--python"]).arg(&python),
        None => install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]),
    };
    run(install.arg("-r").arg(&wanted), "installing packages")?;
    write(&stamp)?;
    Ok(python)
}

/// Without the caller's settings for Python: an inherited PYTHONDONTWRITEBYTECODE would make every start slow.
fn run(command: &mut Command, what: &str) -> Result<(), String> {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PYTHON")) {
        command.env_remove(name);
    }
    let output = command
        .output()
        .map_err(|e| format!("{what} does not start: {e} (Python 3.10 or later with venv is needed)"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = errors.lines().rev().take(4).collect();
    Err(format!("{what} failed: {}", last.into_iter().rev().collect::<Vec<_>>().join(" | ")))
}
