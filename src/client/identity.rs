//! Tokens of the identity provider, fetched once and renewed before they run out (reference §1.5).

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::error::{ClientError, ErrorKind};

/// Renew this long before the end of a token.
const MARGIN: Duration = Duration::from_secs(300);

/// Where tokens come from. `Debug` is not implemented: the header is a secret.
pub(super) enum Credential {
    /// The managed-identity protocol: a local workspace, or a machine in Azure.
    ManagedIdentity { endpoint: String, header: String },
    /// The Azure command line, signed in by its user.
    AzureCli,
}

struct Token {
    value: String,
    renew_at: SystemTime,
}

/// Keeps one token a resource.
pub(super) struct Identity {
    credential: Credential,
    tokens: Mutex<HashMap<String, Token>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_on: Value,
}

#[derive(Deserialize)]
struct CliAnswer {
    #[serde(rename = "accessToken")]
    access_token: String,
    #[serde(default)]
    expires_on: Value,
}

impl Identity {
    pub(super) fn new(credential: Credential) -> Self {
        Self { credential, tokens: Mutex::new(HashMap::new()) }
    }

    /// A token for `resource` (a scope without `/.default`) that is good for some minutes yet.
    /// Concurrent callers wait for one fetch.
    pub(super) async fn token(&self, http: &reqwest::Client, resource: &str) -> Result<String, ClientError> {
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = tokens.get(resource)
            && token.renew_at > SystemTime::now()
        {
            return Ok(token.value.clone());
        }
        let token = match &self.credential {
            Credential::ManagedIdentity { endpoint, header } => fetch(http, endpoint, header, resource).await?,
            Credential::AzureCli => from_azure_cli(resource).await?,
        };
        let value = token.value.clone();
        tokens.insert(resource.to_owned(), token);
        Ok(value)
    }

    /// Drops a token the server no longer accepts (it restarted with new keys, or revoked it).
    pub(super) async fn forget(&self, resource: &str) {
        self.tokens.lock().await.remove(resource);
    }
}

async fn fetch(http: &reqwest::Client, endpoint: &str, header: &str, resource: &str) -> Result<Token, ClientError> {
    let what = "fetching a token";
    let answer = http
        .get(endpoint)
        .query(&[("api-version", "2019-08-01"), ("resource", resource)])
        .header("X-IDENTITY-HEADER", header)
        .header("Metadata", "true")
        .timeout(Duration::from_secs(20))
        .send()
        .await
        .map_err(|e| ClientError::from_reqwest(&e, what, endpoint))?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(|e| ClientError::from_reqwest(&e, what, endpoint))?;
    if status != 200 {
        let mut error = ClientError::from_answer(status, &body, what);
        error.kind = ErrorKind::Unauthorized;
        error.message = format!("the identity endpoint {endpoint} refused a token: {}", error.message);
        return Err(error);
    }
    let parsed: TokenAnswer = serde_json::from_slice(&body)
        .map_err(|_| ClientError::protocol(format!("the identity endpoint {endpoint} did not answer with a token")))?;
    Ok(keep(parsed.access_token, &parsed.expires_on))
}

async fn from_azure_cli(resource: &str) -> Result<Token, ClientError> {
    let unauthorized = |message: String| ClientError::new(ErrorKind::Unauthorized, message);
    let output = tokio::process::Command::new("az")
        .args(["account", "get-access-token", "--output", "json", "--resource", resource])
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|e| {
            unauthorized(format!(
                "no credentials for {resource}: the Azure command line `az` cannot be started ({e}); install it and run \
                 `az login`, or set IDENTITY_ENDPOINT and IDENTITY_HEADER"
            ))
        })?;
    if !output.status.success() {
        return Err(unauthorized(format!("`az account get-access-token` failed for {resource}; run `az login`")));
    }
    let parsed: CliAnswer = serde_json::from_slice(&output.stdout)
        .map_err(|_| ClientError::protocol("`az account get-access-token` did not print a token as JSON"))?;
    Ok(keep(parsed.access_token, &parsed.expires_on))
}

/// `expires_on` is Unix seconds, a number or a string; without it a token is kept for five minutes.
fn keep(value: String, expires_on: &Value) -> Token {
    let seconds = expires_on.as_u64().or_else(|| expires_on.as_str().and_then(|text| text.trim().parse().ok()));
    let now = SystemTime::now();
    let renew_at = match seconds.and_then(|s| UNIX_EPOCH.checked_add(Duration::from_secs(s))) {
        Some(end) => {
            let left = end.duration_since(now).unwrap_or_default();
            // A short-lived token is renewed at half its life instead of never being good.
            now + if left > 2 * MARGIN { left - MARGIN } else { left / 2 }
        }
        None => now + MARGIN,
    };
    Token { value, renew_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds_kept(expires_on: Value) -> u64 {
        let kept = keep("t".into(), &expires_on).renew_at.duration_since(SystemTime::now());
        kept.unwrap_or_default().as_secs()
    }

    #[test]
    fn tokens_are_renewed_before_they_end() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!((3290..=3300).contains(&seconds_kept(Value::from(now + 3600))));
        assert!((3290..=3300).contains(&seconds_kept(Value::from((now + 3600).to_string()))));
        assert!((90..=100).contains(&seconds_kept(Value::from(now + 200))));
        assert_eq!(seconds_kept(Value::from(now - 10)), 0);
        assert!((290..=300).contains(&seconds_kept(Value::Null)));
    }
}
