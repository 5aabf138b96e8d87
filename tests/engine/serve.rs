//! Asking a loaded model, as the gateway does.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use mlconsole::server::engine::{
    self, Instance, InstanceMemory, LoadError, ModelSource, ScoreRequest, ScoreResponse, Servable,
};
use serde_json::Value;
use tract_onnx::pb::ModelProto;

use crate::build;

pub struct Served {
    pub servable: Arc<dyn Servable>,
    instance: Box<dyn Instance>,
    _folder: tempfile::TempDir,
}

pub fn load(path: &Path, model_type: &str) -> Result<Arc<dyn Servable>, LoadError> {
    let source = ModelSource {
        path: path.to_owned(),
        model_type: model_type.to_owned(),
        name: "m".to_owned(),
        version: "1".to_owned(),
        ..Default::default()
    };
    engine::load(&source, &|_| {})
}

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

pub fn serve(model: &ModelProto) -> Served {
    let folder = folder();
    let path = build::save(folder.path(), "model.onnx", model);
    serve_at(folder, &path, "custom_model")
}

/// The same with a memory limit, as in a deployment.
pub fn serve_within(model: &ModelProto) -> Served {
    let folder = folder();
    let path = build::save(folder.path(), "model.onnx", model);
    let memory = Some(InstanceMemory { bytes: 256 << 20, sharers: 1 });
    let source =
        ModelSource { path, model_type: "custom_model".to_owned(), name: "m".to_owned(), memory, ..Default::default() };
    let servable = engine::load(&source, &|_| {}).expect("the model loads");
    let instance = servable.clone().instance().expect("an instance");
    Served { servable, instance, _folder: folder }
}

pub fn serve_at(folder: tempfile::TempDir, path: &Path, model_type: &str) -> Served {
    let servable = load(path, model_type).expect("the model loads");
    let instance = servable.clone().instance().expect("an instance");
    Served { servable, instance, _folder: folder }
}

pub fn request(method: Method, path: &str, headers: &[(&'static str, &str)], body: Vec<u8>) -> ScoreRequest {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::from_str(value).expect("a header"));
    }
    let deadline = Instant::now() + Duration::from_secs(3600);
    ScoreRequest {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers: map,
        body: Bytes::from(body),
        deadline,
    }
}

impl Served {
    pub fn ask(&mut self, request: &ScoreRequest) -> ScoreResponse {
        self.instance.score(request)
    }

    pub fn get(&mut self, path: &str) -> (u16, Value) {
        parsed(self.ask(&request(Method::GET, path, &[], vec![])))
    }

    pub fn post(&mut self, path: &str, body: &str) -> (u16, Value) {
        parsed(self.ask(&request(Method::POST, path, &[], body.as_bytes().to_vec())))
    }

    /// A `/score` body that must be answered.
    pub fn score(&mut self, body: &str) -> Value {
        let (status, answer) = self.post("/score", body);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// What the caller is told about a body that must be refused.
    pub fn refused(&mut self, path: &str, body: &str) -> String {
        let response = self.ask(&request(Method::POST, path, &[], body.as_bytes().to_vec()));
        assert!(response.caller_fault, "{response:?}");
        let (status, answer) = parsed(response);
        assert_eq!(status, 400, "{answer}");
        let key = if path == "/score" { "message" } else { "error" };
        answer[key].as_str().expect("a message").to_owned()
    }
}

fn parsed(response: ScoreResponse) -> (u16, Value) {
    let text = || Value::String(String::from_utf8_lossy(&response.body).into_owned());
    (response.status, serde_json::from_slice(&response.body).unwrap_or_else(|_| text()))
}
