//! The virtual environment of the suite: made once, kept under the target folder, remade when the pins change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

#[path = "../shared/python.rs"]
mod shared;

/// The interpreter of the environment, or `None` after saying why there is none.
pub fn interpreter() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    shared::or_skip(FOUND.get_or_init(prepare)).map(PathBuf::as_path)
}

fn prepare() -> Result<PathBuf, String> {
    let mut wanted = String::new();
    for file in ["tests/sdk/python/requirements.txt", "assets/requirements.txt"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        wanted += &fs::read_to_string(&file).map_err(|e| format!("{} cannot be read: {e}", file.display()))?;
    }
    shared::environment("sdk", &wanted)
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
    let bin = shared::place().join("uv/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let joined = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)));
    command.env("PATH", joined.unwrap_or(path)).env("UV_CACHE_DIR", shared::place().join("uv-cache"));
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
