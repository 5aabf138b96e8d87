//! A model with a scoring script and a conda file, from its files to its end, through the real program.

use serde_json::{Value, json};

use crate::apart::{LETS_GO, is_alive};
use crate::python::pythons;
use crate::workspace::{Home, Said, wait};

const SCORE: &str = r#"
import json, os, subprocess, warnings

class InconsistentVersionWarning(UserWarning):
    "As scikit-learn's."

def init():
    global weights
    folder = os.environ["AZUREML_MODEL_DIR"]
    weights = json.load(open(os.path.join(folder, "model", "weights.json")))
    print("weights of version", os.path.basename(folder), "are here")
    warnings.warn("Trying to unpickle estimator Ridge from version 1.0 when using version 1.5.", InconsistentVersionWarning)

def run(data):
    what = json.loads(data)
    if what == "pids":
        child = subprocess.Popen(["sleep", "600"])
        return [os.getpid(), child.pid, let_go()]
    return {"version": VERSION, "sum": sum(w * x for w, x in zip(weights, what))}
"#;

const DEPLOYMENT: &str = r#"
name: blue
endpoint_name: sums
model:
  name: weights
  version: 7
  path: ./model
code_configuration:
  code: ./CODE
  scoring_script: score.py
environment:
  name: sums-env
  version: VERSION
  image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04
  conda_file:
    channels: [conda-forge]
    dependencies:
      - pip
      - pip:
          - azureml-inference-server-http
instance_type: Standard_DS3_v2
instance_count: 1
request_settings:
  max_concurrent_requests_per_instance: 8
  request_timeout_ms: 20000
environment_variables:
  WORKER_COUNT: "2"
"#;

impl Home {
    /// Files of a version of the deployment; the answer is its YAML file.
    pub fn version(&self, version: u32, score: &str) -> String {
        self.write("model/weights.json", "[1, 10, 100]");
        self.write(&format!("v{version}/score.py"), &format!("VERSION = {version}\n{LETS_GO}{score}"));
        let text = DEPLOYMENT.replace("CODE", &format!("v{version}")).replace("version: VERSION", "version: 1");
        self.write(&format!("v{version}.yml"), &text)
    }

    pub fn ask(&self, body: &Value) -> Said {
        let file = self.write("request.json", &body.to_string());
        self.run(&["endpoint", "invoke", "sums", "-r", &file])
    }
}

/// A line with `PID` for the number in its brackets.
fn without_pid(line: &str) -> String {
    match line.split_once(" I [").zip(line.split_once("] ")) {
        Some(((before, _), (_, after))) => format!("{before} I [PID] {after}"),
        None => line.to_owned(),
    }
}

/// Children of a process that have ended and were not reaped.
fn zombies_of(pid: u32) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats
        .filter(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(&format!("Z {pid} "))))
        .collect()
}

