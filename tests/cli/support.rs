//! The binary, and a workspace of its own for each test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A file of the samples that come with the program.
pub fn sample(name: &str) -> String {
    format!("{}/assets/restaurants/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A home without configuration, and a data folder in it.
pub struct Home {
    pub folder: tempfile::TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }

    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("ended by itself"),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The binary in this home.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlconsole"));
        command.args(arguments).stdin(Stdio::null()).env("HOME", self.folder.path());
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "RUST_BACKTRACE"] {
            command.env_remove(name);
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("MLCONSOLE_")) {
            command.env_remove(name);
        }
        command.env("MLCONSOLE_DATA_DIR", self.path("data"));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().expect("the binary runs").into()
    }

    /// A workspace that serves until it is dropped.
    pub fn serve(&self) -> Served<'_> {
        let ready = self.path("ready.json");
        let mut child = self
            .command(&["serve", "--listen", "127.0.0.1:0", "--ready-file", ready.to_str().expect("a path")])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut served = Served { home: self, child, stderr, ready };
        // It says so once it answers.
        let line = served.line();
        assert!(line.starts_with("serving https://127.0.0.1:"), "{line}");
        served
    }
}

/// A `serve` process.
pub struct Served<'a> {
    home: &'a Home,
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    pub ready: PathBuf,
}

impl Served<'_> {
    pub fn run(&self, arguments: &[&str]) -> Said {
        self.home.run(arguments)
    }

    /// The next line of its standard error.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).expect("text");
        line
    }

    pub fn connection(&self) -> Value {
        serde_json::from_str(&std::fs::read_to_string(&self.ready).expect("the ready file")).expect("JSON")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and the rest of what it says.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        signal(&self.child, libc::SIGTERM);
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("text");
        (self.child.wait().expect("it ends").code(), rest)
    }

    /// The sample endpoint with blue, version 1, and green, version 2.
    pub fn with_sample(self) -> Self {
        self.run(&["endpoint", "create", "-f", &sample("endpoint.yml")]).ok();
        self.run(&["deployment", "create", "-f", &sample("blue-deployment.yml"), "--all-traffic"]).ok();
        self.run(&["deployment", "create", "-f", &sample("green-deployment.yml")]).ok();
        self
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process that is still waited for.
pub fn signal(child: &Child, signal: i32) {
    // SAFETY: kill takes two numbers; the process is a child that has not been reaped.
    let sent = unsafe { libc::kill(child.id() as i32, signal) };
    assert_eq!(sent, 0);
}

/// Whether any file under `folder` holds `text`.
pub fn holds(folder: &Path, text: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if let Some(found) = holds(&path, text) {
                return Some(found);
            }
        } else if std::fs::read(&path).expect("a file").windows(text.len()).any(|part| part == text.as_bytes()) {
            return Some(path);
        }
    }
    None
}
