//! Models on ONNX Runtime, whose library is opened when the first of them is loaded.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ort::environment::Environment;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Tensor as OrtTensor, TensorElementType, ValueType};
use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, ModelProto, TensorProto, TypeProto, type_proto};
use tract_onnx::prelude::*;

use super::check;
use super::library;
use super::memory::Budget;
use super::model::{Core, Loaded, Output, Read, Run, RunError};
use super::spec::Spec;
use crate::server::engine::LoadError;
use crate::server::engine::datatype::Datatype;
use crate::server::engine::ml::{self, tensor_of};

/// The library, once opened: a process has one.
static OPENED: Mutex<Option<(Environment, PathBuf)>> = Mutex::new(None);

fn environment() -> Result<(Environment, PathBuf), LoadError> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(opened) = opened.as_ref() {
        return Ok(opened.clone());
    }
    let file = library::find()?;
    let cannot = |error: &dyn std::fmt::Display| {
        let message = format!(
            "the ONNX Runtime library '{}' cannot be used; install a newer package onnxruntime, or name another library",
            file.display()
        );
        LoadError::with_details(message, error)
    };
    let environment = ort::init_from(&file).map_err(|e| cannot(&e))?.with_telemetry(false).build();
    let environment = environment.map_err(|e| cannot(&e))?;
    Ok(opened.insert((environment, file)).clone())
}

/// The version a library's file name or package says.
fn version(file: &std::path::Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.split_once(".so.") {
        Some((_, version)) => format!("{version} ({})", file.display()),
        None => format!("({})", file.display()),
    }
}

/// The first line of why the built-in engine does not run a model, and how many more there are.
pub fn reason(why: &LoadError) -> String {
    let mut lines = why.message.lines().map(str::trim);
    let first = lines.next().unwrap_or_default();
    if why.unsupported.is_empty() {
        return first.to_owned();
    }
    let names: Vec<&str> = why.unsupported.iter().map(|u| u.operator.as_str()).collect();
    format!("it has no {}", names.join(", "))
}

/// A model for ONNX Runtime: each instance opens a session of its own.
pub struct OrtCore {
    inputs: Vec<Spec>,
    outputs: Vec<Output>,
    source: Source,
    environment: Environment,
    threads: usize,
    weights: u64,
}

enum Source {
    File(PathBuf),
    /// Rewritten: maps become tensors.
    Bytes(Vec<u8>),
}

impl OrtCore {
    /// Opens the model once, so that what does not run is told now. The second answer is the library's version.
    pub fn load(read: &Read<'_>) -> Result<(Loaded, String), LoadError> {
        for value in read.proto.graph.iter().flat_map(|g| &g.input) {
            if Spec::from_proto(value).is_none() {
                let message = format!(
                    "input '{}' of '{}' is not a tensor of a type that can be served; export with tensors",
                    value.name, read.shown
                );
                return Err(LoadError::new(message));
            }
        }
        let (environment, file) = environment()?;
        let has_maps = !read.zipped.is_empty() || read.inputs.iter().any(|input| input.keyed.is_some());
        let source = match has_maps {
            true => Source::Bytes(without_maps(&read.proto, read)?.encode_to_vec()),
            false => Source::File(read.path.to_owned()),
        };
        let mut core = Self {
            inputs: read.inputs.clone(),
            outputs: Vec::new(),
            source,
            environment,
            threads: read.tuning.threads.max(1) as usize,
            weights: weights(read),
        };
        let session = core.open().map_err(|error| {
            let message = format!("ONNX Runtime does not run '{}': {}", read.shown, line(&error));
            LoadError::with_details(message, error)
        })?;
        core.outputs = outputs(read, &session)?;
        let outputs = core.outputs.clone();
        Ok(((Arc::new(core), outputs), version(&file)))
    }

