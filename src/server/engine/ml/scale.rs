//! Column-wise preparation of features: Scaler, Normalizer, Imputer, Binarizer, FeatureVectorizer, ArrayFeatureExtractor.

use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs;
use super::op::{Fact, Kernel, doubles, matrix_of, numbers, only, rows_of, slice, tensor_of};

/// `(x - offset) * scale`, by column or for all alike.
#[derive(Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

impl Kernel for Scaler {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        Ok(tvec![(f32::datum_type(), only(inputs)?.1.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let shape = inputs[0].shape();
        let columns = shape.last().copied().unwrap_or(1);
        for (name, values) in [("offset", &self.offset), ("scale", &self.scale)] {
            ensure!(
                matches!(values.len(), 0 | 1) || values.len() == columns,
                "{name} has {} entries, given {columns} features",
                values.len()
            );
        }
        let each = |values: &[f32], otherwise: f64| match values {
            [] => vec![otherwise; columns],
            [only] => vec![f64::from(*only); columns],
            all => all.iter().map(|v| f64::from(*v)).collect(),
        };
        let (offset, scale) = (each(&self.offset, 0.0), each(&self.scale, 1.0));
        let values = doubles(inputs[0])?;
        let mut scaled = Vec::with_capacity(values.len());
        for row in values.chunks_exact(columns.max(1)) {
            scaled
                .extend(row.iter().zip(&offset).zip(&scale).map(|((x, offset), scale)| ((x - offset) * scale) as f32));
        }
        Ok(tvec![tensor_of(shape, scaled)?])
    }
}

pub fn scaler(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let of = |name| attrs::floats(node, name).to_vec();
    Ok(Arc::new(Scaler { offset: of("offset"), scale: of("scale") }))
}

#[derive(Debug, Clone, Copy)]
enum Norm {
    Max,
    L1,
    L2,
}

#[derive(Debug)]
struct Normalizer(Norm);

impl Kernel for Normalizer {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        rows_of(only(inputs)?)?;
        Ok(tvec![(f32::datum_type(), only(inputs)?.1.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (_, columns) = matrix_of(inputs[0])?;
        let mut values = doubles(inputs[0])?.into_owned();
        for row in values.chunks_exact_mut(columns.max(1)) {
            let size = match self.0 {
                Norm::Max => row.iter().fold(0.0f64, |m, v| m.max(v.abs())),
                Norm::L1 => row.iter().map(|v| v.abs()).sum(),
                Norm::L2 => row.iter().map(|v| v * v).sum::<f64>().sqrt(),
            };
            row.iter_mut().for_each(|v| *v /= size.max(1e-30));
        }
        Ok(tvec![tensor_of(inputs[0].shape(), values.iter().map(|v| *v as f32).collect())?])
    }
}

pub fn normalizer(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    Ok(Arc::new(Normalizer(match attrs::text(node, "norm")?.as_deref() {
        None | Some("MAX") => Norm::Max,
        Some("L1") => Norm::L1,
        Some("L2") => Norm::L2,
        Some(other) => bail!("norm {other} is not defined"),
    })))
}

/// Puts given values in place of missing ones; keeps its input's type.
#[derive(Debug)]
enum Imputer {
    Floats { values: Vec<f32>, replaced: f32 },
    Ints { values: Vec<i64>, replaced: i64 },
}

impl Imputer {
    fn fill<T: Datum + Copy>(input: &Tensor, values: &[T], gone: impl Fn(T) -> bool) -> TractResult<Tensor> {
        let columns = input.shape().last().copied().unwrap_or(1);
        ensure!(
            values.len() == 1 || values.len() == columns,
            "{} imputed values, given {columns} features",
            values.len()
        );
        let all = slice::<T>(input)?;
        let mut filled = Vec::with_capacity(all.len());
        for row in all.chunks_exact(columns.max(1)) {
            let instead = values.iter().cycle();
            filled.extend(row.iter().zip(instead).map(|(x, instead)| if gone(*x) { *instead } else { *x }));
        }
        tensor_of(input.shape(), filled)
    }
}

impl Kernel for Imputer {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        Ok(tvec![only(inputs)?.clone()])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        let output = match (self, input.datum_type()) {
            (Self::Floats { values, replaced }, DatumType::F32) => {
                Self::fill(input, values, |x: f32| if replaced.is_nan() { x.is_nan() } else { x == *replaced })?
            }
            (Self::Floats { values, replaced }, DatumType::F64) => {
                let wide: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
                let replaced = f64::from(*replaced);
                Self::fill(input, &wide, |x: f64| if replaced.is_nan() { x.is_nan() } else { x == replaced })?
            }
            (Self::Ints { values, replaced }, DatumType::I64) => Self::fill(input, values, |x: i64| x == *replaced)?,
            (Self::Ints { values, replaced }, DatumType::I32) => {
                let narrow: Vec<i32> = values.iter().map(|v| i32::try_from(*v)).collect::<Result<_, _>>()?;
                Self::fill(input, &narrow, |x: i32| i64::from(x) == *replaced)?
            }
            (_, other) => bail!("the imputed values do not fit an input of type {other:?}"),
        };
        Ok(tvec![output])
    }
}

pub fn imputer(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let (floats, ints) = (attrs::floats(node, "imputed_value_floats"), attrs::ints(node, "imputed_value_int64s"));
    if !floats.is_empty() {
        let replaced = attrs::float(node, "replaced_value_float").unwrap_or(0.0);
        return Ok(Arc::new(Imputer::Floats { values: floats.to_vec(), replaced }));
    }
    ensure!(!ints.is_empty(), "there are no imputed values");
    Ok(Arc::new(Imputer::Ints {
        values: ints.to_vec(),
        replaced: attrs::int(node, "replaced_value_int64").unwrap_or(0),
    }))
}

/// 1 above the threshold, else 0; keeps its input's type.
#[derive(Debug)]
struct Binarizer(f64);

impl Kernel for Binarizer {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        Ok(tvec![only(inputs)?.clone()])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let values = doubles(inputs[0])?.iter().map(|v| f64::from(u8::from(*v > self.0))).collect();
        let output = tensor_of::<f64>(inputs[0].shape(), values)?;
        Ok(tvec![output.cast_to_dt(inputs[0].datum_type())?.into_owned()])
    }
}

pub fn binarizer(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    Ok(Arc::new(Binarizer(f64::from(attrs::float(node, "threshold").unwrap_or(0.0)))))
}

/// Columns of several inputs side by side, each cut or filled with zeros to its given width.
#[derive(Debug)]
struct FeatureVectorizer(Vec<usize>);

impl Kernel for FeatureVectorizer {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        ensure!(
            inputs.len() == self.0.len(),
            "inputdimensions has {} entries for {} inputs",
            self.0.len(),
            inputs.len()
        );
        let rows = match only(inputs)?.1.len() {
            // Here a vector is a column, not a row.
            1 => inputs[0].1[0].clone(),
            _ => rows_of(&inputs[0])?,
        };
        Ok(tvec![(f32::datum_type(), tvec![rows, self.0.iter().sum::<usize>().to_dim()])])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let mut parts = Vec::with_capacity(inputs.len());
        for input in inputs {
            let (rows, columns) = if input.rank() == 1 { (input.len(), 1) } else { matrix_of(input)? };
            parts.push((rows, columns, numbers::<f32>(input)?));
        }
        let rows = parts.first().map_or(0, |p| p.0);
        ensure!(parts.iter().all(|p| p.0 == rows), "the inputs differ in their number of rows");
        let width = self.0.iter().sum();
        let mut out = Vec::with_capacity(rows * width);
        for row in 0..rows {
            for ((_, columns, values), wanted) in parts.iter().zip(&self.0) {
                let taken = (*columns).min(*wanted);
                out.extend_from_slice(&values[row * columns..row * columns + taken]);
                out.resize(out.len() + wanted - taken, 0.0);
            }
        }
        Ok(tvec![tensor_of(&[rows, width], out)?])
    }
}

pub fn feature_vectorizer(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let widths = attrs::ints(node, "inputdimensions").iter().map(|d| usize::try_from(*d));
    Ok(Arc::new(FeatureVectorizer(widths.collect::<Result<_, _>>()?)))
}

/// Chosen positions of the last dimension, of any element type.
#[derive(Debug)]
struct ArrayFeatureExtractor;

impl Kernel for ArrayFeatureExtractor {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        ensure!(inputs.len() == 2, "expected values and positions");
        let count: TDim = inputs[1].1.iter().product();
        let (datum, mut shape) = inputs[0].clone();
        if shape.len() == 1 {
            shape.insert(0, 1.to_dim());
        }
        *shape.last_mut().context("a single value has no features to choose from")? = count;
        Ok(tvec![(datum, shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let positions = numbers::<i64>(inputs[1])?;
        let (input, mut shape) = (inputs[0], inputs[0].shape().to_vec());
        let columns = *shape.last().context("a single value has no features to choose from")?;
        let inside = |p: &i64| usize::try_from(*p).ok().filter(|p| *p < columns);
        let picked: Vec<usize> = positions
            .iter()
            .map(|p| inside(p).with_context(|| format!("position {p} of {columns}")))
            .collect::<TractResult<_>>()?;
        if shape.len() == 1 {
            shape.insert(0, 1);
        }
        if let Some(last) = shape.last_mut() {
            *last = picked.len();
        }
        Ok(tvec![dispatch_datum!(pick(input.datum_type())(input, &shape, columns, &picked))?])
    }
}

fn pick<T: Datum>(input: &Tensor, shape: &[usize], columns: usize, picked: &[usize]) -> TractResult<Tensor> {
    let rows = slice::<T>(input)?.chunks_exact(columns.max(1));
    tensor_of(shape, rows.flat_map(|row| picked.iter().map(|p| row[*p].clone())).collect::<Vec<T>>())
}

pub fn array_feature_extractor(_: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    Ok(Arc::new(ArrayFeatureExtractor))
}
