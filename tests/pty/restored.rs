//! The terminal is as it was: after quitting, a panic, signals, being stopped and continued, and an editor.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use mlconsole::console::{Access, ConsoleOptions, ContextEntry, app::options::Settings};

use crate::MLCONSOLE;
use crate::driver::Terminal;

/// A shell that writes the terminal's settings down before and after the program.
fn shell(home: &Path, program: &str) -> Terminal {
    let script = format!("stty -a > before; {program}; echo ended; stty -a > after");
    Terminal::start("sh", &["-c", &script], home, (100, 30), &[])
}

fn unchanged(home: &Path, bytes: &[u8]) {
    let read = |name: &str| std::fs::read_to_string(home.join(name)).unwrap();
    assert_eq!(read("before"), read("after"), "the settings of the terminal differ");
    let text = String::from_utf8_lossy(bytes);
    for (on, off) in [
        ("\x1b[?1049h", "\x1b[?1049l"),
        ("\x1b[?2004h", "\x1b[?2004l"),
        ("\x1b[?1004h", "\x1b[?1004l"),
        ("\x1b[?1002h", "\x1b[?1002l"),
        ("\x1b[?25l", "\x1b[?25h"),
    ] {
        let (on, off) = (text.rfind(on), text.rfind(off));
        assert!(on.is_some() && off > on, "{on:?} was not undone");
    }
}

/// The number of the program under the shell, from its lock file.
fn pid(home: &Path) -> String {
    let at = home.join(".local/share/mlconsole/connection.json");
    let connection: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(at).unwrap()).unwrap();
    connection["pid"].to_string()
}

fn kill(signal: &str, pid: &str) {
    assert!(std::process::Command::new("kill").args([signal, pid]).status().unwrap().success());
}

/// Waits until a process is stopped, as a shell does.
fn stopped(pid: &str) {
    let started = std::time::Instant::now();
    let state = || std::process::Command::new("ps").args(["-o", "state=", "-p", pid]).output().unwrap().stdout;
    while !state().starts_with(b"T") {
        assert!(started.elapsed().as_secs() < 120, "{pid} did not stop");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn after_quitting() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = shell(home.path(), MLCONSOLE);
    terminal.wait("Nothing is served here yet");
    terminal.send("q");
    let (_, bytes) = terminal.end();
    unchanged(home.path(), &bytes);
}

#[test]
fn after_signals_that_end_it() {
    for signal in ["-TERM", "-HUP", "-INT"] {
        let home = tempfile::tempdir().unwrap();
        let terminal = shell(home.path(), MLCONSOLE);
        terminal.wait("Nothing is served here yet");
        kill(signal, &pid(home.path()));
        let (_, bytes) = terminal.end();
        unchanged(home.path(), &bytes);
    }
}

#[test]
fn after_being_stopped_and_continued() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = shell(home.path(), MLCONSOLE);
    terminal.wait("Nothing is served here yet");
    let pid = pid(home.path());
    kill("-TSTP", &pid);
    terminal.until("the screen given back", |screen| !screen.contains("Nothing is served"));
    // it gives the screen back first and stops then: continued before that, it would stop for good
    stopped(&pid);
    kill("-CONT", &pid);
    terminal.wait("Nothing is served here yet");
    terminal.send("q");
    let (_, bytes) = terminal.end();
    unchanged(home.path(), &bytes);
}

/// What is typed while the editor is still open is not lost: it acts when the editor is gone.
#[test]
fn after_an_editor() {
    let home = tempfile::tempdir().unwrap();
    let editor = home.path().join("editor");
    let script = "#!/bin/sh\nstty -a > during; echo opened; until [ -e go ]; do sleep 0.02; done; echo '{\"edited\": 1}' > \"$1\"\n";
    std::fs::write(&editor, script).unwrap();
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = format!("EDITOR={} {MLCONSOLE} --demo", editor.display());
    let mut terminal = shell(home.path(), &program);
    terminal.until("the dashboard", |screen| screen.contains("serving"));
    terminal.then("x", "POST");
    terminal.then("e", "opened");
    terminal.send("f");
    terminal.until("the echo of the key", |screen| screen.trim_end().ends_with('f'));
    std::fs::write(home.path().join("go"), "").unwrap();
    terminal.wait("Take the body from");
    terminal.send("\x1b");
    terminal.until("the edited text", |screen| screen.contains("edited") && !screen.contains("Take the body from"));
    terminal.send("\x03");
    let (_, bytes) = terminal.end();
    unchanged(home.path(), &bytes);
    let read = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
    assert_eq!(read("before"), read("during"), "the editor had an odd terminal");
}

#[test]
fn after_a_panic() {
    let home = tempfile::tempdir().unwrap();
    let this = std::env::current_exe().unwrap();
    let program = format!("PANIC=1 {} --exact restored::panicking --nocapture", this.display());
    let terminal = shell(home.path(), &program);
    let (_, bytes) = terminal.end();
    assert!(String::from_utf8_lossy(&bytes).contains("a bug in the console"), "the panic is told");
    unchanged(home.path(), &bytes);
}

/// Not a test of its own: the program of `after_a_panic`.
#[test]
fn panicking() {
    if std::env::var_os("PANIC").is_none() {
        return;
    }
    let options = ConsoleOptions {
        contexts: vec![ContextEntry { name: "local".into(), kind: "local workspace".into(), access: Access::Open }],
        context: "local".into(),
        open: Arc::new(|_| panic!("a bug in the console")),
        settings: Settings { mouse: true, ..Settings::default() },
        reload: None,
        config_file: None,
        state_file: None,
        owns_workspace: false,
        demo: false,
        flags: String::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(mlconsole::console::run(options)).unwrap();
}
