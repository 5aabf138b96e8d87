//! Nested JSON arrays, read straight into one flat typed buffer with their shape checked on the way.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use tract_onnx::prelude::Tensor;
use tract_onnx::prelude::tract_ndarray::{ArrayD, IxDyn};

use super::scan::Cursor;
use crate::server::engine::datatype::{Datatype, Element, with_element};

/// Deepest nesting taken: more dimensions than any real tensor has.
const MAX_RANK: usize = 16;
/// A length not yet known.
const OPEN: usize = usize::MAX;

/// A flat buffer being filled from nested arrays.
#[derive(Debug)]
pub struct Flat<T> {
    values: Vec<T>,
    /// Length at each depth; `OPEN` until the first list of that depth has ended.
    shape: Vec<usize>,
    /// Depth of the values, once one was seen.
    rank: Option<usize>,
    /// Whether `null` stands for a missing number.
    missing: bool,
}

impl<T: Element> Flat<T> {
    pub fn new(missing: bool) -> Self {
        Self { values: Vec::new(), shape: Vec::new(), rank: None, missing }
    }

    #[inline]
    fn leaf(&mut self, depth: usize, value: Result<T, String>) -> Result<(), String> {
        if self.rank != Some(depth) {
            self.first_leaf(depth)?;
        }
        match value {
            Ok(value) => {
                self.values.push(value);
                Ok(())
            }
            Err(why) => Err(format!("{why} (value {})", self.values.len())),
        }
    }

    /// The depth of the first value is that of all.
    #[cold]
    fn first_leaf(&mut self, depth: usize) -> Result<(), String> {
        if self.rank.is_some() || self.shape.len() > depth {
            return Err(format!("ragged: value {} stands where a list is expected", self.values.len()));
        }
        self.rank = Some(depth);
        Ok(())
    }

    fn open(&mut self, depth: usize) -> Result<(), String> {
        if self.rank.is_some_and(|rank| depth >= rank) {
            return Err(format!("ragged: a list stands where value {} is expected", self.values.len()));
        }
        if depth >= MAX_RANK {
            return Err(format!("lists nest deeper than {MAX_RANK} levels"));
        }
        if self.shape.len() == depth {
            self.shape.push(OPEN);
        }
        Ok(())
    }

    fn close(&mut self, depth: usize, length: usize) -> Result<(), String> {
        let known = &mut self.shape[depth];
        if *known == OPEN {
            *known = length;
        } else if *known != length {
            return Err(format!(
                "ragged: a list of length {length} where those before it have length {known} (dimension {depth})"
            ));
        }
        Ok(())
    }

    /// Appends a single value at the top level, for lists that are assembled column by column.
    pub fn push(&mut self, value: Result<T, String>) -> Result<(), String> {
        self.values.push(value.map_err(|why| format!("{why} (row {})", self.values.len()))?);
        Ok(())
    }

    /// Whether `null` may stand for a missing value.
    pub fn allows_missing(&self) -> bool {
        self.missing
    }

    /// The values as a tensor of `shape`, whose product must be the number of values.
    pub fn into_tensor(self, shape: &[usize]) -> Result<Tensor, String> {
        let count = self.values.len();
        let array = ArrayD::from_shape_vec(IxDyn(shape), self.values)
            .map_err(|_| format!("{count} values cannot have shape {shape:?}"))?;
        Ok(Tensor::from(array))
    }
}

/// Reads one value or (nested) list into a [`Flat`].
struct Nested<'a, T> {
    into: &'a mut Flat<T>,
    depth: usize,
}

