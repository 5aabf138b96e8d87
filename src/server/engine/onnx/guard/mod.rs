//! Checks in front of operators that panic on some values, put in place once a graph is optimised, and operators
//! that are right in place of ones that are wrong.
//!
//! tract takes indices and divisors on trust: a bad one panics deep inside, which would cost the caller's neighbours an
//! instance. Here the values are looked at first, and a bad one is the caller's error. Working on the finished graph,
//! the checks stand in no optimisation's way.

mod argbest;
mod best;
mod blocks;
mod sum;
mod values;

use tract_onnx::tract_core::ops::array::{
    Gather, GatherElements, GatherNd, OneHot, Range, ScatterElements, ScatterNd, Topk,
};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::logic::IfThenElse;
use tract_onnx::tract_core::ops::scan::OptScan;
use tract_onnx::tract_hir::internal::*;

/// A value that an operator cannot take.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct BadValue(pub String);

/// The bad value behind an engine error, if that was the reason.
pub fn bad_value(error: &TractError) -> Option<&BadValue> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

/// What is looked at before an operator runs.
#[derive(Debug, Clone)]
enum Check {
    Gather { axis: usize },
    GatherElements { axis: usize },
    GatherNd { batch: usize },
    ScatterElements { axis: usize },
    ScatterNd,
    OneHot { axis: usize, depth: usize },
    Divisor,
    Range,
}

impl Check {
    /// What a node needs to have checked; `None` for nearly all.
    fn of(model: &TypedModel, node: &TypedNode) -> TractResult<Option<(Self, &'static str, usize)>> {
        let op: &dyn TypedOp = node.op.as_ref();
        Ok(Some(if let Some(op) = op.downcast_ref::<Gather>() {
            (Self::Gather { axis: op.axis }, "Gather", 1)
        } else if let Some(op) = op.downcast_ref::<GatherElements>() {
            (Self::GatherElements { axis: op.axis }, "GatherElements", 1)
        } else if let Some(op) = op.downcast_ref::<GatherNd>() {
            (Self::GatherNd { batch: op.batch_dims }, "GatherND", 1)
        } else if let Some(op) = op.downcast_ref::<ScatterElements>() {
            (Self::ScatterElements { axis: op.axis }, "ScatterElements", 1)
        } else if op.is::<ScatterNd>() {
            (Self::ScatterNd, "ScatterND", 1)
        } else if let Some(op) = op.downcast_ref::<OneHot>() {
            (Self::OneHot { axis: op.axis, depth: op.dim }, "OneHot", 0)
        } else if let Some(op) = op.downcast_ref::<TypedBinOp>() {
            let name = match op.0.name() {
                "Div" => "Div",
                "Rem" => "Mod",
                _ => return Ok(None),
            };
            let divisor = model.outlet_fact(node.inputs[1])?;
            let fixed = divisor.konst.as_ref().is_some_and(|k| !values::has_zero(k).unwrap_or(true));
            if !divisor.datum_type.is_integer() || fixed {
                return Ok(None);
            }
            (Self::Divisor, name, 1)
        } else if op.is::<Range>() {
            (Self::Range, "Range", 1)
        } else {
            return Ok(None);
        }))
    }
}

/// An operator with its check in front.
#[derive(Debug, Clone)]
struct Guarded {
    inner: Box<dyn TypedOp>,
    check: Check,
    /// See [`place`].
    place: Arc<str>,
}

impl PartialEq for Guarded {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Eq for Guarded {}

impl Op for Guarded {
    fn name(&self) -> StaticName {
        self.inner.name()
    }

    fn mints_runtime_symbols(&self) -> bool {
        self.inner.mints_runtime_symbols()
    }

    fn required_bound_symbols(&self, inputs: &[&TypedFact]) -> TVec<Symbol> {
        self.inner.required_bound_symbols(inputs)
    }

