//! Categories: LabelEncoder, OneHotEncoder, CategoryMapper, and ZipMap's labels.

use std::collections::{BTreeMap, HashMap};

use tract_onnx::pb::{GraphProto, NodeProto};
use tract_onnx::tract_hir::internal::*;

use super::attrs::{self, Values};
use super::op::{Fact, Kernel, doubles, numbers, only, slice, tensor_of};
use super::post::Labels;

/// Keys looked up by value; floats by their bits, so that NaN finds NaN.
#[derive(Debug)]
enum Keys {
    Ints(HashMap<i64, usize>),
    Floats(HashMap<u64, usize>),
    Strings(HashMap<String, usize>),
}

fn bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

impl Keys {
    fn new(values: &Values) -> Self {
        // The first of equal keys counts for one-hot positions; encoders take the last, as a dictionary does.
        match values {
            Values::Ints(keys) => Self::Ints(keys.iter().enumerate().map(|(i, k)| (*k, i)).collect()),
            Values::Floats(keys) => Self::Floats(keys.iter().enumerate().map(|(i, k)| (bits(*k), i)).collect()),
            Values::Strings(keys) => Self::Strings(keys.iter().enumerate().map(|(i, k)| (k.clone(), i)).collect()),
        }
    }

    /// Position of every element of the input among the keys.
    fn find(&self, input: &Tensor) -> TractResult<Vec<Option<usize>>> {
        Ok(match self {
            Self::Strings(keys) => {
                ensure!(input.datum_type() == String::datum_type(), "expected strings, given {:?}", input.datum_type());
                slice::<String>(input)?.iter().map(|s| keys.get(s).copied()).collect()
            }
            Self::Ints(keys) if input.datum_type().is_float() => {
                let whole = |v: &f64| (v.fract() == 0.0).then_some(*v as i64);
                doubles(input)?.iter().map(|v| whole(v).and_then(|v| keys.get(&v).copied())).collect()
            }
            Self::Ints(keys) => numbers::<i64>(input)?.iter().map(|v| keys.get(v).copied()).collect(),
            Self::Floats(keys) => doubles(input)?.iter().map(|v| keys.get(&bits(*v)).copied()).collect(),
        })
    }
}

#[derive(Debug)]
struct LabelEncoder {
    keys: Keys,
    values: Values,
    otherwise: Values,
    datum: DatumType,
}

impl LabelEncoder {
    fn map<T: Clone + Datum>(&self, input: &Tensor, values: &[T], otherwise: &T) -> TractResult<Tensor> {
        let found = self.keys.find(input)?;
        let mapped = found.iter().map(|at| at.and_then(|i| values.get(i)).unwrap_or(otherwise).clone());
        tensor_of(input.shape(), mapped.collect())
    }
}

