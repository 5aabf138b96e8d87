//! How a command fails: a message for a person, and an exit code for a script.

use crate::client::ClientError;

/// Why a command ends without success.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Exit code 2: the command was not understood; nothing was done.
    #[error("{0}")]
    Usage(String),
    /// Exit code 1: it was tried and failed. The message names cause and next step.
    #[error("{0}")]
    Failed(String),
    /// Exit code 1 without a message: what there is to say was printed.
    #[error("")]
    Said,
    /// Exit code 0: the reader of standard output went away, which is its right.
    #[error("")]
    ReaderGone,
}

impl CliError {
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) | Self::Said => 1,
            Self::ReaderGone => 0,
        }
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        Self::Failed(error.in_full())
    }
}
