//! Small dense layers as one step each.
//!
//! tract packs, plans and fuses for every product, which pays for large ones; for a few hundred weights it costs several
//! times the arithmetic. Before a graph is optimised, such a product with its bias and rectifier becomes one operator here.

use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Max};
use tract_onnx::tract_hir::internal::*;

use crate::server::engine::vector;

/// Weights of the largest layer taken.
const WEIGHTS: usize = 2_048;
/// From so many rows on a matrix product is worth its preparations.
const ROWS: usize = 8;

/// `y = x · w`, `+ bias` if there is one, rectified if asked: `x` has rows of `inputs` values, `y` of `outputs`. The
/// operator's inputs are `x`, `w` and perhaps the bias.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dense {
    inputs: usize,
    outputs: usize,
    /// The one row is given out as a vector: where the batch is 1, tract leaves it out between layers.
    flat: bool,
    rectified: bool,
}

impl Op for Dense {
    fn name(&self) -> StaticName {
        "Dense".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Dense {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        vector::clear();
        let rows = if inputs[0].rank() == 2 { inputs[0].shape()[0] } else { 1 };
        let plain = |input: usize| inputs[input].try_as_plain_ram()?.as_slice::<f32>();
        let bias = if inputs.len() > 2 { Some(plain(2)?) } else { None };
        let shape = [rows, self.outputs];
        let mut output = Tensor::zero::<f32>(if self.flat { &shape[1..] } else { &shape })?;
        self.run(plain(0)?, plain(1)?, bias, output.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?, rows)?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl Dense {
    fn run(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>, y: &mut [f32], rows: usize) -> TractResult<()> {
        let (inputs, outputs) = (self.inputs, self.outputs);
        ensure!(
            x.len() == rows * inputs
                && w.len() == inputs * outputs
                && y.len() == rows * outputs
                && bias.is_none_or(|b| b.len() == outputs),
            "a dense layer of another shape"
        );
        if rows < ROWS {
            for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact_mut(outputs)) {
                for (n, x) in x.iter().enumerate() {
                    let w = &w[n * outputs..][..outputs];
                    y.iter_mut().zip(w).for_each(|(y, w)| *y += x * w);
                }
            }
        } else {
            let x = tract_ndarray::ArrayView2::from_shape((rows, inputs), x)?;
            let w = tract_ndarray::ArrayView2::from_shape((inputs, outputs), w)?;
            let mut y = tract_ndarray::ArrayViewMut2::from_shape((rows, outputs), &mut *y)?;
            tract_ndarray::linalg::general_mat_mul(1.0, &x, &w, 0.0, &mut y);
        }
        for y in y.chunks_exact_mut(outputs) {
            if let Some(bias) = bias {
                y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
            }
            if self.rectified {
                y.iter_mut().for_each(|y| *y = y.max(0.0));
            }
        }
        Ok(())
    }
}

impl TypedOp for Dense {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        ensure!(
            matches!((inputs.len(), inputs[0].rank()), (2 | 3, 1 | 2)),
            "a dense layer takes a matrix and constants"
        );
        let rows = if inputs[0].rank() == 2 { inputs[0].shape[0].clone() } else { 1.to_dim() };
        let outputs = self.outputs.to_dim();
        Ok(tvec!(if self.flat { f32::fact([outputs]) } else { f32::fact([rows, outputs]) }))
    }

    as_op!();
}

/// Replaces the small dense layers of a decluttered model.
pub fn rewrite(mut model: TypedModel) -> TractResult<TypedModel> {
    for node in 0..model.nodes().len() {
        let Some((input, weights, mut dense)) = product(&model, node)? else { continue };
        let (mut last, mut bias) = (node, None);
        if let Some((next, constant)) = followed::<Add>(&model, last)?
            && let Some(values) = vector(&constant, dense.outputs)
        {
            (last, bias) = (next, Some(values));
        }
        if let Some((next, floor)) = followed::<Max>(&model, last)?
            && vector(&floor, dense.outputs).is_some_and(|floor| floor.iter().all(|v| *v == 0.0))
        {
            (last, dense.rectified) = (next, true);
        }
        let name = model.node(last).name.clone();
        let mut patch = TypedModelPatch::new("small dense layer");
        let mut wires = tvec![patch.tap_model(&model, input)?, patch.add_const(format!("{name}.weights"), weights)?];
        if let Some(bias) = bias {
            wires.push(patch.add_const(format!("{name}.bias"), Tensor::from_shape(&[bias.len()], &bias)?)?);
        }
        let wire = patch.wire_node(&name, dense, &wires)?[0];
        patch.shunt_outside(&model, last.into(), wire)?;
        patch.apply(&mut model)?;
    }
    model.compact()?;
    Ok(model)
}

/// A matrix times few constant weights: the outlet that gives the matrix, and the weights with a row for each input.
fn product(model: &TypedModel, node: usize) -> TractResult<Option<(OutletId, Tensor, Dense)>> {
    let node = model.node(node);
    let (Some(op), [a, b]) = (node.op_as::<EinSum>(), &node.inputs[..]) else { return Ok(None) };
    let is_float = op.q_params.is_none() && op.operating_dt == f32::datum_type();
    let (facts, (names, output)) = (model.node_input_facts(node.id)?, op.axes.to_strs());
    let plain =
        node.outputs[0].fact.datum_type == f32::datum_type() && facts.iter().all(|f| f.datum_type == f32::datum_type());
    if !is_float || !plain {
        return Ok(None);
    }
    let (input, fact, x, w, constant) = match (&facts[0].konst, &facts[1].konst) {
        (None, Some(constant)) => (*a, &facts[0], &names[0], &names[1], constant),
        (Some(constant), None) => (*b, &facts[1], &names[1], &names[0], constant),
        _ => return Ok(None),
    };
    let axes = |name: &str| name.chars().collect::<Vec<_>>();
    let (x, w, y) = (axes(x), axes(w), axes(&output[0]));
    let ([.., inner], [first, second], [.., out]) = (&x[..], &w[..], &y[..]) else { return Ok(None) };
    let upright = (first, second) == (inner, out);
    let row_of = |axes: &[char]| if axes.len() == 2 { Some(axes[0]) } else { None };
    let rows_agree = match (row_of(&x), row_of(&y)) {
        (Some(row), Some(same)) if row == same => row != *out && row != *inner,
        // An axis that only one side has is of length one; that of `x` must be seen to be.
        (row, own) => {
            own.is_none_or(|own| !x.contains(&own) && !w.contains(&own))
                && row.is_none_or(|row| fact.shape[0].is_one() && !w.contains(&row) && !y.contains(&row))
        }
    };
    let shaped = x.len() <= 2 && y.len() <= 2 && inner != out && !y.contains(inner) && !x.contains(out) && rows_agree;
    if !shaped || !(upright || (first, second) == (out, inner)) || !(1..=WEIGHTS).contains(&constant.len()) {
        return Ok(None);
    }
    let matrix = constant.to_plain_array_view::<f32>()?.into_dimensionality::<tract_ndarray::Ix2>()?;
    let matrix = if upright { matrix } else { matrix.reversed_axes() };
    let (inputs, outputs) = matrix.dim();
    let weights = Tensor::from_shape(&[inputs, outputs], &matrix.iter().copied().collect::<Vec<f32>>())?;
    Ok(Some((input, weights, Dense { inputs, outputs, flat: y.len() == 1, rectified: false })))
}

/// The only user of a node's result, when it is this operation with a constant: its number and the constant.
fn followed<M: tract_onnx::tract_core::ops::binary::BinMiniOp>(
    model: &TypedModel,
    node: usize,
) -> TractResult<Option<(usize, Arc<Tensor>)>> {
    if model.output_outlets()?.iter().any(|o| o.node == node) {
        return Ok(None);
    }
    let Some(next) = model.single_succ(node)? else { return Ok(None) };
    let Some(TypedBinOp(operation, None)) = next.op_as::<TypedBinOp>() else { return Ok(None) };
    let [a, b] = next.inputs[..] else { return Ok(None) };
    let other = if a.node == node { b } else { a };
    let constant = model.outlet_fact(other)?.konst.clone();
    Ok(constant.filter(|_| operation.is::<M>()).map(|constant| (next.id, constant)))
}

/// A constant as one value for each output, if it is one.
fn vector(constant: &Tensor, outputs: usize) -> Option<Vec<f32>> {
    let values = constant.as_plain_ram()?.as_slice::<f32>().ok()?;
    let (last, others) = constant.shape().split_last()?;
    match (values, others.iter().all(|d| *d == 1)) {
        ([one], _) => Some(vec![*one; outputs]),
        (_, true) if *last == outputs => Some(values.to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tract_onnx::tract_core::ops::math;

    /// Layers of these sizes over a batch of a given or of any size, on a product written either way round.
    fn layers(sizes: &[usize], rows: Option<usize>, upright: bool, weights: &mut impl FnMut() -> f32) -> TypedModel {
        let mut model = TypedModel::default();
        let rows = rows.map_or_else(|| model.symbols.sym("batch").to_dim(), |rows| rows.to_dim());
        let mut wire = model.add_source("x", f32::fact([rows, sizes[0].to_dim()])).unwrap();
        for (layer, pair) in sizes.windows(2).enumerate() {
            let mut constant = |shape: &[usize], name: &str| {
                let values: Vec<f32> = (0..shape.iter().product()).map(|_| weights()).collect();
                model.add_const(format!("{name}{layer}"), Tensor::from_shape(shape, &values).unwrap()).unwrap()
            };
            let w = constant(&if upright { [pair[0], pair[1]] } else { [pair[1], pair[0]] }, "w");
            let b = constant(&[1, pair[1]], "b");
            let zero = model.add_const(format!("zero{layer}"), tensor2(&[[0f32]])).unwrap();
            let axes = if upright { "mk,kn->mn" } else { "mk,nk->mn" }.parse().unwrap();
            let product = EinSum::new(axes, f32::datum_type());
            wire = model.wire_node(format!("product{layer}"), product, &[wire, w]).unwrap()[0];
            wire = model.wire_node(format!("sum{layer}"), math::add(), &[b, wire]).unwrap()[0];
            if layer + 2 < sizes.len() {
                wire = model.wire_node(format!("relu{layer}"), math::max(), &[wire, zero]).unwrap()[0];
            }
        }
        model.select_output_outlets(&[wire]).unwrap();
        model.into_decluttered().unwrap()
    }

    fn names(model: &TypedModel) -> Vec<String> {
        model.nodes().iter().map(|n| n.op().name().to_string()).filter(|n| n != "Const").collect()
    }

    fn run(model: TypedModel, input: &Tensor) -> Tensor {
        let plan = model.into_optimized().unwrap().into_runnable().unwrap();
        plan.run(tvec!(input.clone().into_tvalue())).unwrap().remove(0).into_tensor()
    }

    #[test]
    fn small_layers_become_a_step_each_and_large_ones_stay() {
        for rows in [None, Some(1), Some(7)] {
            let small = rewrite(layers(&[4, 16, 3], rows, true, &mut || 0.5)).unwrap();
            assert_eq!(names(&small), ["Source", "Dense", "Dense"], "{rows:?}");
        }
        let large = rewrite(layers(&[40, 512], None, true, &mut || 0.5)).unwrap();
        assert!(!names(&large).contains(&"Dense".to_owned()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn answers_are_those_of_the_engine(
            sizes in proptest::collection::vec(2usize..24, 2..5), rows in 1usize..20, fixed: bool, upright: bool, seed: u64,
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let model = layers(&sizes, fixed.then_some(rows), upright, &mut || random.f32() * 2.0 - 1.0);
            let values: Vec<f32> = (0..rows * sizes[0]).map(|_| random.f32() * 20.0 - 10.0).collect();
            let input = Tensor::from_shape(&[rows, sizes[0]], &values).unwrap();
            let ours = rewrite(model.clone()).unwrap();
            prop_assert!(names(&ours).contains(&"Dense".to_owned()));
            let close = run(ours, &input).close_enough(&run(model, &input), Approximation::Approximate);
            prop_assert!(close.is_ok(), "{close:?}");
        }
    }
}
