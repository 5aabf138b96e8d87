//! One HTTPS client for everything: headers, tokens, retries, errors.

use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::de::DeserializeOwned;

use super::error::{ClientError, ErrorKind};
use super::identity::{Credential, Identity};
use crate::resources::Connection;

/// Longest answer to a control-plane call.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// A server may ask for a longer pause before a retry; a person waits in front of it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

static CRYPTO: Once = Once::new();

/// Installs ring as the process's TLS provider, unless one is installed already.
pub(crate) fn install_crypto() {
    CRYPTO.call_once(|| {
        // An error means that somebody else installed one first, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// An HTTPS client that trusts the roots in `ca_file`, and nothing else; the system's roots when the path is empty.
///
/// # Errors
/// [`ErrorKind::Local`] when the file cannot be read or holds no certificate.
pub(crate) fn https_client(ca_file: &std::path::Path) -> Result<reqwest::Client, ClientError> {
    install_crypto();
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .tcp_nodelay(true)
        .pool_idle_timeout(Duration::from_secs(30));
    if !ca_file.as_os_str().is_empty() {
        let pem = std::fs::read(ca_file).map_err(|e| {
            ClientError::local(format!(
                "cannot read the CA bundle {}: {e}; is the workspace of this data folder running?",
                ca_file.display()
            ))
        })?;
        let roots = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|e| ClientError::local(format!("{} is not a PEM bundle: {e}", ca_file.display())))?;
        if roots.is_empty() {
            return Err(ClientError::local(format!("the CA bundle {} holds no certificate", ca_file.display())));
        }
        builder = builder.tls_certs_only(roots);
    }
    builder.build().map_err(|e| ClientError::local(format!("cannot set up TLS: {e}")))
}

/// A request to be. `url` is absolute.
#[derive(Clone)]
pub(super) struct Call {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// `None` for feeds, which have no end.
    pub timeout: Option<Duration>,
    /// Whether the ARM token goes with it; blob and scoring calls carry their own credential.
    pub arm_token: bool,
}

impl Call {
    pub(super) fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: Some(CALL_TIMEOUT),
            arm_token: true,
        }
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Result<Self, ClientError> {
        let value = HeaderValue::from_str(value).map_err(|_| {
            ClientError::local(format!("the value of header {name} holds characters that no header may hold"))
        })?;
        self.headers.insert(name, value);
        Ok(self)
    }

    pub(super) fn json(mut self, body: &impl serde::Serialize) -> Result<Self, ClientError> {
        self.body = serde_json::to_vec(body)
            .map_err(|e| ClientError::local(format!("the request cannot be written as JSON: {e}")))?
            .into();
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(self)
    }

    /// "GET /subscriptions/…" without query: queries may hold signatures.
    fn what(&self) -> String {
        let path = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let path = path.find('/').map_or("/", |at| &path[at..]);
        let path = path.split('?').next().unwrap_or(path);
        let short = path.rsplit_once("/workspaces/").and_then(|(_, rest)| rest.split_once('/'));
        format!("{} {}", self.method, short.map_or(path, |(_, rest)| rest))
    }

    /// Whether it may arrive twice. A compare-and-swap may not: the second would find the first one's change.
    fn idempotent(&self) -> bool {
        let repeatable = matches!(self.method, Method::GET | Method::HEAD | Method::PUT | Method::DELETE);
        repeatable && !self.headers.contains_key(IF_MATCH)
    }
}

/// Status, headers and whole body of an answer below 400.
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(super) fn parse<T: DeserializeOwned>(&self, what: &str) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body)
            .map_err(|e| ClientError::protocol(format!("the answer to {what} is not what the API promises: {e}")))
    }
}

pub(super) struct Transport {
    pub http: reqwest::Client,
    /// `https://host:port`, no trailing slash.
    pub base: String,
    agent: HeaderValue,
    identity: Identity,
}

