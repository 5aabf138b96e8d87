//! tract's operators with their wrong cases put right, by a few operators wired around them.

use std::sync::LazyLock;

use tract_onnx::model::{Onnx, OnnxOpRegister, ParsingContext};
use tract_onnx::pb::{GraphProto, NodeProto};
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::change_axes::wire_with_rank_broadcast;
use tract_onnx::tract_core::ops::logic::{Iff, comp_gte, comp_lt, comp_lte};
use tract_onnx::tract_core::ops::math::min;
use tract_onnx::tract_hir::internal::*;

/// Puts the corrected operators into the register.
pub fn register(register: &mut OnnxOpRegister) {
    register.insert("ReduceMax", extreme);
    register.insert("ReduceMin", extreme);
    register.insert("BitShift", shift);
}

type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// tract's own reading of a node.
fn original(context: &ParsingContext, node: &NodeProto) -> Built {
    static ORIGINAL: LazyLock<Onnx> = LazyLock::new(tract_onnx::onnx);
    let builder = ORIGINAL.op_register.0.get(&node.op_type).with_context(|| format!("no operator {}", node.op_type))?;
    builder(context, node)
}

fn corrected(context: &ParsingContext, node: &NodeProto, fix: Fix) -> Built {
    let (operator, closures) = original(context, node)?;
    let operator: Box<dyn Op> = operator;
    let inner = operator.downcast::<Box<dyn Expansion>>().map_err(|op| format_err!("{op:?} is not an expansion"))?;
    Ok((expand(Corrected { inner: *inner, fix }), closures))
}

/// tract starts from the smallest finite number, so the largest of nothing but -inf comes out finite. That shows only
/// where the result is compared, and the correction would hide the reduction from the optimiser: done only there.
fn extreme(context: &ParsingContext, node: &NodeProto) -> Built {
    let compared = |graph: &GraphProto| {
        let comparisons = graph.node.iter().filter(|n| matches!(n.op_type.as_str(), "Equal" | "IsInf"));
        comparisons.flat_map(|n| &n.input).any(|i| node.output.contains(i))
    };
    let main = context.model.graph.as_ref();
    if !main.is_some_and(compared) && !context.parent_graphs.iter().any(|g| compared(g)) {
        return original(context, node);
    }
    corrected(context, node, if node.op_type == "ReduceMax" { Fix::Largest } else { Fix::Smallest })
}

/// tract shifts by the number modulo the width; the standard shifts everything out.
fn shift(context: &ParsingContext, node: &NodeProto) -> Built {
    let right = node.attribute.iter().any(|a| a.name == "direction" && a.s == b"RIGHT");
    corrected(context, node, if right { Fix::ShiftRight } else { Fix::ShiftLeft })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fix {
    Largest,
    Smallest,
    ShiftLeft,
    ShiftRight,
}

/// An operator of tract's, corrected.
#[derive(Debug, Clone)]
struct Corrected {
    inner: Box<dyn Expansion>,
    fix: Fix,
}

impl Expansion for Corrected {
    fn name(&self) -> StaticName {
        self.inner.as_ref().name()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        self.inner.as_ref().nboutputs()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.inner.as_ref().rules(solver, inputs, outputs)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        match self.fix {
            Fix::Largest => {
                self.extreme(prefix, model, inputs, lowest, f64::NEG_INFINITY, TypedBinOp(comp_lte(), None))
            }
            Fix::Smallest => self.extreme(prefix, model, inputs, highest, f64::INFINITY, TypedBinOp(comp_gte(), None)),
            Fix::ShiftLeft | Fix::ShiftRight => self.shift(prefix, model, inputs),
        }
    }
}

/// The smallest finite number of a floating-point type.
fn lowest(datum: DatumType) -> Option<Tensor> {
    Some(match datum {
        DatumType::F16 => tensor0(f16::MIN),
        DatumType::F32 => tensor0(f32::MIN),
        DatumType::F64 => tensor0(f64::MIN),
        _ => return None,
    })
}

/// The largest finite number of a floating-point type.
fn highest(datum: DatumType) -> Option<Tensor> {
    Some(match datum {
        DatumType::F16 => tensor0(f16::MAX),
        DatumType::F32 => tensor0(f32::MAX),
        DatumType::F64 => tensor0(f64::MAX),
        _ => return None,
    })
}

impl Corrected {
    fn extreme(
        &self,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
        bound: fn(DatumType) -> Option<Tensor>,
        infinity: f64,
        beyond: TypedBinOp,
    ) -> TractResult<TVec<OutletId>> {
        let found = self.inner.wire(&format!("{prefix}.finite"), model, inputs)?;
        let datum = model.outlet_fact(found[0])?.datum_type;
        let Some(bound) = bound(datum) else { return Ok(found) };
        let bound = model.add_const(format!("{prefix}.bound"), bound)?;
        let infinity = tensor0(infinity).cast_to_dt(datum)?.into_owned();
        let infinity = model.add_const(format!("{prefix}.infinity"), infinity)?;
        let is_beyond = wire_with_rank_broadcast(format!("{prefix}.beyond"), model, beyond, &[found[0], bound])?;
        wire_with_rank_broadcast(prefix, model, Iff, &[is_beyond[0], infinity, found[0]])
    }

    fn shift(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let datum = model.outlet_fact(inputs[1])?.datum_type;
        let width = (datum.size_of() * 8) as u64;
        let mut constant = |name: &str, value: u64| -> TractResult<OutletId> {
            model.add_const(format!("{prefix}.{name}"), tensor0(value).cast_to_dt(datum)?.into_owned())
        };
        let (width, most, zero) = (constant("width", width)?, constant("most", width - 1)?, constant("zero", 0)?);
        let mut by = inputs[1];
        if datum.is_signed() {
            // A negative number of places shifts everything out too.
            let sign = TypedBinOp(comp_lt(), None);
            let negative = wire_with_rank_broadcast(format!("{prefix}.negative"), model, sign, &[by, zero])?;
            by = wire_with_rank_broadcast(format!("{prefix}.places"), model, Iff, &[negative[0], width, by])?[0];
        }
        let capped = wire_with_rank_broadcast(format!("{prefix}.capped"), model, min(), &[by, most])?;
        if self.fix == Fix::ShiftRight && datum.is_signed() {
            // What is shifted in is the sign: by one less than the width nothing else is left.
            return self.inner.wire(prefix, model, &[inputs[0], capped[0]]);
        }
        let all = TypedBinOp(comp_gte(), None);
        let all = wire_with_rank_broadcast(format!("{prefix}.all"), model, all, &[by, width])?;
        let shifted = self.inner.wire(&format!("{prefix}.shifted"), model, &[inputs[0], capped[0]])?;
        wire_with_rank_broadcast(prefix, model, Iff, &[all[0], zero, shifted[0]])
    }
}
