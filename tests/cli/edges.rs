//! Exit codes, signals, shells, second processes: what scripts rely on.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Home, Said, sample, signal};

#[test]
fn usage_is_2_failure_is_1_and_both_say_what_to_do() {
    let home = Home::new();
    let workspace = home.serve();
    let request = sample("sample-request.json");
    let cases: [(&[&str], i32, &str); 16] = [
        (&["deployment", "delete", "e1", "..", "--yes"], 1, "a name is empty"),
        (&["endpoint", "show", ""], 1, "a name is empty"),
        (&["frobnicate"], 2, "frobnicate"),
        (&["endpoint", "create"], 2, "--file <FILE>|--name <NAME>"),
        (&["traffic", "set", "e1", "blue=90"], 2, "90 %"),
        (&["traffic", "set", "e1", "blue:90"], 2, "blue=90"),
        (&["load", "e1", "--duration", "soon", "-r", &request], 2, "30s"),
        (&["endpoint", "update", "e1"], 2, "--set"),
        (&["--context", "lcoal", "endpoint", "list"], 2, "local"),
        (&["model", "archive", "m"], 2, "NAME:VERSION"),
        (&["endpoint", "show", "nope"], 1, "\"nope\" does not exist"),
        (&["endpoint", "invoke", "nope", "-r", &request], 1, "does not exist"),
        (&["endpoint", "create", "-f", "/nope.yml"], 1, "/nope.yml"),
        (&["endpoint", "delete", "nope", "--yes"], 1, "does not exist"),
        (&["model", "register", "--name", "m", "--path", "/nope.onnx"], 1, "/nope.onnx"),
        (&["deployment", "create", "-f", &sample("blue-deployment.yml")], 1, "endpoint create --name"),
    ];
    for (arguments, code, says) in cases {
        let said = workspace.run(arguments);
        assert_eq!(said.code, code, "{arguments:?}: {said:?}");
        assert!(said.err.contains(says), "{arguments:?}: {}", said.err);
        assert_eq!(said.out, "", "{arguments:?}");
        assert!(!said.err.contains("Location:") && !said.err.contains("BACKTRACE"), "{}", said.err);
    }
    assert_eq!(workspace.run(&["--help"]).code, 0);
    std::fs::write(home.path("zero.onnx"), "").unwrap();
    let mut inspect = home.command(&["model", "inspect", home.path("zero.onnx").to_str().unwrap()]);
    let said = inspect.env("RUST_BACKTRACE", "1").env("RUST_LIB_BACKTRACE", "1").output().unwrap();
    let err = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.code() == Some(1) && err.contains("is empty") && !err.contains("BACKTRACE"), "{err}");
    assert_eq!(workspace.run(&["--version"]).ok().out, format!("mlconsole {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_file_that_is_wrong_is_refused_with_the_place() {
    let home = Home::new();
    let workspace = home.serve();
    std::fs::write(home.path("e.yml"), "name: e1\nauth_mod: key\n").unwrap();
    let said = workspace.run(&["endpoint", "create", "-f", home.path("e.yml").to_str().unwrap()]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("e.yml:2:1") && said.err.contains("auth_mode"), "{}", said.err);
}

#[test]
fn an_endpoint_needs_a_name_and_no_file() {
    let home = Home::new();
    let workspace = home.serve();
    workspace.run(&["endpoint", "create", "--name", "plain"]).ok();
    workspace.run(&["endpoint", "create", "--name", "signed", "--auth-mode", "aml_token"]).ok();
    let mode = |name: &str| {
        let shown = workspace.run(&["endpoint", "show", name, "--output", "json"]).ok().out;
        serde_json::from_str::<Value>(&shown).unwrap()["properties"]["authMode"].clone()
    };
    assert_eq!((mode("plain"), mode("signed")), (json!("Key"), json!("AMLToken")));
    // A name alone never replaces what is there.
    let said = workspace.run(&["endpoint", "create", "--name", "signed"]);
    assert!(said.code == 1 && said.err.contains("endpoint update signed"), "{said:?}");
    assert_eq!(mode("signed"), json!("AMLToken"));
}

#[test]
fn variables_are_for_every_shell() {
    let home = Home::new();
    let stopped = home.run(&["env"]);
    assert_eq!(stopped.code, 1);
    assert!(stopped.err.contains("mlconsole serve"), "{}", stopped.err);

    let workspace = home.serve();
    let connection = workspace.connection();
    let all = workspace.run(&["env", "--format", "json"]).ok().json();
    assert_eq!(all["REQUESTS_CA_BUNDLE"], connection["ca_file"]);
    assert_eq!(all["IDENTITY_ENDPOINT"], connection["identity_endpoint"]);
    let metadata = all["ARM_CLOUD_METADATA_URL"].as_str().unwrap();
    assert!(metadata.starts_with(connection["base_url"].as_str().unwrap()), "{metadata}");

    // What a shell makes of it is what the JSON says.
    let script = format!("eval \"$('{}' env)\"; env", env!("CARGO_BIN_EXE_mlconsole"));
    let shell = std::process::Command::new("sh")
        .args(["-c", &script])
        .env("MLCONSOLE_DATA_DIR", home.path("data"))
        .env("HOME", home.folder.path())
        .output()
        .unwrap();
    let shell = String::from_utf8(shell.stdout).unwrap();
    for (name, value) in all.as_object().unwrap() {
        let line = format!("{name}={}", value.as_str().unwrap());
        assert!(shell.lines().any(|found| found == line), "{name} in\n{shell}");
    }
    for format in ["sh", "dotenv", "fish", "powershell"] {
        assert_eq!(workspace.run(&["env", "--format", format]).ok().out.lines().count(), 7, "{format}");
    }
}

#[test]
fn completions_need_nothing_but_the_shell() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let said = home.run(&["completions", shell]).ok();
        assert!(said.out.contains("regenerate-keys"), "{shell}");
    }
    assert!(!home.path("data").exists());
}