impl Transport {
    pub(super) fn new(connection: &Connection, agent: &str) -> Result<Self, ClientError> {
        let credential = if connection.identity_endpoint.is_empty() {
            Credential::AzureCli
        } else {
            Credential::ManagedIdentity {
                endpoint: connection.identity_endpoint.clone(),
                header: connection.identity_header.clone(),
            }
        };
        let base = connection.base_url.trim_end_matches('/').to_owned();
        if !base.starts_with("https://") {
            return Err(ClientError::local(format!(
                "the workspace address {base} is not https; tokens are never sent in the clear"
            )));
        }
        Ok(Self {
            http: https_client(&connection.ca_file)?,
            base,
            agent: HeaderValue::from_str(agent)
                .map_err(|_| ClientError::local("the client's own name holds characters that no header may hold"))?,
            identity: Identity::new(credential),
        })
    }

    /// A token for `resource`, e.g. `https://ml.azure.com`.
    pub(super) async fn token(&self, resource: &str) -> Result<String, ClientError> {
        self.identity.token(&self.http, resource).await
    }

    pub(super) async fn forget_token(&self, resource: &str) {
        self.identity.forget(resource).await;
    }

    /// Sends and reads the whole answer. Retries what may be retried: calls that never arrived, idempotent calls
    /// that met a passing trouble (reference §4), and once more after a 401 with a fresh token.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, ClientError> {
        let what = call.what();
        let mut renewed = false;
        let mut attempt = 0_u32;
        loop {
            let (error, pause) = match self.send_once(&call, &what).await {
                Ok(answer) if answer.status < 400 => return Ok(answer),
                Ok(answer) if answer.status == 401 && call.arm_token && !renewed => {
                    renewed = true;
                    self.forget_token(&self.base).await;
                    continue;
                }
                Ok(answer) => {
                    let error = ClientError::from_answer(answer.status, &answer.body, &what);
                    let asked = retry_delay(&answer.headers);
                    let passing = matches!(answer.status, 408 | 429 | 500 | 502 | 503 | 504);
                    if !(passing && call.idempotent()) && asked.is_none() {
                        return Err(error);
                    }
                    (error, asked)
                }
                Err(error) => {
                    // A broken connection leaves open whether the call arrived: only repeat what may arrive twice.
                    if error.kind != ErrorKind::Unreachable || !call.idempotent() {
                        return Err(error);
                    }
                    (error, None)
                }
            };
            if attempt == 3 {
                return Err(error);
            }
            let backoff = Duration::from_millis(80 * 3_u64.pow(attempt)).mul_f64(0.75 + fastrand::f64() / 2.0);
            tokio::time::sleep(pause.unwrap_or(backoff).min(LONGEST_PAUSE)).await;
            attempt += 1;
        }
    }

    async fn send_once(&self, call: &Call, what: &str) -> Result<Answer, ClientError> {
        let response = self.open(call, what).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(|e| ClientError::from_reqwest(&e, what, &self.base))?;
        Ok(Answer { status, headers, body })
    }

    /// Sends and returns when the head of the answer is there; the caller reads the body. No retries.
    pub(super) async fn open(&self, call: &Call, what: &str) -> Result<reqwest::Response, ClientError> {
        if strays(&call.url) {
            return Err(ClientError::local(format!(
                "{what}: a name is empty, \".\" or \"..\"; give the name of what is meant"
            )));
        }
        let mut request = self
            .http
            .request(call.method.clone(), &call.url)
            .headers(call.headers.clone())
            .header(USER_AGENT, self.agent.clone());
        if let Some(timeout) = call.timeout {
            request = request.timeout(timeout);
        }
        if call.arm_token {
            // The token opens the whole workspace: it goes to the workspace's own address and nowhere else.
            if !same_origin(&self.base, &call.url) {
                return Err(ClientError::protocol(format!(
                    "the workspace at {} names an address outside itself ({}): not followed",
                    self.base,
                    origin(&call.url)
                )));
            }
            let mut value = HeaderValue::from_str(&format!("Bearer {}", self.token(&self.base).await?))
                .map_err(|_| ClientError::protocol("the identity endpoint's token cannot be sent in a header"))?;
            value.set_sensitive(true);
            request =
                request.header(AUTHORIZATION, value).header("x-ms-client-request-id", uuid::Uuid::new_v4().to_string());
        }
        if !call.body.is_empty() || matches!(call.method, Method::PUT | Method::POST | Method::PATCH) {
            // Stores insist on a length, also of nothing.
            request = request.header(CONTENT_LENGTH, call.body.len()).body(call.body.clone());
        }
        request.send().await.map_err(|e| ClientError::from_reqwest(&e, what, origin(&call.url)))
    }
}