#[test]
fn a_script_with_its_model_and_environment_lives_through_updates_failures_and_the_workspaces_death() {
    if pythons().is_none() {
        return;
    }
    let home = Home::new();
    let workspace = home.serve();
    let endpoint = home.write("endpoint.yml", "name: sums\nauth_mode: key\n");
    home.run(&["endpoint", "create", "-f", &endpoint]).ok();
    let first = home.version(1, SCORE);
    let created = home.run(&["deployment", "create", "-f", &first, "--all-traffic"]).ok();
    for phase in ["fetch model", "build environment", "start 1 instance"] {
        assert!(created.err.contains(phase), "{phase}: {}", created.err);
    }
    let built = created.err.lines().find(|line| line.contains("build environment")).unwrap_or_default();
    assert!(built.ends_with(" packages") && !built.contains(" of "), "what came of it, not how far it was: {built}");
    let answer = home.ask(&json!([1, 2, 3])).ok();
    assert_eq!(serde_json::from_str::<Value>(&answer.out).unwrap(), json!({"version": 1, "sum": 321}));

    // What a script warns of is kept where its owner looks.
    let shown: Value =
        serde_json::from_str(&home.run(&["deployment", "show", "sums", "blue", "-o", "json"]).ok().out).unwrap();
    let note = shown["properties"]["properties"]["mlconsole.note"].as_str().unwrap_or_default();
    assert!(note.contains("unpickle estimator Ridge from version 1.0"), "{shown}");

    // Both containers' logs.
    let logs = |container: &str| home.run(&["deployment", "logs", "sums", "blue", "-c", container]).ok().out;
    // A script's lines come as Azure shows them, as they were written; the workspace's own bear its time and level.
    let server = logs("inference-server");
    let raw = |line: &&str| line.ends_with("I [PID] azmlinfsrv.print - weights of version 7 are here");
    let plain: Vec<String> = server.lines().map(without_pid).collect();
    let raw: Vec<&str> = plain.iter().map(String::as_str).filter(raw).collect();
    assert_eq!(raw.len(), 2, "{server}");
    assert!(
        raw.iter().all(|line| line.find(" I [").is_some_and(|at| at == "2026-01-31 10:00:00,123".len())),
        "{server}"
    );
    let own: Vec<&String> = plain.iter().filter(|line| line.contains("is ready after")).collect();
    assert!(own.iter().all(|line| line.contains("Z [0] INFO - Worker ")) && own.len() == 2, "{server}");
    let storage = logs("storage-initializer");
    assert!(storage.contains("azureml-inference-server-http") && storage.contains("is ignored"), "{storage}");

    // An update under load drops nothing, and finds the environment there.
    let request = home.write("load.json", "[1, 2, 3]");
    let report = home.path("report.json");
    let load = ["load", "sums", "--rate", "60", "--duration", "6s", "-r", &request, "--json", report.to_str().unwrap()];
    let load = home.start(&load);
    let second = home.version(2, SCORE);
    home.run(&["deployment", "update", "sums", "blue", "-f", &second]).ok();
    assert_eq!(serde_json::from_str::<Value>(&home.ask(&json!([1, 1, 1])).ok().out).unwrap()["version"], 2);
    home.run(&["deployment", "scale", "sums", "blue", "2"]).ok();
    home.run(&["deployment", "restart", "sums", "blue"]).ok();
    let load = load.wait_with_output().unwrap();
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    // A machine that is busy otherwise may have no connection free for the last of them; those that were sent are answered.
    let (answered, not_sent) = (report["statuses"]["200"].as_u64(), report["notSent"].as_u64());
    assert_eq!(report["statuses"].as_object().map(|all| all.len()), Some(1), "{report}");
    let said = String::from_utf8_lossy(&load.stderr);
    assert_eq!(answered.zip(not_sent).map(|(a, b)| a + b), report["scheduled"].as_u64(), "{report}\n{said}");

    // One that fails says why, and the previous version goes on.
    let broken = home.version(3, "def init():\n    raise KeyError('no weights')\ndef run(data): pass\n");
    let failed = home.run(&["deployment", "update", "sums", "blue", "-f", &broken]);
    assert_ne!(failed.code, Some(0));
    assert!(failed.err.contains("KeyError: 'no weights'") && failed.err.contains("keeps serving"), "{}", failed.err);
    assert_eq!(serde_json::from_str::<Value>(&home.ask(&json!([0, 1, 0])).ok().out).unwrap()["sum"], 10);

    // Nothing outlives the workspace, however it ends, not even what the script has started.
    let pids: Vec<i64> = serde_json::from_str(&home.ask(&json!("pids")).ok().out).unwrap();
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    assert_eq!(zombies_of(workspace.pid()), Vec::<String>::new());
    workspace.kill();
    wait("no process is left", || !pids.iter().any(|pid| is_alive(*pid)));

    // It comes back as it was: the version that served.
    let workspace = home.serve();
    let answer = home.ask(&json!([0, 0, 1])).ok();
    assert_eq!(serde_json::from_str::<Value>(&answer.out).unwrap(), json!({"version": 2, "sum": 100}));
    let pids: Vec<i64> = serde_json::from_str(&home.ask(&json!("pids")).ok().out).unwrap();
    assert!(workspace.terminate());
    wait("no process is left", || !pids.iter().any(|pid| is_alive(*pid)));

    // Deleted while init() hangs, it is gone within a moment, and its files with it.
    let workspace = home.serve();
    let hung = home.version(
        4,
        "import time\ndef init():\n    print('waiting for ever')\n    time.sleep(3600)\ndef run(data): pass\n",
    );
    let hung = home.start(&["deployment", "create", "-f", &hung, "-n", "green"]);
    let log = || home.run(&["deployment", "logs", "sums", "green"]).out;
    wait("init() hangs", || log().contains("waiting for ever"));
    home.run(&["deployment", "delete", "sums", "green", "--yes"]).ok();
    assert!(!hung.wait_with_output().unwrap().status.success());
    home.run(&["traffic", "set", "sums", "blue=0", "--yes"]).ok();
    home.run(&["deployment", "delete", "sums", "blue", "--yes"]).ok();
    wait("its files are gone", || std::fs::read_dir(home.path("data/run")).unwrap().next().is_none());
    assert_eq!(zombies_of(workspace.pid()), Vec::<String>::new());
    workspace.kill();
}
