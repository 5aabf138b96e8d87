//! From a parsed graph to plans: one with symbolic sizes where that is possible, else one per shape, a few kept.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::{InferenceFact, InferenceModel, TractError, format_err};

use super::memory::Ledger;
use super::spec::Spec;
use super::{dense, guard};
use crate::server::engine::panic_text;

/// An optimised graph and what it takes to run, shared by all instances.
pub struct Planned {
    pub plan: Arc<TypedSimplePlan>,
    pub ledger: Ledger,
}

/// See [`Planned`].
pub type Plan = Arc<Planned>;
/// The shapes of all inputs of a request.
pub type Shapes = Vec<Vec<usize>>;

/// Deep graphs recurse deeply while they are read and planned.
const STACK: usize = 64 << 20;
/// Name of the threads on which models are read and planned. A panic there, over a file that no exporter writes, is told
/// as an error.
pub const PLANNING: &str = "engine-plan";
/// Plans kept for models that need one per shape.
const KEPT: usize = 8;

/// Runs `work` on a thread with a large stack; a panic becomes an error.
pub fn deep<T: Send>(work: impl FnOnce() -> TractResult<T> + Send) -> TractResult<T> {
    thread::scope(|scope| {
        let worker = thread::Builder::new()
            .name(PLANNING.to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, AssertUnwindSafe(work))
            .map_err(|e| format_err!("no thread to plan on: {e}"))?;
        worker.join().unwrap_or_else(|panic| Err(format_err!("the engine panicked: {}", panic_text(panic.as_ref()))))
    })
}

/// Makes plans of one parsed graph.
pub struct Planner {
    parsed: InferenceModel,
    inputs: Vec<Spec>,
    /// Most recently used last.
    kept: Mutex<Vec<(Shapes, Plan)>>,
    building: Mutex<()>,
}

impl Planner {
    pub fn new(parsed: InferenceModel, inputs: Vec<Spec>) -> Self {
        Self { parsed, inputs, kept: Mutex::default(), building: Mutex::default() }
    }

    /// One plan for all sizes: every open dimension becomes a symbol, and the first dimensions of all inputs, where
    /// the file does not name them, are one and the same batch.
    pub fn symbolic(&self) -> TractResult<Plan> {
        deep(|| {
            let mut model = self.parsed.clone();
            let batch = model.symbols.sym("mlconsole_batch");
            for (index, spec) in self.inputs.iter().enumerate() {
                let known = model.input_fact(index)?.shape.clone();
                if spec.shape.is_none() || known.is_open() {
                    return Err(format_err!("input {spec} has no declared number of dimensions"));
                }
                let dims: TVec<TDim> = known
                    .dims()
                    .enumerate()
                    .map(|(axis, dim)| match dim.concretize() {
                        Some(dim) => dim,
                        None if axis == 0 => batch.clone().into(),
                        None => model.symbols.sym(&format!("mlconsole_{index}_{axis}")).into(),
                    })
                    .collect();
                model.set_input_fact(index, InferenceFact::dt_shape(spec.datatype.datum(), dims))?;
            }
            build(model)
        })
    }

    /// The plan for exactly these shapes, made now unless it is one of those kept.
    pub fn concrete(&self, shapes: &Shapes) -> TractResult<Plan> {
        if let Some(plan) = self.find(shapes) {
            return Ok(plan);
        }
        // One at a time: instances that meet a new shape together wait for a single plan.
        let _turn = lock(&self.building);
        if let Some(plan) = self.find(shapes) {
            return Ok(plan);
        }
        let plan = deep(|| {
            let mut model = self.parsed.clone();
            for (index, (spec, shape)) in self.inputs.iter().zip(shapes).enumerate() {
                let dims: TVec<TDim> = shape.iter().map(|d| (*d as i64).into()).collect();
                model.set_input_fact(index, InferenceFact::dt_shape(spec.datatype.datum(), dims))?;
            }
            build(model)
        })?;
        let mut kept = lock(&self.kept);
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((shapes.clone(), plan.clone()));
        Ok(plan)
    }

    fn find(&self, shapes: &Shapes) -> Option<Plan> {
        let mut kept = lock(&self.kept);
        let at = kept.iter().position(|(s, _)| s == shapes)?;
        let hit = kept.remove(at);
        let plan = hit.1.clone();
        kept.push(hit);
        Some(plan)
    }
}

fn build(model: InferenceModel) -> TractResult<Plan> {
    let mut model = dense::rewrite(model.into_typed()?.into_decluttered()?)?.into_optimized()?;
    guard::install(&mut model)?;
    let plan = model.into_runnable()?;
    Ok(Arc::new(Planned { ledger: Ledger::of(&plan)?, plan }))
}

/// The data behind these locks is replaced whole, never left half-written, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An engine error in one line: the chain of causes from the outermost, without repetition, cut to a readable length.
pub fn brief(error: &TractError) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text: String = cause.to_string().lines().next().unwrap_or_default().chars().take(200).collect();
        if !parts.iter().any(|p| p.contains(&text)) {
            parts.push(text);
        }
    }
    let start = parts.len().saturating_sub(3);
    parts[start..].join(": ")
}
