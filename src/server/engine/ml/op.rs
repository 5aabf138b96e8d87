//! One tract operator for all of ours: a kernel behind the runtime's interfaces.

use std::fmt::Debug;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::cast::wire_cast;
use tract_onnx::tract_hir::internal::*;

use crate::server::engine::vector;

/// Element type and shape of a tensor, as far as known.
pub type Fact = (DatumType, TVec<TDim>);

/// The computation of one node.
pub trait Kernel: Debug + Send + Sync {
    /// Number of outputs the definition gives.
    fn outputs(&self) -> usize {
        1
    }

    /// Whether values decide a size of an output.
    fn is_open(&self) -> bool {
        false
    }

    /// Types and shapes of all outputs for those of the inputs. `open` stands for the size that values decide.
    fn facts(&self, inputs: &[Fact], open: &TDim) -> TractResult<TVec<Fact>>;

    /// All outputs.
    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>>;
}

/// A kernel as the optimiser and the runtime see it: opaque, without state.
#[derive(Debug, Clone)]
pub struct MlOp {
    name: &'static str,
    kernel: Arc<dyn Kernel>,
    /// Outputs that the node names; the others are not given out.
    kept: TVec<usize>,
    inputs: usize,
    /// The size that values decide, where the kernel has one.
    open: Option<Symbol>,
}

impl MlOp {
    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let open = self.open.as_ref().map_or(0.to_dim(), Symbol::to_dim);
        Ok(self.select(self.kernel.facts(inputs, &open)?))
    }

    fn select<T>(&self, all: TVec<T>) -> TVec<T> {
        all.into_iter().enumerate().filter(|(i, _)| self.kept.contains(i)).map(|(_, t)| t).collect()
    }
}

impl PartialEq for MlOp {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kernel, &other.kernel) && self.kept == other.kept
    }
}

impl Eq for MlOp {}

impl Op for MlOp {
    fn name(&self) -> StaticName {
        self.name.into()
    }

    fn mints_runtime_symbols(&self) -> bool {
        self.open.is_some()
    }

    op_as_typed_op!();
}

impl EvalOp for MlOp {
    op_out_of_plan!();

    fn eval(&self, _ctx: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        vector::clear();
        let tensors: TVec<&Tensor> = inputs.iter().map(|t| &**t).collect();
        let outputs = self.kernel.run(&tensors).with_context(|| format!("in {}", self.name))?;
        Ok(self.select(outputs).into_iter().map(TValue::from).collect())
    }
}

impl TypedOp for MlOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let facts: TVec<Fact> = inputs.iter().map(|f| (f.datum_type, f.shape.to_tvec())).collect();
        Ok(self.facts(&facts)?.into_iter().map(|(datum, shape)| datum.fact(&*shape)).collect())
    }

    as_op!();
}

impl Expansion for MlOp {
    fn name(&self) -> StaticName {
        self.name.into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.kept.len())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, self.inputs)?;
        check_output_arity(outputs, self.kept.len())?;
        let datums: Vec<_> = inputs.iter().map(|i| &i.datum_type).collect();
        solver.given_all(datums, move |solver, datums| {
            let shapes: Vec<_> = inputs.iter().map(|i| &i.shape).collect();
            solver.given_all(shapes, move |solver, shapes| {
                let plain = |datum: &DatumType| if *datum == TDim::datum_type() { i64::datum_type() } else { *datum };
                let facts: TVec<Fact> = datums.iter().map(plain).zip(shapes).collect();
                for (output, (datum, shape)) in outputs.iter().zip(self.facts(&facts)?) {
                    solver.equals(&output.datum_type, datum)?;
                    solver.equals(&output.rank, shape.len() as i64)?;
                    // What values decide may turn out a number, where they are constants.
                    let open = |dim: &TDim| self.open.as_ref().is_some_and(|open| dim.symbols().contains(open));
                    for (axis, dim) in shape.into_iter().enumerate().filter(|(_, dim)| !open(dim)) {
                        solver.equals(&output.shape[axis], dim)?;
                    }
                }
                Ok(())
            })
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let mut wires: TVec<OutletId> = inputs.into();
        for (index, wire) in wires.iter_mut().enumerate() {
            // Sizes are computed in a type of their own, which may still hold symbols: here they become numbers.
            if model.outlet_fact(*wire)?.datum_type == TDim::datum_type() {
                *wire = wire_cast(format!("{prefix}.sizes_{index}"), model, &[*wire], i64::datum_type())?[0];
            }
        }
        model.wire_node(prefix, self.clone(), &wires)
    }
}