    op_as_typed_op!();
}

impl EvalOp for Guarded {
    op_out_of_plan!();

    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let bad = |why: String| TractError::from(BadValue(format!("{}: {why}", self.place)));
        let inputs = match values::check(&self.check, &self.place, context, inputs)? {
            Ok(inputs) => inputs,
            Err(why) => return Err(bad(why)),
        };
        if let Check::OneHot { axis, depth } = self.check
            && let Some(op) = self.inner.downcast_ref::<OneHot>()
        {
            // Indices out of range have a row without a one: it is cut off with the class they were given.
            let wider = OneHot { dim: depth + 1, ..op.clone() };
            let wide = args_1!(wider.eval(context, inputs)?);
            return Ok(tvec!(wide.slice(axis, 0, depth)?.into_tvalue()));
        }
        if let Some(op) = self.inner.downcast_ref::<Gather>()
            && let Some(output) = blocks::gather(op, &inputs[0], &inputs[1])?
        {
            return Ok(tvec!(output.into_tvalue()));
        }
        self.inner.eval(context, inputs)
    }
}

impl TypedOp for Guarded {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        // Asked for the facts of given values before it runs: rules panic on bad ones too.
        if let Check::Range = self.check {
            let step = inputs[2].konst.as_ref().and_then(|step| step.cast_to_scalar::<i64>().ok());
            ensure!(step != Some(0), "the step is zero");
        }
        self.inner.output_facts(inputs)
    }

    as_op!();
}

/// Puts the checks into an optimised graph, and into the graphs inside its operators.
pub fn install(model: &mut TypedModel) -> TractResult<()> {
    for id in 0..model.nodes.len() {
        let node = &model.nodes[id];
        let guarded: Option<Box<dyn TypedOp>> = if let Some((check, operator, source)) = Check::of(model, node)? {
            Some(Box::new(Guarded { inner: node.op.clone(), check, place: place(model, node, operator, source) }))
        } else if let Some(op) = node.op_as::<Topk>() {
            Some(Box::new(best::Best::new(op, place(model, node, "TopK", 1))))
        } else if let Some(sum) = sum::WholeSum::instead_of(model, node)? {
            Some(Box::new(sum))
        } else if let Some(best) = argbest::ArgBest::instead_of(model, node)? {
            Some(Box::new(best))
        } else if let Some(op) = node.op_as::<IfThenElse>() {
            let mut op = op.clone();
            install(&mut op.then_body)?;
            install(&mut op.else_body)?;
            Some(Box::new(op))
        } else if let Some(op) = node.op_as::<OptScan>() {
            let mut parts = (**op).clone();
            let mut body = parts.plan.model().clone();
            install(&mut body)?;
            parts.plan = body.into_runnable()?;
            Some(Box::new(OptScan::new(Arc::new(parts))))
        } else {
            None
        };
        if let Some(guarded) = guarded {
            model.nodes[id].op = guarded;
        }
    }
    Ok(())
}

/// An operator, its node and, where a caller gives the values directly, the model's input, as errors tell it.
fn place(model: &TypedModel, node: &TypedNode, operator: &str, source: usize) -> Arc<str> {
    let name = bare(&node.name);
    match asked(model, node.inputs[source]) {
        Some(input) => format!("{operator} '{name}' (input '{input}')").into(),
        None => format!("{operator} '{name}'").into(),
    }
}

/// The name in the file: tract adds its own endings to the nodes it makes of one.
fn bare(name: &str) -> &str {
    name.strip_suffix(".rem").unwrap_or(name)
}

/// The model's input that reaches an outlet with nothing but changes of type or shape on the way.
fn asked(model: &TypedModel, mut outlet: OutletId) -> Option<&str> {
    for _ in 0..16 {
        let node = model.nodes.get(outlet.node)?;
        if model.inputs.contains(&outlet) {
            return Some(&node.name);
        }
        if !(node.op_is::<Cast>() || node.op_is::<AxisOp>()) {
            return None;
        }
        outlet = *node.inputs.first()?;
    }
    None
}
