//! The same by the commands: building, listing, cleaning up, checking a deployment before it is made.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::*;

/// A home with a configuration that names uv and the interpreter, and files of a deployment.
struct Desk {
    house: House,
}

impl Desk {
    fn new() -> Option<Self> {
        let house = House::with_uv()?;
        let config = format!(
            "[python]\nuv = {:?}\npython_search_paths = [{:?}]\n",
            house.settings.uv.as_ref().unwrap(),
            house.settings.search_paths[0]
        );
        let desk = Self { house };
        desk.write("config.toml", &config);
        desk.write("code/score.py", "def init():\n    pass\n\ndef run(data):\n    return data\n");
        desk.write("model.pkl", "x");
        desk.write("conda.yml", &format!("dependencies:\n- pip:\n  - -r packages.txt\n  - {NO_SERVER}\n"));
        desk.write("packages.txt", &format!("tiny==1.0\n{}\n", desk.house.index.option()));
        desk.write(
            "deployment.yml",
            "name: blue\nendpoint_name: my-endpoint\nmodel:\n  path: model.pkl\ncode_configuration:\n  code: code\n  scoring_script: score.py\n\
             environment:\n  conda_file: conda.yml\n  image: some/image:1\ninstance_type: Standard_DS2_v2\ninstance_count: 1\n",
        );
        Some(desk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.house.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlconsole"));
        command.args(arguments).stdin(Stdio::null()).current_dir(self.house.folder.path());
        command.env("MLCONSOLE_CONFIG", self.path("config.toml")).env("MLCONSOLE_DATA_DIR", self.path("data"));
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }

    /// Findings as `verdict subject`, and the exit code.
    fn check(&self) -> (Option<i32>, Vec<(String, String)>) {
        let (code, out, err) = self.run(&["deployment", "check", "-f", "deployment.yml", "-o", "json"]);
        let answer: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        let findings = answer["findings"].as_array().unwrap().iter();
        let findings =
            findings.map(|f| (format!("{} {}", text(f, "verdict"), text(f, "subject")), text(f, "text"))).collect();
        (code, findings)
    }
}

fn says(findings: &[(String, String)], what: &str, text: &str) {
    assert!(findings.iter().any(|(head, said)| head == what && said.contains(text)), "{what}: {text}\n{findings:#?}");
}

#[test]
fn an_environment_is_built_listed_and_cleaned_up_by_command() {
    let Some(desk) = Desk::new() else { return };
    let (code, out, err) = desk.run(&["environment", "build", "-f", "conda.yml"]);
    assert!(code == Some(0) && out.starts_with("built ") && out.contains("(1 package)"), "{out}{err}");
    assert!(err.contains("resolving") && !err.contains("secret") && !out.contains("secret"), "{err}");
    let (_, out, _) = desk.run(&["environment", "list", "--built"]);
    assert!(out.contains("ready") && out.contains("conda.yml"), "{out}");
    let (code, out, err) = desk.run(&["environment", "register", "--name", "mine", "--conda-file", "conda.yml"]);
    assert!(code == Some(0) && out.contains("mine:1"), "{out}{err}");
    let (code, out, err) = desk.run(&["environment", "build", "mine", "-o", "json"]);
    let done: Value = serde_json::from_str(&out).unwrap();
    assert!(code == Some(0) && done["packages"] == 1, "{out}{err}");
    let (_, out, _) = desk.run(&["environment", "list", "--built", "-o", "json"]);
    let held: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(held["value"].as_array().unwrap().len(), 1, "the same content is the same environment: {out}");
    assert_eq!(held["value"][0]["names"], serde_json::json!(["conda.yml", "mine:1"]));
    assert_eq!(held["value"][0]["packages"], serde_json::json!(["tiny==1.0"]));

    let (code, _, err) = desk.run(&["environment", "clean"]);
    assert!(code == Some(2) && err.contains("--yes"), "nobody can be asked: {err}");
    let (code, out, err) = desk.run(&["environment", "clean", "--unused-for", "1", "--yes"]);
    assert!(code == Some(0) && out.contains("removed 0"), "it was used today: {out}{err}");
    let (code, out, err) = desk.run(&["environment", "clean", "--yes"]);
    assert!(code == Some(0) && out.contains("removed 1"), "{out}{err}");
    let (code, _, err) = desk.run(&["environment", "build", "nobody-knows-it"]);
    assert!(code == Some(1) && err.contains("nobody-knows-it") && err.contains("environment register"), "{err}");
    desk.write("packages.txt", &format!("tiny==99.0\n{}\n", desk.house.index.option()));
    let (code, _, err) = desk.run(&["environment", "build", "-f", "conda.yml"]);
    assert!(code == Some(1) && err.contains("tiny==99.0 does not exist"), "{err}");
}

#[test]
fn ctrl_c_stops_a_build_and_nothing_is_left() {
    let Some(desk) = Desk::new() else { return };
    desk.house.index.fall_silent(true);
    let mut build: Child = desk.command(&["environment", "build", "-f", "conda.yml"]).spawn().unwrap();
    let caller = desk.house.index.caller();
    // SAFETY: a plain system call on a child that has not been waited for.
    assert_eq!(unsafe { libc::kill(i32::try_from(build.id()).unwrap(), libc::SIGINT) }, 0);
    index::gone(caller);
    assert_eq!(build.wait().unwrap().code(), Some(1));
    let left = std::fs::read_dir(desk.path("data/environments")).unwrap().flatten();
    let left: Vec<_> =
        left.map(|entry| entry.file_name()).filter(|name| !name.to_string_lossy().ends_with(".lock")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_deployment_is_checked_before_it_is_made() {
    let Some(desk) = Desk::new() else { return };
    let (code, findings) = desk.check();
    assert_eq!(code, Some(0), "{findings:#?}");
    says(&findings, "good file", "deployment blue");
    says(&findings, "warning endpoint", "mlconsole endpoint create --name my-endpoint");
    says(&findings, "good script", "init() and run()");
    says(&findings, "good environment", "the image some/image:1 is ignored");
    says(&findings, "good python", "3.");
    says(&findings, "good packages", "1 package can be installed");
    says(&findings, "good instance type", "Standard_DS2_v2");

    desk.write("code/score.py", "def init():\n    pass\n\ndef run():\n    return 1\n");
    desk.write("packages.txt", &format!("tiny==99.0\n{}\n", desk.house.index.option()));
    let (code, findings) = desk.check();
    assert_eq!(code, Some(1));
    says(&findings, "failure script", "line 4: run() needs to accept an argument for input data.");
    says(&findings, "failure packages", "tiny==99.0 does not exist");
    let (code, out, err) = desk.run(&["deployment", "check", "-f", "deployment.yml"]);
    assert!(code == Some(1) && out.contains("✗ failure") && out.contains("✓ good"), "{out}{err}");
    assert!(err.contains("it cannot be deployed as it is: 2 failures"), "{err}");

    // The official server is resolved with the rest, as a build does it: here the index has none.
    let conda = std::fs::read_to_string(desk.path("conda.yml")).unwrap();
    desk.write("conda.yml", "dependencies:\n- pip:\n  - -r packages.txt\n");
    desk.write("packages.txt", &format!("tiny==1.0\n{}\n", desk.house.index.option()));
    let (_, findings) = desk.check();
    says(&findings, "warning environment", "azureml-inference-server-http does not go with the packages asked for");
    says(&findings, "good packages", "1 package can be installed");
    desk.write("conda.yml", &conda);

    let link = desk.path("code/again");
    std::os::unix::fs::symlink(desk.path("code"), &link).unwrap();
    let (_, findings) = desk.check();
    says(&findings, "failure script", "again");
    std::fs::remove_file(&link).unwrap();
    let written = std::fs::read_to_string(desk.path("deployment.yml")).unwrap();
    let wrong = "properties: {mlconsole.engine: torch}\nenvironment_variables: {WORKER_COUNT: many}\n";
    desk.write("deployment.yml", &format!("{written}{wrong}"));
    let (_, findings) = desk.check();
    says(&findings, "failure properties", "\"mlconsole.engine\" is \"torch\"");
    says(&findings, "failure file", "WORKER_COUNT is \"many\": give the number of processes of an instance, 1 to 64");
    desk.write("deployment.yml", &written);
    desk.write("packages.txt", "tiny==1.0\n--index-url http://127.0.0.1:1/simple\n");
    let (_, findings) = desk.check();
    says(&findings, "notChecked packages", "not checked: ");
    desk.write("conda.yml", "dependencies:\n- pip:\n  - ./mine-1.0-py3-none-any.whl\n");
    let (_, findings) = desk.check();
    says(&findings, "failure environment", "conda.yml': `./mine-1.0-py3-none-any.whl`: a file of yours");
    says(&findings, "failure environment", "put it on an index");
    let (code, findings) = {
        std::fs::remove_file(desk.path("code/score.py")).unwrap();
        std::fs::remove_file(desk.path("model.pkl")).unwrap();
        desk.write("conda.yml", "dependencies:\n- cudatoolkit\n- mkl\n");
        desk.check()
    };
    assert_eq!(code, Some(1));
    says(&findings, "failure model", "does not exist");
    says(&findings, "failure script", "there is no score.py in ");
    says(&findings, "failure environment", "cudatoolkit, mkl exist only as conda packages");
    desk.write("deployment.yml", "name: blue\nendpont_name: x\n");
    let (code, findings) = desk.check();
    assert_eq!((code, findings.len()), (Some(1), 1));
    says(&findings, "failure file", "deployment.yml:2");
}

#[test]
fn a_model_without_a_script_is_checked_for_what_serves_it() {
    let Some(desk) = Desk::new() else { return };
    let write = |model: &str| {
        let text = format!(
            "name: blue\nendpoint_name: e\nmodel:\n{model}instance_type: Standard_DS2_v3x\ninstance_count: 1\n"
        );
        desk.write("deployment.yml", &text);
    };
    write("  path: model.pkl\n");
    let (code, findings) = desk.check();
    assert_eq!(code, Some(1));
    says(&findings, "failure model", "needs a scoring script");
    says(&findings, "failure file", "Standard_DS2_v3x");
    desk.write("mlflow/MLmodel", "flavors:\n  python_function: {loader_module: mlflow.sklearn}\n");
    desk.write("mlflow/requirements.txt", &format!("tiny==99\n{}", desk.house.index.option()));
    write("  path: mlflow\n  type: mlflow_model\n");
    let (_, findings) = desk.check();
    says(&findings, "good model", "served by Python");
    says(&findings, "failure packages", "tiny==99 does not exist");
    let onnx = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/restaurants/recommender-v1.onnx");
    if Path::new(onnx).exists() {
        write(&format!("  path: {onnx}\n"));
        let (_, findings) = desk.check();
        says(&findings, "good model", "runs in the built-in engine");
    }
}
