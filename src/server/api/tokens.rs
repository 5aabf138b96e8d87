//! The workspace's own identity provider: signed tokens for the control plane, for endpoints and for uploads.
//!
//! All are made with keys derived from one secret of the store, so nothing but the data folder's owner can make them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::resources::EndpointToken;

/// Audience of tokens for scoring in `aad_token` mode (reference §1.4).
pub const SCORING_AUDIENCE: &str = "https://ml.azure.com";
/// Life of a control-plane token and of an endpoint token, in seconds.
pub const LIFETIME_S: i64 = 24 * 3600;
/// After this many seconds a client should fetch a new endpoint token (reference §5.2).
const REFRESH_S: i64 = 12 * 3600;

/// Why a token is refused. Never holds any part of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not one of this workspace")]
    Malformed,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token has expired; fetch a new one")]
    Expired,
    #[error("the token is not valid yet; check the clocks of both machines")]
    NotYet,
    #[error("the token was issued for something else")]
    Audience,
    #[error("the token was issued for another endpoint")]
    Endpoint,
}

/// What a token says (a JWT's claims).
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// Never issued here, but honoured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(rename = "endpointName", default, skip_serializing_if = "Option::is_none")]
    endpoint_name: Option<String>,
    #[serde(rename = "workspaceId", default, skip_serializing_if = "Option::is_none")]
    workspace_id: Option<String>,
    #[serde(rename = "serviceId", default, skip_serializing_if = "Option::is_none")]
    service_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    actions: Vec<String>,
}

/// Issues and verifies tokens. `Debug` shows no key.
pub struct Tokens {
    identity: hmac::Key,
    endpoints: hmac::Key,
    uploads: hmac::Key,
    base_url: String,
    workspace_id: String,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokens({})", self.base_url)
    }
}

/// Checks a scoring token; `Err` says why it is refused.
pub type Verifier = Arc<dyn Fn(&str) -> Result<(), TokenError> + Send + Sync>;

