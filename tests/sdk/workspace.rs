//! `mlconsole serve` on a scratch data folder, as a user would start it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_mlconsole");
/// Far beyond what a start takes; only so that a broken build ends.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running workspace; killed, by its own handle, when dropped without `stop`.
pub struct Workspace {
    child: Child,
    folder: TempDir,
}

impl Workspace {
    pub fn start() -> Workspace {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let ready = folder.path().join("ready.json");
        let log = File::create(folder.path().join("serve.log")).expect("a log file");
        let mut command = Command::new(BINARY);
        crate::python::without_foreign_settings(&mut command);
        crate::python::with_packages(&mut command);
        let child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--plain-http", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path().join("data"))
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("mlconsole starts");
        let mut workspace = Workspace { child, folder };
        let started = Instant::now();
        while fs::read_to_string(&ready).map_or(true, |text| !text.trim_end().ends_with('}')) {
            let ended = workspace.child.try_wait().expect("a child process");
            assert!(ended.is_none(), "mlconsole serve ended ({ended:?}):\n{}", workspace.log());
            assert!(started.elapsed() < PATIENCE, "mlconsole serve is not ready:\n{}", workspace.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        workspace
    }

    /// Runs a story the documented way: `eval "$(mlconsole env)"`, then Python.
    pub fn run(&self, python: &Path, script: &str) -> Output {
        let mut shell = Command::new("sh");
        crate::python::without_foreign_settings(&mut shell);
        let stories = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/python");
        let mut output = shell
            .args([
                "-c",
                r#"settings="$("$1" env --data-dir "$2")" && eval "$settings" && exec "$3" "$4""#,
                "sh",
                BINARY,
            ])
            .arg(self.folder.path().join("data"))
            .arg(python)
            .arg(stories.join(script))
            .env("MLCONSOLE_ASSETS", Path::new(env!("CARGO_MANIFEST_DIR")).join("assets"))
            .env("MLCONSOLE_READY_FILE", self.folder.path().join("ready.json"))
            .env("MLCONSOLE_DATA", self.folder.path().join("data"))
            .env("TMPDIR", self.folder.path())
            .current_dir(self.folder.path())
            .output()
            .expect("sh starts");
        if !output.status.success() {
            output.stderr.extend_from_slice(b"\nlast words of mlconsole serve:\n");
            output.stderr.extend_from_slice(self.log().as_bytes());
        }
        output
    }

    /// Asks it to end as a service manager would, and expects a clean exit.
    pub fn stop(mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill starts");
        assert!(asked.success(), "the workspace was gone before it was stopped:\n{}", self.log());
        let ended = self.child.wait().expect("a child process");
        assert!(ended.success(), "mlconsole serve ended with {ended}:\n{}", self.log());
    }

    /// The last 60 lines of its output.
    fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
