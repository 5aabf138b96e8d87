//! Gather by whole blocks of bytes. tract looks at its tensors through views of any rank, which takes most of the time of
//! a small lookup; recommenders are made of those.

use tract_onnx::tract_core::ops::array::Gather;
use tract_onnx::tract_hir::internal::*;

/// The blocks of `data` that indices within its range name; `None` for tensors that are not plain numbers in memory.
pub fn gather(op: &Gather, data: &Tensor, indices: &Tensor) -> TractResult<Option<Tensor>> {
    let datum = data.datum_type();
    if !datum.is_copy() || op.output_type.is_some() || !data.is_plain_ram() {
        return Ok(None);
    }
    let (before, after) = data.shape().split_at(op.axis);
    let (length, after) = (after[0], &after[1..]);
    let shape: TVec<usize> = before.iter().chain(indices.shape()).chain(after).copied().collect();
    let mut output = Tensor::zero_dt(datum, &shape)?;
    let block = after.iter().product::<usize>() * datum.size_of();
    if output.len() == 0 {
        return Ok(Some(output));
    }
    let indices = indices.cast_to::<i64>()?;
    let indices = indices.try_as_plain_ram()?.as_slice::<i64>()?;
    let from = data.try_as_plain_ram()?;
    let mut into = output.try_as_plain_ram_mut()?;
    let mut places = into.as_bytes_mut().chunks_exact_mut(block);
    for whole in from.as_bytes().chunks_exact(length * block) {
        for (index, place) in indices.iter().zip(&mut places) {
            let index = if *index < 0 { *index + length as i64 } else { *index } as usize;
            place.copy_from_slice(&whole[index * block..(index + 1) * block]);
        }
    }
    Ok(Some(output))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tract_onnx::tract_core::plan::eval;

    use super::*;

    fn ours_and_theirs(op: &Gather, data: &Tensor, indices: &Tensor) -> (Tensor, Tensor) {
        let ours = gather(op, data, indices).unwrap().unwrap();
        let mut model = TypedModel::default();
        let data = model.add_const("data", data.clone()).unwrap();
        let at = model.add_source("at", i64::fact(indices.shape())).unwrap();
        let output = model.wire_node("gather", op.clone(), &[data, at]).unwrap();
        model.select_output_outlets(&output).unwrap();
        let mut state = model.into_runnable().unwrap().spawn().unwrap();
        let inputs = tvec!(indices.clone().into_tvalue());
        (ours, state.run_plan_with_eval(inputs, eval).unwrap().remove(0).into_tensor())
    }

    proptest! {
        #[test]
        fn blocks_are_those_that_tract_finds(
            shape in proptest::collection::vec(1usize..5, 1..5), places in proptest::collection::vec(0usize..3, 0..4),
            axis: usize, seed: u64,
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let axis = axis % shape.len();
            let length = shape[axis] as i64;
            let data: Vec<f32> = (0..shape.iter().product()).map(|_| random.f32()).collect();
            let indices: Vec<i64> = (0..places.iter().product()).map(|_| random.i64(-length..length)).collect();
            let (data, at) = (Tensor::from_shape(&shape, &data).unwrap(), Tensor::from_shape(&places, &indices).unwrap());
            let (ours, theirs) = ours_and_theirs(&Gather::new(axis), &data, &at);
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn texts_and_small_indices() {
        let texts = tensor1(&["a".to_owned()]);
        assert!(gather(&Gather::new(0), &texts, &tensor1(&[0i64])).unwrap().is_none(), "left to tract");
        let found = gather(&Gather::new(0), &tensor1(&[5u8, 6]), &tensor1(&[-1i32])).unwrap();
        assert_eq!(found, Some(tensor1(&[6u8])));
    }
}