/// `Retry-After` (seconds), or `retry-after-ms` / `x-ms-retry-after-ms` (reference §3.2).
pub(super) fn retry_delay(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok().filter(|n| n.is_finite());
    let millis = number("retry-after-ms").or_else(|| number("x-ms-retry-after-ms"));
    let seconds = millis.map(|ms| ms / 1000.0).or_else(|| number(RETRY_AFTER.as_str()))?;
    Some(Duration::from_secs_f64(seconds.clamp(0.0, 3600.0)))
}

/// `scheme://host:port` of an address.
pub(super) fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    &url[..end]
}

fn same_origin(base: &str, url: &str) -> bool {
    origin(base).eq_ignore_ascii_case(origin(url))
}

/// Whether a path would name something else than it says: URLs resolve ".." before they are sent, so that deleting the
/// deployment ".." would delete its endpoint; and a nameless member is the collection.
fn strays(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let dots = path.split('/').any(|part| matches!(part.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."));
    dots || path.split_once("/workspaces/").is_some_and(|(_, rest)| rest.split('/').any(str::is_empty))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn delays_are_seconds_or_milliseconds() {
        let of = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            retry_delay(&headers)
        };
        assert_eq!(of("retry-after", "1"), Some(Duration::from_secs(1)));
        assert_eq!(of("retry-after-ms", "200"), Some(Duration::from_millis(200)));
        assert_eq!(of("x-ms-retry-after-ms", "50"), Some(Duration::from_millis(50)));
        assert_eq!(of("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), None);
        assert_eq!(of("retry-after", "-5"), Some(Duration::ZERO));
        assert_eq!(retry_delay(&HeaderMap::new()), None);
    }

    #[test]
    fn a_name_cannot_climb_to_what_is_above_it() {
        let at = |rest: &str| strays(&format!("https://h:1/subscriptions/s/workspaces/w/onlineEndpoints{rest}"));
        for rest in
            ["/e/deployments/..?api-version=1", "/e/deployments/%2E%2e", "/./deployments/d", "/?x", "//deployments/d"]
        {
            assert!(at(rest), "{rest}");
        }
        for rest in ["?x=../y", "/e/deployments/d?a=b//c", "/a..b", "/..."] {
            assert!(!at(rest), "{rest}");
        }
        assert!(!strays("https://h:1/"), "the root is a place");
    }

    #[test]
    fn the_token_stays_at_home() {
        assert!(same_origin("https://127.0.0.1:8443", "https://127.0.0.1:8443/subscriptions/x?y=1"));
        assert!(!same_origin("https://127.0.0.1:8443", "https://127.0.0.1:8444/subscriptions"));
        assert!(!same_origin("https://127.0.0.1:8443", "https://127.0.0.1:8443@evil.example/x"));
        assert!(!same_origin("https://127.0.0.1:8443", "http://127.0.0.1:8443/x"));
    }

    #[test]
    fn errors_name_the_call_without_its_query() {
        let url =
            "https://h/subscriptions/s/resourceGroups/r/providers/p/workspaces/w/onlineEndpoints/e?api-version=1&sig=x";
        assert_eq!(Call::new(Method::GET, url).what(), "GET onlineEndpoints/e");
        assert_eq!(Call::new(Method::PUT, "https://h/blob/c/f?sig=secret").what(), "PUT /blob/c/f");
    }

    proptest! {
        #[test]
        fn origin_is_a_prefix_of_any_text(url in ".{0,80}") {
            prop_assert!(url.starts_with(origin(&url)));
        }
    }
}
