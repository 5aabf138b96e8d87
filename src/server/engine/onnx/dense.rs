//! Small dense layers as one step each.
//!
//! tract packs, plans and fuses for every product, which pays for large ones; for a few hundred weights it costs several
//! times the arithmetic. Before a graph is optimised, such a product with its bias and rectifier becomes one operator here.

use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::math::{Add, Max};
use tract_onnx::tract_hir::internal::*;

/// Weights of the largest layer taken.
const WEIGHTS: usize = 2_048;
/// From so many rows on a matrix product is worth its preparations.
const ROWS: usize = 8;

/// `y = x · w + bias`, rectified if asked: `x` has rows of `inputs` values, `y` of `outputs`.
#[derive(Debug, Clone, PartialEq)]
struct Dense {
    inputs: usize,
    outputs: usize,
    /// A row for each input.
    weights: Arc<[f32]>,
    bias: Option<Arc<[f32]>>,
    rectified: bool,
}

impl Eq for Dense {}

impl Op for Dense {
    fn name(&self) -> StaticName {
        "Dense".into()
    }

    op_as_typed_op!();
}

impl EvalOp for Dense {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = args_1!(inputs);
        let (x, rows) = (input.try_as_plain_ram()?, input.shape().first().copied().unwrap_or(1));
        let mut output = Tensor::zero::<f32>(&[rows, self.outputs])?;
        self.run(x.as_slice::<f32>()?, output.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?, rows)?;
        Ok(tvec!(output.into_tvalue()))
    }
}

