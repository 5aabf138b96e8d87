//! Deployments: create, change, scale, delete, logs as text.

use http::Method;
use http::header::IF_MATCH;
use serde_json::json;

use super::endpoints::drop_answer_members;
use super::error::ClientError;
use super::pending::Pending;
use super::transport::Call;
use super::workspace::{Workspace, segment};
use crate::resources::live::SampleRequest;
use crate::resources::{Deployment, Sku};

fn path(endpoint: &str, name: &str) -> String {
    format!("/onlineEndpoints/{}/deployments/{}", segment(endpoint), segment(name))
}

impl Workspace {
    /// All deployments of an endpoint.
    pub async fn deployments(&self, endpoint: &str) -> Result<Vec<Deployment>, ClientError> {
        self.list(&format!("/onlineEndpoints/{}/deployments", segment(endpoint))).await
    }

    /// One deployment.
    pub async fn deployment(&self, endpoint: &str, name: &str) -> Result<Deployment, ClientError> {
        self.get(&path(endpoint, name)).await
    }

    /// Creates or replaces the deployment of this name, as a whole.
    pub async fn put_deployment(&self, endpoint: &str, deployment: &Deployment) -> Result<Pending, ClientError> {
        self.put_deployment_of(endpoint, deployment, None).await
    }

    /// The same, but only if the deployment is at version `if_match` still; 412 when somebody else changed it.
    pub async fn put_deployment_of(
        &self,
        endpoint: &str,
        deployment: &Deployment,
        if_match: Option<&str>,
    ) -> Result<Pending, ClientError> {
        let mut body = deployment.clone();
        body.etag = None;
        body.location = Some(self.location().await?);
        body.sku.get_or_insert_with(|| Sku { name: "Default".into(), tier: None, capacity: 1 });
        if body.properties.endpoint_compute_type.is_empty() {
            body.properties.endpoint_compute_type = "Managed".into();
        }
        let mut body = serde_json::to_value(&body).map_err(|e| ClientError::local(e.to_string()))?;
        drop_answer_members(&mut body);
        let mut call = Call::new(Method::PUT, self.url(&path(endpoint, &deployment.name))).json(&body)?;
        if let Some(etag) = if_match {
            call = call.header(IF_MATCH, etag)?;
        }
        self.start(call).await
    }

    /// Changes the number of instances.
    pub async fn scale(&self, endpoint: &str, name: &str, instances: u32) -> Result<Pending, ClientError> {
        let body = json!({"sku": {"capacity": instances}});
        self.start(Call::new(Method::PATCH, self.url(&path(endpoint, name))).json(&body)?).await
    }

    /// Deletes a deployment; one that has traffic is refused.
    pub async fn delete_deployment(&self, endpoint: &str, name: &str) -> Result<Pending, ClientError> {
        self.start(Call::new(Method::DELETE, self.url(&path(endpoint, name)))).await
    }

    /// Replaces every instance of a deployment by a fresh one. Local workspaces only.
    pub async fn restart(&self, endpoint: &str, name: &str) -> Result<Pending, ClientError> {
        let url = self.extension(&format!("/endpoints/{}/deployments/{}/restart", segment(endpoint), segment(name)))?;
        self.start(Call::new(Method::POST, url).json(&json!({}))?).await
    }

    /// The last `tail` lines of a deployment's log as text. `container`: `inference-server` (default) or
    /// `storage-initializer`.
    pub async fn logs(
        &self,
        endpoint: &str,
        name: &str,
        container: Option<&str>,
        tail: u32,
    ) -> Result<String, ClientError> {
        let mut body = json!({"tail": tail});
        if let Some(container) = container {
            body["containerType"] = match container {
                "storage-initializer" => "StorageInitializer".into(),
                "inference-server" => "InferenceServer".into(),
                other => other.into(),
            };
        }
        let answer: serde_json::Value = self.post(&format!("{}/getLogs", path(endpoint, name)), &body).await?;
        Ok(answer["content"].as_str().unwrap_or_default().to_owned())
    }

    /// A request the model understands, and its signature. Local workspaces only.
    pub async fn sample(&self, endpoint: &str, name: &str) -> Result<SampleRequest, ClientError> {
        let path = format!("/endpoints/{}/deployments/{}/sample", segment(endpoint), segment(name));
        self.get_url(self.extension(&path)?).await
    }
}
