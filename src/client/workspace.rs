//! The handle on a workspace: where it is, and the plumbing every noun's calls share.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, OnceCell};

use super::error::{ClientError, ErrorKind};
use super::pending::Pending;
use super::scoring::ScoringAccess;
use super::transport::{Answer, Call, Transport};
use crate::resources::{Connection, Page, Resource};

/// The version this client speaks: generally available, same shapes as those the SDK uses (reference §13).
pub(super) const API_VERSION: &str = "2024-10-01";

/// What a path segment may hold unescaped: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which of an endpoint's two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    Primary,
    Secondary,
}

/// A workspace, local or in Azure. Cheap to clone; clones share connections and tokens.
#[derive(Clone)]
pub struct Workspace {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub transport: Transport,
    pub connection: Connection,
    /// Where scoring goes and what opens it, by endpoint name in lower case.
    pub scoring: Mutex<HashMap<String, Arc<ScoringAccess>>>,
    location: OnceCell<String>,
    pub metadata: OnceCell<super::uploads::CloudMetadata>,
}

impl std::fmt::Debug for Workspace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Workspace({:?})", self.inner.connection)
    }
}

impl Workspace {
    /// A client of the workspace that `connection` describes. Nothing is sent yet.
    ///
    /// `agent` goes out as `User-Agent` and tells the journal who asked: `mlconsole-cli/…` or `mlconsole-console/…`.
    /// An empty `ca_file` means the system's roots, an empty `identity_endpoint` the signed-in Azure command line.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] when the CA bundle cannot be read or the address is not https.
    pub fn connect(connection: &Connection, agent: &str) -> Result<Self, ClientError> {
        Ok(Self {
            inner: Arc::new(Inner {
                transport: Transport::new(connection, agent)?,
                connection: connection.clone(),
                scoring: Mutex::default(),
                location: OnceCell::new(),
                metadata: OnceCell::new(),
            }),
        })
    }

    /// Where this client is connected to.
    pub fn connection(&self) -> &Connection {
        &self.inner.connection
    }

    /// The HTTPS client itself, for callers that score in bulk: it trusts what the workspace's connection trusts.
    pub fn http(&self) -> reqwest::Client {
        self.inner.transport.http.clone()
    }

    /// Whether the workspace is one of ours, which offers more than Azure (live feed, journal, cancelling).
    pub fn is_local(&self) -> bool {
        self.inner.connection.pid != 0
    }

    /// Whether the workspace answers, and accepts this client's token.
    ///
    /// # Errors
    /// When it does not.
    pub async fn check(&self) -> Result<(), ClientError> {
        self.location().await.map(|_| ())
    }

    /// The workspace's region, which goes with every resource that is written.
    pub(super) async fn location(&self) -> Result<String, ClientError> {
        let fetch = async {
            let workspace: Resource<serde_json::Value> = self.get("").await?;
            Ok(workspace.location.unwrap_or_else(|| "local".into()))
        };
        self.inner.location.get_or_try_init(|| fetch).await.cloned()
    }

    /// Absolute address of `path` under the workspace; `path` starts with `/` or is empty and may hold a query.
    pub(super) fn url(&self, path: &str) -> String {
        let joint = if path.contains('?') { '&' } else { '?' };
        let base = &self.inner.transport.base;
        format!("{base}{}{path}{joint}api-version={API_VERSION}", self.inner.connection.workspace_id())
    }

    pub(super) async fn send(&self, call: Call) -> Result<Answer, ClientError> {
        self.inner.transport.send(call).await
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.get_url(self.url(path)).await
    }

    pub(super) async fn get_url<T: DeserializeOwned>(&self, url: String) -> Result<T, ClientError> {
        self.send(Call::new(Method::GET, url.as_str())).await?.parse(short(&url))
    }

    /// Every item of a list, page by page.
    pub(super) async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let mut url = self.url(path);
        let mut all = Vec::new();
        loop {
            let page: Page<T> = self.get_url(url.clone()).await?;
            all.extend(page.value);
            match page.next_link.filter(|link| !link.is_empty()) {
                Some(link) if link != url => url = link,
                _ => return Ok(all),
            }
        }
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let url = self.url(path);
        self.send(Call::new(Method::POST, url.as_str()).json(body)?).await?.parse(short(&url))
    }

    /// Writes a resource that is there when the call returns.
    pub(super) async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        let url = self.url(path);
        self.send(Call::new(Method::PUT, url.as_str()).json(body)?).await?.parse(short(&url))
    }

    /// Sends a call that may go on after its answer.
    pub(super) async fn start(&self, call: Call) -> Result<Pending, ClientError> {
        let url = call.url.clone();
        let method = call.method.clone();
        let answer = self.send(call).await?;
        Pending::new(self.clone(), &method, url, &answer)
    }

    /// Address of a route that only local workspaces have.
    pub(super) fn extension(&self, path: &str) -> Result<String, ClientError> {
        if !self.is_local() {
            return Err(ClientError::new(
                ErrorKind::NotSupported,
                "only a local workspace can do this; Azure Machine Learning has no such call",
            ));
        }
        Ok(format!("{}/mlconsole/v1{path}", self.inner.transport.base))
    }
}

/// A name as a path segment.
pub(super) fn segment(name: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(name, SEGMENT)
}

/// The address without its query, for error messages.
fn short(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}