impl Dense {
    fn run(&self, x: &[f32], y: &mut [f32], rows: usize) -> TractResult<()> {
        ensure!(x.len() == rows * self.inputs && y.len() == rows * self.outputs, "a dense layer of another shape");
        if rows < ROWS {
            for (x, y) in x.chunks_exact(self.inputs).zip(y.chunks_exact_mut(self.outputs)) {
                for (x, weights) in x.iter().zip(self.weights.chunks_exact(self.outputs)) {
                    y.iter_mut().zip(weights).for_each(|(y, w)| *y += x * w);
                }
            }
        } else {
            let x = tract_ndarray::ArrayView2::from_shape((rows, self.inputs), x)?;
            let w = tract_ndarray::ArrayView2::from_shape((self.inputs, self.outputs), &self.weights)?;
            let mut y = tract_ndarray::ArrayViewMut2::from_shape((rows, self.outputs), &mut *y)?;
            tract_ndarray::linalg::general_mat_mul(1.0, &x, &w, 0.0, &mut y);
        }
        for y in y.chunks_exact_mut(self.outputs) {
            if let Some(bias) = &self.bias {
                y.iter_mut().zip(bias.iter()).for_each(|(y, b)| *y += b);
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
        ensure!(inputs.len() == 1 && inputs[0].rank() == 2, "a dense layer takes one matrix");
        Ok(tvec!(f32::fact([inputs[0].shape[0].clone(), self.outputs.to_dim()])))
    }

    as_op!();
}

/// Replaces the small dense layers of a decluttered model.
pub fn rewrite(mut model: TypedModel) -> TractResult<TypedModel> {
    for node in 0..model.nodes().len() {
        let Some((input, mut dense)) = product(&model, node)? else { continue };
        let mut last = node;
        if let Some((next, bias)) = followed::<Add>(&model, last)?
            && let Some(bias) = vector(&bias, dense.outputs)
        {
            (last, dense.bias) = (next, Some(bias));
        }
        if let Some((next, floor)) = followed::<Max>(&model, last)?
            && vector(&floor, dense.outputs).is_some_and(|floor| floor.iter().all(|v| *v == 0.0))
        {
            (last, dense.rectified) = (next, true);
        }
        let mut patch = TypedModelPatch::new("small dense layer");
        let tap = patch.tap_model(&model, input)?;
        let wire = patch.wire_node(&model.node(last).name, dense, &[tap])?[0];
        patch.shunt_outside(&model, last.into(), wire)?;
        patch.apply(&mut model)?;
    }
    model.compact()?;
    Ok(model)
}

/// A matrix times few constant weights, with the outlet that gives the matrix.
fn product(model: &TypedModel, node: usize) -> TractResult<Option<(OutletId, Dense)>> {
    let node = model.node(node);
    let (Some(op), [a, b]) = (node.op_as::<EinSum>(), &node.inputs[..]) else { return Ok(None) };
    let is_float = op.q_params.is_none() && op.operating_dt == f32::datum_type();
    let (facts, (names, output)) = (model.node_input_facts(node.id)?, op.axes.to_strs());
    let plain = node.outputs[0].fact.datum_type == f32::datum_type()
        && facts.iter().all(|f| f.datum_type == f32::datum_type() && f.rank() == 2);
    if !is_float || !plain {
        return Ok(None);
    }
    let (input, x, w, constant) = match (&facts[0].konst, &facts[1].konst) {
        (None, Some(constant)) => (*a, &names[0], &names[1], constant),
        (Some(constant), None) => (*b, &names[1], &names[0], constant),
        _ => return Ok(None),
    };
    let axes = |name: &str| name.chars().collect::<Vec<_>>();
    let ([row, inner], [first, second], [out_row, out]) = (&axes(x)[..], &axes(w)[..], &axes(&output[0])[..]) else {
        return Ok(None);
    };
    let distinct = row != inner && inner != out && row != out && row == out_row;
    let upright = (first, second) == (inner, out);
    if !distinct || !(upright || (first, second) == (out, inner)) || !(1..=WEIGHTS).contains(&constant.len()) {
        return Ok(None);
    }
    let matrix = constant.to_plain_array_view::<f32>()?.into_dimensionality::<tract_ndarray::Ix2>()?;
    let matrix = if upright { matrix } else { matrix.reversed_axes() };
    let (inputs, outputs) = matrix.dim();
    let dense = Dense { inputs, outputs, weights: matrix.iter().copied().collect(), bias: None, rectified: false };
    Ok(Some((input, dense)))
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
fn vector(constant: &Tensor, outputs: usize) -> Option<Arc<[f32]>> {
    let values = constant.as_plain_ram()?.as_slice::<f32>().ok()?;
    let (last, others) = constant.shape().split_last()?;
    match (values, others.iter().all(|d| *d == 1)) {
        ([one], _) => Some(vec![*one; outputs].into()),
        (_, true) if *last == outputs => Some(values.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tract_onnx::tract_core::ops::math;

    /// Layers of these sizes over a batch of any size, on a product written either way round.
    fn layers(sizes: &[usize], upright: bool, weights: &mut impl FnMut() -> f32) -> TypedModel {
        let mut model = TypedModel::default();
        let batch = model.symbols.sym("batch");
        let mut wire = model.add_source("x", f32::fact([batch.to_dim(), sizes[0].to_dim()])).unwrap();
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
        let small = rewrite(layers(&[4, 16, 3], true, &mut || 0.5)).unwrap();
        assert_eq!(names(&small), ["Source", "Dense", "Dense"]);
        let large = rewrite(layers(&[4, 512, 3], true, &mut || 0.5)).unwrap();
        assert!(!names(&large).contains(&"Dense".to_owned()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn answers_are_those_of_the_engine(
            sizes in proptest::collection::vec(1usize..24, 2..5), rows in 1usize..20, upright: bool, seed: u64,
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let model = layers(&sizes, upright, &mut || random.f32() * 2.0 - 1.0);
            let values: Vec<f32> = (0..rows * sizes[0]).map(|_| random.f32() * 20.0 - 10.0).collect();
            let input = Tensor::from_shape(&[rows, sizes[0]], &values).unwrap();
            let ours = rewrite(model.clone()).unwrap();
            prop_assert!(names(&ours).contains(&"Dense".to_owned()));
            let close = run(ours, &input).close_enough(&run(model, &input), Approximation::Close);
            prop_assert!(close.is_ok(), "{close:?}");
        }
    }
}
