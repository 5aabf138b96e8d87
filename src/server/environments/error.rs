//! Why there is no environment.

/// Why an environment is not there. Each says what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvironmentError {
    /// It was asked to stop; nothing half-built is left.
    #[error("the build was stopped on request")]
    Stopped,
    /// What the environment says can never be built here, whatever is installed or online: it must be written
    /// differently.
    #[error("{0}")]
    Refused(String),
    /// It could not be built now.
    #[error("{message}")]
    Failed {
        message: String,
        /// The tool's own last lines, for the details view.
        details: String,
    },
}

impl EnvironmentError {
    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), details: String::new() }
    }

    /// A folder or file of the workspace that cannot be used.
    pub(super) fn file(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let path = path.display();
        let next = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                "the disk is full: free some space, for example with `mlconsole environment clean`, and try again"
            }
            std::io::ErrorKind::PermissionDenied => "check the folder's owner and rights",
            _ => "check the disk and try again",
        };
        Self::failed(format!("{what} ({path}): {error}; {next}"))
    }
}
