//! What answers a scoring request: a loaded model behind one interface, whatever runs it.

mod datatype;
mod load;
mod ml;
mod onnx;
mod place;
mod protocol;
mod sample;
mod servable;
mod source;
mod swagger;
mod vector;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

pub use self::place::{Lost, Place};
use crate::resources::mlmodel::MlModel;
use crate::resources::{ModelReport, OperatorUse, Signature};

/// A request as a model container would see it: the path is relative to the endpoint's base URL.
#[derive(Debug, Clone)]
pub struct ScoreRequest {
    pub method: Method,
    /// `/score`, `/v2/…`, `/swagger.json`, …
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// After this the caller has its 408; never start later.
    pub deadline: Instant,
}

/// A model container's answer.
#[derive(Debug, Clone)]
pub struct ScoreResponse {
    /// The container's own status; the gateway maps everything but 200 to 424 unless `caller_fault`.
    pub status: u16,
    /// In order, duplicates kept.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// Empty: among the headers, if anywhere.
    pub content_type: &'static str,
    pub body: Bytes,
    /// Time inside the model itself.
    pub model_time: Duration,
    /// The request was wrong (400, 404, 405, 413, 415): the caller gets `status` as it is, and no model error is counted.
    pub caller_fault: bool,
}

/// A loaded model version, shared by the instances of a deployment.
pub trait Servable: Send + Sync {
    /// A new instance with its own state. Called on the instance's own thread.
    fn instance(self: Arc<Self>) -> Result<Box<dyn Instance>, LoadError>;
    /// The same for an instance that must know its place, such as one in a process of its own.
    fn start(self: Arc<Self>, place: &Place) -> Result<Box<dyn Instance>, LoadError> {
        let _ = place;
        self.instance()
    }
    /// Inputs and outputs, when the engine knows them.
    fn signature(&self) -> Option<Signature>;
    /// OpenAPI document of the deployment, version 2, 3 or 3.1.
    fn swagger(&self, endpoint: &str, version: &str) -> Option<serde_json::Value>;
    /// A request that exercises the model: warm-up and readiness, template of the request pane.
    fn sample(&self) -> Option<ScoreRequest>;
    /// What an instance has needed so far at most, and what it may take, when the engine knows.
    fn memory(&self) -> Option<MemoryUse> {
        None
    }
    /// The time of a call depends on the size of its request alone: no work of a size that values decide, nothing waited
    /// for. Such calls may run on the connection's own thread while they take a few microseconds.
    fn is_bounded(&self) -> bool {
        false
    }
    /// Waits until the processes of stopped instances have ended, at most until then.
    fn rest(&self, until: Instant) {
        let _ = until;
    }
    /// What its owner should know although it serves, e.g. that another engine than usual runs it.
    fn note(&self) -> Option<String> {
        None
    }
    /// Speaks HTTP as a model container does: gets request ids, and describes itself at `/swagger.json`.
    fn is_container(&self) -> bool {
        false
    }
}

/// What a probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeKind {
    /// Whether the instance lives; else it is replaced.
    Liveness,
    /// Whether it can take requests now; else it gets none for a while.
    Readiness,
}

/// One instance: used by one thread at a time. It may panic or hang; its keeper replaces it.
pub trait Instance: Send {
    fn score(&mut self, request: &ScoreRequest) -> ScoreResponse;

    /// The same for an instance that can be lost with a request.
    fn attempt(&mut self, request: &ScoreRequest) -> Result<ScoreResponse, Lost> {
        Ok(self.score(request))
    }

    /// Why the instance is gone, if it is; asked for between calls after its place was woken.
    fn gone(&mut self) -> Option<Lost> {
        None
    }

    /// The process that does the work, where it is not this one.
    fn process(&self) -> Option<u32> {
        None
    }

    /// A sign of life, asked for between calls and on the same thread, as a container's probe routes are: it must cost
    /// next to nothing. The error says what is wrong.
    fn probe(&mut self, _kind: ProbeKind) -> Result<(), String> {
        Ok(())
    }
}

/// Why a model cannot be served. `message` says what is wrong and what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LoadError {
    /// ARM code, e.g. `BadArgument`, `ResourceNotReady`.
    pub code: &'static str,
    pub message: String,
    /// All operators that are not served, when that is the reason.
    pub unsupported: Vec<OperatorUse>,
    /// The engine's own words, for the details view.
    pub details: String,
}

