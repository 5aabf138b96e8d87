//! How to reach a workspace: the content of the ready file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Written by `serve --ready-file` and kept in the data folder (mode 0600) while the workspace runs.
/// `Debug` does not show the identity header, which is a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// `https://127.0.0.1:PORT`, no trailing slash.
    pub base_url: String,
    /// PEM bundle: the workspace's own CA and the system's roots.
    pub ca_file: PathBuf,
    pub identity_endpoint: String,
    pub identity_header: String,
    pub subscription_id: String,
    pub resource_group: String,
    pub workspace: String,
    pub pid: u32,
    /// Address of the plain-http scoring listener, if switched on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_http: Option<String>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connection({} {}/{}/{})", self.base_url, self.subscription_id, self.resource_group, self.workspace)
    }
}

impl Connection {
    /// ARM id of the workspace: the prefix of every resource in it.
    pub fn workspace_id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.MachineLearningServices/workspaces/{}",
            self.subscription_id, self.resource_group, self.workspace
        )
    }
}
