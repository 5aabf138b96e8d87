//! What a run takes: the tensors alive at each of its steps, from their shapes before it begins, and as it goes where
//! values decide the shapes.
//!
//! Counted are weights, inputs, outputs and everything between; an operator's own scratch space is not.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::logic::IfThenElse;
use tract_onnx::tract_core::ops::scan::OptScan;
use tract_onnx::tract_core::plan::eval;
use tract_onnx::tract_hir::internal::{EvalContext, SymbolValues, TDim, TypedOp};

use crate::server::engine::{LoadError, OutOfMemory};

/// What one session may take for its tensors, and what to say when that is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of the instance.
    pub limit: u64,
    /// Bytes of it that the weights take.
    pub weights: u64,
    /// Requests that share the rest.
    pub sharers: u32,
}

impl Budget {
    /// Bytes for the tensors of one run.
    pub fn run(&self) -> u64 {
        self.limit.saturating_sub(self.weights) / u64::from(self.sharers.max(1))
    }

    /// Refuses outputs that as text take more than there is.
    pub fn as_text(&self, outputs: &[TValue]) -> Result<(), OutOfMemory> {
        // A number and its comma.
        let text: u64 = outputs.iter().map(|o| taken(o).saturating_add((o.len() as u64).saturating_mul(12))).sum();
        if text <= self.run() { Ok(()) } else { Err(self.exceeded(text, "the answer as JSON")) }
    }

    pub fn exceeded(&self, bytes: u64, node: &str) -> OutOfMemory {
        let needed = self.weights.saturating_add(bytes.saturating_mul(u64::from(self.sharers.max(1))));
        OutOfMemory { needed, limit: self.limit, node: node.to_owned() }
    }
}

/// A model that an instance has no room for.
pub fn too_large(what: &str, needed: u64, limit: u64) -> LoadError {
    LoadError::new(format!(
        "{what} {needed} bytes ({:.1} MiB), an instance has {limit} bytes ({:.1} MiB); choose a larger instance_type or a \
         smaller model",
        needed as f64 / 1_048_576.0,
        limit as f64 / 1_048_576.0
    ))
}

/// One node's part.
#[derive(Debug)]
struct Step {
    node: usize,
    /// Bytes of its outputs.
    bytes: TDim,
    /// Steps whose outputs nobody reads after this one.
    frees: Vec<usize>,
}

/// The steps of a plan and what each leaves behind.
#[derive(Debug)]
pub struct Ledger {
    steps: Vec<Step>,
    /// The step of each node.
    step_of: Vec<Option<usize>>,
    pub inputs: Vec<Vec<TDim>>,
    /// Sizes that depend on the inputs', each with the first node that has it.
    sizes: Vec<(TDim, usize)>,
    /// Bytes of the constants.
    pub weights: u64,
    /// No tensor shrinks when an input grows: what fits for large inputs fits for smaller ones.
    pub monotone: bool,
    /// Operators with graphs of their own make tensors of sizes that values decide.
    hidden: bool,
}

/// What is known before a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Peak {
    pub bytes: u64,
    /// The node whose outputs make the peak.
    pub node: usize,
    /// Sizes of some tensors depend on values.
    pub open: bool,
}

