//! A loaded ONNX model: what it takes and gives, and the engine that runs it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use super::batch::{Joint, Member};
use super::memory::Budget;
use super::plan::brief;
use super::spec::Spec;
use super::tract::TractCore;
use super::{check, declared, file, guard, spec, whole};
use crate::resources::Signature;
use crate::server::engine::datatype::Datatype;
use crate::server::engine::ml::{self, Labels};
use crate::server::engine::{Choice, LoadError, OutOfMemory, Tuning};

/// A model in the form of the engine that runs it. Shared by all instances of a deployment.
pub trait Core: Send + Sync {
    /// Planned for all sizes, and no operator makes tensors of a size that values decide: see `Servable::is_bounded`.
    fn is_bounded(&self) -> bool;

    /// The engine in the words of the Open Inference Protocol.
    fn platform(&self) -> &'static str {
        "onnx_tract"
    }

    /// One plan serves all sizes of open dimensions.
    fn is_symbolic(&self) -> bool;

    /// Bytes of the weights.
    fn weights(&self) -> u64;

    /// Bytes that a request of the smallest size takes at least.
    fn smallest_peak(&self) -> u64;

    /// A session's running state. `peak` is told the most that the tensors of a run took, in bytes.
    fn session(self: Arc<Self>, budget: Option<Budget>, peak: Arc<AtomicU64>) -> Result<Box<dyn Run>, RunError>;
}

/// What an engine makes of a file.
pub type Loaded = (Arc<dyn Core>, Vec<Output>);

/// A session's running state.
pub trait Run: Send {
    /// See [`Session::run`].
    fn run(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>, RunError>;
}

/// A model file, checked and loaded. Shared by all instances of a deployment.
pub struct OnnxModel {
    pub inputs: Vec<Spec>,
    pub outputs: Vec<Output>,
    pub core: Arc<dyn Core>,
    /// The most that the tensors of a run took, in bytes.
    pub peak: Arc<AtomicU64>,
    /// Which engine runs it, and why, where that is not the built-in one.
    pub note: Option<String>,
}

/// An output and how its values are shown.
#[derive(Debug, Clone)]
pub struct Output {
    pub spec: Spec,
    /// The graph ends in a ZipMap: each row is a map from these labels to the values.
    pub labels: Option<Arc<Labels>>,
}

/// Why a run gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RunError {
    /// The model cannot take inputs of these shapes: the caller's fault.
    #[error("the model does not run on inputs of these shapes: {0}")]
    Shapes(String),
    /// An operator cannot take a value: the caller's fault.
    #[error("the model does not run on these values: {0}")]
    Values(String),
    /// More memory than the instance has.
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    /// The model failed on these values.
    #[error("the model failed: {0}")]
    Model(String),
}

/// A file as it was read, before an engine has it.
pub struct Read<'p> {
    pub path: &'p Path,
    /// The file's name.
    pub shown: &'p str,
    pub proto: ModelProto,
    pub inputs: Vec<Spec>,
    /// Declared outputs, by position.
    pub declared: Vec<(String, Option<Spec>)>,
    /// Outputs that are a ZipMap's.
    pub zipped: BTreeMap<String, Labels>,
    pub tuning: Tuning,
}

impl OnnxModel {
    /// Reads, checks and loads the file. `log` receives what is worth telling the operator; `limit` is the memory of an
    /// instance in bytes.
    pub fn load(path: &Path, tuning: Tuning, log: &dyn Fn(&str), limit: Option<u64>) -> Result<Arc<Self>, LoadError> {
        let shown = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        if let Some(limit) = limit {
            declared::file(path, limit)?;
        }
        let mut proto = file::read(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let Some(folder) = folder.to_str() else {
            return Err(LoadError::new(format!("the path of '{shown}' is not UTF-8; move the data folder")));
        };
        whole::check(&proto, &shown, Path::new(folder))?;
        if let Some(limit) = limit {
            declared::sizes(&proto, Path::new(folder), limit)?;
        }
        let graph = proto.graph.get_or_insert_default();
        let (inputs, declared, zipped) = (spec::inputs(graph), spec::outputs(graph), ml::zipped_outputs(graph));
        let read = Read { path, shown: &shown, proto, inputs, declared, zipped, tuning };
        let own = |read: &mut Read<'_>| -> Result<Arc<Self>, LoadError> {
            let findings = check::check(&read.proto);
            if !findings.unsupported.is_empty() {
                return Err(check::refusal(&shown, findings));
            }
            let (core, outputs) = TractCore::load(read, folder, log)?;
            Ok(Self::of(read, outputs, core, None))
        };
        let mut read = read;
        let why = match tuning.engine {
            Choice::OnnxRuntime => return Self::elsewhere(read, None, log),
            Choice::Tract => return own(&mut read),
            Choice::Auto => match own(&mut read) {
                Ok(model) => return Ok(model),
                Err(why) => why,
            },
        };
        // Reading again: the attempt has used the graph up.
        let read = Read { proto: file::read(path)?, ..read };
        Self::elsewhere(read, Some(&why), log).map_err(|other| LoadError {
            details: [why.details.as_str(), other.message.as_str()].join("\n").trim().to_owned(),
            ..why
        })
    }

