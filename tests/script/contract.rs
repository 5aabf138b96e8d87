//! The contract of scoring scripts: what the published `azureml-inference-server-http` answers, ours answers too.
//!
//! `python/served.py` and `python/refused.py` are the matrix: scripts, and what is asked of them. The published server is
//! started for each script and its answers are recorded; then the same is asked of our worker, with that package in its
//! environment and without, and of deployments of `mlconsole serve`, whose answers must be what Azure's proxy would make of the
//! recorded ones. Status, header fields and body must be the same, save for what is made up anew for every answer; so must what
//! the logs say, but for the frames of tracebacks. Where ours means to differ, the request says so and why.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::python::pythons;

/// Runs `python/contract.py` with nothing of the caller's Python settings; panics with what it said when it failed.
fn contract(python: &Path, arguments: &[&Path]) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/script/python/contract.py");
    let mut command = Command::new(python);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PYTHON")) {
        command.env_remove(name);
    }
    let output = command.env("PYTHONUTF8", "1").arg(program).args(arguments).output().expect("Python starts");
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert!(output.status.success(), "contract.py failed ({})\n{said}\n{errors}", output.status);
}

/// What the published server answers, recorded once a run.
fn recorded(python: &Path) -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("script-contract.json");
        contract(python, &[Path::new("record"), python, &file]);
        file
    })
}

#[test]
fn the_worker_answers_as_the_published_server() {
    let Some(pythons) = pythons() else { return };
    let python = &pythons.official;
    contract(python, &[Path::new("replay"), Path::new("azmlinfsrv"), python, recorded(python)]);
}

#[test]
fn the_worker_answers_the_same_without_the_published_package() {
    let Some(pythons) = pythons() else { return };
    let python = &pythons.bare;
    contract(python, &[Path::new("replay"), Path::new("shim"), python, recorded(&pythons.official)]);
}

#[test]
fn a_deployment_answers_as_azure_would_pass_it_on() {
    let Some(pythons) = pythons() else { return };
    let (python, program) = (&pythons.official, Path::new(env!("CARGO_BIN_EXE_mlconsole")));
    contract(python, &[Path::new("endpoint"), program, &pythons.uv, recorded(python)]);
}
