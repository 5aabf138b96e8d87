//! `mlconsole serve` on a scratch data folder with the suite's uv, and the commands that drive it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Far beyond what anything takes; only so that a broken build ends.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with the data folder of a workspace.
pub struct Home {
    pub folder: tempfile::TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

impl Home {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlconsole"));
        let foreign =
            |name: &str| ["MLCONSOLE_", "PYTHON", "AZURE", "AML_"].iter().any(|start| name.starts_with(start));
        for (name, _) in std::env::vars_os().filter(|(name, _)| foreign(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        // The suite's own uv, which need not be installed.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("test-venv");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", target.join("uv/bin").display()));
        command.env("XDG_CONFIG_HOME", self.path("config")).env("MLCONSOLE_DATA_DIR", self.path("data"));
        command.env_remove("RUST_BACKTRACE").args(arguments).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// A workspace that serves until it is dropped or killed.
    pub fn serve(&self) -> Served {
        let ready = self.path("ready.json");
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::File::options().create(true).append(true).open(self.path("serve.log")).unwrap();
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0", "--ready-file", ready.to_str().unwrap()]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut served = Served(child);
        wait("the workspace serves", || {
            assert!(served.0.try_wait().unwrap().is_none(), "it ended:\n{}", self.log());
            std::fs::read_to_string(&ready).is_ok_and(|text| text.trim_end().ends_with('}'))
        });
        served
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("serve.log")).unwrap_or_default()
    }
}

/// A `serve` process.
pub struct Served(Child);

impl Served {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// As `kill -9`.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM; whether it ended well.
    pub fn terminate(mut self) -> bool {
        // SAFETY: a child of this test that has not been reaped.
        unsafe { libc::kill(self.0.id() as i32, libc::SIGTERM) };
        self.0.wait().unwrap().success()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits for a condition; a test that waits in vain fails here.
#[track_caller]
pub fn wait(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
