//! How the console is started.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use crate::client::Workspace;
pub use crate::config::Access;
use crate::console::look::theme::ThemeName;

/// A workspace on its way: the first frame does not wait for it.
pub type Opening = Pin<Box<dyn Future<Output = color_eyre::Result<Workspace>> + Send>>;

/// A workspace the user can switch to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContextEntry {
    pub name: String,
    /// "local workspace", "Azure workspace", "demo".
    pub kind: String,
    pub access: Access,
}

/// Where the open workspace is; nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    pub base_url: String,
    /// PEM bundle to trust; `None` = the system's roots.
    pub ca_file: Option<String>,
    pub subscription_id: String,
    pub resource_group: String,
    pub workspace: String,
}

impl Reach {
    /// The full id of the workspace.
    pub fn workspace_id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}",
            self.subscription_id, self.resource_group, self.workspace
        )
    }
}

/// What can change while the console runs, by reloading the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    pub theme: ThemeName,
    /// Plain ASCII instead of box drawing, braille and arrows.
    pub ascii: bool,
    pub mouse: bool,
    /// Action id → keys in crokey's notation.
    pub keys: BTreeMap<String, Vec<String>>,
}

/// Reads the configuration again, or says what is wrong with it.
pub type Reload = Arc<dyn Fn() -> Result<Settings, String> + Send + Sync>;

/// What the terminal cannot show, whatever the configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// ASCII only.
    pub plain: bool,
    /// No colours: `NO_COLOR` is set.
    pub colourless: bool,
}

/// Everything the console is told at its start.
#[derive(Clone)]
pub struct ConsoleOptions {
    pub contexts: Vec<ContextEntry>,
    /// Name of the context to start with.
    pub context: String,
    /// Opens a context by name.
    pub open: Arc<dyn Fn(&str) -> Opening + Send + Sync>,
    pub settings: Settings,
    /// Reads the configuration again.
    pub reload: Option<Reload>,
    /// The file that is read then: it is watched, and read again when it changes.
    pub config_file: Option<PathBuf>,
    /// Where view, sort and filters are remembered.
    pub state_file: Option<PathBuf>,
    /// The workspace is served by this process: its endpoints stop when the console quits.
    pub owns_workspace: bool,
    /// A throw-away workspace with sample traffic.
    pub demo: bool,
    /// Flags by which commands reach the same workspace, e.g. `--data-dir /tmp/x`; empty for the usual one.
    pub flags: String,
}
