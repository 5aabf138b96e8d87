//! How an unmodified SDK finds and enters the workspace: cloud metadata and the identity route (reference §1.4, §1.5).

use http::{HeaderMap, Method};
use serde_json::json;
use subtle::ConstantTimeEq;

use super::ControlPlane;
use super::answer::Answer;
use super::blob::layout::STORAGE_SUFFIX;
use super::call::Call;
use super::fault::Fault;
use super::tokens::SCORING_AUDIENCE;

impl ControlPlane {
    /// The cloud this workspace pretends to be. Needs no credential: it says only where things are.
    pub(super) fn metadata(&self, call: &Call) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("the cloud's metadata", &["GET"]));
        }
        let base = self.base();
        Answer::ok(&json!([{
            "name": "AzureLocal",
            "portal": "https://portal.azure.local",
            "authentication": {
                "loginEndpoint": format!("{base}/aad/"), "audiences": [base], "tenant": "common", "identityProvider": "AAD",
            },
            "resourceManager": format!("{base}/"),
            "suffixes": {"storage": STORAGE_SUFFIX, "keyVaultDns": "vault.local", "acrLoginServer": "azurecr.local"},
        }]))
    }

    /// A token for whoever knows the identity header, that is for whoever may read the data folder.
    pub(super) fn identity(&self, call: &Call, headers: &HeaderMap) -> Result<Answer, Fault> {
        if call.method != Method::GET {
            return Err(call.no_such_method("the identity route", &["GET"]));
        }
        let given = headers.get("x-identity-header").map(http::HeaderValue::as_bytes).unwrap_or_default();
        let secret = self.app.connection.identity_header.as_bytes();
        if secret.is_empty() || !bool::from(given.ct_eq(secret)) {
            return Err(Fault::unauthorized(
                "The header X-IDENTITY-HEADER is missing or wrong. Set IDENTITY_ENDPOINT and IDENTITY_HEADER as `mlconsole env` prints them.",
            ));
        }
        let resource = call.query.get("resource").unwrap_or_default();
        let (token, expires) = self.app.tokens.issue_identity(resource).ok_or_else(|| {
            Fault::bad(
                "invalid_resource",
                format!("No tokens are issued for the resource \"{resource}\". Ask for {} (control plane) or {SCORING_AUDIENCE} (scoring).", self.base()),
            )
        })?;
        let answer = Answer::ok(&json!({
            "access_token": token, "expires_on": expires.to_string(), "resource": resource, "token_type": "Bearer",
        }))?;
        Ok(answer.with("cache-control", "no-store"))
    }
}
