//! The samples that come with the program (`assets/`): a restaurant recommender in two versions, and two neighbours.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::assets::NewModel;
use super::error::ClientError;
use super::workspace::Workspace;
use crate::resources::{Deployment, Endpoint, IsoDuration, RequestSettings, Sku, TrafficMap, Weight};

/// Name of the sample endpoint.
pub const ENDPOINT: &str = "restaurants";
/// Name of the second endpoint of the demo.
pub const REVIEWS: &str = "review-mood";
/// Name of the sample model.
pub const MODEL: &str = "restaurant-recommender";

/// A sample: an endpoint, its model's versions and the deployments they become.
struct Sample {
    endpoint: &'static str,
    description: &'static str,
    team: &'static str,
    model: &'static str,
    versions: &'static [Version],
    /// Requests at once in each instance.
    concurrency: u32,
    /// Deployment and percent; empty = nobody is served until somebody sets a weight.
    traffic: &'static [(&'static str, u16)],
    requests: &'static str,
}

/// A version of the model, and the deployment it becomes.
struct Version {
    number: &'static str,
    file: &'static str,
    content: &'static [u8],
    deployment: &'static str,
    description: &'static str,
}

const RESTAURANTS: Sample = Sample {
    endpoint: ENDPOINT,
    description: "Where to eat next",
    team: "recommendations",
    model: MODEL,
    versions: &[
        Version {
            number: "1",
            file: "recommender-v1.onnx",
            content: include_bytes!("../../assets/restaurants/recommender-v1.onnx"),
            deployment: "blue",
            description: "Adds up three opinions",
        },
        Version {
            number: "2",
            file: "recommender-v2.onnx",
            content: include_bytes!("../../assets/restaurants/recommender-v2.onnx"),
            deployment: "green",
            description: "Two-layer network and similar guests",
        },
    ],
    concurrency: 8,
    traffic: &[("blue", 90), ("green", 10)],
    requests: include_str!("../../assets/restaurants/requests.json"),
};

const REVIEW_MOOD: Sample = Sample {
    endpoint: REVIEWS,
    description: "How guests felt, from what they wrote",
    team: "reviews",
    model: "review-mood",
    versions: &[Version {
        number: "1",
        file: "review-mood.onnx",
        content: include_bytes!("../../assets/review-mood/review-mood.onnx"),
        deployment: "blue",
        description: "Embeds words and averages",
    }],
    concurrency: 4,
    traffic: &[("blue", 100)],
    requests: include_str!("../../assets/review-mood/requests.json"),
};

const IMAGE_TAGGER: Sample = Sample {
    endpoint: "image-tagger",
    description: "What is on the picture",
    team: "pictures",
    model: "image-tagger",
    versions: &[Version {
        number: "1",
        file: "image-tagger.onnx",
        content: include_bytes!("../../assets/image-tagger/image-tagger.onnx"),
        deployment: "blue",
        description: "A small convolutional network",
    }],
    concurrency: 4,
    traffic: &[],
    requests: include_str!("../../assets/image-tagger/requests.json"),
};

/// Registers the recommender's versions, creates endpoint `restaurants` with blue (version 1) and green (version 2),
/// and sends 90 % of its traffic to blue. What is there already is used. `progress` hears what is being done.
///
/// # Errors
/// Whatever a call runs into; what was done until then stays.
pub async fn install(workspace: &Workspace, progress: &mut (dyn FnMut(&str) + Send)) -> Result<(), ClientError> {
    set_up(workspace, &RESTAURANTS, progress).await
}

/// The recommender and its neighbours, for the demo: `review-mood` serves alone, `image-tagger` has no weight yet.
///
/// # Errors
/// As [`install`].
pub async fn install_all(workspace: &Workspace, progress: &mut (dyn FnMut(&str) + Send)) -> Result<(), ClientError> {
    for sample in [&RESTAURANTS, &REVIEW_MOOD, &IMAGE_TAGGER] {
        set_up(workspace, sample, progress).await?;
    }
    Ok(())
}