impl Kernel for LabelEncoder {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        Ok(tvec![(self.datum, only(inputs)?.1.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let output = match (&self.values, &self.otherwise) {
            (Values::Ints(values), Values::Ints(other)) => self.map(inputs[0], values, other.first().unwrap_or(&-1))?,
            (Values::Floats(values), Values::Floats(other)) => {
                self.map(inputs[0], values, other.first().unwrap_or(&-0.0))?
            }
            (Values::Strings(values), Values::Strings(other)) => {
                self.map(inputs[0], values, other.first().unwrap_or(&"_Unused".to_owned()))?
            }
            _ => bail!("the default value is of another type than the values"),
        };
        Ok(tvec![output.cast_to_dt(self.datum)?.into_owned()])
    }
}

/// Keys or values of an encoder from whichever attribute holds them.
fn side(node: &NodeProto, prefix: &str) -> TractResult<(Values, DatumType)> {
    let strings = attrs::strings(node, &format!("{prefix}_strings"))?;
    if !strings.is_empty() {
        return Ok((Values::Strings(strings), String::datum_type()));
    }
    let ints = attrs::ints(node, &format!("{prefix}_int64s"));
    if !ints.is_empty() {
        return Ok((Values::Ints(ints.to_vec()), i64::datum_type()));
    }
    let floats = attrs::floats(node, &format!("{prefix}_floats"));
    if !floats.is_empty() {
        return Ok((Values::Floats(floats.iter().map(|f| f64::from(*f)).collect()), f32::datum_type()));
    }
    let name = format!("{prefix}_tensor");
    let values = attrs::tensor(node, &name)?.with_context(|| format!("no attribute {prefix}_* is given"))?;
    let number = attrs::find(node, &name).and_then(|a| a.t.as_ref()).map_or(0, |t| t.data_type);
    let datum = crate::server::engine::datatype::Datatype::from_onnx(number).context("element type")?.datum();
    Ok((values, datum))
}

/// LabelEncoder: from opset 2 on keys to values; in opset 1 a list of classes, strings to positions and back.
pub fn label_encoder(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    ensure!(attrs::find(node, "classes_strings").is_none(), "the form of ml opset 1 depends on its input's type");
    let ((keys, _), (values, datum)) = (side(node, "keys")?, side(node, "values")?);
    let (key_count, value_count) = (length(&keys), length(&values));
    ensure!(key_count == value_count, "{key_count} keys for {value_count} values");
    let otherwise = match (&values, attrs::tensor(node, "default_tensor")?) {
        (_, Some(given)) => given,
        (Values::Ints(_), None) => Values::Ints(vec![attrs::int(node, "default_int64").unwrap_or(-1)]),
        (Values::Floats(_), None) => {
            Values::Floats(vec![f64::from(attrs::float(node, "default_float").unwrap_or(-0.0))])
        }
        (Values::Strings(_), None) => {
            Values::Strings(vec![attrs::text(node, "default_string")?.unwrap_or_else(|| "_Unused".to_owned())])
        }
    };
    Ok(Arc::new(LabelEncoder { keys: Keys::new(&keys), values, otherwise, datum }))
}

fn length(values: &Values) -> usize {
    match values {
        Values::Ints(v) => v.len(),
        Values::Floats(v) => v.len(),
        Values::Strings(v) => v.len(),
    }
}

/// CategoryMapper, and LabelEncoder of opset 1: strings to numbers or numbers to strings, by the input's type.
#[derive(Debug)]
struct BothWays {
    texts: Vec<String>,
    by_text: HashMap<String, i64>,
    by_number: HashMap<i64, usize>,
    default_number: i64,
    default_text: String,
}

impl Kernel for BothWays {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        let (datum, shape) = only(inputs)?;
        let out = if *datum == String::datum_type() { i64::datum_type() } else { String::datum_type() };
        Ok(tvec![(out, shape.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        if input.datum_type() == String::datum_type() {
            let numbers =
                slice::<String>(input)?.iter().map(|s| self.by_text.get(s).copied().unwrap_or(self.default_number));
            return Ok(tvec![tensor_of(input.shape(), numbers.collect::<Vec<i64>>())?]);
        }
        let text = |n: &i64| self.by_number.get(n).map_or(&self.default_text, |i| &self.texts[*i]).clone();
        Ok(tvec![tensor_of(input.shape(), numbers::<i64>(input)?.iter().map(text).collect::<Vec<String>>())?])
    }
}

fn both_ways(node: &NodeProto, texts: Vec<String>, numbers: Vec<i64>) -> TractResult<Arc<dyn Kernel>> {
    ensure!(texts.len() == numbers.len(), "{} strings for {} numbers", texts.len(), numbers.len());
    Ok(Arc::new(BothWays {
        by_text: texts.iter().cloned().zip(numbers.iter().copied()).collect(),
        by_number: numbers.iter().enumerate().map(|(i, n)| (*n, i)).collect(),
        default_number: attrs::int(node, "default_int64").unwrap_or(-1),
        default_text: attrs::text(node, "default_string")?.unwrap_or_else(|| "_Unused".to_owned()),
        texts,
    }))
}

/// CategoryMapper.
pub fn category_mapper(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    both_ways(node, attrs::strings(node, "cats_strings")?, attrs::ints(node, "cats_int64s").to_vec())
}

/// LabelEncoder of any opset.
pub fn any_label_encoder(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    if attrs::find(node, "classes_strings").is_none() {
        return label_encoder(node);
    }
    let texts = attrs::strings(node, "classes_strings")?;
    let numbers = (0..texts.len() as i64).collect();
    both_ways(node, texts, numbers)
}

#[derive(Debug)]
struct OneHot {
    keys: Keys,
    width: usize,
    /// Whether an unknown category gives a row of zeros; else it is an error.
    zeros: bool,
}

impl Kernel for OneHot {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        let mut shape = only(inputs)?.1.clone();
        shape.push(self.width.to_dim());
        Ok(tvec![(f32::datum_type(), shape)])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let found = self.keys.find(inputs[0])?;
        let mut out = vec![0f32; found.len() * self.width];
        for (index, at) in found.iter().enumerate() {
            match at {
                Some(at) => out[index * self.width + at] = 1.0,
                None => ensure!(self.zeros, "value {index} is none of the {} categories", self.width),
            }
        }
        let mut shape = inputs[0].shape().to_vec();
        shape.push(self.width);
        Ok(tvec![tensor_of(&shape, out)?])
    }
}

/// OneHotEncoder.
pub fn one_hot_encoder(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    let (values, _) = side(node, "cats")?;
    let width = length(&values);
    Ok(Arc::new(OneHot { keys: Keys::new(&values), width, zeros: attrs::int(node, "zeros").unwrap_or(1) != 0 }))
}

/// ZipMap passes the scores through; the labels go to the answer's JSON.
#[derive(Debug)]
struct ZipMap;

impl Kernel for ZipMap {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        Ok(tvec![only(inputs)?.clone()])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        Ok(tvec![inputs[0].clone()])
    }
}

pub fn zip_map(_: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    Ok(Arc::new(ZipMap))
}

/// Graph outputs that are a ZipMap's, with their labels.
pub fn zipped_outputs(graph: &GraphProto) -> BTreeMap<String, Labels> {
    let zips = graph.node.iter().filter(|n| n.op_type == "ZipMap" && n.domain == "ai.onnx.ml");
    let labelled = zips.filter_map(|n| {
        let labels = Labels::read(n, "classlabels_int64s", "classlabels_strings").ok()?;
        Some((n.output.first()?.clone(), labels))
    });
    labelled.filter(|(name, _)| graph.output.iter().any(|o| o.name == *name)).collect()
}
