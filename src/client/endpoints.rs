//! Endpoints: create, change, delete, credentials, traffic.

use http::Method;
use http::header::IF_MATCH;
use serde_json::{Value, json};

use super::error::ClientError;
use super::pending::Pending;
use super::transport::Call;
use super::workspace::{KeyKind, Workspace, segment};
use crate::resources::{Endpoint, EndpointKeys, EndpointToken, TrafficMap};

fn path(name: &str) -> String {
    format!("/onlineEndpoints/{}", segment(name))
}

impl Workspace {
    /// All endpoints.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, ClientError> {
        self.list("/onlineEndpoints").await
    }

    /// One endpoint. `etag` is set by local workspaces: the version a compare-and-swap needs.
    pub async fn endpoint(&self, name: &str) -> Result<Endpoint, ClientError> {
        self.get(&path(name)).await
    }

    /// Creates or replaces the endpoint of this name, as a whole. With `if_match` only when it is still that version:
    /// otherwise [`super::ErrorKind::Conflict`].
    pub async fn put_endpoint(&self, endpoint: &Endpoint, if_match: Option<&str>) -> Result<Pending, ClientError> {
        let mut body = endpoint.clone();
        body.location = Some(self.location().await?);
        body.etag = None;
        let keys = endpoint.properties.keys.clone();
        let mut body = serde_json::to_value(&body).map_err(|e| ClientError::local(e.to_string()))?;
        // Answers never hold keys, so the noun does not write them; a request may bring the first ones.
        if let (Some(keys), Some(properties)) = (keys, body["properties"].as_object_mut()) {
            properties
                .insert("keys".into(), json!({"primaryKey": keys.primary_key, "secondaryKey": keys.secondary_key}));
        }
        drop_answer_members(&mut body);
        let mut call = Call::new(Method::PUT, self.url(&path(&endpoint.name))).json(&body)?;
        if let Some(etag) = if_match {
            call = call.header(IF_MATCH, etag)?;
        }
        self.forget_scoring(&endpoint.name).await;
        self.start(call).await
    }

    /// Deletes an endpoint with all its deployments.
    pub async fn delete_endpoint(&self, name: &str) -> Result<Pending, ClientError> {
        self.forget_scoring(name).await;
        self.start(Call::new(Method::DELETE, self.url(&path(name)))).await
    }

    /// Replaces the traffic map: absent deployments get nothing. The change is compared with `if_match`, or with the
    /// version read just before when none is given.
    pub async fn set_traffic(
        &self,
        endpoint: &str,
        traffic: &TrafficMap,
        if_match: Option<&str>,
    ) -> Result<Pending, ClientError> {
        let mut resource = self.endpoint(endpoint).await?;
        resource.properties.traffic = without_zeros(traffic);
        let etag = if_match.map(str::to_owned).or_else(|| resource.etag.clone());
        self.put_endpoint(&resource, etag.as_deref()).await
    }

    /// Replaces the mirror map, as [`Workspace::set_traffic`] the traffic map.
    pub async fn set_mirror(
        &self,
        endpoint: &str,
        mirror: &TrafficMap,
        if_match: Option<&str>,
    ) -> Result<Pending, ClientError> {
        let mut resource = self.endpoint(endpoint).await?;
        resource.properties.mirror_traffic = without_zeros(mirror);
        let etag = if_match.map(str::to_owned).or_else(|| resource.etag.clone());
        self.put_endpoint(&resource, etag.as_deref()).await
    }

    /// Both keys of an endpoint in key mode.
    pub async fn keys(&self, endpoint: &str) -> Result<EndpointKeys, ClientError> {
        self.post(&format!("{}/listKeys", path(endpoint)), &json!({})).await
    }

    /// Replaces one key by a new one. Callers that use the old one are refused from then on.
    pub async fn regenerate_key(&self, endpoint: &str, which: KeyKind) -> Result<Pending, ClientError> {
        let body = match which {
            KeyKind::Primary => json!({"keyType": "Primary"}),
            KeyKind::Secondary => json!({"keyType": "Secondary"}),
        };
        let url = self.url(&format!("{}/regenerateKeys", path(endpoint)));
        self.forget_scoring(endpoint).await;
        self.start(Call::new(Method::POST, url).json(&body)?).await
    }

    /// A token for scoring, for endpoints in `aml_token` mode.
    pub async fn token(&self, endpoint: &str) -> Result<EndpointToken, ClientError> {
        self.post(&format!("{}/token", path(endpoint)), &json!({})).await
    }

    /// A token for scoring, for endpoints in `aad_token` mode: it comes from the identity provider.
    pub async fn aad_token(&self) -> Result<String, ClientError> {
        self.inner.transport.token(super::scoring::AAD_SCORING_RESOURCE).await
    }
}

/// What only answers hold: requests are the resource's own fields.
pub(super) fn drop_answer_members(body: &mut Value) {
    if let Some(members) = body.as_object_mut() {
        for name in ["id", "type", "systemData", "etag"] {
            members.remove(name);
        }
        if let Some(properties) = members.get_mut("properties").and_then(Value::as_object_mut) {
            for name in ["provisioningState", "scoringUri", "swaggerUri"] {
                properties.remove(name);
            }
            properties.retain(|_, value| !value.is_null());
        }
    }
}

fn without_zeros(map: &TrafficMap) -> TrafficMap {
    map.iter().filter(|(_, weight)| !weight.is_zero()).map(|(name, weight)| (name.clone(), *weight)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Weight;

    #[test]
    fn requests_hold_what_the_user_decides_and_nothing_else() {
        let mut endpoint = Endpoint { name: "e1".into(), id: "/x".into(), ..Endpoint::default() };
        endpoint.properties.scoring_uri = Some("https://h/score".into());
        endpoint.properties.traffic.insert("blue".into(), Weight::percent(90));
        let mut body = serde_json::to_value(&endpoint).unwrap();
        drop_answer_members(&mut body);
        assert_eq!(body["properties"]["traffic"]["blue"], 90);
        for gone in ["/id", "/type", "/systemData", "/properties/scoringUri", "/properties/provisioningState"] {
            assert_eq!(body.pointer(gone), None, "{gone}");
        }
    }
}
