//! Models on tract: planned once for all sizes, or for each shape.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prost::Message;
use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::prelude::*;

use super::memory::{self, Budget};
use super::model::{Core, Loaded, Output, Read, Run, RunError, failed};
use super::plan::{Plan, Planner, Shapes, brief, deep};
use super::spec::Spec;
use super::support;
use super::threads::Threads;
use super::verdict::{Verdict, Verdicts};
use crate::server::engine::LoadError;
use crate::server::engine::datatype::Datatype;
use crate::server::engine::ml::{self, Labels};
use crate::server::engine::vector;

/// Sizes tried for open dimensions, after 1, where no plan for all sizes can be made.
const OPEN_SIZES: [usize; 5] = [2, 4, 8, 16, 32];

/// A model's plans.
pub struct TractCore {
    inputs: Vec<Spec>,
    bounded: bool,
    threads: Threads,
    /// Bytes that our own operators keep of their attributes, trees above all: about three times what the file has.
    kept: u64,
    planner: Planner,
    symbolic: Option<Plan>,
    /// The plan for all sizes, or the one for the smallest.
    first: Plan,
    /// The sizes of open dimensions `first` was found with.
    first_open: usize,
}

impl TractCore {
    /// Plans the graph, which is used up.
    pub fn load(read: &mut Read<'_>, folder: &str, log: &dyn Fn(&str)) -> Result<Loaded, LoadError> {
        let (shown, inputs) = (read.shown, read.inputs.clone());
        let cannot = |e: TractError| {
            let message = format!("the built-in engine cannot plan '{shown}': {}", brief(&e));
            LoadError::with_details(message, format!("{e:#}"))
        };
        let parsed = deep(|| support::reader().parse(&read.proto, Some(folder))).map_err(cannot)?;
        if !parsed.unresolved_inputs.is_empty() {
            let names = parsed.unresolved_inputs.join("', '");
            return Err(LoadError::new(format!(
                "'{shown}' uses values that nothing computes: '{names}'; export it again"
            )));
        }
        let sized_by_values = graph_uses(read.proto.graph.as_ref(), &SIZED_BY_VALUES);
        let kept = read.proto.graph.iter().flat_map(|g| &g.node).filter(|n| n.domain == ml::DOMAIN);
        let kept = kept.map(|n| 3 * n.encoded_len() as u64).sum();
        // Its weights are in the parsed graph now.
        read.proto = ModelProto::default();
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
        let outputs = outputs(&plan, &read.declared, &read.zipped).map_err(cannot)?;
        let bounded = symbolic.is_some() && !sized_by_values;
        let core = Self {
            inputs,
            bounded,
            threads: Threads::new(read.tuning.threads, log)?,
            kept,
            planner,
            symbolic,
            first: plan,
            first_open,
        };
        Ok((Arc::new(core), outputs))
    }
}

impl Core for TractCore {
    fn is_bounded(&self) -> bool {
        self.bounded
    }

    fn is_symbolic(&self) -> bool {
        self.symbolic.is_some()
    }

    fn weights(&self) -> u64 {
        self.first.ledger.weights.saturating_add(self.kept)
    }

    fn smallest_peak(&self) -> u64 {
        let shapes: Shapes = self.inputs.iter().map(|i| i.sample_shape(self.first_open)).collect();
        self.first.ledger.peak(&shapes.iter().map(Vec::as_slice).collect::<Vec<_>>()).bytes
    }