    fn of(read: &Read<'_>, outputs: Vec<Output>, core: Arc<dyn Core>, note: Option<String>) -> Arc<Self> {
        Arc::new(Self { inputs: read.inputs.clone(), outputs, core, peak: Arc::default(), note })
    }

    /// On ONNX Runtime; `why` is the reason why the built-in engine does not run it.
    #[cfg(feature = "onnxruntime")]
    fn elsewhere(read: Read<'_>, why: Option<&LoadError>, log: &dyn Fn(&str)) -> Result<Arc<Self>, LoadError> {
        let ((core, outputs), version) = super::ort::OrtCore::load(&read)?;
        let asked = match why {
            Some(why) => format!("the built-in engine does not run it ({})", super::ort::reason(why)),
            None => "the deployment asks for it".to_owned(),
        };
        let note = format!("'{}' runs on ONNX Runtime {version}: {asked}.", read.shown);
        log(&note);
        Ok(Self::of(&read, outputs, core, Some(note)))
    }

    #[cfg(not(feature = "onnxruntime"))]
    fn elsewhere(read: Read<'_>, _: Option<&LoadError>, _: &dyn Fn(&str)) -> Result<Arc<Self>, LoadError> {
        Err(LoadError::new(format!(
            "'{}' cannot run on ONNX Runtime: this program was built without it (cargo build --features onnxruntime)",
            read.path.display()
        )))
    }

    pub fn signature(&self) -> Signature {
        Signature {
            inputs: self.inputs.iter().map(Spec::to_tensor_spec).collect(),
            outputs: self.outputs.iter().map(|o| o.spec.to_tensor_spec()).collect(),
        }
    }
}

/// A tensor of zeros, `false` or empty strings.
pub fn zeros(datatype: Datatype, shape: &[usize]) -> TractResult<Tensor> {
    if datatype == Datatype::Bytes {
        return Ok(tract_ndarray::ArrayD::from_elem(tract_ndarray::IxDyn(shape), String::new()).into());
    }
    Tensor::zero_dt(datatype.datum(), shape)
}

/// The running state of one instance.
pub struct Session {
    model: Arc<OnnxModel>,
    run: Box<dyn Run>,
}

impl Session {
    pub fn new(model: Arc<OnnxModel>, budget: Option<Budget>) -> Result<Self, RunError> {
        let run = Arc::clone(&model.core).session(budget, Arc::clone(&model.peak))?;
        Ok(Self { model, run })
    }

    /// One that meets the others of its instance.
    pub fn joint(model: Arc<OnnxModel>, joint: Arc<Joint>) -> Self {
        Self { model, run: Box::new(Member(joint)) }
    }

    /// Runs the model. `inputs` are in the order of the model's, their types and shapes already checked.
    ///
    /// # Errors
    /// `Shapes` when no plan can be made for the shapes, `Values` when an operator cannot take a value, `Memory` when the
    /// tensors do not fit, `Model` when the run itself fails. The session stays usable.
    pub fn run(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>, RunError> {
        let outputs = self.run.run(inputs)?.into_iter().zip(&self.model.outputs);
        outputs.map(|(value, output)| as_declared(value, output.spec.datatype)).collect()
    }
}

pub fn failed(error: TractError) -> RunError {
    if let Some(bad) = guard::bad_value(&error) {
        return RunError::Values(bad.to_string());
    }
    match error.chain().find_map(|cause| cause.downcast_ref::<OutOfMemory>()) {
        Some(short) => RunError::Memory(short.clone()),
        None => RunError::Model(brief(&error)),
    }
}

/// tract computes sizes in a type of its own; the file's declared type is what callers see.
fn as_declared(value: TValue, datatype: Datatype) -> Result<TValue, RunError> {
    let wanted = datatype.datum();
    if value.datum_type() == wanted {
        return Ok(value);
    }
    let tensor: &Tensor = &value;
    let cast = tensor.cast_to_dt(wanted).map_err(failed)?.into_owned();
    Ok(cast.into())
}
