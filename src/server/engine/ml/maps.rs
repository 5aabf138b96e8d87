//! Maps from keys to values: DictVectorizer and CastMap. The engine knows tensors alone, so a map is given as a row of a
//! matrix: [`Keyed`] says where a key's value goes and what stands for the keys that a map lacks.

use std::collections::HashMap;

use tract_onnx::pb::{GraphProto, NodeProto};
use tract_onnx::tract_hir::internal::*;

use super::attrs;
use super::op::{Fact, Kernel, numbers, only, slice, tensor_of};
use crate::server::engine::datatype::{Datatype, Element};

/// Widest row that a CastMap may ask for.
const WIDEST: i64 = 1 << 24;

/// How maps become the rows of a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    places: Places,
    /// What a CastMap makes of the values.
    cast: Option<Cast>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Places {
    Words(Vec<String>, HashMap<String, usize>),
    Numbers(Vec<i64>, HashMap<i64, usize>),
    /// Keys are positions, below this.
    Below(usize),
    /// Values lie in the order of their keys, whichever these are.
    Sorted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cast {
    Float,
    Text,
    Whole,
}

impl Keyed {
    /// Values of a row; nothing where each map has as many as it has keys.
    pub fn width(&self) -> Option<usize> {
        match &self.places {
            Places::Words(words, _) => Some(words.len()),
            Places::Numbers(numbers, _) => Some(numbers.len()),
            Places::Below(width) => Some(*width),
            Places::Sorted => None,
        }
    }

    /// The keys by position; none where any whole number is one, below the width if there is one.
    pub fn names(&self) -> Vec<String> {
        match &self.places {
            Places::Words(words, _) => words.clone(),
            Places::Numbers(numbers, _) => numbers.iter().map(i64::to_string).collect(),
            Places::Below(_) | Places::Sorted => Vec::new(),
        }
    }

    /// Whether keys are words; else they are whole numbers.
    pub fn is_by_word(&self) -> bool {
        matches!(self.places, Places::Words(..))
    }

    /// Where a key's value goes, as a position in the row, or among the others where there are as many as keys; nowhere if
    /// the model does not look at it.
    ///
    /// # Errors
    /// The key is no whole number where it has to be one.
    pub fn place(&self, key: &str) -> Result<Option<i64>, String> {
        let number = || key.trim().parse::<i64>().map_err(|_| format!("key {key:?} is not a whole number"));
        let at = match &self.places {
            Places::Words(_, by_word) => by_word.get(key).copied(),
            Places::Numbers(_, by_number) => by_number.get(&number()?).copied(),
            Places::Below(width) => {
                let at = usize::try_from(number()?).map_err(|_| format!("key {key} is below 0"))?;
                (at < *width).then_some(at)
            }
            Places::Sorted => return number().map(Some),
        };
        Ok(at.and_then(|at| i64::try_from(at).ok()))
    }

    /// What stands for a key that a map lacks.
    pub fn absent<T: Element>(&self) -> Result<T, String> {
        match (T::TYPE, self.cast) {
            (Datatype::Bytes, None) => T::from_text(""),
            (Datatype::Bytes, Some(Cast::Text)) => T::from_text(ABSENT),
            (Datatype::Bytes, Some(Cast::Float | Cast::Whole)) => T::from_text("0"),
            // A number cannot say that it is none; no map holds this one.
            (_, Some(Cast::Text)) => T::missing(),
            _ => T::from_unsigned(0),
        }
    }
}

/// What ONNX Runtime writes for a key that is not there.
const ABSENT: &str = "0.f";

/// Whether a node takes maps.
pub fn takes_maps(node: &NodeProto) -> bool {
    node.domain == super::DOMAIN && matches!(node.op_type.as_str(), "DictVectorizer" | "CastMap")
}

/// How the maps of a graph's input become rows, when it is one that a single DictVectorizer or CastMap takes.
pub fn keyed(graph: &GraphProto, input: &str) -> Option<Keyed> {
    let mut users = graph.node.iter().filter(|node| node.input.iter().any(|name| name == input));
    let (Some(node), None) = (users.next(), users.next()) else { return None };
    let is_output = graph.output.iter().any(|output| output.name == input);
    if is_output || !takes_maps(node) {
        return None;
    }
    if node.op_type == "CastMap" { cast_map(node) } else { vocabulary(node) }.ok()
}

fn vocabulary(node: &NodeProto) -> TractResult<Keyed> {
    let words = attrs::strings(node, "string_vocabulary")?;
    let numbers = attrs::ints(node, "int64_vocabulary").to_vec();
    ensure!(words.is_empty() != numbers.is_empty(), "one of string_vocabulary and int64_vocabulary lists the keys");
    let count = words.len() + numbers.len();
    let places = if words.is_empty() {
        let by_number = numbers.iter().enumerate().map(|(at, key)| (*key, at)).collect();
        Places::Numbers(numbers, by_number)
    } else {
        let by_word = words.iter().enumerate().map(|(at, key)| (key.clone(), at)).collect();
        Places::Words(words, by_word)
    };
    let different = match &places {
        Places::Words(_, by_word) => by_word.len(),
        Places::Numbers(_, by_number) => by_number.len(),
        Places::Below(_) | Places::Sorted => count,
    };
    ensure!(different == count, "the vocabulary lists a key twice");
    Ok(Keyed { places, cast: None })
}

fn cast_map(node: &NodeProto) -> TractResult<Keyed> {
    let places = match attrs::text(node, "map_form")?.as_deref() {
        None | Some("DENSE") => Places::Sorted,
        Some("SPARSE") => {
            let width = attrs::int(node, "max_map").unwrap_or(1);
            ensure!((1..=WIDEST).contains(&width), "max_map is {width}, not between 1 and {WIDEST}");
            Places::Below(usize::try_from(width)?)
        }
        Some(other) => bail!("map_form {other} is not defined"),
    };
    let cast = match attrs::text(node, "cast_to")?.as_deref() {
        None | Some("TO_FLOAT") => Cast::Float,
        Some("TO_STRING") => Cast::Text,
        Some("TO_INT64") => Cast::Whole,
        Some(other) => bail!("cast_to {other} is not defined"),
    };
    Ok(Keyed { places, cast: Some(cast) })
}

/// DictVectorizer and CastMap over rows.
impl Kernel for Keyed {
    fn facts(&self, inputs: &[Fact], _open: &TDim) -> TractResult<TVec<Fact>> {
        let (datum, shape) = only(inputs)?;
        ensure!(shape.len() == 2, "expected a row for each map, given {} dimensions", shape.len());
        if let (Some(width), Ok(given)) = (self.width(), shape[1].to_usize()) {
            ensure!(width == given, "expected rows of {width} values, given {given}");
        }
        let datum = match self.cast {
            None => *datum,
            Some(Cast::Float) => f32::datum_type(),
            Some(Cast::Text) => String::datum_type(),
            Some(Cast::Whole) => i64::datum_type(),
        };
        Ok(tvec![(datum, shape.clone())])
    }

    fn run(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        ensure!(
            input.rank() == 2 && self.width().is_none_or(|width| width == input.shape()[1]),
            "rows of another width"
        );
        let Some(cast) = self.cast else { return Ok(tvec![input.clone()]) };
        let shape = input.shape();
        let output = if input.datum_type() == String::datum_type() {
            let texts = slice::<String>(input)?.iter();
            match cast {
                Cast::Text => input.clone(),
                Cast::Float => tensor_of(shape, texts.map(|t| parsed::<f32>(t)).collect::<TractResult<_>>()?)?,
                Cast::Whole => tensor_of(shape, texts.map(|t| parsed::<i64>(t)).collect::<TractResult<_>>()?)?,
            }
        } else {
            let values = numbers::<f32>(input)?;
            match cast {
                Cast::Float => tensor_of(shape, values.into_owned())?,
                Cast::Whole => tensor_of(shape, values.iter().map(|v| *v as i64).collect())?,
                Cast::Text => {
                    let text = |v: &f32| if v.is_nan() { ABSENT.to_owned() } else { format!("{v:.6}") };
                    tensor_of(shape, values.iter().map(text).collect::<Vec<String>>())?
                }
            }
        };
        Ok(tvec![output])
    }
}

fn parsed<T: std::str::FromStr>(text: &str) -> TractResult<T> {
    text.trim().parse().map_err(|_| format_err!("the text {text:?} is not a number of the kind asked for"))
}

/// DictVectorizer.
pub fn dict_vectorizer(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    Ok(Arc::new(vocabulary(node)?))
}

/// CastMap.
pub fn cast(node: &NodeProto) -> TractResult<Arc<dyn Kernel>> {
    Ok(Arc::new(cast_map(node)?))
}