impl Tokens {
    /// `secret`: at least 32 random bytes from the store; `base_url`: the audience of control-plane tokens;
    /// `workspace_id`: the workspace's guid.
    pub fn new(secret: &[u8], base_url: &str, workspace_id: &str) -> Self {
        let master = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derive =
            |purpose: &str| hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&master, purpose.as_bytes()).as_ref());
        Self {
            identity: derive("identity"),
            endpoints: derive("endpoint-token"),
            uploads: derive("uploads"),
            base_url: base_url.trim_end_matches('/').to_owned(),
            workspace_id: workspace_id.to_owned(),
        }
    }

    /// A token of the identity route for `resource` (the control plane's base URL or [`SCORING_AUDIENCE`]) and when it
    /// expires (Unix seconds); `None` for any other resource.
    pub fn issue_identity(&self, resource: &str) -> Option<(String, i64)> {
        let resource = resource.trim_end_matches('/');
        let audience =
            [self.base_url.as_str(), SCORING_AUDIENCE].into_iter().find(|a| a.eq_ignore_ascii_case(resource))?;
        let now = now_s();
        let claims = Claims {
            iss: "mlconsole".into(),
            aud: audience.into(),
            exp: now + LIFETIME_S,
            iat: Some(now),
            nbf: None,
            endpoint_name: None,
            workspace_id: None,
            service_id: None,
            actions: Vec::new(),
        };
        Some((sign(&self.identity, &claims), claims.exp))
    }

    /// Checks a bearer token of the control plane.
    pub fn check_control_plane(&self, token: &str) -> Result<(), TokenError> {
        self.check(&self.identity, token, &self.base_url).map(drop)
    }

    /// A token for scoring `endpoint` in `aml_token` mode: 24 h, to be refreshed after 12 h (reference §5.2).
    pub fn issue_endpoint(&self, endpoint: &str) -> EndpointToken {
        let now = now_s();
        let claims = Claims {
            iss: "azureml".into(),
            aud: "azureml".into(),
            exp: now + LIFETIME_S,
            iat: Some(now),
            nbf: None,
            endpoint_name: Some(endpoint.to_owned()),
            workspace_id: Some(self.workspace_id.clone()),
            service_id: Some(endpoint.to_owned()),
            actions: vec!["Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action".into()],
        };
        EndpointToken {
            access_token: sign(&self.endpoints, &claims),
            token_type: "Bearer".into(),
            expiry_time_utc: claims.exp,
            refresh_after_time_utc: now + REFRESH_S,
        }
    }

    /// Checks a token of [`Self::issue_endpoint`] for `endpoint`.
    pub fn check_endpoint(&self, token: &str, endpoint: &str) -> Result<(), TokenError> {
        let claims = self.check(&self.endpoints, token, "azureml")?;
        match claims.endpoint_name {
            Some(name) if name.eq_ignore_ascii_case(endpoint) => {}
            _ => return Err(TokenError::Endpoint),
        }
        match claims.workspace_id {
            Some(id) if id == self.workspace_id => Ok(()),
            _ => Err(TokenError::Audience),
        }
    }

    /// Checks a token for scoring in `aad_token` mode.
    pub fn check_aad(&self, token: &str) -> Result<(), TokenError> {
        self.check(&self.identity, token, SCORING_AUDIENCE).map(drop)
    }

    /// What the gateway asks for an endpoint in `aml_token` mode.
    pub fn endpoint_verifier(self: &Arc<Self>, endpoint: &str) -> Verifier {
        let (tokens, endpoint) = (self.clone(), endpoint.to_owned());
        Arc::new(move |token| tokens.check_endpoint(token, &endpoint))
    }

    /// What the gateway asks for endpoints in `aad_token` mode.
    pub fn aad_verifier(self: &Arc<Self>) -> Verifier {
        let tokens = self.clone();
        Arc::new(move |token| tokens.check_aad(token))
    }

    /// The query string of a shared access signature for `container`, valid until `expires_s` (Unix seconds).
    pub fn sas(&self, container: &str, permissions: &str, expires_s: i64) -> String {
        // The URL-safe alphabet: clients differ in how they re-encode a query.
        let signature = hmac::sign(&self.uploads, sas_text(container, permissions, expires_s).as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("sv=2021-06-08&sr=c&sp={permissions}&se={expires_s}&sig={signature}")
    }

    /// Checks the parts of a shared access signature for `container`.
    pub fn check_sas(
        &self,
        container: &str,
        permissions: &str,
        expires: &str,
        signature: &str,
    ) -> Result<(), TokenError> {
        let expires_s: i64 = expires.parse().map_err(|_| TokenError::Malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
        hmac::verify(&self.uploads, sas_text(container, permissions, expires_s).as_bytes(), &signature)
            .map_err(|_| TokenError::Signature)?;
        if expires_s <= now_s() { Err(TokenError::Expired) } else { Ok(()) }
    }

    fn check(&self, key: &hmac::Key, token: &str, audience: &str) -> Result<Claims, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
        hmac::verify(key, signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;
        let (_, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed)?;
        if claims.aud != audience {
            return Err(TokenError::Audience);
        }
        let now = now_s();
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|from| from > now) {
            return Err(TokenError::NotYet);
        }
        Ok(claims)
    }
}

fn sas_text(container: &str, permissions: &str, expires_s: i64) -> String {
    format!("{container}\n{permissions}\n{expires_s}")
}

/// A compact HS256 JWT.
fn sign(key: &hmac::Key, claims: &Claims) -> String {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    // Strings, numbers and a list of strings: serialising them cannot fail.
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_default());
    let signed = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Unix seconds.
