//! A loaded ONNX deployment: one model, or those of a Triton repository, and the instances that answer for it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, header};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tract_onnx::prelude::{TValue, TVec};

use super::onnx::batch::{self, Joint};
use super::onnx::memory::Budget;
use super::onnx::model::{OnnxModel, RunError, Session};
use super::protocol::score::{self, Dialect};
use super::protocol::v2::{self, About, Resource};
use super::protocol::{Fault, invocations, v2_frame};
use super::{Instance, LoadError, MemoryUse, Place, ScoreRequest, ScoreResponse, Servable, swagger};
use crate::resources::Signature;
use crate::resources::mlmodel::Inputs;

/// Says how much of an answer (or request) is JSON when binary tensors follow.
const JSON_LENGTH: HeaderName = HeaderName::from_static(JSON_LENGTH_NAME);
const JSON_LENGTH_NAME: &str = "inference-header-content-length";

/// A model under the name and version it has below `/v2/models/`.
pub struct Named {
    pub name: String,
    pub version: String,
    pub model: Arc<OnnxModel>,
}

/// All models of a deployment.
pub struct OnnxServable {
    /// At least one.
    pub models: Vec<Named>,
    /// The rules of `/score`; none for a Triton repository, which has only `/v2`.
    pub dialect: Option<Dialect>,
    /// A request that works.
    pub sample: Option<ScoreRequest>,
    /// What an instance may take.
    pub budget: Option<Budget>,
    /// Waiting requests of an instance that are run as one at most.
    pub batch: usize,
    /// Where the requests of each instance meet, model by model, when they are run as one.
    pub meetings: Mutex<HashMap<u32, Vec<Weak<Joint>>>>,
}

impl OnnxServable {
    fn first(&self) -> &OnnxModel {
        &self.models[0].model
    }

    fn is_joined(&self) -> bool {
        self.batch > 1 && self.models.iter().all(|m| batch::is_possible(&m.model))
    }

    /// The meeting places of an instance, shared by its threads; new ones where there are none, or where a lost thread
    /// holds the old ones up.
    fn meetings(&self, instance: u32) -> Result<Vec<Arc<Joint>>, RunError> {
        let mut all = self.meetings.lock().unwrap_or_else(PoisonError::into_inner);
        let known: Option<Vec<Arc<Joint>>> =
            all.get(&instance).and_then(|places| places.iter().map(Weak::upgrade).collect());
        if let Some(known) = known.filter(|known| !known.iter().any(|joint| joint.is_stuck())) {
            return Ok(known);
        }
        let new = self.models.iter().map(|m| Joint::new(&m.model, self.budget, self.batch));
        let new: Vec<Arc<Joint>> = new.collect::<Result<_, _>>()?;
        all.insert(instance, new.iter().map(Arc::downgrade).collect());
        Ok(new)
    }

    /// A request as a sample: POST, JSON, no deadline to speak of.
    pub fn request(path: String, body: Vec<u8>) -> ScoreRequest {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        let deadline = Instant::now() + Duration::from_secs(24 * 3600);
        ScoreRequest { method: Method::POST, path, query: String::new(), headers, body: Bytes::from(body), deadline }
    }
}

impl Servable for OnnxServable {
    fn instance(self: Arc<Self>) -> Result<Box<dyn Instance>, LoadError> {
        let sessions = self.models.iter().map(|m| Session::new(m.model.clone(), self.budget));
        let sessions = sessions.collect::<Result<_, RunError>>();
        let sessions = sessions.map_err(|e| no_state(&e))?;
        Ok(Box::new(OnnxInstance { servable: self, sessions }))
    }

    fn start(self: Arc<Self>, place: &Place) -> Result<Box<dyn Instance>, LoadError> {
        if !self.is_joined() {
            return self.instance();
        }
        let joints = self.meetings(place.instance).map_err(|e| no_state(&e))?;
        let pairs = self.models.iter().zip(joints);
        let sessions = pairs.map(|(m, joint)| Session::joint(Arc::clone(&m.model), joint)).collect();
        Ok(Box::new(OnnxInstance { servable: self, sessions }))
    }

    fn signature(&self) -> Option<Signature> {
        Some(self.first().signature())
    }

    fn swagger(&self, endpoint: &str, version: &str) -> Option<Value> {
        self.dialect.as_ref()?;
        let example = self.sample.as_ref().filter(|s| s.body.len() <= 4096);
        swagger::document(endpoint, version, self.first(), example.and_then(|s| serde_json::from_slice(&s.body).ok()))
    }

    fn sample(&self) -> Option<ScoreRequest> {
        self.sample.clone()
    }

    fn memory(&self) -> Option<MemoryUse> {
        let budget = self.budget?;
        let peaks: u64 = self.models.iter().map(|m| m.model.peak.load(Ordering::Relaxed)).sum();
        Some(MemoryUse { used: budget.weights.saturating_add(peaks), limit: budget.limit })
    }

