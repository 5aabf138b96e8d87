//! What scripts do to themselves costs nobody else anything.

use std::path::Path;

use crate::house::{House, Script, settings};
use crate::python::pythons;

/// Does what the body says.
pub const ACTOR: &str = r#"
import json, os, signal, sys, time

def init():
    global calls
    calls = 0
    print("init was here")

def run(data):
    global calls
    calls += 1
    what = json.loads(data)
    do = what.get("do", "echo") if isinstance(what, dict) else "echo"
    if do == "pid": return os.getpid()
    if do == "exit": os._exit(9)
    if do == "sysexit": sys.exit(4)
    if do == "kill": os.kill(os.getpid(), signal.SIGKILL)
    if do == "segfault":
        import ctypes; ctypes.string_at(0)
    if do == "raise": raise ValueError("a secret of the script")
    if do == "sleep": time.sleep(what["s"]); return "slept"
    if do == "hang":
        while True: time.sleep(1)
    if do == "leak":
        kept = []
        while True: kept.append(bytearray(b"x" * (8 << 20)))
    if do == "environment": return dict(os.environ)
    return what
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_script_answers_and_its_failures_stay_its_own() {
    let Some(pythons) = pythons() else { return };
    for python in [&pythons.official, &pythons.bare] {
        one_script(python).await;
    }
}

async fn one_script(python: &Path) {
    let house = House::open();
    let pool = house
        .serve(python, Script::new(ACTOR), settings(1, 4))
        .await
        .unwrap_or_else(|e| panic!("{e}\n{}", house.log()));
    let answer = house.ask(r#"{"a": [1, 2.5, null]}"#).await;
    assert_eq!(answer, (200, r#"{"a": [1, 2.5, null]}"#.to_owned()), "{}", house.log());
    let (status, text) = house.ask(r#"{"do": "raise"}"#).await;
    assert_eq!(status, 424);
    assert!(text.contains("An unexpected error occurred in scoring script"), "{text}");
    assert!(!text.contains("secret") && house.log().contains("ValueError: a secret of the script"), "{}", house.log());
    // SystemExit ends nothing.
    let (_, before) = house.ask(r#"{"do": "pid"}"#).await;
    let answer = house.score(r#"{"do": "sysexit"}"#).send().await.unwrap();
    assert_eq!(answer.status(), 424);
    assert_eq!(answer.headers()["x-ms-run-function-failed"], "True");
    assert_eq!(answer.headers()["ms-azureml-model-error-statuscode"], "500");
    assert_eq!(house.ask(r#"{"do": "pid"}"#).await, (200, before));
    assert_eq!(pool.status().restarts, 0);
    assert!(house.log().contains("azmlinfsrv.print - init was here"), "{}", house.log());
}