async fn set_up(
    workspace: &Workspace,
    sample: &Sample,
    progress: &mut (dyn FnMut(&str) + Send),
) -> Result<(), ClientError> {
    let Sample { endpoint: name, model, .. } = *sample;
    let folder =
        tempfile::tempdir().map_err(|e| ClientError::local(format!("no folder for the sample's files: {e}")))?;
    let mut models = Vec::new();
    for version in sample.versions {
        progress(&format!("register {model} version {}", version.number));
        let path = folder.path().join(version.file);
        std::fs::write(&path, version.content)
            .map_err(|e| ClientError::local(format!("cannot write {}: {e}", path.display())))?;
        let new = NewModel {
            name: Some(model.into()),
            version: Some(version.number.into()),
            path,
            description: Some(version.description.into()),
            ..NewModel::default()
        };
        models.push(workspace.register_model(&new, &mut |_, _| {}).await?);
    }

    progress(&format!("create endpoint {name}"));
    let mut endpoint = Endpoint { name: name.into(), ..Endpoint::default() };
    endpoint.properties.description = Some(sample.description.into());
    endpoint.tags.insert("team".into(), sample.team.into());
    workspace.put_endpoint(&endpoint, None).await?.wait(|_| {}).await?;

    let mut pending = Vec::new();
    for (version, registered) in sample.versions.iter().zip(&models) {
        progress(&format!("deploy {}: {model} version {}", version.deployment, version.number));
        let mut deployment = Deployment { name: version.deployment.into(), ..Deployment::default() };
        deployment.sku = Some(Sku { name: "Default".into(), tier: None, capacity: 1 });
        deployment.properties.description = Some(version.description.into());
        deployment.properties.model = Some(registered.id.clone());
        deployment.properties.instance_type = Some("Standard_DS3_v2".into());
        deployment.properties.request_settings = Some(RequestSettings {
            max_concurrent_requests_per_instance: sample.concurrency,
            request_timeout: IsoDuration::from_millis(3000),
            ..RequestSettings::default()
        });
        pending.push(workspace.put_deployment(name, &deployment).await?);
    }
    for one in pending {
        one.wait(|_| {}).await?;
    }

    let split: Vec<String> = sample.traffic.iter().map(|(name, percent)| format!("{percent} % to {name}")).collect();
    if !split.is_empty() {
        progress(&format!("send the traffic of {name}: {}", split.join(", ")));
        let traffic = sample.traffic.iter().map(|(name, percent)| ((*name).to_owned(), Weight::percent(*percent)));
        let traffic: TrafficMap = traffic.collect();
        workspace.set_traffic(name, &traffic, None).await?.wait(|_| {}).await?;
    }
    Ok(())
}

/// Request bodies for endpoint `restaurants`, with the name of each.
pub fn requests() -> Vec<(String, Bytes)> {
    bodies(RESTAURANTS.requests)
}

/// A request for a whole group of guests at once, for endpoint `restaurants`: the work of a deployment grows with it.
pub fn group_request(guests: usize) -> Bytes {
    const HOURS: [usize; 4] = [12, 13, 19, 20];
    let rows: Vec<String> =
        (0..guests).map(|i| format!("[{},{},{}]", i * 37 % 400, i * 11 % 96, HOURS[i % HOURS.len()])).collect();
    let columns = r#"["user","last_restaurant","hour"]"#;
    format!(r#"{{"input_data":{{"columns":{columns},"data":[{}]}}}}"#, rows.join(",")).into()
}

/// Request bodies for endpoint `review-mood`.
pub fn review_requests() -> Vec<(String, Bytes)> {
    bodies(REVIEW_MOOD.requests)
}

fn bodies(requests: &str) -> Vec<(String, Bytes)> {
    #[derive(Deserialize)]
    struct Named<'a> {
        name: String,
        #[serde(borrow)]
        request: &'a RawValue,
    }
    let all: Vec<Named<'_>> = serde_json::from_str(requests).unwrap_or_default();
    all.into_iter().map(|one| (one.name, Bytes::copy_from_slice(one.request.get().as_bytes()))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sample_has_requests() {
        let all = super::requests();
        assert!(!all.is_empty());
        assert!(all.iter().all(|(name, body)| !name.is_empty() && body.starts_with(b"{\"input_data\"")));
        let group: serde_json::Value = serde_json::from_slice(&super::group_request(3)).unwrap();
        assert_eq!(group["input_data"]["data"], serde_json::json!([[0, 0, 12], [37, 11, 13], [74, 22, 19]]));
        assert!(!super::review_requests().is_empty() && !super::bodies(super::IMAGE_TAGGER.requests).is_empty());
    }
}