#[test]
fn a_model_file_is_inspected_without_any_workspace() {
    let home = Home::new();
    let said = home.run(&["model", "inspect", &sample("recommender-v2.onnx")]).ok();
    assert!(said.out.contains("Runs here  yes") && said.out.contains("[batch, 5]"), "{}", said.out);
    assert!(!home.path("data").exists());
    std::fs::write(home.path("broken.onnx"), [0xff; 64]).unwrap();
    let said = home.run(&["model", "inspect", home.path("broken.onnx").to_str().unwrap()]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("broken.onnx"), "{}", said.err);
}

#[test]
fn one_process_owns_the_folder_and_the_others_attach() {
    let home = Home::new();
    let workspace = home.serve();
    assert_eq!(workspace.connection()["pid"], workspace.pid());
    let second = workspace.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 1);
    assert!(second.err.contains(&workspace.pid().to_string()), "{}", second.err);
    let attached = workspace.run(&["endpoint", "list", "-o", "json"]).ok();
    assert!(!attached.err.contains("started one"), "{}", attached.err);

    let ready = workspace.ready.clone();
    let (code, rest) = workspace.terminate();
    assert_eq!(code, Some(0), "SIGTERM is an orderly end: {rest}");
    assert!(rest.contains("stopped"), "{rest}");
    assert!(!ready.exists(), "nobody may believe in a workspace that is gone");
}

#[test]
fn without_a_running_workspace_a_command_brings_its_own_and_says_so() {
    let home = Home::new();
    let created = home.run(&["endpoint", "create", "-f", &sample("endpoint.yml")]).ok();
    assert!(created.err.contains("mlconsole serve"), "{}", created.err);
    let listed = home.run(&["endpoint", "list", "-o", "json"]).ok().json();
    assert_eq!(listed[0]["name"], "restaurants", "what was made is kept");
}

#[test]
fn ctrl_c_ends_a_load_with_its_report() {
    let home = Home::new();
    let workspace = home.serve().with_sample();
    let request = sample("sample-request.json");
    let mut child = home
        .command(&[
            "load",
            "restaurants",
            "--rate",
            "100",
            "--duration",
            "1h",
            "-r",
            &request,
            "--connections",
            "8",
            "-o",
            "json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first progress line: it is well under way.
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut String::new()).unwrap();
    signal(&child, libc::SIGINT);
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    let mut err = String::new();
    stderr.read_to_string(&mut err).unwrap();
    let said = Said { code: child.wait().unwrap().code().unwrap(), out, err };
    let report = said.ok().json();
    assert_eq!(report["stoppedEarly"], true);
    assert_eq!(report["answered"], report["scheduled"]);
    drop(workspace);
}

#[test]
fn ctrl_c_ends_following_a_log() {
    let home = Home::new();
    let workspace = home.serve().with_sample();
    let mut child = home
        .command(&["deployment", "logs", "restaurants", "blue", "--follow", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    assert!(line["text"].is_string() && line["container"].is_string(), "{line}");
    signal(&child, libc::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(workspace);
}

#[test]
fn the_demo_serves_real_requests_and_leaves_nothing() {
    let home = Home::new();
    let temporary = home.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut child = home
        .command(&["--demo", "-o", "json"])
        .env("TMPDIR", &temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Frames come until both colours have answered somebody.
    let mut frames = BufReader::new(child.stdout.take().unwrap()).lines();
    let both = frames.by_ref().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()).any(|frame| {
        let endpoints = frame["endpoints"].as_array().cloned().unwrap_or_default();
        let busy = endpoints.into_iter().find(|endpoint| endpoint["name"] == "restaurants").unwrap_or_default();
        let deployments = busy["deployments"].as_array().cloned().unwrap_or_default();
        deployments.len() == 2 && deployments.iter().all(|d| d["totals"]["ok"].as_u64() > Some(0))
    });
    assert!(both);
    signal(&child, libc::SIGINT);
    for _ in frames {}
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
    assert!(!home.path("data").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::new();
    let mut child =
        home.command(&["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", json!(said.err));
}