impl<'de, T: Element> DeserializeSeed<'de> for Nested<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Element> Visitor<'de> for Nested<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} or a list of it", T::TYPE.expected())
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<(), E> {
        self.into.leaf(self.depth, T::from_float(v)).map_err(E::custom)
    }
    fn visit_i64<E: Error>(self, v: i64) -> Result<(), E> {
        self.into.leaf(self.depth, T::from_signed(v)).map_err(E::custom)
    }
    fn visit_u64<E: Error>(self, v: u64) -> Result<(), E> {
        self.into.leaf(self.depth, T::from_unsigned(v)).map_err(E::custom)
    }
    fn visit_bool<E: Error>(self, v: bool) -> Result<(), E> {
        self.into.leaf(self.depth, T::from_truth(v)).map_err(E::custom)
    }
    fn visit_str<E: Error>(self, v: &str) -> Result<(), E> {
        self.into.leaf(self.depth, T::from_text(v)).map_err(E::custom)
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        let value = if self.into.missing { T::missing() } else { Err("null is not a value here".to_owned()) };
        self.into.leaf(self.depth, value).map_err(E::custom)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        fill(self.into, self.depth, seq)
    }
    fn visit_map<A: serde::de::MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(A::Error::custom(format!("expected {}, given an object", T::TYPE.expected())))
    }
}

fn fill<'de, T: Element, A: SeqAccess<'de>>(into: &mut Flat<T>, depth: usize, mut seq: A) -> Result<(), A::Error> {
    into.open(depth).map_err(A::Error::custom)?;
    let mut length = 0;
    while seq.next_element_seed(Nested { into, depth: depth + 1 })?.is_some() {
        length += 1;
    }
    into.close(depth, length).map_err(A::Error::custom)
}

/// [`fill`] and [`Nested`] over plain JSON.
fn scan<T: Element>(into: &mut Flat<T>, depth: usize, cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.peek()? != b'[' {
        let value = cursor.number()?.element::<T>()?;
        return into.leaf(depth, Ok(value)).ok();
    }
    into.open(depth).ok()?;
    let length = cursor.list(|cursor| scan(into, depth + 1, cursor))?;
    into.close(depth, length).ok()
}

/// A tensor as read from JSON: its shape is that of the nesting.
#[derive(Debug)]
pub struct Given {
    pub tensor: Tensor,
    pub shape: Vec<usize>,
}

/// Reads nested lists (or a single value, rank 0) of `datatype`.
#[derive(Clone, Copy)]
pub struct Array {
    pub datatype: Datatype,
    /// Whether `null` stands for a missing number.
    pub missing: bool,
}

impl Array {
    /// Continues a list that a visitor has already begun.
    pub fn read_seq<'de, A: SeqAccess<'de>>(self, seq: A) -> Result<Given, A::Error> {
        with_element!(self.datatype, T => {
            let mut flat = Flat::<T>::new(self.missing);
            fill(&mut flat, 0, seq)?;
            finish(flat).map_err(A::Error::custom)
        })
    }
}

impl Array {
    /// Reads plain JSON; `None` where the general parser has to look.
    pub fn scan(self, cursor: &mut Cursor<'_>) -> Option<Given> {
        with_element!(self.datatype, T => {
            let mut flat = Flat::<T>::new(self.missing);
            // Numbers take two bytes at least. Few lists are longer than this, and longer ones grow.
            flat.values.reserve((cursor.left() / 2).min(16));
            scan(&mut flat, 0, cursor)?;
            finish(flat).ok()
        })
    }
}

impl<'de> DeserializeSeed<'de> for Array {
    type Value = Given;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Given, D::Error> {
        with_element!(self.datatype, T => {
            let mut flat = Flat::<T>::new(self.missing);
            Nested { into: &mut flat, depth: 0 }.deserialize(deserializer)?;
            finish(flat).map_err(D::Error::custom)
        })
    }
}

