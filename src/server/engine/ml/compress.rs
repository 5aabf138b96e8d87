//! Compress: the slices along an axis for which a condition holds.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs;
use super::op::{Fact, Kernel, slice, tensor_of};

#[derive(Debug)]
struct Compress {
    /// None: the input counts as one long list.
    axis: Option<i64>,
}

impl Compress {
    fn axis(&self, rank: usize) -> TractResult<Option<usize>> {
        let Some(axis) = self.axis else { return Ok(None) };
        let place = if axis < 0 { axis + rank as i64 } else { axis };
        let place = usize::try_from(place).ok().filter(|place| *place < rank);
        Ok(Some(place.with_context(|| format!("axis {axis} of {rank}"))?))
    }
}

fn pick<T: Datum>(input: &Tensor, axis: Option<usize>, condition: &[bool]) -> TractResult<Tensor> {
    let shape = input.shape();
    let (outer, length, inner) = match axis {
        None => (1, input.len(), 1),
        Some(axis) => (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()),
    };
    ensure!(condition.len() <= length, "{} conditions for {length} entries", condition.len());
    let kept: Vec<usize> = (0..condition.len()).filter(|i| condition[*i]).collect();
    let values = slice::<T>(input)?;
    let mut out: Vec<T> = Vec::with_capacity(outer * kept.len() * inner);
    for block in 0..outer {
        for entry in &kept {
            let start = (block * length + entry) * inner;
            out.extend_from_slice(&values[start..start + inner]);
        }
    }
    let mut shape: TVec<usize> = shape.into();
    match axis {
        None => shape = tvec![kept.len()],
        Some(axis) => shape[axis] = kept.len(),
    }
    tensor_of(&shape, out)
}

impl Kernel for Compress {
    fn is_open(&self) -> bool {
        true
    }

    fn facts(&self, inputs: &[Fact], open: &TDim) -> TractResult<TVec<Fact>> {
        let [(datum, shape), (condition, list)] = inputs else { bail!("expected values and a condition") };
        ensure!(*condition == bool::datum_type() && list.len() == 1, "the condition is not a list of truth values");
        let mut shape = shape.clone();
        match self.axis(shape.len())? {
            None => shape = tvec![open.clone()],
            Some(axis) => shape[axis] = open.clone(),
        }
        Ok(tvec![(*datum, shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (input, condition) = (inputs[0], slice::<bool>(inputs[1])?);
        let axis = self.axis(input.rank())?;
        Ok(tvec![dispatch_datum!(pick(input.datum_type())(input, axis, condition))?])
    }
}

/// Compress.
pub fn compress(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    Ok(Arc::new(Compress { axis: attrs::int(node, "axis") }))
}
