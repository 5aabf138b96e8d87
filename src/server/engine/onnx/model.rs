//! A loaded ONNX model: its plans, shared, and the sessions that run them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tract_onnx::pb::GraphProto;
use tract_onnx::prelude::*;

use super::memory::{self, Budget};
use super::plan::{Plan, Planner, Shapes, brief, deep};
use super::spec::Spec;
use super::verdict::{Verdict, Verdicts};
use super::{check, declared, file, guard, spec, support, whole};
use crate::resources::Signature;
use crate::server::engine::datatype::Datatype;
use crate::server::engine::ml::{self, Labels};
use crate::server::engine::{LoadError, OutOfMemory};

/// Sizes tried for open dimensions, after 1, where no plan for all sizes can be made.
const OPEN_SIZES: [usize; 5] = [2, 4, 8, 16, 32];

/// A model file, checked and planned. Shared by all instances of a deployment.
pub struct OnnxModel {
    pub inputs: Vec<Spec>,
    pub outputs: Vec<Output>,
    /// Planned for all sizes, and no operator makes tensors of a size that values decide: see `Servable::is_bounded`.
    pub bounded: bool,
    planner: Planner,
    symbolic: Option<Plan>,
    /// The plan for all sizes, or the one for the smallest.
    first: Plan,
    /// The sizes of open dimensions `first` was found with.
    first_open: usize,
    /// The most that the tensors of a run took, in bytes.
    pub peak: AtomicU64,
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

impl OnnxModel {
    /// Reads, checks and plans the file. `log` receives what is worth telling the operator; `limit` is the memory of an
    /// instance in bytes.
    pub fn load(path: &Path, log: &dyn Fn(&str), limit: Option<u64>) -> Result<Arc<Self>, LoadError> {
        let shown = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        if let Some(limit) = limit {
            declared::file(path, limit)?;
        }
        let mut proto = file::read(path)?;
        let findings = check::check(&proto);
        if !findings.unsupported.is_empty() {
            return Err(check::refusal(&shown, findings));
        }
        let folder = path.parent().unwrap_or(Path::new("."));
        let Some(folder) = folder.to_str() else {
            return Err(LoadError::new(format!("the path of '{shown}' is not UTF-8; move the data folder")));
        };
        whole::check(&proto, &shown, Path::new(folder))?;
        if let Some(limit) = limit {
            declared::sizes(&proto, Path::new(folder), limit)?;
        }
        let graph = proto.graph.get_or_insert_default();
        let inputs = spec::inputs(graph);
        let declared = spec::outputs(graph);
        let zipped = ml::zipped_outputs(graph);
        let cannot = |e: TractError| {
            let message = format!("the built-in engine cannot plan '{shown}': {}", brief(&e));
            LoadError::with_details(message, format!("{e:#}"))
        };
        let parsed = deep(|| support::reader().parse(&proto, Some(folder))).map_err(cannot)?;
        if !parsed.unresolved_inputs.is_empty() {
            let names = parsed.unresolved_inputs.join("', '");
            return Err(LoadError::new(format!(
                "'{shown}' uses values that nothing computes: '{names}'; export it again"
            )));
        }
        let sized_by_values = graph_uses(proto.graph.as_ref(), &SIZED_BY_VALUES);
        drop(proto);
        let planner = Planner::new(parsed.model, inputs.clone());
        let mut first_open = 1;
        let (symbolic, plan) = match planner.symbolic() {
            Ok(plan) => (Some(plan.clone()), plan),
            Err(why) => {
                let attempt = |open: usize| planner.concrete(&inputs.iter().map(|i| i.sample_shape(open)).collect());
                let (mut plan, mut sizes) = (attempt(1), OPEN_SIZES.iter());
                while let (Err(_), Some(open)) = (&plan, sizes.next()) {
                    first_open = *open;
                    plan = attempt(*open).or(plan);
                }
                let plan = plan.map_err(|e| {
                    let mut error = cannot(e);
                    error.details.push_str(&format!("\nwith open sizes: {why:#}"));
                    error
                })?;
                log(&format!("'{shown}' is planned anew for every input shape, the last few kept ({})", brief(&why)));
                (None, plan)
            }
        };
        let outputs = outputs(&plan, declared, zipped).map_err(cannot)?;
        let bounded = symbolic.is_some() && !sized_by_values;
        Ok(Arc::new(Self {
            inputs,
            outputs,
            bounded,
            planner,
            symbolic,
            first: plan,
            first_open,
            peak: AtomicU64::new(0),
        }))
    }

    /// Bytes of the weights.
    pub fn weights(&self) -> u64 {
        self.first.ledger.weights
    }

    /// Bytes that a request of the smallest size takes at least.
    pub fn smallest_peak(&self) -> u64 {
        let shapes: Shapes = self.inputs.iter().map(|i| i.sample_shape(self.first_open)).collect();
        self.first.ledger.peak(&shapes.iter().map(Vec::as_slice).collect::<Vec<_>>()).bytes
    }

