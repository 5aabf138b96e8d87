//! The blob store: uploads of models, code and data, as the Azure storage SDK speaks (reference §6.4).
//!
//! Path-style, `/blob/local/{container}/…` and `/blob/local.blob.core.local/{container}/…`; every call carries a
//! shared access signature for its container. Bytes go from the socket to the disk and back without being gathered.

pub mod files;
pub mod layout;
pub mod list;
mod read;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use super::ControlPlane;
use super::answer::{Answer, set};
use super::call::Call;
use super::fault::Fault;
use crate::server::gateway::http::Response;
use files::Meta;
use layout::Assets;

/// What a blob call is about.
#[derive(Clone)]
struct Target {
    assets: Assets,
    container: String,
    /// "" when the container itself is meant.
    blob: String,
}

/// Version of the storage protocol that is answered when the caller names none.
const STORAGE_VERSION: &str = "2021-06-08";

impl ControlPlane {
    /// Answers a call under `/blob/`; refusals are XML.
    pub(super) async fn blob_call(self: Arc<Self>, call: &Call, headers: &HeaderMap, body: Incoming) -> Response {
        let mut response = match self.blob_answer(call, headers, body).await {
            Ok(response) => response,
            Err(fault) => {
                let mut answer = Answer::storage_fault(&fault);
                if fault.status == StatusCode::UNAUTHORIZED {
                    answer = answer.with("www-authenticate", super::challenge(self.base()));
                }
                if call.method == Method::HEAD {
                    answer.body = bytes::Bytes::new();
                }
                answer.into_response(&call.request_id)
            }
        };
        let version = headers.get("x-ms-version").and_then(|v| v.to_str().ok()).unwrap_or(STORAGE_VERSION);
        set(response.headers_mut(), "x-ms-version", version);
        set(response.headers_mut(), "x-ms-request-id", &call.request_id);
        response
    }

    async fn blob_answer(&self, call: &Call, headers: &HeaderMap, body: Incoming) -> Result<Response, Fault> {
        let path = percent_decode_str(&call.path)
            .decode_utf8()
            .map_err(|_| Fault::bad("InvalidUri", "The path is not UTF-8."))?;
        let (container, blob) = layout::split_path(&path).ok_or_else(|| {
            Fault::missing("ResourceNotFound", "There is no such storage account. Use /blob/local/{container}/{blob}.")
        })?;
        self.check_signature(call, container)?;
        let target = Target { assets: self.assets.clone(), container: container.to_owned(), blob: blob.to_owned() };
        let folder = target.assets.container(container).map_err(files::bad_name)?;
        // The datastore's container comes into being with its first blob.
        if container != layout::DATASTORE_CONTAINER && !blocking(move || Ok(folder.is_dir())).await? {
            return Err(Fault::missing(
                "ContainerNotFound",
                format!("There is no container \"{container}\". Ask startPendingUpload for one."),
            ));
        }
        let comp = call.query.get("comp").unwrap_or_default().to_ascii_lowercase();
        match (&call.method, target.blob.is_empty(), comp.as_str()) {
            (&Method::GET, true, "list") => read::list(target, call).await,
            (&Method::GET | &Method::HEAD, true, "") => {
                Ok(Answer::empty(StatusCode::OK).into_response(&call.request_id))
            }
            (&Method::HEAD, false, _) | (&Method::GET, false, "metadata") => read::head(target, call).await,
            (&Method::GET, false, "") => read::get(target, headers).await,
            (&Method::PUT, false, "") => write::blob(target, call, headers, body).await,
            (&Method::PUT, false, "block") => write::block(target, call, headers, body).await,
            (&Method::PUT, false, "blocklist") => write::block_list(target, call, headers, body).await,
            (&Method::PUT, false, "metadata") => write::metadata(target, call, headers).await,
            (method, ..) => Err(Fault::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "UnsupportedHttpVerb",
                format!(
                    "{method} with comp={comp} is not possible here. Blobs are put, read and listed; nothing else."
                ),
            )),
        }
    }

    /// The signature must be for this container and allow what the method does.
    fn check_signature(&self, call: &Call, container: &str) -> Result<(), Fault> {
        let part = |name| call.query.get(name).unwrap_or_default();
        if part("sig").is_empty() {
            return Err(Fault::new(
                StatusCode::UNAUTHORIZED,
                "NoAuthenticationInformation",
                "The call carries no shared access signature. Get one from listSecrets or startPendingUpload.",
            ));
        }
        let refuse = |why: String| Err(Fault::new(StatusCode::FORBIDDEN, "AuthenticationFailed", why));
        if let Err(error) = self.app.tokens.check_sas(container, part("sp"), part("se"), part("sig")) {
            return refuse(format!(
                "The shared access signature is refused: {error}. Get a new one from listSecrets or startPendingUpload."
            ));
        }
        let wanted = match call.method {
            Method::GET | Method::HEAD => ['r', 'l'],
            _ => ['w', 'c'],
        };
        if part("sp").contains(wanted) {
            Ok(())
        } else {
            refuse("The shared access signature does not allow this.".into())
        }
    }
}

/// Runs file work away from the threads that serve requests.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(Fault::internal("Working on the blob store", "the work was abandoned")))
}

/// The headers that describe a blob.
fn describe(mut answer: Answer, meta: &Meta) -> Answer {
    answer = answer.with("etag", meta.etag.clone()).with("last-modified", list::http_date(meta.modified_s));
    if !meta.md5.is_empty() {
        answer = answer.with("content-md5", meta.md5.clone());
    }
    answer.with("x-ms-request-server-encrypted", "true")
}

/// `x-ms-meta-*` of a request, names in lower case without the prefix.
fn metadata_of(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-ms-meta-")?;
            Some((name.to_owned(), value.to_str().ok()?.to_owned()))
        })
        .collect()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|v| v.to_str().ok()).filter(|text| !text.is_empty())
}

/// The content type a caller wants a blob to have.
fn content_type(headers: &HeaderMap) -> String {
    let given = text(headers, "x-ms-blob-content-type").or_else(|| text(headers, header::CONTENT_TYPE.as_str()));
    given.unwrap_or("application/octet-stream").to_owned()
}