impl Ledger {
    pub fn of(plan: &TypedSimplePlan) -> TractResult<Self> {
        let model = plan.model();
        let order = plan.order_without_consts();
        let mut step_of = vec![None; model.nodes.len()];
        let mut last: Vec<usize> = (0..order.len()).collect();
        for (step, id) in order.iter().enumerate() {
            step_of[*id] = Some(step);
            for input in &model.node(*id).inputs {
                if let Some(producer) = step_of[input.node] {
                    last[producer] = step;
                }
            }
        }
        for output in &model.outputs {
            if let Some(producer) = step_of[output.node] {
                last[producer] = usize::MAX;
            }
        }
        let mut steps = Vec::with_capacity(order.len());
        let (mut sizes, mut met) = (Vec::new(), std::collections::HashSet::new());
        for id in order {
            let outputs = &model.node(*id).outputs;
            for dim in outputs.iter().flat_map(|o| o.fact.shape.iter()).filter(|d| d.as_i64().is_none()) {
                if met.insert(dim.clone()) {
                    sizes.push((dim.clone(), *id));
                }
            }
            let bytes: TDim = outputs.iter().map(|o| o.fact.mem_size()).sum();
            steps.push(Step { node: *id, bytes, frees: Vec::new() });
        }
        for (producer, at) in last.into_iter().enumerate() {
            if let Some(step) = steps.get_mut(at) {
                step.frees.push(producer);
            }
        }
        let mut seen = std::collections::HashSet::new();
        let mut weights = 0u64;
        for outlet in model.nodes.iter().filter(|n| step_of[n.id].is_none()).flat_map(|n| &n.outputs) {
            if let Some(konst) = &outlet.fact.konst
                && seen.insert(Arc::as_ptr(konst))
            {
                weights = weights.saturating_add(outlet.fact.mem_size().to_i64().unwrap_or(0).max(0) as u64);
            }
        }
        let inputs = model.inputs.iter().map(|i| Ok(model.outlet_fact(*i)?.shape.iter().cloned().collect()));
        let monotone = steps.iter().all(|step| grows(&step.bytes)) && sizes.iter().all(|(size, _)| grows(size));
        Ok(Self {
            inputs: inputs.collect::<TractResult<_>>()?,
            sizes,
            steps,
            step_of,
            weights,
            monotone,
            hidden: hides_sizes(model, 0),
        })
    }

    /// What the sizes of the inputs are called.
    fn symbols(&self, shapes: &[&[usize]]) -> SymbolValues {
        let mut symbols = SymbolValues::default();
        for (dims, shape) in self.inputs.iter().zip(shapes) {
            for (dim, size) in dims.iter().zip(*shape) {
                if let TDim::Sym(symbol) = dim {
                    symbols.set(symbol, i64::try_from(*size).unwrap_or(i64::MAX));
                }
            }
        }
        symbols
    }

    /// The node that would have a size below zero for inputs of these shapes: they are too small for the model.
    pub fn impossible(&self, shapes: &[&[usize]]) -> Option<(usize, i64)> {
        let symbols = self.symbols(shapes);
        let below = |(dim, node): &(TDim, usize)| Some((*node, dim.eval_to_i64(&symbols).ok().filter(|n| *n < 0)?));
        self.sizes.iter().find_map(below)
    }

    /// The peak for inputs of these shapes.
    pub fn peak(&self, shapes: &[&[usize]]) -> Peak {
        let symbols = self.symbols(shapes);
        let mut held = vec![0u64; self.steps.len()];
        let (mut live, mut peak) = (0u64, Peak { bytes: 0, node: 0, open: self.hidden });
        for (at, step) in self.steps.iter().enumerate() {
            match size(&step.bytes, &symbols) {
                Some(bytes) => held[at] = bytes,
                None => peak.open = true,
            }
            live = live.saturating_add(held[at]);
            if live > peak.bytes {
                (peak.bytes, peak.node) = (live, step.node);
            }
            for freed in &step.frees {
                live -= std::mem::take(&mut held[*freed]);
            }
        }
        peak
    }
}

/// A size in bytes; nothing when it depends on what a run finds, the largest number when it is beyond all counting.
fn size(bytes: &TDim, symbols: &SymbolValues) -> Option<u64> {
    if let Ok(bytes) = bytes.eval_to_i64(symbols) {
        return Some(u64::try_from(bytes).unwrap_or(0));
    }
    bytes.symbols().iter().all(|symbol| symbols.get(symbol).is_some()).then_some(u64::MAX >> 1)
}

/// Whether an expression cannot fall when a symbol in it rises.
fn grows(dim: &TDim) -> bool {
    match dim {
        TDim::Val(_) | TDim::Sym(_) => true,
        TDim::Add(parts) | TDim::Min(parts) | TDim::Max(parts) | TDim::Broadcast(parts) => parts.iter().all(grows),
        TDim::Mul(parts) => parts.iter().all(|p| grows(p) && !matches!(p, TDim::Val(n) if *n < 0)),
        TDim::MulInt(factor, part) => *factor >= 0 && grows(part) || matches!(**part, TDim::Val(_)),
        TDim::Div(part, _) => grows(part),
        TDim::Ge(..) | TDim::Eq(..) => false,
    }
}