fn finish<T: Element>(flat: Flat<T>) -> Result<Given, String> {
    let shape = flat.shape.clone();
    Ok(Given { tensor: flat.into_tensor(&shape)?, shape })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(datatype: Datatype, text: &str) -> Result<Given, String> {
        let mut json = serde_json::Deserializer::from_str(text);
        Array { datatype, missing: true }.deserialize(&mut json).map_err(|e| e.to_string())
    }

    #[test]
    fn nesting_gives_the_shape_and_values_keep_their_order() {
        let given = read(Datatype::F32, "[[1, 2.5, -3], [4, 5, 6e2]]").unwrap();
        assert_eq!(given.shape, [2, 3]);
        let values: Vec<f32> = given.tensor.to_plain_array_view::<f32>().unwrap().iter().copied().collect();
        assert_eq!(values, [1.0, 2.5, -3.0, 4.0, 5.0, 600.0]);
        assert_eq!(read(Datatype::I64, "7").unwrap().shape, [0usize; 0]);
        assert_eq!(read(Datatype::Bytes, r#"["a", "b\n"]"#).unwrap().shape, [2]);
        assert_eq!(read(Datatype::F32, "[[], []]").unwrap().shape, [2, 0]);
    }

    #[test]
    fn ragged_lists_are_refused_wherever_they_break() {
        for text in ["[[1,2],[3]]", "[[1],2]", "[1,[2]]", "[[],[1]]", "[[1],[]]", "[[[1]],[2]]", "[[],1]", "[[[]],[1]]"]
        {
            let error = read(Datatype::F32, text).unwrap_err();
            assert!(error.contains("ragged"), "{text}: {error}");
        }
    }

    #[test]
    fn wrong_scalars_say_what_was_expected_and_given() {
        assert!(read(Datatype::I32, "[1, 2.5]").unwrap_err().contains("whole number for INT32, given 2.5 (value 1)"));
        assert!(read(Datatype::F32, "[1, \"x\"]").unwrap_err().contains("given the string \"x\""));
        assert!(read(Datatype::F32, "[{}]").unwrap_err().contains("object"));
        assert!(read(Datatype::Bytes, "[1]").unwrap_err().contains("a string"));
        assert!(read(Datatype::U8, "[300]").unwrap_err().contains("300 does not fit UINT8"));
        let deep = format!("{}1{}", "[".repeat(17), "]".repeat(17));
        assert!(read(Datatype::F32, &deep).unwrap_err().contains("deeper"));
    }

    /// Whether the scanner gives up on a text or reads it as the general parser does.
    fn agrees(datatype: Datatype, text: &str) -> bool {
        let mut cursor = Cursor::new(text.as_bytes());
        let scanned = Array { datatype, missing: true }.scan(&mut cursor).filter(|_| cursor.end().is_some());
        scanned.is_none_or(|scanned| {
            read(datatype, text).is_ok_and(|read| read.shape == scanned.shape && read.tensor == scanned.tensor)
        })
    }

    proptest! {
        #[test]
        fn the_scanner_agrees_or_gives_up(text in "[\\[\\]0-9,.\\-e\"a-z: ]{0,40}") {
            for datatype in [Datatype::F32, Datatype::F16, Datatype::I8, Datatype::U64, Datatype::Bytes, Datatype::Bool] {
                prop_assert!(agrees(datatype, &text), "{datatype:?} {text}");
            }
        }

        #[test]
        fn the_scanner_takes_plain_tables(rows in proptest::collection::vec(proptest::collection::vec(-1e6f32..1e6, 3), 1..6)) {
            let text = serde_json::to_string_pretty(&rows).unwrap();
            let scanned = Array { datatype: Datatype::F32, missing: true }.scan(&mut Cursor::new(text.as_bytes())).unwrap();
            prop_assert_eq!(&scanned.shape, &vec![rows.len(), 3]);
            let values: Vec<f32> = scanned.tensor.to_plain_array_view::<f32>().unwrap().iter().copied().collect();
            prop_assert_eq!(values, rows.concat());
            prop_assert!(agrees(Datatype::F32, &text) && agrees(Datatype::I32, &text));
        }

        #[test]
        fn any_text_gives_a_tensor_or_an_error(text in "[\\[\\]0-9,.\\-e\"a-z{}: ]{0,60}") {
            for datatype in [Datatype::F32, Datatype::I8, Datatype::Bytes, Datatype::Bool] {
                if let Ok(given) = read(datatype, &text) {
                    prop_assert_eq!(given.tensor.len(), given.shape.iter().product::<usize>());
                }
            }
        }

        #[test]
        fn what_serde_json_writes_is_read_back(rows in proptest::collection::vec(proptest::collection::vec(any::<i32>(), 3), 1..6)) {
            let given = read(Datatype::I32, &serde_json::to_string(&rows).unwrap()).unwrap();
            prop_assert_eq!(&given.shape, &vec![rows.len(), 3]);
            let values: Vec<i32> = given.tensor.to_plain_array_view::<i32>().unwrap().iter().copied().collect();
            prop_assert_eq!(values, rows.concat());
        }
    }
}