pub fn now_s() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Arc<Tokens> {
        Arc::new(Tokens::new(&[7; 32], "https://127.0.0.1:8443", "w-1"))
    }

    #[test]
    fn a_control_plane_token_opens_the_control_plane_only() {
        let t = tokens();
        let (arm, expires) = t.issue_identity("https://127.0.0.1:8443/").unwrap();
        assert!(expires > now_s());
        assert_eq!(t.check_control_plane(&arm), Ok(()));
        assert_eq!(t.check_aad(&arm), Err(TokenError::Audience));
        assert_eq!(t.check_endpoint(&arm, "e"), Err(TokenError::Signature));
        let (aad, _) = t.issue_identity(SCORING_AUDIENCE).unwrap();
        assert_eq!(t.check_aad(&aad), Ok(()));
        assert_eq!(t.check_control_plane(&aad), Err(TokenError::Audience));
        assert!(t.issue_identity("https://management.azure.com").is_none());
    }

    #[test]
    fn an_endpoint_token_opens_its_endpoint_only() {
        let t = tokens();
        let token = t.issue_endpoint("Fraud");
        assert_eq!(token.expiry_time_utc - token.refresh_after_time_utc, LIFETIME_S - REFRESH_S);
        assert_eq!(t.check_endpoint(&token.access_token, "fraud"), Ok(()));
        assert_eq!(t.check_endpoint(&token.access_token, "other"), Err(TokenError::Endpoint));
        assert_eq!((t.endpoint_verifier("fraud"))(&token.access_token), Ok(()));
        let elsewhere = Tokens::new(&[8; 32], "https://127.0.0.1:8443", "w-1");
        assert_eq!(elsewhere.check_endpoint(&token.access_token, "fraud"), Err(TokenError::Signature));
    }

    #[test]
    fn expired_tokens_are_refused() {
        let t = tokens();
        let claims = Claims {
            iss: "mlconsole".into(),
            aud: "https://127.0.0.1:8443".into(),
            exp: now_s() - 1,
            iat: None,
            nbf: None,
            endpoint_name: None,
            workspace_id: None,
            service_id: None,
            actions: vec![],
        };
        assert_eq!(t.check_control_plane(&sign(&t.identity, &claims)), Err(TokenError::Expired));
    }

    #[test]
    fn a_shared_access_signature_is_bound_to_container_and_rights() {
        let t = tokens();
        let expires = now_s() + 60;
        let query = t.sas("c1", "rw", expires);
        let sig = query.split("sig=").nth(1).unwrap();
        assert_eq!(t.check_sas("c1", "rw", &expires.to_string(), sig), Ok(()));
        assert_eq!(t.check_sas("c2", "rw", &expires.to_string(), sig), Err(TokenError::Signature));
        assert_eq!(t.check_sas("c1", "rwd", &expires.to_string(), sig), Err(TokenError::Signature));
        assert_eq!(t.check_sas("c1", "rw", "never", sig), Err(TokenError::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn garbage_is_refused_without_a_panic(text in ".{0,200}") {
            let t = tokens();
            proptest::prop_assert!(t.check_control_plane(&text).is_err());
            proptest::prop_assert!(t.check_endpoint(&text, "e").is_err());
        }

        #[test]
        fn no_signature_in_a_query_panics_and_only_its_own_opens(text in "[ -~]{0,120}", container in "[a-z0-9-]{3,12}", rights in "[racwl]{1,5}") {
            let t = tokens();
            let check = |query: &str, container: &str| {
                let query = crate::server::api::call::Query::parse(query);
                let part = |name| query.get(name).unwrap_or_default().to_owned();
                t.check_sas(container, &part("sp"), &part("se"), &part("sig"))
            };
            proptest::prop_assert!(check(&text, &container).is_err());
            let good = t.sas(&container, &rights, now_s() + 600);
            proptest::prop_assert_eq!(check(&good, &container), Ok(()));
            let other = format!("{container}x");
            proptest::prop_assert!(check(&good, &other).is_err());
            proptest::prop_assert!(check(&good.replace("&sp=", "&sp=d"), &container).is_err());
        }

        #[test]
        fn a_token_changed_anywhere_is_refused(at in 0usize..200, with in "[A-Za-z0-9_-]") {
            let t = tokens();
            let (token, _) = t.issue_identity(SCORING_AUDIENCE).unwrap();
            let at = at % token.len();
            let mut changed = token.clone();
            changed.replace_range(at..=at, &with);
            proptest::prop_assert!(changed == token || t.check_aad(&changed).is_err());
        }
    }
}
