//! Creates what a YAML file of the Azure CLI describes: an endpoint, or a deployment with what it brings along.

use std::path::Path;

use super::call::Answer;
use crate::client::{ClientError, Workspace};
use crate::resources::{Operation, yaml};

/// Creates or updates the endpoint or deployment of a file.
///
/// # Errors
/// The file cannot be read or is wrong (with line and column), or the workspace refuses what it describes.
pub async fn file(
    w: &Workspace,
    path: &str,
    say: impl Fn(&str) + Sync,
    follow: impl Fn(&Operation),
) -> Result<Answer, ClientError> {
    let path = Path::new(path);
    let wrong = |error: crate::resources::document::FileError| ClientError::local(error.to_string());
    let text = crate::resources::document::read_text(path).map_err(wrong)?;
    let is_deployment = text.lines().any(|line| line.starts_with("endpoint_name:"));
    if is_deployment {
        let file = yaml::load_deployment(path, &[]).map_err(wrong)?;
        let mut upload = |what: &str, _: u64, _: u64| say(&format!("upload {what}"));
        let deployment = w.prepare_deployment(&file, &mut upload).await?;
        say(&format!("create {}", deployment.name));
        w.put_deployment(&file.endpoint_name, &deployment).await?.wait(follow).await?;
        let text = format!("deployment {} of {} is ready", deployment.name, file.endpoint_name);
        return Ok(Answer::Made { endpoint: file.endpoint_name, text });
    }
    let file = yaml::load_endpoint(path, &[]).map_err(wrong)?;
    let (endpoint, existing) = w.prepare_endpoint(w.endpoint_of(&file)).await?;
    say(&format!("create endpoint {}", endpoint.name));
    let etag = existing.and_then(|existing| existing.etag);
    w.put_endpoint(&endpoint, etag.as_deref()).await?.wait(follow).await?;
    Ok(Answer::Made {
        text: format!("endpoint {} is there; it needs a deployment now", endpoint.name),
        endpoint: endpoint.name,
    })
}
