//! `config.toml`: contexts, the local workspace, the look, the keys. Every key has a default; `config.example.toml` lists all.
//!
//! Wrong files are refused with file, line, column, the offending key and the nearest valid one.

mod edit;
mod read;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

pub use edit::set_current_context;

use crate::resources::document::{FileError, read_text};
use crate::resources::nearest::{nearest, one_of};

/// The context that is always there: the local workspace.
pub const LOCAL: &str = "local";

/// The themes the console knows.
pub const THEMES: [&str; 6] = ["terminal", "dark", "light", "high-contrast", "blue-orange", "mono"];

/// The whole configuration. Paths are absolute or relative to the working directory, `~` and the file's folder resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The context in force unless a command names another; always one of `contexts`.
    pub current_context: String,
    /// By name; `local` is always among them.
    pub contexts: BTreeMap<String, Context>,
    pub local: Local,
    pub python: Python,
    pub ui: Ui,
    /// Action id → its keys, in the notation of the help screen. The console checks ids, keys and conflicts.
    pub keys: BTreeMap<String, Vec<String>>,
}

/// A workspace one can work in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    pub kind: ContextKind,
    pub access: Access,
}

/// Where a workspace is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextKind {
    /// On this machine. `None`: the data folder of `[local]`.
    Local { data_dir: Option<PathBuf> },
    /// At Azure.
    Azure { subscription_id: String, resource_group: String, workspace: String, cloud: String },
}

/// What may be changed in a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    #[default]
    Open,
    /// Every change asks first.
    Protected,
    /// Nothing can be changed.
    ReadOnly,
}

impl Access {
    /// The word in the file and in the header.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Protected => "protected",
            Self::ReadOnly => "read-only",
        }
    }

    pub const fn is_read_only(self) -> bool {
        matches!(self, Self::ReadOnly)
    }

    pub const fn is_protected(self) -> bool {
        matches!(self, Self::Protected)
    }
}

/// How the order of answers follows the traffic weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Split {
    /// Exact in every thousand requests, shuffled.
    #[default]
    Block,
    /// An independent draw for every request.
    Random,
}

/// The local workspace.
#[derive(Debug, Clone, PartialEq)]
pub struct Local {
    /// `None`: `mlconsole` in the user's data folder.
    pub data_dir: Option<PathBuf>,
    /// Address of the control plane and of scoring over HTTPS. `None`: 127.0.0.1:8443, or a free port when that is taken.
    pub listen: Option<SocketAddr>,
    /// Address for scoring without TLS; loopback only.
    pub plain_http: Option<SocketAddr>,
    /// Address of its own for scoring by other machines.
    pub scoring_listen: Option<SocketAddr>,
    /// PEM files of certificate chain and key for `scoring_listen`.
    pub scoring_certificate: Option<(PathBuf, PathBuf)>,
    /// Largest scoring request in MiB.
    pub max_body_mib: u64,
    pub split: Split,
    /// Keep bodies of recent requests for the console.
    pub record_bodies: bool,
    /// How long a stopping workspace waits for requests in flight, in seconds.
    pub drain_seconds: u64,
    /// The ONNX Runtime library that deployments may run on. `None`: found by other ways.
    pub onnxruntime_library: Option<PathBuf>,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            data_dir: None,
            listen: None,
            plain_http: None,
            scoring_listen: None,
            scoring_certificate: None,
            max_body_mib: 64,
            split: Split::Block,
            record_bodies: false,
            drain_seconds: 10,
            onnxruntime_library: None,
        }
    }
}

/// How the local workspace builds Python environments for scoring scripts and MLflow models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Python {
    /// Interpreters, or folders with them, that are looked at before all others.
    pub search_paths: Vec<PathBuf>,
    /// Let uv download an interpreter that is not on this machine.
    pub allow_download: bool,
    /// The uv to use. `None`: the one in the data folder, or on PATH.
    pub uv: Option<PathBuf>,
    /// Install the whole mlflow that a model pins, instead of mlflow-skinny.
    pub mlflow_full: bool,
}

/// The look of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ui {
    /// One of [`THEMES`].
    pub theme: String,
    /// Plain ASCII instead of box drawing, braille and arrows.
    pub ascii: bool,
    pub mouse: bool,
}

impl Default for Ui {
    fn default() -> Self {
        Self { theme: THEMES[0].to_owned(), ascii: false, mouse: true }
    }
}

impl Default for Config {
    fn default() -> Self {
        let local = Context { kind: ContextKind::Local { data_dir: None }, access: Access::Open };
        Self {
            current_context: LOCAL.to_owned(),
            contexts: BTreeMap::from([(LOCAL.to_owned(), local)]),
            local: Local::default(),
            python: Python::default(),
            ui: Ui::default(),
            keys: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads `path`, which must be there, or the user's own file, which need not.
    pub fn load(path: Option<&Path>) -> Result<Self, FileError> {
        match path {
            Some(path) => Self::parse(path, &read_text(path)?),
            None => match default_path().filter(|path| path.exists()) {
                Some(path) => Self::parse(&path, &read_text(&path)?),
                None => Ok(Self::default()),
            },
        }
    }

    /// Reads the text of the file at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        read::config(path, text)
    }

    /// The context `name`, or the current one. The error names the nearest or all others.
    pub fn context(&self, name: Option<&str>) -> Result<(&str, &Context), String> {
        let name = name.unwrap_or(&self.current_context);
        match self.contexts.get_key_value(name) {
            Some((name, context)) => Ok((name, context)),
            None => Err(format!("there is no context \"{name}\": {}", self.other_context(name))),
        }
    }

    fn other_context(&self, name: &str) -> String {
        let known = || self.contexts.keys().map(String::as_str);
        match nearest(name, known()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("use {}, or add a table [contexts.{name}]", one_of(known())),
        }
    }

    /// Data folder of a local context; `None` for others, and when the user has no home.
    pub fn data_dir(&self, context: &Context) -> Option<PathBuf> {
        match &context.kind {
            ContextKind::Local { data_dir } => {
                data_dir.clone().or_else(|| self.local.data_dir.clone()).or_else(default_data_dir)
            }
            ContextKind::Azure { .. } => None,
        }
    }
}

/// `$XDG_CONFIG_HOME/mlconsole/config.toml`.
pub fn default_path() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("mlconsole").join("config.toml"))
}

/// `$XDG_DATA_HOME/mlconsole`.
pub fn default_data_dir() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.data_dir().join("mlconsole"))
}

/// `$XDG_STATE_HOME/mlconsole`: what the console remembers from run to run.
pub fn default_state_dir() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.state_dir().unwrap_or_else(|| base.data_dir()).join("mlconsole"))
}

#[cfg(test)]
mod tests;
