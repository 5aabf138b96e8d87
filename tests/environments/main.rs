//! Python environments, really built: by uv and by pip, from an index of this machine with packages of a few lines.

mod build;
mod commands;
mod damage;
mod failures;
mod index;
mod python;

use std::path::Path;
use std::sync::Mutex;

use index::Index;
use mlconsole::server::environments::{Built, EnvironmentError, Environments, Progress, Settings, Spec, Step};
use mlconsole::server::stop::Stop;

/// Asks for the official server without installing it: its 48 packages are another story's.
const NO_SERVER: &str = "azureml-inference-server-http ; python_version < '3'";

/// What a story works with.
struct House {
    folder: tempfile::TempDir,
    index: Index,
    settings: Settings,
}

impl House {
    /// With uv; `None` where there is none.
    fn with_uv() -> Option<Self> {
        let uv = python::uv()?.to_owned();
        Self::of(Settings { uv: Some(uv), ..Settings::default() })
    }

    /// With venv and pip; `None` where a uv would be preferred.
    fn with_pip() -> Option<Self> {
        let house = Self::of(Settings::default())?;
        if let Ok(Some(uv)) = house.environments().uv() {
            python::skipped(&format!("uv is installed ({}), so pip is not used", uv.display()));
            return None;
        }
        Some(house)
    }

    fn of(settings: Settings) -> Option<Self> {
        let python = python::interpreter()?;
        let settings = Settings { search_paths: vec![python.to_owned()], ..settings };
        Some(Self { folder: tempfile::tempdir().unwrap(), index: Index::start(python), settings })
    }

    fn environments(&self) -> Environments {
        Environments::new(self.folder.path(), self.settings.clone())
    }

    fn spec(&self, requirements: &[&str]) -> Spec {
        let mut requirements: Vec<String> = requirements.iter().map(|&line| line.to_owned()).collect();
        requirements.push(NO_SERVER.to_owned());
        Spec {
            name: "tiny-env:3".into(),
            user: Some("fraud/blue".into()),
            requirements,
            options: vec![self.index.option()],
            ..Spec::default()
        }
    }

    /// What is in the folder of environments, without locks.
    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path().join("environments")).into_iter().flatten().flatten();
        let mut left: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        left.retain(|name| !name.ends_with(".lock"));
        left
    }
}

/// What was told of a build.
#[derive(Default)]
struct Told {
    lines: Mutex<Vec<String>>,
    progress: Mutex<Vec<Progress>>,
}

impl Told {
    fn step(&self, step: Step) {
        match step {
            Step::Line(line) => self.lines.lock().unwrap().push(line),
            Step::Progress(progress) => self.progress.lock().unwrap().push(progress),
        }
    }

    fn lines(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }
}

fn prepare(environments: &Environments, spec: &Spec) -> (Result<Built, EnvironmentError>, Told) {
    let told = Told::default();
    let built = environments.prepare(spec, &|step| told.step(step), &Stop::new());
    (built, told)
}

/// What an interpreter prints.
fn asked(python: &Path, code: &str) -> String {
    let output = std::process::Command::new(python).args(["-c", code]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
