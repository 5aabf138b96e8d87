//! Sums of whole numbers. tract adds them up in 32 bits, whatever their type, and so gives wrong answers beyond 2³¹.

use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_ndarray::Axis;

/// The sum along axes, in the type of the numbers, overflow wrapping as everywhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeSum {
    axes: TVec<usize>,
}

impl WholeSum {
    /// In place of a node's own operator, where that is a sum of numbers that 32 bits may not hold.
    pub fn instead_of(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Self>> {
        let Some(op) = node.op_as::<Reduce>().filter(|op| op.reducer == Reducer::Sum) else { return Ok(None) };
        let datum = model.outlet_fact(node.inputs[0])?.datum_type;
        let wide = [DatumType::I32, DatumType::I64, DatumType::U32, DatumType::U64].contains(&datum);
        Ok(wide.then(|| Self { axes: op.axes.clone() }))
    }

    fn sum<T>(&self, input: &Tensor) -> TractResult<Tensor>
    where
        T: Datum + Copy + tract_num_traits::Zero + tract_num_traits::WrappingAdd,
    {
        let mut sums = input.to_plain_array_view::<T>()?.to_owned();
        for axis in &self.axes {
            let axis = Axis(*axis);
            sums = sums.fold_axis(axis, T::zero(), |sum, next| sum.wrapping_add(next)).insert_axis(axis);
        }
        Ok(sums.into_tensor())
    }
}

impl Op for WholeSum {
    fn name(&self) -> StaticName {
        "WholeSum".into()
    }

    op_as_typed_op!();
}

impl EvalOp for WholeSum {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let sums = match input.datum_type() {
            DatumType::I32 => self.sum::<i32>(&input)?,
            DatumType::I64 => self.sum::<i64>(&input)?,
            DatumType::U32 => self.sum::<u32>(&input)?,
            DatumType::U64 => self.sum::<u64>(&input)?,
            other => bail!("a sum of {other:?} was not expected"),
        };
        Ok(tvec!(sums.into_tvalue()))
    }
}

impl TypedOp for WholeSum {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape = inputs[0].shape.to_tvec();
        for axis in &self.axes {
            shape[*axis] = 1.to_dim();
        }
        Ok(tvec!(inputs[0].datum_type.fact(shape)))
    }

    as_op!();
}