    fn session(self: Arc<Self>, budget: Option<Budget>, peak: Arc<AtomicU64>) -> Result<Box<dyn Run>, RunError> {
        let symbolic =
            self.symbolic.as_ref().map(|plan| Running::new(plan, &self.threads)).transpose().map_err(failed)?;
        Ok(Box::new(TractSession { core: self, budget, peak, symbolic, concrete: Vec::new() }))
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

fn outputs(
    plan: &Plan,
    declared: &[(String, Option<Spec>)],
    zipped: &BTreeMap<String, Labels>,
) -> TractResult<Vec<Output>> {
    let mut outputs = Vec::new();
    for (index, (name, spec)) in declared.iter().cloned().enumerate() {
        let fact = plan.plan.model().output_fact(index)?;
        let found: Vec<i64> = fact.shape.iter().map(|d| d.to_i64().unwrap_or(-1)).collect();
        let labels = zipped.get(&name).cloned().map(Arc::new);
        let datatype = Datatype::from_datum(fact.datum_type).ok_or_else(|| {
            tract_onnx::tract_hir::internal::format_err!(
                "output '{name}' has type {:?}, which cannot be given out",
                fact.datum_type
            )
        })?;
        let spec = match spec {
            Some(spec) => spec,
            None => Spec {
                name,
                datatype,
                dim_names: vec![String::new(); found.len()],
                shape: Some(found.clone()),
                keyed: None,
            },
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
    threads: Threads,
}

impl Running {
    fn new(plan: &Plan, threads: &Threads) -> TractResult<Self> {
        let threads = threads.clone();
        Ok(Self { plan: plan.clone(), state: plan.plan.spawn()?, verdicts: Verdicts::default(), threads })
    }

    fn run(&mut self, budget: Option<&Budget>, peak: &AtomicU64, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let Self { plan, state, verdicts, threads } = self;
        let verdict = match budget {
            Some(budget) => verdicts.of(plan, budget, peak, &inputs)?,
            None => Verdict::Free,
        };
        let outputs = match (verdict, budget) {
            (Verdict::Watched, Some(budget)) => {
                threads.run(|| memory::run_watched(state, &plan.ledger, budget, peak, inputs))
            }
            _ => threads.run(|| state.run(inputs)),
        };
        // For whoever writes the answer.
        vector::clear();
        outputs
    }
}

/// The running state of one instance.
struct TractSession {
    core: Arc<TractCore>,
    budget: Option<Budget>,
    peak: Arc<AtomicU64>,
    symbolic: Option<Running>,
    /// States of concrete plans, most recently used last.
    concrete: Vec<(Shapes, Running)>,
}

/// States kept by a session for models that need a plan per shape.
const STATES: usize = 4;

impl Run for TractSession {
    fn run(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>, RunError> {
        let Some(running) = &mut self.symbolic else { return self.run_concrete(inputs) };
        let error = match running.run(self.budget.as_ref(), &self.peak, inputs.clone()) {
            Ok(outputs) => return Ok(outputs),
            Err(error) => error,
        };
        // A failed run leaves values behind in the state: start from a new one.
        let mut fresh = running.plan.plan.spawn().map_err(failed)?;
        // Inputs that clash with the symbols (two inputs of different length along the assumed batch) may still be
        // legal for the model: a plan of their own tells.
        let clash = fresh.set_inputs(inputs.clone()).is_err();
        running.state = running.plan.plan.spawn().map_err(failed)?;
        if !clash {
            return Err(failed(error));
        }
        self.run_concrete(inputs).map_err(|e| match e {
            RunError::Model(_) => RunError::Shapes(e.to_string()),
            told => told,
        })
    }
}

impl TractSession {
    fn run_concrete(&mut self, inputs: TVec<TValue>) -> Result<TVec<TValue>, RunError> {
        let shapes: Shapes = inputs.iter().map(|t| t.shape().to_vec()).collect();
        let (shapes, mut running) = match self.concrete.iter().position(|(s, _)| *s == shapes) {
            Some(at) => self.concrete.remove(at),
            None => {
                let plan = self.core.planner.concrete(&shapes).map_err(|e| RunError::Shapes(brief(&e)))?;
                (shapes, Running::new(&plan, &self.core.threads).map_err(failed)?)
            }
        };
        let outputs = running.run(self.budget.as_ref(), &self.peak, inputs).map_err(failed)?;
        if self.concrete.len() >= STATES {
            self.concrete.remove(0);
        }
        self.concrete.push((shapes, running));
        Ok(outputs)
    }
}
