//! MLflow models: what our endpoints answer is what MLflow's own `predict` says, and what the hosted service refuses is refused.
//!
//! The models are made by `python/models.py` in a virtual environment of the suite's own, the cases are listed in
//! `python/cases.py`. By default the scoring script is asked directly, and the sample deployments through a real workspace.
//! `MLCONSOLE_MLFLOW=1 cargo test --test mlflow` (part of CI) asks every model through a real endpoint and converts models as
//! well, which takes minutes. Without Python or a package index the suite is skipped, loudly; `MLCONSOLE_REQUIRE_SDK=1`
//! turns a skip into a failure.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

#[path = "../shared/python.rs"]
mod shared;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The interpreter of the suite's environment, or `None` after saying why there is none.
fn python() -> Option<&'static Path> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let prepare = || {
        let requirements = Path::new(ROOT).join("tests/mlflow/python/requirements.txt");
        let wanted = fs::read_to_string(&requirements).map_err(|e| format!("{}: {e}", requirements.display()))?;
        shared::environment("mlflow", &wanted)
    };
    shared::or_skip(FOUND.get_or_init(prepare)).map(PathBuf::as_path)
}

/// Nothing of the caller's settings for Python, Azure or this program.
fn clean(command: &mut Command) -> &mut Command {
    let foreign = |name: &str| ["MLCONSOLE_", "MLFLOW_", "PYTHON", "AZURE", "AML_"].iter().any(|s| name.starts_with(s));
    for (name, _) in std::env::vars_os().filter(|(name, _)| foreign(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command.env("PYTHONUTF8", "1").env_remove("RUST_BACKTRACE")
}

/// Runs a script of the suite; panics with all it said when it fails.
fn story(script: &str, arguments: &[&str]) {
    let Some(python) = python() else { return };
    let mut command = Command::new(python);
    let Output { status, stdout, stderr } = clean(&mut command)
        .args(["-W", "ignore"])
        .arg(Path::new(ROOT).join("tests/mlflow/python").join(script))
        .args(arguments)
        .env("MLCONSOLE_BINARY", env!("CARGO_BIN_EXE_mlconsole"))
        .env("MLCONSOLE_ASSETS", Path::new(ROOT).join("assets"))
        .env("MLCONSOLE_MODELS", shared::place().join("mlflow/models"))
        .output()
        .expect("python starts");
    let (said, errors) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    println!("{script}:\n{said}");
    assert!(status.success(), "{script} failed ({status})\n{said}\n{errors}");
}

/// The long stories run where they are asked for.
fn is_asked_for() -> bool {
    let asked = std::env::var_os("MLCONSOLE_MLFLOW").is_some();
    if !asked {
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        let text = format!("\n**** SKIPPED {name}: it takes minutes; MLCONSOLE_MLFLOW=1 runs it\n\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    asked
}

#[test]
fn the_scoring_script_answers_as_mlflow_predicts() {
    story("contract.py", &[]);
}

#[test]
fn the_samples_answer_the_same_in_every_form() {
    story("samples.py", &[]);
}

#[test]
fn endpoints_answer_as_mlflow_predicts() {
    if is_asked_for() {
        story("endpoint.py", &[]);
    }
}

#[test]
fn models_are_converted_and_compared_at_registration() {
    if is_asked_for() {
        story("conversion.py", &[]);
    }
}
