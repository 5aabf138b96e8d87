//! Python environments without containers: what one must hold, finding the interpreter, building it with uv or pip, and
//! keeping it, by its content, for everybody who needs the same (reference scoring-and-mlflow §3).
//!
//! Everything here blocks; call it on a thread of its own.

mod build;
mod check;
mod child;
mod conda;
mod curated;
mod disk;
mod error;
mod failure;
mod interpreter;
mod keep;
mod match_spec;
mod numpy;
mod order;
mod progress;
mod requirements;
mod script;
mod skinny;
mod spec;
mod tool;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

pub use check::{Packages, Report};
pub use disk::size_of;
pub use error::EnvironmentError;
pub use keep::{Held, Lease, State};
pub use script::ScriptReport;
pub use spec::{Origin, Spec};

use super::stop::Stop;
use interpreter::{Interpreter, Known};
use keep::{Had, Keep};
use order::{Order, SERVER};
use tool::Tool;

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
    keep: Keep,
    /// Virtual environment of the workspace's own uv.
    own_uv: PathBuf,
    settings: Settings,
    known: Known,
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
    /// What is going on, in a word: `resolving`, `downloading`, `building`, `installing`, `compiling`; of a conversion also
    /// `converting`, `comparing`.
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
    /// In use as long as this lives.
    pub lease: Lease,
}

impl Built {
    /// Runs Python in this environment to its end and hands on its lines; whether it ended well. It dies when asked to
    /// stop, and with the calling thread.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn run(&self, arguments: &[&OsStr], stop: &Stop, line: &mut dyn FnMut(&str)) -> io::Result<bool> {
        let end = child::run(child::command(&self.python).args(arguments), stop, line)?;
        Ok(matches!(end, child::End::Exit(status) if status.success()))
    }
}

/// What a clean-up did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// What is gone.
    pub removed: Vec<Held>,
    /// Keys that were asked for but are in use, or being built.
    pub kept: Vec<String>,
}

impl Environments {
    /// The environments in `data_dir`.
    pub fn new(data_dir: &Path, settings: Settings) -> Self {
        let own_uv = data_dir.join("tools/uv");
        Self { keep: Keep::new(data_dir.join("environments")), own_uv, settings, known: Known::default() }
    }

    /// Finds the environment for `spec`, or builds it. `tell` gets lines for the log and progress.
    ///
    /// # Errors
    /// It cannot be built, or was stopped. Nothing half-built is left.
    pub fn prepare(&self, spec: &Spec, tell: &dyn Fn(Step), stop: &Stop) -> Result<Built, EnvironmentError> {
        if stop.is_asked() {
            return Err(EnvironmentError::Stopped);
        }
        let interpreter = self.interpreter(spec, tell, stop)?;
        let order = Order::new(spec, interpreter, self.settings.mlflow_full);
        let key = order.key();
        let waiting = || tell(Step::Line("somebody else builds the same environment: waiting for it".into()));
        order.notes.iter().for_each(|note| tell(Step::Line(note.clone())));
        let (name, mut fresh) = (spec.listed(), false);
        loop {
            match self.keep.have(&key, &name, spec.user.as_deref(), stop, &waiting)? {
                Had::Ready(lease, contents) => {
                    if !fresh {
                        tell(Step::Line(format!("environment '{}' is there already ({key})", spec.name)));
                    }
                    let server = format!("{SERVER}==");
                    return Ok(Built {
                        python: self.keep.folder(&key).join("bin/python"),
                        has_server: contents.packages.iter().any(|package| package.starts_with(&server)),
                        packages: contents.packages,
                        warnings: contents.warnings,
                        key,
                        lease,
                    });
                }
                Had::Missing(alone) => {
                    let tool = self.tool()?;
                    build::build(&alone, &order, &tool, tell, stop)?;
                    fresh = true;
                }
            }
        }
    }

    /// All environments on disk, the last used first.
    pub fn list(&self) -> Vec<Held> {
        self.keep.list()
    }

    /// Removes environments that nobody uses: those of `keys`, or with no keys all that were not used since
    /// `unused_since_ms` (Unix milliseconds), the least recently used first.
    ///
    /// # Errors
    /// One cannot be removed.
    pub fn clean(&self, keys: &[String], unused_since_ms: i64) -> Result<Cleaned, EnvironmentError> {
        self.keep.sweep();
        let mut cleaned = Cleaned::default();
        for held in self.list().into_iter().rev() {
            let asked = match keys {
                [] => held.last_used_ms <= unused_since_ms && !matches!(held.state, State::InUse | State::Building),
                keys => keys.iter().any(|key| held.key.starts_with(key.as_str()) && key.len() >= 6),
            };
            if !asked {
                continue;
            }
            match self.keep.remove(&held.key)? {
                true => cleaned.removed.push(held),
                false => cleaned.kept.push(held.key),
            }
        }
        Ok(cleaned)
    }

    /// Installs uv into the data folder, and answers its path.
    ///
    /// # Errors
    /// There is no interpreter or no network, or it was stopped.
    pub fn install_uv(&self, tell: &dyn Fn(Step), stop: &Stop) -> Result<PathBuf, EnvironmentError> {
        tool::install_uv(&self.own_uv, &self.settings, &self.known, tell, stop)
    }

    /// What installs packages: the path of uv, or `None` for pip.
    ///
    /// # Errors
    /// The configured uv does not run.
    pub fn uv(&self) -> Result<Option<PathBuf>, EnvironmentError> {
        Ok(match self.tool()? {
            Tool::Uv(path) => Some(path),
            Tool::Pip => None,
        })
    }

    fn tool(&self) -> Result<Tool, EnvironmentError> {
        Tool::find(&self.settings, &self.own_uv.join("bin/uv"))
    }

    fn interpreter(&self, spec: &Spec, tell: &dyn Fn(Step), stop: &Stop) -> Result<Interpreter, EnvironmentError> {
        let find = || self.known.find(&self.settings.search_paths, &spec.pythons);
        let failed = |why: String| EnvironmentError::failed(format!("environment '{}' {why}", spec.name));
        let why = match find() {
            Ok(found) => return Ok(found),
            Err(why) => why,
        };
        let minor = spec.pythons.first().copied().unwrap_or(conda::CHOICE[0]);
        match self.tool()? {
            Tool::Uv(uv) if self.settings.allow_download => tool::download(&uv, minor, tell, stop)?,
            Tool::Pip if self.settings.allow_download => {
                return Err(failed(format!(
                    "{why}; downloads need uv: `mlconsole environment install-uv` installs it"
                )));
            }
            _ => return Err(failed(why)),
        }
        find().map_err(failed)
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