impl LoadError {
    /// A model that cannot be served: what is wrong and what to do.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: "BadArgument", message: message.into(), unsupported: Vec::new(), details: String::new() }
    }

    /// The same, with the engine's own words kept for the details view.
    pub fn with_details(message: impl Into<String>, details: impl std::fmt::Display) -> Self {
        Self { details: details.to_string(), ..Self::new(message) }
    }
}

/// A run that needs more memory than its instance has. An instance ends with it, as a container does that the system
/// kills: [`Instance::score`] unwinds with this as its payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("OOMKilled: '{node}' needs {needed} bytes ({:.1} MiB), the instance's limit is {limit} bytes ({:.1} MiB)", mebi(*needed), mebi(*limit))]
pub struct OutOfMemory {
    /// Bytes the instance would have to have: weights and all tensors alive at that point.
    pub needed: u64,
    /// Bytes it has.
    pub limit: u64,
    /// The node of the graph that asks for them.
    pub node: String,
}

fn mebi(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    if let Some(error) = panic.downcast_ref::<OutOfMemory>() {
        return error.to_string();
    }
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_else(|| "no message".to_owned())
}

/// Memory of an instance, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    pub used: u64,
    pub limit: u64,
}

/// The memory of one instance of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceMemory {
    /// Bytes for weights and tensors.
    pub bytes: u64,
    /// Requests that an instance runs at the same time: they share what the weights leave.
    pub sharers: u32,
}

/// A staged model version: where its files lie and how it was registered.
#[derive(Debug, Clone, Default)]
pub struct ModelSource {
    /// File or folder of the model version.
    pub path: PathBuf,
    /// `custom_model`, `triton_model` or `mlflow_model`.
    pub model_type: String,
    /// Name under `/v2/models/`: the registered name, or the deployment's for an unregistered model.
    pub name: String,
    /// Version under `/v2/models/{name}/versions/`.
    pub version: String,
    /// Flavors as registered; the `MLmodel` file decides when they are empty.
    pub flavors: BTreeMap<String, Value>,
    /// What an instance may take; `None`: whatever the machine has.
    pub memory: Option<InstanceMemory>,
    /// The folder of its ONNX form, if it was converted and answers as the original does.
    pub converted: Option<PathBuf>,
    /// The deployment takes other forms of input than the hosted service does, which only Python knows.
    pub lenient: bool,
    pub tuning: Tuning,
}

/// How a deployment wants its model run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    pub engine: Choice,
    /// Threads that one run may use.
    pub threads: u32,
    /// Waiting requests that are run as one at most; 1 runs each alone.
    pub batch: u32,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { engine: Choice::Auto, threads: 1, batch: 1 }
    }
}

/// Which engine runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The built-in one where it can, else ONNX Runtime where that is there.
    #[default]
    Auto,
    /// tract, which is built in.
    Tract,
    /// An ONNX Runtime library on this machine.
    OnnxRuntime,
}

impl Choice {
    /// Reads `auto`, `tract` or `onnxruntime`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "auto" => Some(Self::Auto),
            "tract" => Some(Self::Tract),
            "onnxruntime" => Some(Self::OnnxRuntime),
            _ => None,
        }
    }
}

/// Loads a model version for serving. `log` receives what is worth telling the operator, a line a call.
///
/// Recurses deeply on deep graphs: call it on a thread with a large stack (64 MiB).
pub fn load(source: &ModelSource, log: &dyn Fn(&str)) -> Result<Arc<dyn Servable>, LoadError> {
    load::load(source, log)
}

pub use onnx::library::{Places, look_in};
pub use onnx::plan::PLANNING;

/// The OpenAPI document (2, 3 or 3.1; none for other versions) of a deployment that takes `body` and gives `answer`, which
/// are schemas.
pub fn openapi(endpoint: &str, version: &str, body: &Value, answer: &Value) -> Option<Value> {
    swagger::assemble(endpoint, version, body, answer)
}

/// The folder with the file `MLmodel` (`path`, or a folder directly inside), and what the file says.
pub fn mlflow_folder(path: &Path) -> Result<(PathBuf, MlModel), LoadError> {
    source::mlflow(path)
}

/// What can be said about the model at `path` without serving it: signature, operators, and which of them do not run.
pub fn inspect(path: &Path, model_type: &str) -> Result<ModelReport, LoadError> {
    load::inspect(path, model_type)
}
