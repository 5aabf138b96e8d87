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
