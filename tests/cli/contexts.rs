//! Contexts: where a command works, and what it may change there.

use serde_json::json;

use crate::support::{Home, sample};

const CONFIG: &str = r#"
[contexts.look]
kind = "local"
access = "read-only"
data_dir = "DATA"

[contexts.careful]
kind = "local"
access = "protected"
data_dir = "DATA"

[contexts.production]
kind = "azure"
subscription_id = "s"
resource_group = "r"
workspace = "w"
"#;

fn configured() -> Home {
    let home = Home::new();
    let text = CONFIG.replace("DATA", home.path("data").to_str().unwrap());
    std::fs::write(home.path("config.toml"), text).unwrap();
    home
}

#[test]
fn contexts_are_listed_chosen_and_shown() {
    let home = configured();
    let config = home.path("config.toml");
    let run = |arguments: &[&str]| home.run(&[&["--config", config.to_str().unwrap()], arguments].concat());
    let all = run(&["context", "list", "-o", "json"]).ok().json();
    let names: Vec<_> = all.as_array().unwrap().iter().map(|context| &context["name"]).collect();
    assert_eq!(names, ["careful", "local", "look", "production"]);
    assert!(run(&["context", "list"]).ok().out.lines().any(|line| line.starts_with("*  local")));
    run(&["context", "use", "production"]).ok();
    let shown = run(&["context", "show", "-o", "json"]).ok().json();
    assert_eq!(
        (&shown["name"], &shown["kind"], &shown["current"]),
        (&json!("production"), &json!("azure"), &json!(true))
    );
    let unknown = run(&["context", "use", "prodution"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("production"), "{}", unknown.err);
    let mixed = run(&["--context", "production", "--data-dir", "anywhere", "endpoint", "list"]);
    assert_eq!(mixed.code, 2, "a data folder and Azure do not go together: {mixed:?}");
}

#[test]
fn what_may_not_be_changed_is_not() {
    let home = configured();
    let config = home.path("config.toml");
    let workspace = home.serve();
    let run = |context: &str, arguments: &[&str]| {
        let flags = ["--config", config.to_str().unwrap(), "--context", context];
        workspace.run(&[&flags[..], arguments].concat())
    };
    let file = sample("endpoint.yml");
    let create = ["endpoint", "create", "-f", &file];
    let refused = run("look", &create);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("read-only"), "{}", refused.err);
    assert_eq!(run("look", &["endpoint", "list", "-o", "json"]).ok().json(), json!([]), "looking is allowed");

    let asked = run("careful", &create);
    assert_eq!(asked.code, 2);
    assert!(asked.err.contains("--yes"), "{}", asked.err);
    run("careful", &[&create[..], &["--yes"]].concat()).ok();
    let impossible = config.join("below-a-file");
    let own = ["--data-dir", impossible.to_str().unwrap(), "endpoint", "list"];
    assert_eq!(run("look", &own).code, 1, "a flag wins over the context's own folder");
}

#[test]
fn the_folder_of_a_named_context_is_its_own() {
    let home = Home::new();
    std::fs::write(home.path("config.toml"), "[contexts.lab]\nkind = \"local\"\ndata_dir = \"lab\"\n").unwrap();
    let config = home.path("config.toml");
    let file = sample("endpoint.yml");
    // MLCONSOLE_DATA_DIR is set, to another folder: it stands for the context `local` alone.
    home.run(&["--config", config.to_str().unwrap(), "--context", "lab", "endpoint", "create", "-f", &file]).ok();
    assert!(home.path("lab").join("workspace.db").exists());
    assert!(!home.path("data").exists());
}
