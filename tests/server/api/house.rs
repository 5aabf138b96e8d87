//! A running workspace and a hand to call it with.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use mlconsole::server::{Options, Running, start};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

pub use reqwest::header::HeaderMap;

/// A started workspace on any free port.
pub struct House {
    running: Option<Running>,
    pub client: reqwest::Client,
    pub token: String,
    pub base: String,
    pub dir: PathBuf,
    _temp: Option<tempfile::TempDir>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The code of an ARM error, after checking that the error says something.
    pub fn code(&self) -> &str {
        let message = self.body["error"]["message"].as_str().unwrap_or_default();
        assert!(message.len() > 20 && message.contains(' '), "an error explains itself: {}", self.text);
        self.body["error"]["code"].as_str().unwrap()
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }
}

impl House {
    pub async fn open() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let mut house = Self::open_in(temp.path(), None).await;
        house._temp = Some(temp);
        house
    }

    /// Opens the workspace in a folder, on `address` if it is to be where it was.
    pub async fn open_in(dir: &Path, address: Option<&str>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut options = Options::new(dir);
        options.listen = Some(address.unwrap_or("127.0.0.1:0").parse().unwrap());
        let running = start(options).await.unwrap();
        let connection = running.connection().clone();
        let pem = std::fs::read(&connection.ca_file).unwrap();
        let roots = reqwest::Certificate::from_pem_bundle(&pem).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only(roots).build().unwrap();
        let answer: Value = client
            .get(&connection.identity_endpoint)
            .query(&[("api-version", "2019-08-01"), ("resource", &connection.base_url)])
            .header("X-IDENTITY-HEADER", &connection.identity_header)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        let base = connection.base_url;
        Self { running: Some(running), client, token, base, dir: dir.to_owned(), _temp: None }
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Stops the workspace and opens it again in the same place.
    pub async fn reopen(mut self) -> Self {
        let address = self.base.strip_prefix("https://").unwrap().to_owned();
        self.running.take().unwrap().shutdown().await;
        let mut again = Self::open_in(&self.dir, Some(&address)).await;
        again._temp = self._temp.take();
        again
    }

    pub async fn close(mut self) {
        self.running.take().unwrap().shutdown().await;
    }

    /// Full address of a path in the workspace, with an API version.
    pub fn ws(&self, path: &str) -> String {
        let id = self.running().connection().workspace_id();
        with_version(&format!("{}{id}{path}", self.base))
    }

    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        let url = if url.starts_with("https://") { url.to_owned() } else { format!("{}{url}", self.base) };
        self.client.request(method, url).bearer_auth(&self.token)
    }

    pub async fn send(&self, request: RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Reply { status, headers, body, text }
    }

    /// GET of a path in the workspace.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, &self.ws(path))).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::PUT, &self.ws(path)).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::PATCH, &self.ws(path)).json(&body)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request(Method::POST, &self.ws(path)).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(self.request(Method::DELETE, &self.ws(path))).await
    }

    /// Follows the operation an answer names to its end.
    pub async fn finish(&self, reply: &Reply) -> Value {
        let url = reply.header("azure-asyncoperation").to_owned();
        assert!(url.starts_with(&self.base), "an operation is named: {reply:?}");
        loop {
            let poll = self.send(self.request(Method::GET, &url)).await.is(200);
            assert!(!poll.headers.contains_key("retry-after"), "SDKs would wait whole seconds");
            let status = poll.body["status"].as_str().unwrap();
            if ["Succeeded", "Failed", "Canceled"].contains(&status) {
                return poll.body;
            }
            assert!(poll.headers.contains_key("retry-after-ms"));
            // As the header asks, which is what a client does.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Creates an endpoint with defaults.
    pub async fn endpoint(&self, name: &str) -> Reply {
        let body = json!({
            "location": "local", "tags": {}, "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "Key", "properties": {}, "traffic": {}, "mirrorTraffic": {}},
        });
        self.put(&format!("/onlineEndpoints/{name}"), body).await.is(201)
    }

    /// Uploads a file as the SDK does and registers it as a model.
    pub async fn model(&self, name: &str, version: &str, file: &Path) -> String {
        let bytes = std::fs::read(file).unwrap();
        let folder = format!("LocalUpload/{}", uuid::Uuid::new_v4().simple());
        let blob = format!("{folder}/{}", file.file_name().unwrap().to_str().unwrap());
        let url = self.blob_url(&blob, "").await;
        let put = self.client.put(&url).header("x-ms-blob-type", "BlockBlob").header("If-None-Match", "*").body(bytes);
        self.send(put).await.is(201);
        let uri = format!(
            "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/workspaceblobstore/paths/{blob}"
        );
        let body = json!({"properties": {"modelType": "custom_model", "modelUri": uri, "isAnonymous": false}});
        let reply = self.put(&format!("/models/{name}/versions/{version}"), body).await.is(201);
        reply.body["id"].as_str().unwrap().to_owned()
    }

    /// Address of a blob in the datastore, with a signature; `query` is put in front of it.
    pub async fn blob_url(&self, blob: &str, query: &str) -> String {
        let secrets =
            self.post("/datastores/workspaceblobstore/listSecrets", json!({"expirableSecret": true})).await.is(200);
        let sas = secrets.body["sasToken"].as_str().unwrap();
        let store = self.get("/datastores/workspaceblobstore").await.is(200).body;
        let (account, container) = (&store["properties"]["accountName"], &store["properties"]["containerName"]);
        let (account, container) = (account.as_str().unwrap(), container.as_str().unwrap());
        format!("https://{account}.blob.core.local/{container}/{blob}?{query}{sas}")
    }

    /// A deployment of the sample model, served.
    pub async fn deployment(&self, endpoint: &str, name: &str, model: &str) -> Reply {
        let reply = self.put(&format!("/onlineEndpoints/{endpoint}/deployments/{name}"), deployment(model)).await;
        let end = self.finish(&reply).await;
        assert_eq!(end["status"], "Succeeded", "{end}");
        reply
    }

    /// The endpoint as it is, with these traffic maps instead.
    pub async fn traffic(&self, endpoint: &str, traffic: Value, mirror: Value) -> Reply {
        let path = format!("/onlineEndpoints/{endpoint}");
        let mut body = self.get(&path).await.is(200).body;
        body["properties"]["traffic"] = traffic;
        body["properties"]["mirrorTraffic"] = mirror;
        self.put(&path, body).await
    }
}

/// The body of a deployment as the SDK sends it for a model without code.
pub fn deployment(model: &str) -> Value {
    json!({
        "location": "local", "tags": {}, "sku": {"name": "Default", "capacity": 1},
        "properties": {
            "endpointComputeType": "Managed", "model": model, "properties": {}, "environmentVariables": {},
            "appInsightsEnabled": false, "instanceType": "Standard_DS3_v2",
        },
    })
}

/// Puts `value` where `pointer` says, making the objects on the way.
pub fn set(body: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let mut at = body;
    for part in parent.split('/').skip(1) {
        at = at.as_object_mut().unwrap().entry(part).or_insert_with(|| json!({}));
    }
    at[name] = value;
}

pub fn with_version(url: &str) -> String {
    format!("{url}{}api-version=2023-04-01-preview", if url.contains('?') { '&' } else { '?' })
}

pub fn sample_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/restaurants/recommender-v1.onnx")
}

pub fn sample_request() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/restaurants/sample-request.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn md5_of(bytes: &[u8]) -> String {
    use md5::Digest as _;
    base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(bytes))
}
