//! Python environments without containers: what one must hold, finding the interpreter, building it with uv or pip, and
//! keeping it, by its content, for everybody who needs the same (reference scoring-and-mlflow §3).
//!
//! Everything here blocks; call it on a thread of its own.

mod conda;
mod curated;
mod error;
mod match_spec;
mod requirements;
mod spec;

use std::path::PathBuf;

pub use error::EnvironmentError;
pub use spec::{Origin, Spec};

use super::stop::Stop;

/// How environments are built: the table `[python]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Interpreters, or folders with them, that are looked at before all others.
    pub search_paths: Vec<PathBuf>,
    /// Let uv download an interpreter that is not on this machine.
    pub allow_download: bool,
    /// The uv to use; by default the one in the data folder, then the one on PATH.
    pub uv: Option<PathBuf>,
    /// Install the whole mlflow that a model's files pin, instead of mlflow-skinny.
    pub mlflow_full: bool,
}

/// The environments of a workspace.
#[derive(Debug)]
pub struct Environments {
    root: PathBuf,
    settings: Settings,
}

/// What is told of a build while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A line for the log.
    Line(String),
    Progress(Progress),
}

/// How far a build is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// What is going on, in a word or two: `resolving`, `downloading`, `installing`, `compiling`.
    pub phase: &'static str,
    /// Packages that are done, of `total`; 0 of 0 as long as nobody knows.
    pub done: u32,
    pub total: u32,
    /// What is being downloaded, in bytes, as far as it was announced.
    pub bytes: u64,
}

/// An environment that is ready, and cannot be removed as long as this lives.
#[derive(Debug)]
pub struct Built {
    /// Its interpreter, absolute.
    pub python: PathBuf,
    pub key: String,
    /// `name==version`, sorted.
    pub packages: Vec<String>,
    /// Whether it holds azureml-inference-server-http.
    pub has_server: bool,
    /// What the user should know: for the log and the deployment's status.
    pub warnings: Vec<String>,
}

impl Environments {
    /// The environments in `data_dir`.
    pub fn new(data_dir: &std::path::Path, settings: Settings) -> Self {
        Self { root: data_dir.join("environments"), settings }
    }

    /// Finds the environment for `spec`, or builds it. `tell` gets lines for the log and progress.
    ///
    /// # Errors
    /// It cannot be built, or was stopped. Nothing half-built is left.
    pub fn prepare(&self, spec: &Spec, tell: &dyn Fn(Step), stop: &Stop) -> Result<Built, EnvironmentError> {
        if stop.is_asked() {
            return Err(EnvironmentError::Stopped);
        }
        tell(Step::Progress(Progress { phase: "resolving", ..Progress::default() }));
        let (root, name) = (self.root.display(), &spec.name);
        Err(EnvironmentError::failed(format!(
            "environment '{name}' cannot be built in {root} yet: {:?}",
            self.settings
        )))
    }
}

/// A text without the names and passwords of the addresses in it.
fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c == '/' || c.is_whitespace() || "'\"`".contains(c)).unwrap_or(after.len());
        match after[..end].rfind('@') {
            Some(sign) => {
                out.push_str("****");
                rest = &after[sign..];
            }
            None => rest = after,
        }
    }
    out + rest
}
