//! The published Python packages drive the real binary: `azure-ai-ml`, `azure-mgmt-monitor` and `tritonclient`, unchanged.
//!
//! Each story is a script in `python/`. It gets a workspace of its own (`mlconsole serve` on a scratch data folder) and the
//! variables that `mlconsole env` prints, through a shell's `eval` as the documentation has it. The packages live in a virtual
//! environment under the target folder, made at the first run. Without Python 3 or a package index the stories are
//! skipped, loudly; `MLCONSOLE_REQUIRE_SDK=1` turns a skip into a failure.

mod python;
mod workspace;

use workspace::Workspace;

/// Runs `python/<script>` against a workspace of its own; panics with the whole output when it fails.
fn story(script: &str) {
    let Some(python) = python::interpreter() else { return };
    let workspace = Workspace::start();
    let output = workspace.run(python, script);
    workspace.stop();
    python::report(script, &output);
}

#[test]
fn the_documented_code_creates_an_endpoint() {
    story("endpoint.py");
}

#[test]
fn the_code_in_the_readme_works_as_printed() {
    let readme = include_str!("../../README.md");
    let code = readme.split_once("<<'PY'\n").and_then(|(_, rest)| rest.split_once("\nPY\n"));
    let (code, _) = code.expect("the README has a Python session");
    let folder = tempfile::tempdir().expect("a scratch folder");
    let script = folder.path().join("readme.py");
    std::fs::write(&script, code).expect("the script is written");
    story(&script.to_string_lossy());
}

#[test]
fn models_are_registered_listed_archived_and_downloaded() {
    story("models.py");
}

#[test]
fn environments_and_code_are_registered_and_reused() {
    story("environments.py");
}

#[test]
fn blue_and_green_are_deployed_and_share_the_traffic() {
    story("deployments.py");
}

#[test]
fn cli_files_are_loaded_unchanged() {
    story("yaml_files.py");
}

#[test]
fn triton_and_mlflow_models_need_no_code() {
    story("no_code.py");
}

#[test]
fn scripts_environments_and_pickles_run_as_on_azure() {
    story("scripts.py");
}

#[test]
fn keys_and_tokens_let_in_and_keep_out() {
    story("credentials.py");
}

#[test]
fn kubernetes_endpoints_are_accepted() {
    story("kubernetes.py");
}

#[test]
fn a_shadow_gets_copies_of_the_traffic() {
    story("mirror.py");
}

#[test]
fn metrics_and_autoscale_settings_are_served() {
    story("monitor.py");
}

#[test]
fn failures_say_what_is_wrong() {
    story("failures.py");
}

#[test]
fn routes_beside_the_sdk_answer_as_documented() {
    story("rest.py");
}

#[test]
fn less_walked_paths_hold() {
    story("edges.py");
}

#[test]
fn tritonclient_speaks_to_an_endpoint() {
    story("triton.py");
}

/// The committed sample models are exactly what their training scripts make.
#[test]
fn sample_models_are_reproducible() {
    let Some(python) = python::interpreter() else { return };
    let check = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/check.py");
    let output = python::clean(python).arg(check).output().expect("python starts");
    python::report("assets/check.py", &output);
}
