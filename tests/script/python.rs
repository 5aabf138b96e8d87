//! The Python environments of the suite: one with the official server, one without it. Made once, kept under the target folder,
//! remade when the pins change.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What scoring scripts are hosted in; the contract is compared with this very version.
const OFFICIAL: &[&str] =
    &["azureml-inference-server-http==1.5.1", "inference-schema[numpy-support,pandas-support]==1.8", "numpy", "pandas"];
/// The same for scripts whose environment has no server; they may still answer with what Flask makes.
const BARE: &[&str] = &["inference-schema[numpy-support,pandas-support]==1.8", "numpy", "pandas", "flask"];

/// Two interpreters.
pub struct Pythons {
    /// With azureml-inference-server-http.
    pub official: PathBuf,
    /// Without it.
    pub bare: PathBuf,
    /// The program that installs packages.
    pub uv: PathBuf,
}

/// The environments, or `None` after saying loudly why there are none.
pub fn pythons() -> Option<&'static Pythons> {
    static FOUND: OnceLock<Result<Pythons, String>> = OnceLock::new();
    match FOUND.get_or_init(prepare) {
        Ok(pythons) => Some(pythons),
        Err(reason) => {
            let name = std::thread::current().name().unwrap_or("?").to_owned();
            let text = format!("\n**** SKIPPED {name}: {reason}\n\n");
            // Straight to the stream: the harness hides what a passing test prints.
            let _ = std::io::stderr().write_all(text.as_bytes());
            assert!(std::env::var_os("MLCONSOLE_REQUIRE_SDK").is_none(), "MLCONSOLE_REQUIRE_SDK is set, but {reason}");
            None
        }
    }
}

fn prepare() -> Result<Pythons, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("the target folder has no parent")?;
    let target = target.join("test-venv");
    fs::create_dir_all(&target).map_err(|e| format!("{} cannot be made: {e}", target.display()))?;
    let lock = File::create(target.join("script.lock")).map_err(|e| format!("the lock file cannot be made: {e}"))?;
    lock.lock().map_err(|e| format!("the lock file cannot be locked: {e}"))?;
    let uv = environment(&target.join("uv"), &["uv"], None)?.with_file_name("uv");
    let official = environment(&target.join("script"), OFFICIAL, Some(&uv))?;
    let bare = environment(&target.join("script-bare"), BARE, Some(&uv))?;
    Ok(Pythons { official, bare, uv })
}

/// The interpreter of an environment that holds the packages.
fn environment(folder: &Path, packages: &[&str], uv: Option<&Path>) -> Result<PathBuf, String> {
    let python = folder.join("bin/python");
    let (stamp, wanted) = (folder.join("installed.txt"), packages.join("\n"));
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && python.exists() {
        return Ok(python);
    }
    let _ = fs::remove_dir_all(folder);
    let _ = std::io::stderr().write_all(format!("making the environment {} (once)\n", folder.display()).as_bytes());
    let system = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    run(Command::new(system).args(["-m", "venv"]).arg(folder), "python3 -m venv")?;
    let mut install = match uv {
        Some(uv) => {
            let mut install = Command::new(uv);
            install.args(["pip", "install", "--quiet", "--compile-bytecode", "--python"]).arg(&python);
            install
        }
        None => {
            let mut install = Command::new(&python);
            install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
            install
        }
    };
    run(install.args(packages), "installing packages")?;
    fs::write(&stamp, wanted).map_err(|e| format!("{} cannot be written: {e}", stamp.display()))?;
    Ok(python)
}

fn run(command: &mut Command, what: &str) -> Result<(), String> {
    // An inherited PYTHONDONTWRITEBYTECODE would make every start slow.
    let output = command.env_remove("PYTHONDONTWRITEBYTECODE").env_remove("PYTHONPATH").output();
    let output =
        output.map_err(|e| format!("{what} does not start: {e} (Python 3.10 or later with venv is needed)"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = errors.lines().rev().take(4).collect();
    Err(format!("{what} failed: {}", last.into_iter().rev().collect::<Vec<_>>().join(" | ")))
}