    pub fn signature(&self) -> Signature {
        Signature {
            inputs: self.inputs.iter().map(Spec::to_tensor_spec).collect(),
            outputs: self.outputs.iter().map(|o| o.spec.to_tensor_spec()).collect(),
        }
    }
}

/// Operators whose work may grow with the values of a tensor instead of its size, or that hold graphs of their own.
const SIZED_BY_VALUES: [&str; 20] = [
    "If",
    "Loop",
    "Scan",
    "Range",
    "NonZero",
    "Compress",
    "Unique",
    "NonMaxSuppression",
    "ConstantOfShape",
    "Expand",
    "Tile",
    "Pad",
    "OneHot",
    "Resize",
    "Upsample",
    "Multinomial",
    "CenterCropPad",
    "StringNormalizer",
    "StringSplit",
    "Tokenizer",
];

fn graph_uses(graph: Option<&GraphProto>, operators: &[&str]) -> bool {
    graph.is_some_and(|g| g.node.iter().any(|n| operators.contains(&n.op_type.as_str())))
}

/// A tensor of zeros, `false` or empty strings.
pub fn zeros(datatype: Datatype, shape: &[usize]) -> TractResult<Tensor> {
    if datatype == Datatype::Bytes {
        return Ok(tract_ndarray::ArrayD::from_elem(tract_ndarray::IxDyn(shape), String::new()).into());
    }
    Tensor::zero_dt(datatype.datum(), shape)
}

fn outputs(
    plan: &Plan,
    declared: Vec<(String, Option<Spec>)>,
    mut zipped: BTreeMap<String, Labels>,
) -> TractResult<Vec<Output>> {
    let mut outputs = Vec::new();
    for (index, (name, spec)) in declared.into_iter().enumerate() {
        let fact = plan.plan.model().output_fact(index)?;
        let found: Vec<i64> = fact.shape.iter().map(|d| d.to_i64().unwrap_or(-1)).collect();
        let labels = zipped.remove(&name).map(Arc::new);
        let datatype = Datatype::from_datum(fact.datum_type).ok_or_else(|| {
            tract_onnx::tract_hir::internal::format_err!(
                "output '{name}' has type {:?}, which cannot be given out",
                fact.datum_type
            )
        })?;
        let spec = match spec {
            Some(spec) => spec,
            None => Spec { name, datatype, dim_names: vec![String::new(); found.len()], shape: Some(found.clone()) },
        };
        let spec = if spec.shape.is_some() { spec } else { Spec { shape: Some(found), ..spec } };
        outputs.push(Output { spec, labels });
    }
    Ok(outputs)
}

/// A plan with a state of its own.
struct Running {
    plan: Plan,
    state: TypedSimpleState,
    verdicts: Verdicts,
}

impl Running {
    fn new(plan: &Plan) -> TractResult<Self> {
        Ok(Self { plan: plan.clone(), state: plan.plan.spawn()?, verdicts: Verdicts::default() })
    }

    fn run(&mut self, budget: Option<&Budget>, peak: &AtomicU64, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Some(budget) = budget else { return self.state.run(inputs) };
        match self.verdicts.of(&self.plan, budget, peak, &inputs)? {
            Verdict::Free => self.state.run(inputs),
            Verdict::Watched => memory::run_watched(&mut self.state, &self.plan.ledger, budget, peak, inputs),
        }
    }
}

/// The running state of one instance.
pub struct Session {
    model: Arc<OnnxModel>,
    budget: Option<Budget>,
    symbolic: Option<Running>,
    /// States of concrete plans, most recently used last.
    concrete: Vec<(Shapes, Running)>,
}

/// States kept by a session for models that need a plan per shape.
const STATES: usize = 4;

impl Session {
    pub fn new(model: Arc<OnnxModel>, budget: Option<Budget>) -> Result<Self, RunError> {
        let symbolic = model.symbolic.as_ref().map(Running::new).transpose().map_err(failed)?;
        Ok(Self { model, budget, symbolic, concrete: Vec::new() })
    }

    /// Runs the model. `inputs` are in the order of the model's, their types and shapes already checked.
    ///
    /// # Errors
    /// `Shapes` when no plan can be made for the shapes, `Values` when an operator cannot take a value, `Memory` when the
    /// tensors do not fit, `Model` when the run itself fails. The session stays usable.
    pub fn run(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>, RunError> {
        let outputs = match &mut self.symbolic {
            None => self.run_concrete(inputs)?,
            Some(running) => match running.run(self.budget.as_ref(), &self.model.peak, inputs.clone()) {
                Ok(outputs) => outputs,
                Err(error) => {
                    // A failed run leaves values behind in the state: start from a new one.
                    let mut fresh = running.plan.plan.spawn().map_err(failed)?;
                    // Inputs that clash with the symbols (two inputs of different length along the assumed batch) may
                    // still be legal for the model: a plan of their own tells.
                    let clash = fresh.set_inputs(inputs.clone()).is_err();
                    running.state = running.plan.plan.spawn().map_err(failed)?;
                    if !clash {
                        return Err(failed(error));
                    }
                    self.run_concrete(inputs).map_err(|e| match e {
                        RunError::Model(_) => RunError::Shapes(e.to_string()),
                        told => told,
                    })?
                }
            },
        };
        outputs
            .into_iter()
            .zip(&self.model.outputs)
            .map(|(value, output)| as_declared(value, output.spec.datatype))
            .collect()
    }

    fn run_concrete(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>, RunError> {
        let shapes: Shapes = inputs.iter().map(|t| t.shape().to_vec()).collect();
        let (shapes, mut running) = match self.concrete.iter().position(|(s, _)| *s == shapes) {
            Some(at) => self.concrete.remove(at),
            None => {
                let plan = self.model.planner.concrete(&shapes).map_err(|e| RunError::Shapes(brief(&e)))?;
                (shapes, Running::new(&plan).map_err(failed)?)
            }
        };
        let outputs = running.run(self.budget.as_ref(), &self.model.peak, inputs).map_err(failed)?;
        if self.concrete.len() >= STATES {
            self.concrete.remove(0);
        }
        self.concrete.push((shapes, running));
        Ok(outputs)
    }
}

fn failed(error: TractError) -> RunError {
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
