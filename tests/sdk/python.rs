//! The virtual environment of the suite: made once, kept under the target folder, remade when the pins change.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");

/// The interpreter of the environment, or `None` after saying why there is none.
pub fn interpreter() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match FOUND.get_or_init(prepare) {
        Ok(python) => Some(python),
        Err(reason) => {
            // Straight to the stream: the test harness hides what `eprintln!` writes in a test that passes.
            let name = std::thread::current().name().unwrap_or("?").to_owned();
            let text = format!("\n**** SKIPPED {name}: {reason}\n\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
            assert!(std::env::var_os("MLCONSOLE_REQUIRE_SDK").is_none(), "MLCONSOLE_REQUIRE_SDK is set, but {reason}");
            None
        }
    }
}

/// The interpreter with nothing of the caller's Azure or Python settings.
pub fn clean(python: &Path) -> Command {
    let mut command = Command::new(python);
    without_foreign_settings(&mut command);
    command
}

/// Removes variables that would change how the SDK finds its cloud or its credential.
pub fn without_foreign_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let foreign =
            ["AZURE_", "AZUREML_", "ARM_", "IDENTITY_", "MSI_", "PYTHON", "REQUESTS_", "SSL_", "CURL_", "MLCONSOLE_"];
        let proxy = text.to_ascii_uppercase().ends_with("_PROXY");
        if proxy || foreign.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command.env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
}

/// For a workspace that builds environments: uv of the test environment on the path, its downloads kept for the next run,
/// and the certificates that this machine's package index may need.
pub fn with_packages(command: &mut Command) {
    if let Some(target) = Path::new(env!("CARGO_TARGET_TMPDIR")).parent() {
        let bin = target.join("test-venv/sdk/bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let joined = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)));
        command.env("PATH", joined.unwrap_or(path)).env("UV_CACHE_DIR", target.join("test-venv/uv-cache"));
    }
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// Prints what a script said; panics when it failed.
pub fn report(script: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{script}:\n{said}");
    assert!(output.status.success(), "{script} failed ({})\n{said}\n{errors}", output.status);
}

fn prepare() -> Result<PathBuf, String> {
    // CARGO_TARGET_TMPDIR is target/tmp, whatever the target folder is called.
    let target =
        Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("the target folder has no parent")?.join("test-venv");
    fs::create_dir_all(&target).map_err(|e| format!("{} cannot be made: {e}", target.display()))?;
    let lock = File::create(target.join("sdk.lock")).map_err(|e| format!("the lock file cannot be made: {e}"))?;
    lock.lock().map_err(|e| format!("the lock file cannot be locked: {e}"))?;

    let requirements =
        ["tests/sdk/python/requirements.txt", "assets/requirements.txt"].map(|f| Path::new(MANIFEST_DIR).join(f));
    let mut wanted = String::new();
    for file in &requirements {
        wanted += &fs::read_to_string(file).map_err(|e| format!("{} cannot be read: {e}", file.display()))?;
    }
    let folder = target.join("sdk");
    let python = folder.join("bin").join("python");
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && python.exists() {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(&folder);
    let system = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let _ = std::io::stderr().write_all(b"making the Python environment of the SDK stories (once, about a minute)\n");
    run(Command::new(system).args(["-m", "venv"]).arg(&folder), "python3 -m venv")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    for file in &requirements {
        pip.arg("-r").arg(file);
    }
    run(&mut pip, "pip install")?;
    fs::write(&stamp, wanted).map_err(|e| format!("{} cannot be written: {e}", stamp.display()))?;
    Ok(python)
}

fn run(command: &mut Command, what: &str) -> Result<(), String> {
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
