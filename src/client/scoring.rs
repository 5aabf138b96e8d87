//! Scoring: the address comes from the endpoint resource, the credential from the workspace; both are kept.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::error::{ClientError, ErrorKind};
use super::transport::{Call, origin};
use super::workspace::Workspace;
use crate::resources::AuthMode;

/// What tokens for `aad_token` endpoints are for; fixed by the service (reference §1.4).
pub(super) const AAD_SCORING_RESOURCE: &str = "https://ml.azure.com";

/// The longest request timeout a deployment may have is 300 s (reference §8).
const LONGEST_SCORE: Duration = Duration::from_secs(310);

/// Where an endpoint scores and what opens it. `Debug` never shows the credential.
#[derive(Clone)]
pub struct ScoringAccess {
    /// The endpoint's `scoringUri`.
    pub scoring_uri: String,
    /// Value of the `Authorization` header. A secret.
    pub authorization: String,
    /// From then on a new credential is fetched.
    renew_at: Option<SystemTime>,
}

impl std::fmt::Debug for ScoringAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ScoringAccess({}, …)", self.scoring_uri)
    }
}

impl ScoringAccess {
    /// The address of `path` under the endpoint's base (`/v2/…`); `/score` is the `scoringUri` itself.
    pub fn url(&self, path: &str) -> String {
        let uri = self.scoring_uri.as_str();
        if matches!(path, "" | "/score") {
            return uri.to_owned();
        }
        let base = uri.strip_suffix("/score").unwrap_or(uri.trim_end_matches('/'));
        format!("{base}/{}", path.trim_start_matches('/'))
    }
}

/// A request to an endpoint.
#[derive(Debug, Clone)]
pub struct ScoreCall {
    /// Pins a deployment, past the traffic split.
    pub deployment: Option<String>,
    /// Relative to the endpoint's base; `/score` by default.
    pub path: String,
    pub method: Method,
    /// Sent as they are, over the default `Content-Type: application/json`.
    pub headers: HeaderMap,
    pub body: Bytes,
    /// How long the caller waits for the whole answer.
    pub timeout: Duration,
}

impl Default for ScoreCall {
    fn default() -> Self {
        Self {
            deployment: None,
            path: "/score".into(),
            method: Method::POST,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: LONGEST_SCORE,
        }
    }
}

/// An endpoint's answer, whatever its status.
#[derive(Debug, Clone)]
pub struct ScoreAnswer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// From sending to the last byte, at this client.
    pub total: Duration,
    /// Time in the deployment's queue; local workspaces only.
    pub queue_ms: Option<f64>,
    /// Time in the model.
    pub model_ms: Option<f64>,
    /// Who answered; `None` when the gateway itself did.
    pub deployment: Option<String>,
    /// Routing generation; local workspaces only.
    pub generation: Option<u64>,
    pub request_id: Option<String>,
}

impl ScoreAnswer {
    fn new(status: u16, headers: HeaderMap, body: Bytes, total: Duration) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let number = |name: &str| text(name).and_then(|value| value.trim().parse::<f64>().ok());
        Self {
            status,
            total,
            queue_ms: number("mlconsole-queue-ms"),
            model_ms: number("ms-azureml-model-time").or_else(|| number("x-ms-run-fn-exec-ms")),
            deployment: text("azureml-model-deployment").map(str::to_owned),
            generation: text("mlconsole-generation").and_then(|value| value.trim().parse().ok()),
            request_id: text("x-ms-request-id").or_else(|| text("x-request-id")).map(str::to_owned),
            headers,
            body,
        }
    }

    /// The body as text, when it is text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }
}

impl Workspace {
    /// Sends one request to an endpoint and returns what it answered, failures included. A credential that is refused
    /// is fetched anew once: keys may have been regenerated.
    ///
    /// # Errors
    /// When there is no answer, or no way to find the address and the credential.
    pub async fn score(&self, endpoint: &str, call: ScoreCall) -> Result<ScoreAnswer, ClientError> {
        let mut fresh = false;
        loop {
            let access = self.scoring_access(endpoint).await?;
            let answer = self.score_with(&access, &call).await?;
            if answer.status != 401 || fresh {
                return Ok(answer);
            }
            fresh = true;
            self.forget_scoring(endpoint).await;
            self.inner.transport.forget_token(AAD_SCORING_RESOURCE).await;
        }
    }

