//! Credentials of endpoints: keys and tokens (reference §5.2).

use std::sync::PoisonError;

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::ControlPlane;
use super::answer::Answer;
use super::call::Call;
use super::context::{entry, overtaken, until_uncontended};
use super::endpoint_put::new_key;
use super::fault::Fault;
use super::read;
use super::route::EndpointAction;
use crate::resources::{AuthMode, Endpoint, EndpointKeys};
use crate::server::store::{Change, Expect};

/// The body of `regenerateKeys`. No `Debug`: it holds a key.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Regenerate {
    key_type: String,
    key_value: Option<String>,
}

impl ControlPlane {
    pub(super) fn endpoint_action(
        &self,
        call: &Call,
        name: &str,
        action: EndpointAction,
        body: &[u8],
    ) -> Result<Answer, Fault> {
        if call.method != Method::POST {
            return Err(call.no_such_method("an action of an endpoint", &["POST"]));
        }
        match action {
            EndpointAction::ListKeys => {
                self.in_mode(name, AuthMode::Key)?;
                Ok(Answer::ok(&self.keys(name)?)?.with("cache-control", "no-store"))
            }
            EndpointAction::Token => {
                let name = self.in_mode(name, AuthMode::AMLToken)?;
                Ok(Answer::ok(&self.app.tokens.issue_endpoint(&name))?.with("cache-control", "no-store"))
            }
            EndpointAction::RegenerateKeys => {
                let name = self.in_mode(name, AuthMode::Key)?;
                let wanted: Regenerate = read::typed(&read::value(body, false)?)?;
                until_uncontended(|| self.store_new_key(call, &name, &wanted))?;
                self.publish(&name)?;
                Answer::json(StatusCode::OK, &Value::Null)
            }
        }
    }

    /// The endpoint's name if its callers authenticate in `mode`; 400 that says how they do otherwise.
    fn in_mode(&self, name: &str, mode: AuthMode) -> Result<String, Fault> {
        let doc = self.endpoint_doc(name)?;
        let endpoint: Endpoint = doc.decode()?;
        if endpoint.properties.auth_mode == mode {
            return Ok(doc.key.name);
        }
        let next = match endpoint.properties.auth_mode {
            AuthMode::Key => "It uses keys: call listKeys",
            AuthMode::AMLToken => "It uses tokens of its own: call token",
            AuthMode::AADToken => {
                "It uses tokens of the identity provider: get one for the resource https://ml.azure.com"
            }
        };
        Err(Fault::bad("UserError", format!("Endpoint \"{name}\" has no such credential. {next}.")))
    }

    fn keys(&self, name: &str) -> Result<EndpointKeys, Fault> {
        self.app
            .store
            .endpoint_keys(name)?
            .ok_or_else(|| Fault::internal("Reading the endpoint's keys", "they are missing"))
    }

    /// A new key is made when none is given, or when the current one is: the SDK fills that in (reference §5.2).
    fn store_new_key(&self, call: &Call, name: &str, wanted: &Regenerate) -> Result<(), Fault> {
        let lock = self.locks.of(name);
        let _guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.refuse_while_busy(name, None)?;
        let doc = self.endpoint_doc(name)?;
        let mut keys = self.keys(name)?;
        let (slot, which) = match wanted.key_type.to_ascii_lowercase().as_str() {
            "primary" => (&mut keys.primary_key, "primary"),
            "secondary" => (&mut keys.secondary_key, "secondary"),
            _ => {
                return Err(Fault::property(
                    "keyType",
                    "keyType must be Primary or Secondary. Say which key is to be replaced.",
                ));
            }
        };
        *slot = match wanted.key_value.as_deref().filter(|key| !key.is_empty()) {
            Some(key) if !bool::from(key.as_bytes().ct_eq(slot.as_bytes())) => {
                if key.chars().any(|c| !c.is_ascii_graphic()) {
                    return Err(Fault::property(
                        "keyValue",
                        "keyValue holds characters that cannot travel in a header. Use printable ASCII without spaces, or leave it out to have a key made.",
                    ));
                }
                key.to_owned()
            }
            _ => new_key()?,
        };
        let mut log = entry(&call.who, "keys.regenerate", &doc.key.name, None);
        log.to = json!({"key": which});
        // The document is written again as it is, so that the change is refused if the endpoint is being deleted.
        let change = Change::new()
            .put(doc.key.clone(), &doc.body, Expect::Etag(doc.etag))
            .endpoint_keys(&doc.key.name, &keys)
            .journal(log);
        self.app.store.commit(change).map(drop).map_err(overtaken)
    }
}