    fn is_bounded(&self) -> bool {
        // Whoever is joined waits for others.
        self.models.iter().all(|m| m.model.core.is_bounded()) && !self.is_joined()
    }

    fn note(&self) -> Option<String> {
        let notes: Vec<&str> = self.models.iter().filter_map(|m| m.model.note.as_deref()).collect();
        (!notes.is_empty()).then(|| notes.join(" "))
    }
}

fn no_state(error: &RunError) -> LoadError {
    LoadError::with_details("the model's state cannot be set up; see the details", error)
}

/// One instance: a session for each model.
struct OnnxInstance {
    servable: Arc<OnnxServable>,
    sessions: Vec<Session>,
}

impl Instance for OnnxInstance {
    fn score(&mut self, request: &ScoreRequest) -> ScoreResponse {
        let path = request.path.trim_end_matches('/');
        if path == "/v2" || path.starts_with("/v2/") {
            return self.v2(request);
        }
        match (path, &request.method) {
            ("", &Method::GET | &Method::HEAD) => plain("Healthy"),
            ("/score", &Method::POST) => self.run_score(request),
            ("/invocations", &Method::POST) if self.signature().is_some() => self.run_invocations(request),
            ("/score", &Method::OPTIONS) => plain(""),
            ("/swagger.json", &Method::GET) => self.swagger(&request.query),
            ("" | "/score" | "/swagger.json", method) => fault(
                "message",
                Fault { status: 405, message: format!("{method} is not answered on {}", request.path) },
            ),
            _ => fault(
                "message",
                Fault::missing(format!("nothing answers at {}; there are /score, /swagger.json and /v2", request.path)),
            ),
        }
    }
}

impl OnnxInstance {
    fn run_score(&mut self, request: &ScoreRequest) -> ScoreResponse {
        if let Err(wrong) = identity_encoding(&request.headers) {
            return fault("message", wrong);
        }
        self.answer_score(&request.body)
    }

    fn answer_score(&mut self, body: &[u8]) -> ScoreResponse {
        let Some(dialect) = &self.servable.dialect else {
            let name = &self.servable.models[0].name;
            let message = format!("a Triton deployment has no /score; send requests to /v2/models/{name}/infer");
            return fault("message", Fault::missing(message));
        };
        let model = self.servable.first();
        let (inputs, form) = match score::read(model, dialect, body) {
            Ok(read) => read,
            Err(wrong) => return fault("message", wrong),
        };
        let (result, model_time) = timed(&mut self.sessions[0], inputs);
        let answer = result.and_then(|outputs| {
            if let Some(budget) = &self.servable.budget {
                budget.as_text(&outputs)?;
            }
            score::answer(model, dialect, form, &outputs).map_err(RunError::Shapes)
        });
        match answer {
            Ok(body) => ScoreResponse { model_time, ..json_answer(200, body) },
            Err(error) => failure("message", &error, model_time),
        }
    }

    /// The signature of an MLflow model.
    fn signature(&self) -> Option<&Inputs> {
        self.servable.dialect.as_ref()?.signature()
    }

    /// MLflow's own protocol.
    fn run_invocations(&mut self, request: &ScoreRequest) -> ScoreResponse {
        let kind = request.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let body = identity_encoding(&request.headers)
            .and_then(|()| invocations::hosted(kind, &request.body, self.signature().unwrap_or(&Inputs::Unknown)));
        let refused = |wrong: &Fault| ScoreResponse {
            caller_fault: true,
            ..json_answer(wrong.status, invocations::error(&wrong.message).to_string().into_bytes())
        };
        let body = match body {
            Ok(body) => body,
            Err(wrong) => return refused(&wrong),
        };
        let answer = self.answer_score(&body);
        if answer.status == 200 {
            return ScoreResponse { body: Bytes::from(invocations::wrapped(&answer.body)), ..answer };
        }
        answer
    }

    fn swagger(&self, query: &str) -> ScoreResponse {
        let version = query.split('&').find_map(|pair| pair.strip_prefix("version=")).unwrap_or("2");
        match self.servable.swagger("endpoint", version) {
            Some(document) => json_answer(200, document.to_string().into_bytes()),
            None => fault(
                "message",
                Fault::missing(format!("there is no OpenAPI document of version '{version}'; there are 2, 3 and 3.1")),
            ),
        }
    }

