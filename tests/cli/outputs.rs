//! What programs and terminals get: JSON throughout, nothing that drives a terminal, an end when one is asked for.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{Home, Said, sample, signal};

#[test]
fn whatever_a_command_says_with_output_json_is_json() {
    let home = Home::new();
    let workspace = home.serve().with_sample();
    let json = |arguments: &[&str]| -> Value { workspace.run(&[arguments, &["-o", "json"]].concat()).ok().json() };
    assert_eq!(json(&["env"]), workspace.run(&["env", "--format", "json"]).ok().json());
    assert_eq!(json(&["context", "use", "local"]), serde_json::json!({"name": "local", "current": true}));
    let chosen = workspace.run(&["env", "-o", "json", "--format", "fish"]).ok();
    assert!(chosen.out.starts_with("set -gx "), "what was asked for in so many words wins: {}", chosen.out);
    assert_eq!(json(&["model", "list"])[0]["name"], "restaurant-recommender");
    assert_eq!(json(&["model", "list", "--all"])[0]["name"], "restaurant-recommender");
    assert_eq!(json(&["endpoint", "regenerate-keys", "restaurants", "--yes"])["regenerated"], "primary");
    let deleted = json(&["deployment", "delete", "restaurants", "green", "--yes"]);
    assert_eq!(deleted, serde_json::json!({"endpoint": "restaurants", "name": "green", "deleted": true}));
    let deleted = json(&["endpoint", "delete", "restaurants", "--yes"]);
    assert_eq!(deleted, serde_json::json!({"name": "restaurants", "deleted": true}));
}

#[test]
fn nothing_a_name_or_a_text_holds_reaches_the_terminal_as_a_command() {
    let home = Home::new();
    let workspace = home.serve();
    let evil = "red\u{1b}[31m\u{9b}2J\u{202e}txt\u{7}";
    let model = sample("recommender-v1.onnx");
    workspace
        .run(&[
            "model",
            "register",
            "--name",
            "m",
            "--path",
            &model,
            "--description",
            evil,
            "--tag",
            &format!("a={evil}"),
        ])
        .ok();
    let calm = |text: &str| !text.chars().any(|c| (c.is_control() && c != '\n') || "\u{202e}\u{9b}".contains(c));
    let commands: [&[&str]; 5] = [
        &["model", "list"],
        &["model", "list", "m"],
        &["model", "show", "m"],
        &["endpoint", "show", evil],
        &["model", "show", evil],
    ];
    for arguments in commands {
        for output in ["table", "json"] {
            let said = workspace.run(&[arguments, &["-o", output]].concat());
            assert!(calm(&said.out) && calm(&said.err), "{arguments:?} {output}: {said:?}");
        }
    }
    let shown = workspace.run(&["model", "list", "m"]).ok().out;
    assert!(shown.contains("red\\u001b[31m\\u009b2J\\u202etxt\\u0007"), "written out, not swallowed: {shown}");
    let json = workspace.run(&["model", "show", "m", "-o", "json"]).ok().json();
    assert_eq!(json["properties"]["description"], evil, "a program gets it as it is");
}

#[test]
fn what_is_no_model_is_called_what_it_is() {
    let home = Home::new();
    let folder = home.path("empty");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(home.path("notes.txt"), "not a model").unwrap();
    for (path, says) in [
        ("/dev/null".to_owned(), "/dev/null is a device"),
        (folder.display().to_string(), "is empty"),
        (home.path("notes.txt").display().to_string(), "'notes.txt' is not an ONNX file"),
    ] {
        let said = home.run(&["model", "inspect", &path]);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        assert!(said.err.contains(says) && !said.err.contains("register the model again"), "{}", said.err);
    }
}

#[test]
fn what_is_no_mlmodel_is_told_in_a_line_with_the_next_step() {
    let home = Home::new();
    for (name, content, says) in [
        ("list", &b"flavors: [1, 2]\n"[..], "MLmodel cannot be understood: line 1 column 10"),
        ("bytes", b"\xff\xfe\x00", "is not UTF-8 text"),
    ] {
        let folder = home.path(name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("MLmodel"), content).unwrap();
        let said = home.run(&["model", "inspect", folder.to_str().unwrap(), "--type", "mlflow_model"]);
        assert_eq!(said.code, 1);
        assert!(said.err.contains(says) && said.err.contains("as mlflow.*.save_model wrote it"), "{}", said.err);
        assert_eq!(said.err.trim_end().lines().count(), 1, "{}", said.err);
    }
}

#[test]
fn all_models_of_a_triton_repository_are_shown() {
    let home = Home::new();
    for (name, file) in [("first", "recommender-v1.onnx"), ("second", "recommender-v2.onnx")] {
        let folder = home.path("repository").join(name).join("3");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::copy(sample(file), folder.join("model.onnx")).unwrap();
    }
    let broken = home.path("repository/third/1");
    std::fs::create_dir_all(&broken).unwrap();
    std::fs::write(broken.join("model.onnx"), "nothing of the kind").unwrap();
    let path = home.path("repository");
    let inspect = ["model", "inspect", path.to_str().unwrap(), "--type", "triton_model"];
    let said = home.run(&inspect).ok();
    for part in
        ["Model      first", "Model      second", "Model      third", "first/3/model.onnx", "second/3/model.onnx"]
    {
        assert!(said.out.contains(part), "{part} in {}", said.out);
    }
    let json = home.run(&[&inspect[..], &["-o", "json"]].concat()).ok().json();
    assert_eq!((&json["name"], &json["others"][0]["name"]), (&"first".into(), &"second".into()));
    assert_eq!(json["others"][1]["native"], false);
}

/// Sends SIGTERM, and what the command says then.
fn interrupted(mut child: Child) -> Said {
    signal(&child, libc::SIGTERM);
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    Said { code: child.wait().unwrap().code().expect("ended by itself"), out, err }
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_reads_for_long_still_hears_that_it_is_to_stop() {
    let home = Home::new();
    let workspace = home.serve();
    let spawn = |arguments: &[&str]| -> Child {
        home.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };

    // Hashing this would take hours.
    let huge = home.path("huge.onnx");
    std::fs::File::create(&huge).unwrap().set_len(1 << 42).unwrap();
    let child = spawn(&["model", "register", "--name", "m", "--path", huge.to_str().unwrap()]);
    let files = format!("/proc/{}/fd", child.id());
    let reads = || {
        let mut open =
            std::fs::read_dir(&files).unwrap().flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        open.any(|file| file == huge)
    };
    while !reads() {
        std::thread::yield_now();
    }
    let said = interrupted(child);
    assert!(said.code == 1 && said.err.contains("interrupted"), "{said:?}");

    // Somebody else opens this and never writes.
    let pipe = home.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let child = spawn(&["endpoint", "invoke", "nope", "-r", pipe.to_str().unwrap()]);
    let writer = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let said = interrupted(child);
    assert!(said.code == 1 && said.err.contains("interrupted"), "{said:?}");
    drop(writer);
    assert_eq!(workspace.run(&["endpoint", "list"]).code, 0);
}
