//! The largest or smallest of many. tract sorts everything, by an order that breaks down at a number that is none (NaN):
//! then the sort panics.

use std::cmp::Ordering;

use tract_onnx::tract_core::ops::array::Topk;
use tract_onnx::tract_hir::internal::*;

use super::BadValue;

/// TopK by an order without holes: equal values in the order of their places, as ONNX has it, and NaN above all numbers.
#[derive(Debug, Clone)]
pub struct Best {
    op: Topk,
    /// See [`super::place`].
    place: Arc<str>,
}

impl PartialEq for Best {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Eq for Best {}

impl Best {
    pub fn new(op: &Topk, place: Arc<str>) -> Self {
        Self { op: op.clone(), place }
    }

    fn choose<T: Datum + Copy + PartialOrd>(&self, input: &Tensor, k: usize) -> TractResult<TVec<TValue>> {
        let (axis, shape) = (self.op.axis, input.shape());
        let (length, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let outer: usize = shape[..axis].iter().product();
        let mut chosen: TVec<usize> = shape.into();
        chosen[axis] = k;
        let (mut values, mut places) = (Tensor::zero_dt(input.datum_type(), &chosen)?, Tensor::zero::<i64>(&chosen)?);
        {
            let from = input.try_as_plain_ram()?;
            let from = from.as_slice::<T>()?;
            let (mut values, mut places) = (values.try_as_plain_ram_mut()?, places.try_as_plain_ram_mut()?);
            let (values, places) = (values.as_slice_mut::<T>()?, places.as_slice_mut::<i64>()?);
            let mut best = Vec::with_capacity(k + 1);
            for (outer, inside) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
                let lane = (0..length).map(|at| (from[(outer * length + at) * inner + inside], at));
                first(&mut best, lane, k, self.op.largest);
                for (at, (value, place)) in best.iter().enumerate() {
                    let to = (outer * k + at) * inner + inside;
                    (values[to], places[to]) = (*value, *place as i64);
                }
            }
        }
        Ok(tvec!(values.into_tvalue(), places.into_tvalue()))
    }
}

/// Up to so many are kept in order while the others pass by.
const FEW: usize = 16;

/// Puts the first `k` in order of value, then of place, into `best`. The lane is in order of place.
fn first<T: Copy + PartialOrd>(
    best: &mut Vec<(T, usize)>,
    lane: impl Iterator<Item = (T, usize)>,
    k: usize,
    largest: bool,
) {
    let order = |a: &(T, usize), b: &(T, usize)| {
        let none = |x: &T| x.partial_cmp(x).is_none();
        let by_value = a.0.partial_cmp(&b.0).unwrap_or_else(|| none(&a.0).cmp(&none(&b.0)));
        let by_value: Ordering = if largest { by_value.reverse() } else { by_value };
        by_value.then(a.1.cmp(&b.1))
    };
    best.clear();
    if (1..=FEW).contains(&k) {
        for next in lane {
            if best.len() < k || order(&next, &best[k - 1]).is_lt() {
                best.truncate(k - 1);
                let place = best.partition_point(|kept| order(kept, &next).is_lt());
                best.insert(place, next);
            }
        }
        return;
    }
    best.extend(lane);
    if (1..best.len()).contains(&k) {
        best.select_nth_unstable_by(k - 1, order);
    }
    best.truncate(k);
    best.sort_unstable_by(order);
}

impl Op for Best {
    fn name(&self) -> StaticName {
        self.op.name()
    }

    fn mints_runtime_symbols(&self) -> bool {
        self.op.mints_runtime_symbols()
    }

    op_as_typed_op!();
}

impl EvalOp for Best {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let (input, k) = args_2!(inputs);
        let (k, length) = (k.cast_to_scalar::<i64>()?, input.shape()[self.op.axis]);
        let Some(k) = usize::try_from(k).ok().filter(|k| *k <= length) else {
            let why = format!("{}: the {k} largest or smallest of {length} are asked for", self.place);
            return Err(BadValue(why).into());
        };
        dispatch_numbers!(Self::choose(input.datum_type())(self, &input, k))
    }
}

impl TypedOp for Best {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        // Asked for the facts of given values before it runs: tract's rules panic on bad ones too.
        let k = inputs[1].konst.as_ref().and_then(|k| k.cast_to_scalar::<i64>().ok());
        let length = inputs[0].shape[self.op.axis].as_i64().unwrap_or(i64::from(u32::MAX));
        ensure!(k.is_none_or(|k| (0..=length).contains(&k)), "more is asked for than there is");
        self.op.output_facts(inputs)
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_are_those_of_the_whole_order(
            values in proptest::collection::vec(
                prop_oneof![Just(f32::NAN), Just(f32::INFINITY), (-3i8..4).prop_map(f32::from)],
                0..60,
            ),
            share in 0.0..=1.0f64,
            largest: bool,
        ) {
            let k = (values.len() as f64 * share) as usize;
            let mut best = Vec::new();
            first(&mut best, values.iter().copied().zip(0..), k, largest);
            let found: Vec<usize> = best.iter().map(|(_, place)| *place).collect();
            // NaN as the largest number of all, by a stable sort.
            let key = |place: &usize| if values[*place].is_nan() { f64::MAX } else { f64::from(values[*place]).min(1e300) };
            let mut all: Vec<usize> = (0..values.len()).collect();
            all.sort_by(|a, b| if largest { key(b).total_cmp(&key(a)) } else { key(a).total_cmp(&key(b)) });
            prop_assert_eq!(found, &all[..k]);
        }
    }
}
