//! What operators may be given. The inner `Err` says what is wrong; values that mean the same are made uniform.

use tract_onnx::tract_hir::internal::*;

use super::Check;
use crate::server::engine::onnx::memory;

type Checked = Result<TVec<TValue>, String>;

/// Looks at an operator's inputs.
pub fn check(check: &Check, place: &str, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<Checked> {
    match *check {
        Check::Gather { axis } => gather(axis, inputs),
        Check::GatherElements { axis } => elements(axis, inputs, None),
        Check::ScatterElements { axis } => elements(axis, inputs, Some(2)),
        Check::GatherNd { batch } => nd(batch, inputs, false),
        Check::ScatterNd => nd(0, inputs, true),
        Check::OneHot { depth, .. } => one_hot(depth, inputs),
        Check::Divisor => Ok(match has_zero(&inputs[1])? {
            true => Err("an integer is divided by zero".to_owned()),
            false => Ok(inputs),
        }),
        Check::Range => range(place, context, inputs),
    }
}

/// Whether a tensor of integers holds a zero; no for all others.
pub fn has_zero(tensor: &Tensor) -> TractResult<bool> {
    fn any<T: Datum + tract_num_traits::Zero>(tensor: &Tensor) -> TractResult<bool> {
        Ok(tensor.try_as_plain_ram()?.as_slice::<T>()?.iter().any(T::is_zero))
    }
    let datum = tensor.datum_type();
    // Where symbols stand for sizes tract itself refuses to divide by zero.
    if !datum.is_integer() || datum != datum.unquantized() {
        return Ok(false);
    }
    dispatch_numbers!(any(datum)(tensor))
}

/// The first index outside `-length..length`.
fn outside(indices: &Tensor, length: usize) -> TractResult<Option<i64>> {
    let indices = indices.cast_to::<i64>()?;
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let found =
        indices.try_as_plain_ram()?.as_slice::<i64>()?.iter().find(|i| !(-length..length).contains(*i)).copied();
    Ok(found)
}

fn out_of_range(index: i64, length: usize, axis: usize) -> String {
    if length == 0 {
        return format!("index {index} into dimension {axis}, which is empty");
    }
    format!("index {index} is out of range for dimension {axis}, which takes -{length} to {}", length - 1)
}

fn gather(axis: usize, inputs: TVec<TValue>) -> TractResult<Checked> {
    // Packed weights have another shape than the tensor they stand for.
    if !inputs[0].is_plain() {
        return Ok(Ok(inputs));
    }
    let length = inputs[0].shape()[axis];
    Ok(match outside(&inputs[1], length)? {
        Some(index) => Err(out_of_range(index, length, axis)),
        None => Ok(inputs),
    })
}

/// `GatherElements` and `ScatterElements`: indices in the shape of the data but for one axis.
fn elements(axis: usize, inputs: TVec<TValue>, updates: Option<usize>) -> TractResult<Checked> {
    let (data, indices) = (inputs[0].shape(), inputs[1].shape());
    let fits = data.len() == indices.len() && (0..data.len()).all(|d| d == axis || indices[d] <= data[d]);
    if !fits {
        return Ok(Err(format!("indices of shape {indices:?} do not fit into data of shape {data:?}")));
    }
    if let Some(updates) = updates.map(|at| inputs[at].shape())
        && updates != indices
    {
        return Ok(Err(format!("updates have shape {updates:?}, indices {indices:?}; they must be equal")));
    }
    let length = data[axis];
    Ok(match outside(&inputs[1], length)? {
        Some(index) => Err(out_of_range(index, length, axis)),
        None => Ok(inputs),
    })
}

/// `GatherND` and `ScatterND`: the last dimension of the indices holds places in the data.
fn nd(batch: usize, mut inputs: TVec<TValue>, scatter: bool) -> TractResult<Checked> {
    let (data, shape): (TVec<usize>, TVec<usize>) = (inputs[0].shape().into(), inputs[1].shape().into());
    let Some((&depth, rows)) = shape.split_last() else {
        return Ok(Err("the indices have no dimensions".to_owned()));
    };
    if batch + depth > data.len() || rows.len() < batch || data[..batch] != rows[..batch] {
        return Ok(Err(format!("indices of shape {shape:?} do not fit data of shape {data:?}")));
    }
    if scatter {
        let wanted: TVec<usize> = rows.iter().chain(&data[depth..]).copied().collect();
        if inputs[2].shape() != &*wanted {
            return Ok(Err(format!("updates have shape {:?}; {wanted:?} is expected", inputs[2].shape())));
        }
    }
    let mut indices = inputs[1].cast_to::<i64>()?.into_owned();
    let mut negative = false;
    {
        let mut plain = indices.try_as_plain_ram_mut()?;
        for (at, index) in plain.as_slice_mut::<i64>()?.iter_mut().enumerate() {
            let axis = batch + at % depth.max(1);
            let length = i64::try_from(data[axis]).unwrap_or(i64::MAX);
            if !(-length..length).contains(index) {
                return Ok(Err(out_of_range(*index, data[axis], axis)));
            }
            if *index < 0 {
                *index += length;
                negative = true;
            }
        }
    }
    if negative {
        // tract does not count these from the end.
        inputs[1] = indices.into_tvalue();
    }
    Ok(Ok(inputs))
}

/// Indices out of range mean a row without a one: they get a class of their own behind the last.
fn one_hot(depth: usize, mut inputs: TVec<TValue>) -> TractResult<Checked> {
    let depth = i64::try_from(depth).unwrap_or(i64::MAX);
    let mut indices = inputs[0].cast_to::<i64>()?.into_owned();
    for index in indices.try_as_plain_ram_mut()?.as_slice_mut::<i64>()? {
        *index = match *index {
            i if !(-depth..depth).contains(&i) => depth,
            i if i < 0 => i + depth,
            i => i,
        };
    }
    inputs[0] = indices.into_tvalue();
    Ok(Ok(inputs))
}

/// A number, whatever its type; sizes may hold symbols.
fn number(tensor: &Tensor, context: &EvalContext) -> TractResult<f64> {
    if tensor.datum_type().is_tdim() {
        let size = tensor.try_as_plain_ram()?.to_scalar::<TDim>()?.eval(context.symbols);
        return Ok(size.to_i64()? as f64);
    }
    tensor.cast_to_scalar::<f64>()
}

fn range(place: &str, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<Checked> {
    let at = |i: usize| number(&inputs[i], context);
    let (start, limit, step) = (at(0)?, at(1)?, at(2)?);
    if step == 0.0 {
        return Ok(Err("the step is zero".to_owned()));
    }
    let length = ((limit - start) / step).ceil();
    // What tract cannot even number; whether it fits into memory is another question.
    if length.is_nan() || length > (1u64 << 48) as f64 {
        return Ok(Err(format!("a range from {start} to {limit} in steps of {step} has no length")));
    }
    let each = inputs[0].datum_type().size_of() as f64;
    memory::ask((length.max(0.0) * each) as u64, place)?;
    Ok(Ok(inputs))
}