    /// Address and credential of an endpoint, kept until the credential nears its end.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] while the endpoint has no scoring address yet, and whatever the calls run into.
    pub async fn scoring_access(&self, endpoint: &str) -> Result<Arc<ScoringAccess>, ClientError> {
        let key = endpoint.to_ascii_lowercase();
        if let Some(kept) = self.inner.scoring.lock().await.get(&key)
            && kept.renew_at.is_none_or(|end| end > SystemTime::now())
        {
            return Ok(Arc::clone(kept));
        }
        let resource = self.endpoint(endpoint).await?;
        let scoring_uri = resource.properties.scoring_uri.filter(|uri| !uri.is_empty()).ok_or_else(|| {
            ClientError::new(
                ErrorKind::Conflict,
                format!("endpoint {endpoint} has no scoring address yet: wait until it is created"),
            )
        })?;
        let (secret, renew_at) = match resource.properties.auth_mode {
            AuthMode::Key => (self.keys(endpoint).await?.primary_key, None),
            AuthMode::AMLToken => {
                let token = self.token(endpoint).await?;
                let renew = u64::try_from(token.refresh_after_time_utc).unwrap_or_default();
                (token.access_token, UNIX_EPOCH.checked_add(Duration::from_secs(renew)))
            }
            // The identity provider's token has its own cache, which knows its end.
            AuthMode::AADToken => (self.aad_token().await?, Some(SystemTime::now() + Duration::from_secs(60))),
        };
        let access = Arc::new(ScoringAccess { scoring_uri, authorization: format!("Bearer {secret}"), renew_at });
        self.inner.scoring.lock().await.insert(key, Arc::clone(&access));
        Ok(access)
    }

    /// Forgets what is kept of an endpoint's address and credential.
    pub(super) async fn forget_scoring(&self, endpoint: &str) {
        self.inner.scoring.lock().await.remove(&endpoint.to_ascii_lowercase());
    }

    async fn score_with(&self, access: &ScoringAccess, score: &ScoreCall) -> Result<ScoreAnswer, ClientError> {
        let url = access.url(&score.path);
        let mut call = Call::new(score.method.clone(), url.as_str());
        call.arm_token = false;
        call.timeout = Some(score.timeout);
        call.body = score.body.clone();
        call.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        call = call.header(HeaderName::from_static("x-ms-client-request-id"), &uuid::Uuid::new_v4().to_string())?;
        if let Some(deployment) = &score.deployment {
            call = call.header(HeaderName::from_static("azureml-model-deployment"), deployment)?;
        }
        for (name, value) in &score.headers {
            call.headers.insert(name.clone(), value.clone());
        }
        let mut authorization = HeaderValue::from_str(&access.authorization)
            .map_err(|_| ClientError::protocol("the endpoint's key cannot be sent in a header"))?;
        authorization.set_sensitive(true);
        call.headers.insert(AUTHORIZATION, authorization);

        let what = format!("{} {}", score.method, score.path);
        let broken = |e: reqwest::Error| ClientError::from_reqwest(&e, &what, origin(&url));
        let start = Instant::now();
        let response = self.inner.transport.open(&call, &what).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(broken)?;
        Ok(ScoreAnswer::new(status, headers, body, start.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(uri: &str) -> ScoringAccess {
        ScoringAccess { scoring_uri: uri.into(), authorization: "Bearer secret".into(), renew_at: None }
    }

    #[test]
    fn other_routes_hang_under_the_scoring_address() {
        let local = access("https://127.0.0.1:8443/endpoints/e/score");
        assert_eq!(local.url("/score"), "https://127.0.0.1:8443/endpoints/e/score");
        assert_eq!(local.url("/v2/health/ready"), "https://127.0.0.1:8443/endpoints/e/v2/health/ready");
        let azure = access("https://e.westeurope.inference.ml.azure.com/score");
        assert_eq!(azure.url("v2"), "https://e.westeurope.inference.ml.azure.com/v2");
        let own = access("https://h/predict");
        assert_eq!(own.url(""), "https://h/predict");
    }

    #[test]
    fn the_credential_is_not_shown() {
        assert!(!format!("{:?}", access("https://h/score")).contains("secret"));
    }

    #[test]
    fn times_and_deployment_come_from_the_headers() {
        let mut headers = HeaderMap::new();
        headers.insert("azureml-model-deployment", HeaderValue::from_static("green"));
        headers.insert("mlconsole-generation", HeaderValue::from_static("7"));
        headers.insert("x-ms-run-fn-exec-ms", HeaderValue::from_static("0.258"));
        let answer = ScoreAnswer::new(200, headers, Bytes::from_static(b"[1]"), Duration::ZERO);
        assert_eq!((answer.deployment.as_deref(), answer.generation), (Some("green"), Some(7)));
        assert_eq!((answer.model_ms, answer.queue_ms), (Some(0.258), None));
        assert_eq!(answer.text(), Some("[1]"));
    }
}
