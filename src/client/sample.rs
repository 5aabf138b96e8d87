//! The sample that comes with the program: a restaurant recommender in two versions (`assets/restaurants`).

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::assets::NewModel;
use super::error::ClientError;
use super::workspace::Workspace;
use crate::resources::{Deployment, Endpoint, IsoDuration, RequestSettings, Sku, TrafficMap, Weight};

/// Name of the sample endpoint.
pub const ENDPOINT: &str = "restaurants";
/// Name of the sample model.
pub const MODEL: &str = "restaurant-recommender";

const V1: &[u8] = include_bytes!("../../assets/restaurants/recommender-v1.onnx");
const V2: &[u8] = include_bytes!("../../assets/restaurants/recommender-v2.onnx");
const REQUESTS: &str = include_str!("../../assets/restaurants/requests.json");

/// A version of the model, and the deployment it becomes.
struct Version {
    number: &'static str,
    file: &'static str,
    content: &'static [u8],
    deployment: &'static str,
    description: &'static str,
}

const VERSIONS: [Version; 2] = [
    Version {
        number: "1",
        file: "recommender-v1.onnx",
        content: V1,
        deployment: "blue",
        description: "Adds up three opinions",
    },
    Version {
        number: "2",
        file: "recommender-v2.onnx",
        content: V2,
        deployment: "green",
        description: "Two-layer network",
    },
];

/// Registers the recommender's versions, creates endpoint `restaurants` with blue (version 1) and green (version 2),
/// and sends 90 % of its traffic to blue. What is there already is used. `progress` hears what is being done.
///
/// # Errors
/// Whatever a call runs into; what was done until then stays.
pub async fn install(workspace: &Workspace, progress: &mut (dyn FnMut(&str) + Send)) -> Result<(), ClientError> {
    let folder =
        tempfile::tempdir().map_err(|e| ClientError::local(format!("no folder for the sample's files: {e}")))?;
    let mut models = Vec::new();
    for version in &VERSIONS {
        progress(&format!("register {MODEL} version {}", version.number));
        let path = folder.path().join(version.file);
        std::fs::write(&path, version.content)
            .map_err(|e| ClientError::local(format!("cannot write {}: {e}", path.display())))?;
        let model = NewModel {
            name: Some(MODEL.into()),
            version: Some(version.number.into()),
            path,
            description: Some(version.description.into()),
            ..NewModel::default()
        };
        models.push(workspace.register_model(&model, &mut |_, _| {}).await?);
    }

    progress(&format!("create endpoint {ENDPOINT}"));
    let mut endpoint = Endpoint { name: ENDPOINT.into(), ..Endpoint::default() };
    endpoint.properties.description = Some("Where to eat next".into());
    endpoint.tags.insert("team".into(), "recommendations".into());
    workspace.put_endpoint(&endpoint, None).await?.wait(|_| {}).await?;

    let mut pending = Vec::new();
    for (version, model) in VERSIONS.iter().zip(&models) {
        progress(&format!("deploy {}: {MODEL} version {}", version.deployment, version.number));
        let mut deployment = Deployment { name: version.deployment.into(), ..Deployment::default() };
        deployment.sku = Some(Sku { name: "Default".into(), tier: None, capacity: 1 });
        deployment.properties.description = Some(version.description.into());
        deployment.properties.model = Some(model.id.clone());
        deployment.properties.instance_type = Some("Standard_DS3_v2".into());
        deployment.properties.request_settings = Some(RequestSettings {
            max_concurrent_requests_per_instance: 8,
            request_timeout: IsoDuration::from_millis(3000),
            ..RequestSettings::default()
        });
        pending.push(workspace.put_deployment(ENDPOINT, &deployment).await?);
    }
    for one in pending {
        one.wait(|_| {}).await?;
    }

    progress("send 90 % of the traffic to blue, 10 % to green");
    let traffic = TrafficMap::from([("blue".into(), Weight::percent(90)), ("green".into(), Weight::percent(10))]);
    workspace.set_traffic(ENDPOINT, &traffic, None).await?.wait(|_| {}).await?;
    Ok(())
}

/// Request bodies for the sample endpoint, with the name of each.
pub fn requests() -> Vec<(String, Bytes)> {
    #[derive(Deserialize)]
    struct Named<'a> {
        name: String,
        #[serde(borrow)]
        request: &'a RawValue,
    }
    let all: Vec<Named<'_>> = serde_json::from_str(REQUESTS).unwrap_or_default();
    all.into_iter().map(|one| (one.name, Bytes::copy_from_slice(one.request.get().as_bytes()))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sample_has_requests() {
        let all = super::requests();
        assert!(!all.is_empty());
        assert!(all.iter().all(|(name, body)| !name.is_empty() && body.starts_with(b"{\"input_data\"")));
    }
}