    fn v2(&mut self, request: &ScoreRequest) -> ScoreResponse {
        let path = percent_decode_str(&request.path).decode_utf8_lossy();
        let Some(resource) = v2::resource(&path) else {
            return fault(
                "error",
                Fault::missing(format!("'{path}' is not part of the Open Inference Protocol as served here")),
            );
        };
        let is_post = matches!(resource, Resource::Index | Resource::Model { what: About::Infer, .. });
        let method = &request.method;
        if (is_post && method != Method::POST) || (!is_post && !matches!(*method, Method::GET | Method::HEAD)) {
            let wanted = if is_post { "POST" } else { "GET" };
            return fault(
                "error",
                Fault { status: 405, message: format!("{path} is asked with {wanted}, not {method}") },
            );
        }
        let document = match resource {
            Resource::Server => v2::server(),
            Resource::Live => json!({"live": true}),
            Resource::Ready => json!({"ready": true}),
            Resource::Index => {
                let models = self.servable.models.iter();
                models.map(|m| json!({"name": m.name, "version": m.version, "state": "READY"})).collect()
            }
            Resource::Model { name, version, what } => match self.find(name, version) {
                Err(wrong) => return fault("error", wrong),
                Ok(index) if what == About::Infer => return self.infer(index, request),
                Ok(index) => {
                    let named = &self.servable.models[index];
                    match what {
                        About::Metadata => v2::metadata(&named.model, &named.name, &named.version),
                        About::Config => v2::config(&named.model, &named.name),
                        About::Ready | About::Infer => json!({"name": named.name, "ready": true}),
                    }
                }
            },
        };
        json_answer(200, document.to_string().into_bytes())
    }

    fn find(&self, name: &str, version: Option<&str>) -> Result<usize, Fault> {
        let models = &self.servable.models;
        let Some(index) = models.iter().position(|m| m.name == name) else {
            let names: Vec<String> = models.iter().map(|m| format!("'{}'", m.name)).collect();
            return Err(Fault::missing(format!("model '{name}' is not served here; there is {}", names.join(", "))));
        };
        let served = &models[index].version;
        match version {
            Some(version) if version != served => Err(Fault::missing(format!(
                "version '{version}' of model '{name}' is not served here; version '{served}' is"
            ))),
            _ => Ok(index),
        }
    }

    fn infer(&mut self, index: usize, request: &ScoreRequest) -> ScoreResponse {
        let json_length = match request.headers.get(JSON_LENGTH).map(|v| v.to_str().unwrap_or_default().trim().parse())
        {
            None => None,
            Some(Ok(length)) => Some(length),
            Some(Err(_)) => {
                return fault("error", Fault::bad("Inference-Header-Content-Length is not a number of bytes"));
            }
        };
        if let Err(wrong) = identity_encoding(&request.headers) {
            return fault("error", wrong);
        }
        let named = &self.servable.models[index];
        let (inputs, wanted) = match v2_frame::read(&named.model, json_length, &request.body) {
            Ok(read) => read,
            Err(wrong) => return fault("error", wrong),
        };
        let (result, model_time) = timed(&mut self.sessions[index], inputs);
        match result {
            Err(error) => failure("error", &error, model_time),
            Ok(outputs) => {
                let answer = v2_frame::write_answer(&named.model, &named.name, &named.version, &wanted, &outputs);
                let mut response = ScoreResponse { model_time, ..json_answer(200, answer.body) };
                if let Some(length) = answer.json_length {
                    response.content_type = "application/octet-stream";
                    response.headers.push((JSON_LENGTH_NAME.into(), length.to_string()));
                }
                response
            }
        }
    }
}

fn timed(session: &mut Session, inputs: TVec<TValue>) -> (Result<TVec<TValue>, RunError>, Duration) {
    let start = Instant::now();
    let result = session.run(inputs);
    (result, start.elapsed())
}

fn identity_encoding(headers: &HeaderMap) -> Result<(), Fault> {
    match headers.get(header::CONTENT_ENCODING).map(|v| v.to_str().unwrap_or("unknown")) {
        None | Some("identity" | "") => Ok(()),
        Some(other) => Err(Fault {
            status: 415,
            message: format!("Content-Encoding '{other}' is not taken; send the body uncompressed"),
        }),
    }
}

fn json_answer(status: u16, body: Vec<u8>) -> ScoreResponse {
    ScoreResponse {
        status,
        headers: Vec::new(),
        content_type: "application/json",
        body: Bytes::from(body),
        model_time: Duration::ZERO,
        caller_fault: false,
    }
}

fn plain(text: &'static str) -> ScoreResponse {
    ScoreResponse {
        content_type: "text/plain",
        body: Bytes::from_static(text.as_bytes()),
        ..json_answer(200, Vec::new())
    }
}

/// The caller's fault, under the key that the protocol has for it.
fn fault(key: &str, fault: Fault) -> ScoreResponse {
    let body = json!({key: fault.message}).to_string().into_bytes();
    ScoreResponse { caller_fault: true, ..json_answer(fault.status, body) }
}

fn failure(key: &str, error: &RunError, model_time: Duration) -> ScoreResponse {
    let response = match error {
        RunError::Shapes(why) | RunError::Values(why) => fault(key, Fault::bad(why.clone())),
        // As if the system had killed the process: whoever keeps the instance replaces it.
        RunError::Memory(error) => std::panic::resume_unwind(Box::new(error.clone())),
        RunError::Model(_) => json_answer(500, json!({key: error.to_string()}).to_string().into_bytes()),
    };
    ScoreResponse { model_time, ..response }
}