/// Runs with an eye on what is alive: an output whose size can be told is asked for before it is made.
pub fn run_watched(
    state: &mut TypedSimpleState,
    ledger: &Ledger,
    budget: &Budget,
    most: &AtomicU64,
    inputs: TVec<TValue>,
) -> TractResult<TVec<TValue>> {
    let room = budget.run();
    let mut held = vec![0u64; ledger.steps.len()];
    let mut live = 0u64;
    let _watch = Watch;
    state.run_plan_with_eval(inputs, |context, op_state, node, inputs| -> TractResult<TVec<TValue>> {
        let Some((at, step)) = ledger.step_of[node.id].map(|at| (at, &ledger.steps[at])) else {
            return eval(context, op_state, node, inputs);
        };
        let expected = match size(&step.bytes, context.symbols) {
            Some(bytes) => bytes,
            None => promised(node.op.as_ref(), context, &inputs).unwrap_or(0),
        };
        if live.saturating_add(expected) > room {
            return Err(budget.exceeded(live.saturating_add(expected), &node.name).into());
        }
        WATCHED.set(Some((*budget, live)));
        let outputs = eval(context, op_state, node, inputs)?;
        held[at] = outputs.iter().map(|o| taken(o)).sum();
        live = live.saturating_add(held[at]);
        most.fetch_max(live.min(room), Ordering::Relaxed);
        if live > room {
            return Err(budget.exceeded(live, &node.name).into());
        }
        for freed in &step.frees {
            live = live.saturating_sub(std::mem::take(&mut held[*freed]));
        }
        Ok(outputs)
    })
}

thread_local! {
    /// The budget of the watched run on this thread, and what is alive in it.
    static WATCHED: Cell<Option<(Budget, u64)>> = const { Cell::new(None) };
}

/// Ends the watch however the run ends.
struct Watch;

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.set(None);
    }
}

/// Asks for room for a tensor of which a run's own steps know nothing, because an operator runs a graph of its own.
pub fn ask(bytes: u64, node: &str) -> Result<(), OutOfMemory> {
    match WATCHED.get() {
        Some((budget, live)) if live.saturating_add(bytes) > budget.run() => {
            Err(budget.exceeded(live.saturating_add(bytes), node))
        }
        _ => Ok(()),
    }
}

/// Whether a graph inside an operator of this one makes tensors of sizes that values decide.
fn hides_sizes(model: &TypedModel, depth: usize) -> bool {
    let mints = |inner: &TypedModel| {
        let own = inner.nodes.iter().any(|n| n.op.mints_runtime_symbols() && !inner.inputs.contains(&n.id.into()));
        own || depth < 8 && hides_sizes(inner, depth + 1)
    };
    model.nodes.iter().any(|node| match (node.op_as::<IfThenElse>(), node.op_as::<OptScan>()) {
        (Some(op), _) => mints(&op.then_body) || mints(&op.else_body),
        (_, Some(op)) => mints(op.plan.model()),
        _ => false,
    })
}

/// Bytes of a tensor; strings count with what they hold.
pub fn taken(tensor: &Tensor) -> u64 {
    let own = (tensor.len() as u64).saturating_mul(tensor.datum_type().size_of() as u64);
    // Asked for the wrong type, a tensor makes an error, and that a backtrace: 20 µs where RUST_BACKTRACE is set.
    if tensor.datum_type() != String::datum_type() {
        return own;
    }
    let texts = tensor.try_as_plain_ram().ok().and_then(|t| t.as_slice::<String>().ok());
    own + texts.map_or(0, |texts| texts.iter().map(|t| t.len() as u64).sum())
}

/// Values of more elements than this do not decide about sizes.
const FEW: usize = 64;

/// The bytes an operator will make of these values, where its own rules can tell.
fn promised(op: &dyn TypedOp, context: &EvalContext, inputs: &[TValue]) -> Option<u64> {
    let fact = |value: &TValue| -> Option<TypedFact> {
        if value.len() > FEW || !value.is_plain_ram() {
            return Some(value.datum_type().fact(value.shape()));
        }
        let value: Arc<Tensor> = value.as_arc_tensor()?.clone();
        TypedFact::try_from(value).ok()
    };
    let facts: Vec<TypedFact> = inputs.iter().map(fact).collect::<Option<_>>()?;
    let outputs = op.output_facts(&facts.iter().collect::<Vec<_>>()).ok()?;
    outputs.iter().map(|o| size(&o.mem_size(), context.symbols)).sum()
}
