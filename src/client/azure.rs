//! How to reach a workspace at Azure.

use std::path::PathBuf;

use super::error::ClientError;
use crate::resources::Connection;

/// Azure's clouds, and where each says everything else about itself.
const CLOUDS: [(&str, &str); 3] = [
    ("AzureCloud", "https://management.azure.com"),
    ("AzureChinaCloud", "https://management.chinacloudapi.cn"),
    ("AzureUSGovernment", "https://management.usgovcloudapi.net"),
];

/// The connection of an Azure Machine Learning workspace. `cloud` is a cloud's name, or the address of a resource
/// manager (`https://…`).
///
/// Tokens come from the managed-identity endpoint that `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` name, else from the
/// signed-in Azure command line. The CA bundle is that of `REQUESTS_CA_BUNDLE`, else the system's roots.
///
/// # Errors
/// For a cloud that is not known.
pub fn azure(
    subscription_id: &str,
    resource_group: &str,
    workspace: &str,
    cloud: &str,
) -> Result<Connection, ClientError> {
    let known = CLOUDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(cloud)).map(|(_, base)| *base);
    let base = known.or_else(|| cloud.starts_with("https://").then_some(cloud)).ok_or_else(|| {
        ClientError::local(format!(
            "there is no cloud \"{cloud}\": write AzureCloud, AzureChinaCloud, AzureUSGovernment, or the https:// address \
             of a resource manager"
        ))
    })?;
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let (identity_endpoint, identity_header) = (variable("IDENTITY_ENDPOINT"), variable("IDENTITY_HEADER"));
    Ok(Connection {
        base_url: base.trim_end_matches('/').to_owned(),
        ca_file: PathBuf::from(variable("REQUESTS_CA_BUNDLE")),
        identity_endpoint,
        identity_header,
        subscription_id: subscription_id.to_owned(),
        resource_group: resource_group.to_owned(),
        workspace: workspace.to_owned(),
        // Not a process of this machine.
        pid: 0,
        plain_http: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_are_known_by_name_or_address() {
        let base = |cloud: &str| azure("s", "r", "w", cloud).map(|connection| connection.base_url);
        assert_eq!(base("azurecloud").unwrap(), "https://management.azure.com");
        assert_eq!(base("https://127.0.0.1:8443/").unwrap(), "https://127.0.0.1:8443");
        assert!(base("http://plain").unwrap_err().message.contains("AzureUSGovernment"));
    }
}