/// One of our operators.
pub struct Operator {
    /// "" is the standard's own.
    pub domain: &'static str,
    pub name: &'static str,
    /// The version of its domain it came with.
    pub since: i64,
    pub make: fn(&NodeProto) -> TractResult<Arc<dyn Kernel>>,
}

impl Operator {
    /// What is wrong with this version of the domain.
    pub fn version(&self, opset: i64) -> Option<String> {
        let shown = if self.domain.is_empty() { "ai.onnx" } else { self.domain };
        if opset < self.since {
            return Some(format!("{shown} opset {opset} has no {}; it came with opset {}", self.name, self.since));
        }
        let newest = super::NEWEST_OPSET;
        let newer = self.domain == super::DOMAIN && opset > newest;
        newer.then(|| format!("{shown} opset {opset} is newer than {newest}; export with that one"))
    }
}

/// What a builder in tract's register gives back.
pub type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// Wraps a kernel for the register, once domain and opset are found right: the register itself knows names only.
pub fn build(operator: &'static Operator, context: &ParsingContext, node: &NodeProto) -> Built {
    let name = operator.name;
    let plain = |domain: &str| if domain == "ai.onnx" { String::new() } else { domain.to_owned() };
    let domain = plain(&node.domain);
    ensure!(domain == operator.domain, "{name} of domain '{domain}' is not that of '{}'", operator.domain);
    let opset = context.model.opset_import.iter().find(|o| plain(&o.domain) == domain).map_or(1, |o| o.version);
    if let Some(why) = operator.version(opset) {
        bail!(why);
    }
    let kernel = (operator.make)(node)?;
    let kept = (0..kernel.outputs()).filter(|i| node.output.get(*i).is_some_and(|o| !o.is_empty())).collect();
    let inputs = node.input.iter().filter(|i| !i.is_empty()).count();
    let open = kernel.is_open().then(|| context.template.symbols.new_with_prefix("found"));
    Ok((expand(MlOp { name, kernel, kept, inputs, open }), vec![]))
}

/// The only input's fact.
pub fn only(inputs: &[Fact]) -> TractResult<&Fact> {
    inputs.first().context("an input is missing")
}

/// Rows and columns of a matrix; a vector counts as one row.
pub fn rows_of(fact: &Fact) -> TractResult<TDim> {
    match fact.1.len() {
        1 => Ok(1.to_dim()),
        2 => Ok(fact.1[0].clone()),
        rank => bail!("expected a matrix of rows, given {rank} dimensions"),
    }
}

/// The same for a tensor: rows, columns.
pub fn matrix_of(tensor: &Tensor) -> TractResult<(usize, usize)> {
    match *tensor.shape() {
        [columns] => Ok((1, columns)),
        [rows, columns] => Ok((rows, columns)),
        ref shape => bail!("expected a matrix of rows, given shape {shape:?}"),
    }
}

/// All elements as numbers of one type.
pub fn numbers<T: Datum + Copy>(tensor: &Tensor) -> TractResult<Cow<'_, [T]>> {
    if tensor.datum_type() == T::datum_type() {
        return Ok(Cow::Borrowed(slice(tensor)?));
    }
    ensure!(tensor.datum_type().is_number(), "expected numbers, given {:?}", tensor.datum_type());
    let cast = tensor.cast_to::<T>()?;
    Ok(Cow::Owned(slice::<T>(&cast)?.to_vec()))
}

/// All elements in double precision.
pub fn doubles(tensor: &Tensor) -> TractResult<Cow<'_, [f64]>> {
    if tensor.datum_type() == f32::datum_type() {
        return Ok(Cow::Owned(slice::<f32>(tensor)?.iter().map(|v| f64::from(*v)).collect()));
    }
    numbers(tensor)
}

/// All elements of a tensor of exactly this type.
pub fn slice<T: Datum>(tensor: &Tensor) -> TractResult<&[T]> {
    tensor.try_as_plain_ram()?.as_slice::<T>()
}

/// A tensor of any element type.
pub fn tensor_of<T: Datum>(shape: &[usize], values: Vec<T>) -> TractResult<Tensor> {
    Ok(tract_ndarray::ArrayD::from_shape_vec(tract_ndarray::IxDyn(shape), values)?.into_tensor())
}
