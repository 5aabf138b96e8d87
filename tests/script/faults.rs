//! What scripts do to themselves costs nobody else anything.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mlconsole::server::gateway::{Pool, PoolSettings};
use mlconsole::server::script::StartLimit;

use crate::house::{ENDPOINT, House, Script, settings, until};
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
    if do == "descriptors":
        return [os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + fd)]
    if do == "flood":
        for _ in range(400): os.write(2, b"\xff\xfe" * 10_000 + b"\n")
        os.write(2, b"x" * 300_000)
        return "flooded"
    if do == "child":
        if os.fork() == 0:
            while True: time.sleep(1)
        return "forked"
    return what
"#;

async fn serve(house: &House, script: Script, settings: PoolSettings) -> Option<Arc<Pool>> {
    let pythons = pythons()?;
    // What the worker does is the same with the official server and without; without it starts ten times as fast.
    let pool = house.serve(&pythons.bare, script, settings).await;
    Some(pool.unwrap_or_else(|error| panic!("{error}\n{}", house.log())))
}

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
    assert!(!text.contains("secret"));
    until("the log says it", || house.log().contains("ValueError: a secret of the script")).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_under_load_costs_the_request_it_was_at_and_no_other() {
    let house = Arc::new(House::open());
    let Some(pool) = serve(&house, Script::new(ACTOR).variable("WORKER_COUNT", "2"), settings(2, 8)).await else {
        return;
    };
    let (ended, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..6)
        .map(|client| {
            let (house, ended, failed) = (Arc::clone(&house), Arc::clone(&ended), Arc::clone(&failed));
            tokio::spawn(async move {
                let mut sent = 0;
                while !ended.load(Ordering::Relaxed) {
                    let body = format!(r#"{{"client": {client}, "n": {sent}}}"#);
                    let (status, text) = house.ask(&body).await;
                    sent += 1;
                    if status == 200 {
                        assert_eq!(text, body, "nobody gets another's answer");
                    } else {
                        assert_eq!(status, 424, "{text}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
                sent
            })
        })
        .collect();
    let mut own = 0;
    for (n, how) in ["kill", "exit", "segfault", "kill", "exit"].into_iter().enumerate() {
        let (status, text) = house.ask(&format!(r#"{{"do": "{how}"}}"#)).await;
        own += 1;
        assert_eq!(status, 424, "{text}");
        until("the worker is back", || pool.status().ready == 1 && pool.status().restarts as usize == n + 1).await;
    }
    assert_eq!(failed.load(Ordering::Relaxed), 0, "nobody but those who killed\n{}", house.log());
    // From outside a worker is hit in a request or between two.
    for n in 0..5 {
        let (_, pid) = house.ask(r#"{"do": "pid"}"#).await;
        kill(pid.parse().unwrap());
        own += 1;
        until("the worker is replaced", || pool.status().restarts >= 6 + n).await;
    }
    ended.store(true, Ordering::Relaxed);
    let mut sent = own;
    for client in clients {
        sent += client.await.unwrap();
    }
    assert!(failed.load(Ordering::Relaxed) <= 5, "{}", house.log());
    let totals = house.telemetry.deployment(ENDPOINT, "blue").totals();
    assert_eq!(totals.total(), sent as u64);
    assert_eq!(totals.model_error, 5 + failed.load(Ordering::Relaxed) as u64);
    assert_eq!(totals.ok + totals.model_error, sent as u64);
    let log = house.log();
    for words in [
        "killed by signal 9 (SIGKILL)",
        "exited with code 9",
        "signal 11 (SIGSEGV",
        "Fatal Python error: Segmentation fault",
    ] {
        assert!(log.contains(words), "{words}\n{log}");
    }
}

fn kill(pid: i32) {
    // SAFETY: a worker of this test.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_its_time_is_told_and_the_next_goes_to_another_worker() {
    let house = House::open();
    let settings = PoolSettings { request_timeout: Duration::from_millis(700), ..settings(2, 4) };
    let script = Script::new(ACTOR).variable("WORKER_COUNT", "2").variable("WORKER_TIMEOUT", "2");
    let Some(pool) = serve(&house, script, settings).await else { return };
    assert_eq!(house.ask(r#"{"do": "hang"}"#).await.0, 408);
    assert_eq!(pool.status().in_flight, 1, "Python cannot be interrupted: the worker stays busy");
    for _ in 0..5 {
        assert_eq!(house.ask("1").await, (200, "1".to_owned()));
    }
    until("the worker is killed", || pool.status().restarts == 1 && pool.status().in_flight == 0).await;
    assert!(house.log().contains("within 2 s (WORKER_TIMEOUT)"), "{}", house.log());
    assert_eq!(house.ask("1").await, (200, "1".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_stopped_at_the_instance_s_memory_with_the_numbers() {
    let house = House::open();
    let script = Script { memory: Some(160 << 20), ..Script::new(ACTOR) };
    let Some(pool) = serve(&house, script, settings(1, 4)).await else { return };
    let answer = house.score(r#"{"do": "leak"}"#).send().await.unwrap();
    assert_eq!(answer.status(), 424);
    let reason = answer.headers()["ms-azureml-model-error-reason"].to_str().unwrap().to_owned();
    assert!(reason.starts_with("OOMKilled: needs ") && reason.ends_with("limit 167772160 bytes"), "{reason}");
    assert_eq!(house.ask("1").await, (200, "1".to_owned()));
    assert_eq!(pool.status().restarts, 1);
    let memory = pool.servable().memory().unwrap();
    assert_eq!(memory.limit, 160 << 20);
    assert!(house.log().contains("OOMKilled"), "{}", house.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_does_a_worker_no_harm() {
    let house = House::open();
    let Some(pool) = serve(&house, Script::new(ACTOR), settings(1, 4)).await else { return };
    let (_, before) = house.ask(r#"{"do": "pid"}"#).await;
    for _ in 0..3 {
        let patience = Duration::from_millis(40);
        assert!(house.score(r#"{"do": "sleep", "s": 0.2}"#).timeout(patience).send().await.is_err());
    }
    assert_eq!(house.ask(r#"{"do": "pid"}"#).await, (200, before));
    assert_eq!(pool.status().restarts, 0);
    until("all is done", || pool.status().in_flight == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_broken_text_are_logged_in_pieces() {
    let house = House::open();
    let Some(_pool) = serve(&house, Script::new(ACTOR), settings(1, 4)).await else { return };
    assert_eq!(house.ask(r#"{"do": "flood"}"#).await, (200, "\"flooded\"".to_owned()));
    until("the last line is there", || house.log().contains(&"x".repeat(60_000))).await;
    let lines = house.telemetry.deployment(ENDPOINT, "blue").log().tail(None, 5_000);
    assert!(lines.iter().all(|line| line.text.len() <= 64 * 1024));
    assert!(lines.iter().filter(|line| line.text.starts_with('\u{fffd}')).count() >= 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_64_megabytes_go_both_ways() {
    let house = House::open();
    let Some(pool) = serve(
        &house,
        Script::new("def init(): pass\ndef run(data): return len(data), data[:3], 'y' * (60 << 20)"),
        settings(1, 1),
    )
    .await
    else {
        return;
    };
    let answer = house.score("é".repeat(32 << 20)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    assert!(text.starts_with(&format!("[{}, \"\\u00e9\\u00e9\\u00e9\", \"yyy", 32 << 20)), "{}", &text[..60]);
    assert!(text.ends_with(&format!("{}\"]", "y".repeat(60 << 20))));
    assert_eq!(pool.status().restarts, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_workspace_reaches_a_script() {
    let house = House::open();
    let Some(_pool) = serve(&house, Script::new(ACTOR).variable("MINE", "a = b"), settings(1, 4)).await else { return };
    let (_, text) = house.ask(r#"{"do": "environment"}"#).await;
    let all: std::collections::BTreeMap<String, String> = serde_json::from_str(&text).unwrap();
    assert_eq!(all["MINE"], "a = b");
    assert!(all["AZUREML_MODEL_DIR"].ends_with("azureml-models/m/3"));
    assert_ne!(all["TMPDIR"], "/tmp");
    let expected: BTreeSet<&str> = [
        "MINE",
        "AZUREML_MODEL_DIR",
        "AZUREML_ENTRY_SCRIPT",
        "AML_APP_ROOT",
        "AML_APP_INSIGHTS_ENABLED",
        "WORKER_COUNT",
        "TMPDIR",
        "MLCONSOLE_WORKER",
        "PATH",
        "PYTHONUNBUFFERED",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "LD_LIBRARY_PATH",
        "OMP_NUM_THREADS",
        "CUDA_VISIBLE_DEVICES",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ]
    .into();
    let foreign: Vec<&String> = all
        .keys()
        .filter(|name| !expected.contains(name.as_str()) && !name.to_lowercase().ends_with("_proxy"))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    let (_, text) = house.ask(r#"{"do": "descriptors"}"#).await;
    let open: Vec<String> = serde_json::from_str(&text).unwrap();
    assert_eq!(open.iter().filter(|what| what.starts_with("socket:")).count(), 1, "{open:?}");
    assert_eq!(open.iter().filter(|what| what.starts_with("pipe:")).count(), 2, "{open:?}");
    assert!(open.len() <= 5, "{open:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_does_not_start_is_tried_three_times_and_says_why() {
    let Some(pythons) = pythons() else { return };
    let cases = [
        (
            "import nowhere\ndef init(): pass\ndef run(data): pass",
            "could not be loaded: ModuleNotFoundError: No module named 'nowhere'",
        ),
        (
            "def init():\n    raise ValueError('no such model')\ndef run(data): pass",
            "failed in init(): ValueError: no such model",
        ),
        ("def run(data): pass", "does not have a init() function defined"),
        ("def init(): pass\ndef run(): pass", "run() needs to accept an argument for input data."),
        ("def init(): raise ValueError('why ' * 100_000)\ndef run(data): pass", "ValueError: why why"),
        ("def init(: pass", "SyntaxError"),
        ("import sys\ndef init(): sys.exit(7)\ndef run(data): pass", "failed in init(): SystemExit: 7"),
        ("import os\ndef init(): os._exit(7)\ndef run(data): pass", "its worker exited with code 7"),
    ];
    let all = cases.into_iter().flat_map(|case| [(&pythons.official, case), (&pythons.bare, case)]).map(
        |(python, (source, words))| async move {
            let house = House::open();
            let error = house.serve(python, Script::new(source), settings(1, 1)).await.expect_err("it cannot start");
            assert!(error.message.contains(words), "{words}\n{error}\n{}", house.log());
            assert!(error.message.contains("started 3 times") && error.message.len() < 1_000, "{error}");
            assert!(house.log().contains("Attempt 3 of 3"), "{}", house.log());
        },
    );
    // All at once would be a load test of its own.
    let mut all = all.peekable();
    while all.peek().is_some() {
        futures_util::future::join_all(all.by_ref().take(4)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_hangs_is_counted_in_missed_probes_given_up_and_can_be_stopped() {
    let Some(pythons) = pythons() else { return };
    let source = "import time\ndef init():\n    print('here we are', flush=True)\n    while True: time.sleep(1)\ndef run(data): pass";
    let period = Duration::from_millis(100);
    let house = House::open();
    let start = StartLimit { initial_delay: period, period, failure_threshold: 8 };
    let error = house
        .serve(&pythons.bare, Script { start, ..Script::new(source) }, settings(1, 1))
        .await
        .expect_err("it hangs");
    assert!(error.message.contains("did not come back from init() within 0.9 s"), "{error}");
    let log = house.log();
    assert!((1..=8).all(|n| log.contains(&format!("starting, {n} of 8 probes missed"))), "{log}");

    let house = House::open();
    let script = Script::new(source);
    let stop = script.stop.clone();
    let starting = house.serve(&pythons.bare, script, settings(1, 1));
    let asked = async {
        until("init() runs", || house.log().contains("here we are")).await;
        stop.ask();
    };
    let (error, ()) = tokio::join!(starting, asked);
    assert!(error.expect_err("stopped").message.contains("stopped"), "{}", house.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_fails_again_and_again_is_started_after_growing_pauses() {
    let house = House::open();
    let source = "import os\nmarker = os.path.join(os.environ['AML_APP_ROOT'], 'spoiled')\ndef init():\n    \
                  if os.path.exists(marker): raise RuntimeError('the model is spoiled')\ndef run(data):\n    \
                  if data == 'mend': os.remove(marker)\n    else: open(marker, 'w').close(); os._exit(1)";
    let Some(pool) = serve(&house, Script::new(source), settings(1, 4)).await else { return };
    assert_eq!(house.ask("spoil").await.0, 424);
    until("it is known", || pool.trouble().is_some_and(|trouble| trouble.kind == "CrashLoopBackOff")).await;
    let trouble = pool.trouble().unwrap_or_default();
    assert!(trouble.reason.contains("the model is spoiled"), "{trouble:?}\n{}", house.log());
    let (status, _) = house.ask("1").await;
    assert_eq!(status, 503, "nobody waits for what may never come");
    assert!(house.log().contains("CrashLoopBackOff"), "{}", house.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_while_idle_is_replaced_and_nobody_notices() {
    let house = House::open();
    let Some(pool) = serve(&house, Script::new(ACTOR), settings(1, 4)).await else { return };
    let (_, pid) = house.ask(r#"{"do": "pid"}"#).await;
    kill(pid.parse().unwrap());
    until("it is replaced", || pool.status().restarts == 1 && pool.status().ready == 1).await;
    assert!(house.log().contains("No request was lost"), "{}", house.log());
    // In the very moment too.
    for _ in 0..5 {
        let (_, pid) = house.ask(r#"{"do": "pid"}"#).await;
        kill(pid.parse().unwrap());
        assert_eq!(house.ask("1").await, (200, "1".to_owned()), "{}", house.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_may_say_goodbye_and_leaves_nobody_behind() {
    let house = House::open();
    let farewell = tempfile::tempdir().unwrap();
    let source = format!(
        "{ACTOR}\nimport atexit\nplace = {:?}\ndef bye(): open(place + '/' + str(os.getpid()), 'w').close()\natexit.register(bye)\n",
        farewell.path()
    );
    let Some(pool) = serve(&house, Script::new(&source), settings(1, 4)).await else { return };
    let (_, pid) = house.ask(r#"{"do": "pid"}"#).await;
    assert_eq!(house.ask(r#"{"do": "child"}"#).await.0, 200);
    let group: i32 = pid.parse().unwrap();
    house.router.remove(ENDPOINT);
    pool.drain(Duration::from_secs(5)).await;
    drop(pool);
    until("it said goodbye", || farewell.path().join(&pid).exists()).await;
    // SAFETY: asks whether the group has members left; signal 0 does nothing.
    until("its children are gone", || unsafe { libc::kill(-group, 0) } != 0).await;
}
