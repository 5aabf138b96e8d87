//! A server that answers as Azure was recorded to answer: what a local workspace never says must be understood too.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use mlconsole::client::Workspace;
use mlconsole::resources::Connection;
use serde_json::json;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `GET /path?query`, the workspace's own id shortened to `{ws}`.
    pub line: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An answer to give.
#[derive(Clone)]
pub struct Say {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

pub fn say(status: u16, body: impl ToString) -> Say {
    Say { status, headers: Vec::new(), body: body.to_string() }
}

/// The endpoint `e1` in a provisioning state, as Azure answers it.
pub fn endpoint(state: &str) -> serde_json::Value {
    json!({"id": "/x/onlineEndpoints/e1", "name": "e1", "properties": {"authMode": "Key", "provisioningState": state,
        "traffic": {"blue": 100}, "properties": {}, "scoringUri": "https://e1.westeurope.inference.ml.azure.com/score"}})
}

impl Say {
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Vec<Say>>,
    seen: Vec<Seen>,
    tokens: u32,
}

/// Runs until dropped.
pub struct Recorded {
    pub base: String,
    state: Arc<Mutex<State>>,
    folder: tempfile::TempDir,
    task: tokio::task::JoinHandle<()>,
}

const WS: &str = "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w";

impl Recorded {
    pub async fn start() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::File::create(folder.path().join("ca.pem")).unwrap().write_all(made.cert.pem().as_bytes()).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = hyper::service::service_fn(move |request| answer(request, Arc::clone(&shared)));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { base, state, folder, task }
    }

    /// Answers to give for `GET {ws}/path`, one after the other; the last one again and again.
    pub fn on(&self, line: &str, answers: impl IntoIterator<Item = Say>) -> &Self {
        self.state.lock().unwrap().answers.insert(line.to_owned(), answers.into_iter().collect());
        self
    }

    /// A blob store that hands out `secrets`, found the way clients find one.
    pub fn with_store(&self, secrets: serde_json::Value) -> &Self {
        let account = format!("{}/blob/local", self.base.trim_start_matches("https://"));
        let cloud = json!([{"name": "X", "portal": "https://p.a.b", "resourceManager": self.base,
            "suffixes": {"storage": "core.local"}}]);
        let store = json!({"properties": {"accountName": account, "containerName": "c1", "protocol": "https"}});
        self.on("GET /metadata/endpoints?api-version=2019-05-01", [say(200, cloud)])
            .on("GET {ws}/datastores/workspaceblobstore", [say(200, store)])
            .on("POST {ws}/datastores/workspaceblobstore/listSecrets", [say(200, secrets)])
    }

    /// A client as for Azure: no process of ours behind it.
    pub fn workspace(&self) -> Workspace {
        let connection = Connection {
            base_url: self.base.clone(),
            ca_file: self.folder.path().join("ca.pem"),
            identity_endpoint: format!("{}/msi/token", self.base),
            identity_header: "identity-secret".into(),
            subscription_id: "s".into(),
            resource_group: "r".into(),
            workspace: "w".into(),
            pid: 0,
            plain_http: None,
        };
        Workspace::connect(&connection, "mlconsole-cli/test").unwrap()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// The lines of what arrived, without token calls.
    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    pub fn path(&self) -> &std::path::Path {
        self.folder.path()
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = parts.uri.path().replace(WS, "{ws}");
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut state = state.lock().unwrap();
    if path == "/msi/token" {
        state.tokens += 1;
        let token = json!({"access_token": format!("token-{}", state.tokens), "expires_on": "4102444800"});
        return Ok(Response::new(Full::new(token.to_string().into())));
    }
    let line = format!("{} {path}", parts.method);
    let full = format!("{line}{query}").replace("?api-version=2024-10-01", "").replace("&api-version=2024-10-01", "");
    let key = if state.answers.contains_key(&full) { full.clone() } else { line.clone() };
    let given = match state.answers.get_mut(&key) {
        Some(answers) if answers.len() > 1 => answers.remove(0),
        Some(answers) => answers[0].clone(),
        None if line == "GET {ws}" => say(200, r#"{"id":"x","name":"w","location":"westeurope","properties":{}}"#),
        None => say(404, format!(r#"{{"error":{{"code":"NotFound","message":"nothing is recorded for {full}"}}}}"#)),
    };
    state.seen.push(Seen { line: full, headers: parts.headers, body });
    let mut response = Response::builder().status(given.status);
    for (name, value) in given.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(given.body.into())).unwrap())
}