    fn open(&self) -> ort::Result<Session> {
        let mut builder = Session::builder(&self.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(self.threads)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            // Errors come back as values; nothing needs to be written to the terminal.
            .with_log_level(ort::logging::LogLevel::Fatal)?;
        match &self.source {
            Source::File(path) => builder.commit_from_file(path),
            Source::Bytes(bytes) => builder.commit_from_memory(bytes),
        }
    }
}

/// The message of an error in one line.
fn line(error: &ort::Error) -> String {
    error.message().lines().next().unwrap_or_default().chars().take(400).collect()
}

/// Bytes of all constants, in the file and beside it.
fn weights(read: &Read<'_>) -> u64 {
    let folder = read.path.parent().unwrap_or(std::path::Path::new("."));
    let beside = check::external_files(&read.proto).into_iter().filter_map(|name| folder.join(name).metadata().ok());
    let inside = |tensor: &TensorProto| tensor.encoded_len() as u64;
    let constants = read.proto.graph.iter().flat_map(|g| {
        let attributes = g.node.iter().flat_map(|n| n.attribute.iter().map(|a| a.encoded_len() as u64));
        g.initializer.iter().map(inside).chain(attributes)
    });
    constants.sum::<u64>().saturating_add(beside.map(|m| m.len()).sum())
}

/// The same graph with every ZipMap at its end passing the scores through, and every DictVectorizer and CastMap the rows
/// that its maps have become, as the built-in engine does.
fn without_maps(model: &ModelProto, read: &Read<'_>) -> Result<ModelProto, LoadError> {
    let mut model = model.clone();
    if let Some(graph) = &mut model.graph {
        for node in &mut graph.node {
            let is_zip = node.output.iter().any(|o| read.zipped.contains_key(o));
            if !is_zip && !ml::takes_maps(node) {
                continue;
            }
            let cast = (node.op_type == "CastMap").then(|| node.attribute.iter().find(|a| a.name == "cast_to"));
            let to = match cast.map(|to| to.map_or(&b"TO_FLOAT"[..], |to| &to.s)) {
                None => None,
                Some(b"TO_FLOAT") => Some(DataType::Float),
                Some(b"TO_INT64") => Some(DataType::Int64),
                Some(_) => {
                    let message =
                        format!("'{}' has a CastMap to text, which the built-in engine alone runs", read.shown);
                    return Err(LoadError::new(message));
                }
            };
            node.op_type = if to.is_some() { "Cast" } else { "Identity" }.to_owned();
            node.domain.clear();
            let kind = AttributeType::Int as i32;
            let to =
                to.map(|to| AttributeProto { name: "to".to_owned(), i: to as i64, r#type: kind, ..Default::default() });
            node.attribute = to.into_iter().collect();
        }
        for output in graph.output.iter_mut().filter(|o| read.zipped.contains_key(&o.name)) {
            let scores = type_proto::Tensor { elem_type: 1, shape: None };
            output.r#type =
                Some(TypeProto { value: Some(type_proto::Value::TensorType(scores)), ..TypeProto::default() });
        }
    }
    Ok(model)
}

fn datatype(kind: &ValueType) -> Option<Datatype> {
    let ValueType::Tensor { ty, .. } = kind else { return None };
    Some(match ty {
        TensorElementType::Bool => Datatype::Bool,
        TensorElementType::Uint8 => Datatype::U8,
        TensorElementType::Uint16 => Datatype::U16,
        TensorElementType::Uint32 => Datatype::U32,
        TensorElementType::Uint64 => Datatype::U64,
        TensorElementType::Int8 => Datatype::I8,
        TensorElementType::Int16 => Datatype::I16,
        TensorElementType::Int32 => Datatype::I32,
        TensorElementType::Int64 => Datatype::I64,
        TensorElementType::Float16 => Datatype::F16,
        TensorElementType::Float32 => Datatype::F32,
        TensorElementType::Float64 => Datatype::F64,
        TensorElementType::String => Datatype::Bytes,
        _ => return None,
    })
}

fn outputs(read: &Read<'_>, session: &Session) -> Result<Vec<Output>, LoadError> {
    let mut found = Vec::new();
    for ((name, declared), outlet) in read.declared.iter().zip(session.outputs()) {
        let Some(datatype) = datatype(outlet.dtype()) else {
            return Err(LoadError::new(format!(
                "output '{name}' of '{}' is not a tensor of a type that can be given out; export with tensors",
                read.shown
            )));
        };
        let shape = outlet.dtype().tensor_shape().map(|shape| shape.iter().copied().collect::<Vec<i64>>());
        let spec = declared.clone().unwrap_or_else(|| Spec {
            name: name.clone(),
            datatype,
            shape,
            dim_names: vec![],
            keyed: None,
        });
        let labels = read.zipped.get(name).cloned().map(Arc::new);
        found.push(Output { spec: Spec { datatype, ..spec }, labels });
    }
    Ok(found)
}

impl Core for OrtCore {
    fn is_bounded(&self) -> bool {
        // Whether values decide sizes is not known of what runs elsewhere.
        false
    }

    fn platform(&self) -> &'static str {
        "onnxruntime_onnx"
    }

    fn is_symbolic(&self) -> bool {
        self.inputs.iter().all(|i| i.shape.as_ref().is_some_and(|s| s.first().is_some_and(|d| *d < 0)))
    }

    fn weights(&self) -> u64 {
        self.weights
    }

    fn smallest_peak(&self) -> u64 {
        let bytes = |i: &Spec| i.sample_shape(1).iter().product::<usize>() * i.datatype.datum().size_of();
        self.inputs.iter().map(|i| bytes(i) as u64).sum()
    }

    fn session(self: Arc<Self>, budget: Option<Budget>, peak: Arc<AtomicU64>) -> Result<Box<dyn Run>, RunError> {
        let session = self.open().map_err(|error| RunError::Model(line(&error)))?;
        Ok(Box::new(OrtSession { core: self, session, budget, peak }))
    }
}

struct OrtSession {
    core: Arc<OrtCore>,
    session: Session,
    budget: Option<Budget>,
    peak: Arc<AtomicU64>,
}

impl OrtSession {
    /// Counts inputs or outputs: what lies between them in the library is not told.
    fn count(&self, tensors: &[TValue], what: &str) -> Result<u64, RunError> {
        let bytes: u64 = tensors.iter().map(|t| super::memory::taken(t)).sum();
        let Some(budget) = &self.budget else { return Ok(bytes) };
        if bytes > budget.run() {
            return Err(budget.exceeded(bytes, what).into());
        }
        self.peak.fetch_max(bytes, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl Run for OrtSession {
    fn run(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>, RunError> {
        self.count(&inputs, "the inputs")?;
        let given: Vec<(&str, SessionInputValue<'static>)> = self
            .core
            .inputs
            .iter()
            .zip(&inputs)
            .map(|(spec, value)| Ok((spec.name.as_str(), into_ort(value, spec.datatype)?.into())))
            .collect::<ort::Result<_>>()
            .map_err(failed)?;
        let mut outputs = TVec::new();
        {
            let found = self.session.run(given).map_err(failed)?;
            for output in &self.core.outputs {
                let value = found.get(&output.spec.name).ok_or_else(|| missing(&output.spec.name))?;
                outputs.push(from_ort(value, output.spec.datatype).map_err(failed)?.into_tvalue());
            }
        }
        self.count(&outputs, "the outputs")?;
        Ok(outputs)
    }
}

fn missing(name: &str) -> RunError {
    RunError::Model(format!("ONNX Runtime gave no output '{name}'"))
}

/// What the library cannot take is the caller's; the rest is the model's.
fn failed(error: ort::Error) -> RunError {
    match error.code() {
        ort::ErrorCode::InvalidArgument => RunError::Values(line(&error)),
        _ => RunError::Model(line(&error)),
    }
}

fn wrapped(error: TractError) -> ort::Error {
    ort::Error::new(error.to_string())
}

/// Runs an expression with `$t` bound to the Rust type of a datatype of numbers; strings have a way of their own.
macro_rules! with_number {
    ($datatype:expr, $t:ident => $body:expr) => {
        with_number!($datatype, $t => $body; Bool bool, U8 u8, U16 u16, U32 u32, U64 u64, I8 i8, I16 i16, I32 i32,
            I64 i64, F16 f16, F32 f32, F64 f64)
    };
    ($datatype:expr, $t:ident => $body:expr; $($name:ident $rust:ty),*) => {
        match $datatype {
            $(Datatype::$name => {
                type $t = $rust;
                $body
            })*
            Datatype::Bytes => Err(ort::Error::new("strings are no numbers")),
        }
    };
}

fn into_ort(value: &Tensor, datatype: Datatype) -> ort::Result<DynValue> {
    let shape: Vec<i64> = value.shape().iter().map(|d| *d as i64).collect();
    let plain = value.try_as_plain_ram().map_err(wrapped)?;
    if datatype == Datatype::Bytes {
        let texts = plain.as_slice::<String>().map_err(wrapped)?;
        return Ok(OrtTensor::from_string_array((shape, texts))?.into_dyn());
    }
    with_number!(datatype, T => {
        Ok(OrtTensor::<T>::from_array((shape, plain.as_slice::<T>().map_err(wrapped)?.to_vec()))?.into_dyn())
    })
}

fn from_ort(value: &DynValue, datatype: Datatype) -> ort::Result<Tensor> {
    let sizes =
        |shape: &ort::value::Shape| -> Vec<usize> { shape.iter().map(|d| usize::try_from(*d).unwrap_or(0)).collect() };
    if datatype == Datatype::Bytes {
        let (shape, texts) = value.try_extract_strings()?;
        return tensor_of(&sizes(shape), texts).map_err(wrapped);
    }
    with_number!(datatype, T => {
        let (shape, values) = value.try_extract_tensor::<T>()?;
        Tensor::from_shape(&sizes(shape), values).map_err(wrapped)
    })
}
