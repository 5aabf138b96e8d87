//! What becomes of a deployment whose script does not start again with the workspace.

use serde_json::json;

use crate::python::pythons;
use crate::workspace::{Home, wait};

#[test]
fn a_script_comes_back_when_what_it_waits_for_is_there() {
    if pythons().is_none() {
        return;
    }
    let home = Home::new();
    let workspace = home.serve();
    let database = home.write("database", "open");
    let endpoint = home.write("endpoint.yml", "name: sums\nauth_mode: key\n");
    home.run(&["endpoint", "create", "-f", &endpoint]).ok();
    let score = format!("def init(): open({database:?})\ndef run(data): return 'open'\n");
    home.run(&["deployment", "create", "-f", &home.version(1, &score), "--all-traffic"]).ok();
    assert_eq!(home.ask(&json!([])).ok().out.trim(), "\"open\"");
    assert!(workspace.terminate());

    // It is tried again and again, and says so.
    std::fs::remove_file(&database).unwrap();
    let workspace = home.serve();
    let show = || home.run(&["deployment", "show", "sums", "blue"]).ok().out;
    wait("it has failed to start", || show().contains("FileNotFoundError"));
    assert!(show().contains("Failed"), "{}", show());
    let log = || home.run(&["deployment", "logs", "sums", "blue"]).ok().out;
    wait("it has been tried again", || log().contains("Once more: bringing the deployment back."));
    assert!(log().contains("The next start is tried in 5 s."), "{}", log());

    // What it waited for is there.
    home.write("database", "open");
    wait("it serves", || home.ask(&json!([])).code == Some(0));
    wait("it is told", || show().contains("Succeeded") && !show().contains("FileNotFoundError"));

    // Failed again with the workspace, and removed: nothing brings it back.
    assert!(workspace.terminate());
    std::fs::remove_file(&database).unwrap();
    let workspace = home.serve();
    wait("it has failed to start", || show().contains("FileNotFoundError"));
    home.run(&["traffic", "set", "sums", "blue=0", "--yes"]).ok();
    home.run(&["deployment", "delete", "sums", "blue", "--yes"]).ok();
    wait("its files are gone", || std::fs::read_dir(home.path("data/run")).unwrap().next().is_none());
    workspace.kill();
}
