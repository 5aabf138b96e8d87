//! The place of the largest or smallest along an axis. tract cuts a view of its own out of the tensor for every one of them,
//! which costs far more than to look through the few scores of a row.

use tract_onnx::tract_core::ops::nn::{Reduce, Reducer};
use tract_onnx::tract_hir::internal::*;

/// ArgMax or ArgMin along one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgBest {
    axis: usize,
    largest: bool,
    /// Of equal ones the last counts, not the first.
    last: bool,
}

impl ArgBest {
    /// In place of a node's own operator, where that asks for such places among plain numbers.
    pub fn instead_of(model: &TypedModel, node: &TypedNode) -> TractResult<Option<Self>> {
        let Some(Reduce { axes, reducer }) = node.op_as::<Reduce>() else { return Ok(None) };
        let (largest, last) = match reducer {
            Reducer::ArgMax(last) => (true, *last),
            Reducer::ArgMin(last) => (false, *last),
            _ => return Ok(None),
        };
        let datum = model.outlet_fact(node.inputs[0])?.datum_type;
        let plain = datum.is_number() && datum == datum.unquantized();
        Ok(if let (true, [axis]) = (plain, &axes[..]) { Some(Self { axis: *axis, largest, last }) } else { None })
    }

    fn find<T: Datum + Copy + PartialOrd>(&self, input: &Tensor) -> TractResult<Tensor> {
        let shape = input.shape();
        let (length, inner) = (shape[self.axis], shape[self.axis + 1..].iter().product::<usize>());
        let values = input.try_as_plain_ram()?;
        let values = values.as_slice::<T>()?;
        let mut places: Vec<i64> = Vec::with_capacity(values.len() / length.max(1));
        for block in values.chunks_exact((length * inner).max(1)) {
            for first in 0..inner {
                let (mut best, mut place) = (block[first], 0);
                for at in 1..length {
                    let value = block[first + at * inner];
                    // Numbers beat what is none (NaN), which then stays where it is.
                    let beats = if self.largest { value > best } else { value < best };
                    if beats || (self.last && value == best) || (is_none(&best) && !is_none(&value)) {
                        (best, place) = (value, at as i64);
                    }
                }
                places.push(place);
            }
        }
        let mut shape: TVec<usize> = shape.into();
        shape[self.axis] = 1;
        Tensor::from_shape(&shape, &places)
    }
}

fn is_none<T: PartialOrd>(value: &T) -> bool {
    value.partial_cmp(value).is_none()
}

impl Op for ArgBest {
    fn name(&self) -> StaticName {
        "ArgBest".into()
    }

    op_as_typed_op!();
}

impl EvalOp for ArgBest {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        ensure!(input.shape()[self.axis] > 0, "the largest or smallest of nothing is asked for");
        Ok(tvec!(dispatch_numbers!(Self::find(input.datum_type())(self, &input))?.into_tvalue()))
    }
}

impl TypedOp for ArgBest {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let mut shape = inputs[0].shape.to_tvec();
        shape[self.axis] = 1.to_dim();
        Ok(tvec!(i64::fact(shape)))
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_are_those_of_the_engine(
            shape in proptest::collection::vec(1usize..5, 1..4), axis in 0usize..3, seed: u64, largest: bool, last: bool,
        ) {
            let axis = axis % shape.len();
            let mut random = fastrand::Rng::with_seed(seed);
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| f32::from(random.i8(-2..3))).collect();
            let input = Tensor::from_shape(&shape, &values).unwrap();
            let reducer = if largest { Reducer::ArgMax(last) } else { Reducer::ArgMin(last) };
            let slow = reducer.reduce(&[axis], &input).unwrap();
            let ours = ArgBest { axis, largest, last };
            prop_assert_eq!(&ours.find::<f32>(&input).unwrap(), &slow);
            let whole = input.cast_to::<i64>().unwrap();
            prop_assert_eq!(&ours.find::<i64>(&whole).unwrap(), &slow);
        }
    }
}
