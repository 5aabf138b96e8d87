//! The value of an input that takes maps: an object, a list of objects, or rows in the order of the keys.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tract_onnx::prelude::Tensor;
use tract_onnx::prelude::tract_ndarray::Array1;

use super::columns::Cell;
use super::nested::{Array, Given};
use crate::server::engine::datatype::{Element, with_element};
use crate::server::engine::ml::Keyed;
use crate::server::engine::onnx::spec::Spec;

/// Values that the maps of a request may become: a body of a few bytes a map stands for rows of any width.
const MOST: usize = 1 << 24;

/// Reads the value of an input: nested lists, or maps for one that takes them.
#[derive(Clone, Copy)]
pub struct Value<'s> {
    pub spec: &'s Spec,
    /// Whether `null` stands for a missing number.
    pub missing: bool,
}

impl<'s> Value<'s> {
    /// With `null` for missing numbers.
    pub fn of(spec: &'s Spec) -> Self {
        Self { spec, missing: true }
    }

    fn array(self) -> Array {
        Array { datatype: self.spec.datatype, missing: self.missing }
    }

    /// Continues a list that a visitor has already begun.
    pub fn read_seq<'de, A: SeqAccess<'de>>(self, seq: A) -> Result<Given, A::Error> {
        let Some(keyed) = &self.spec.keyed else { return self.array().read_seq(seq) };
        with_element!(self.spec.datatype, T => Rows::<T>::new(keyed, self.missing).visit_seq(seq))
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Given;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Given, D::Error> {
        let Some(keyed) = &self.spec.keyed else { return self.array().deserialize(deserializer) };
        with_element!(self.spec.datatype, T => deserializer.deserialize_any(Rows::<T>::new(keyed, self.missing)))
    }
}

/// A matrix whose columns have these names, as the rows of an input that takes maps; unchanged for other inputs.
pub fn by_column(spec: &Spec, columns: &[&str], given: Given) -> Result<Given, String> {
    let Some(keyed) = &spec.keyed else { return Ok(given) };
    let places: Vec<Option<i64>> = columns.iter().map(|name| keyed.place(name)).collect::<Result<_, _>>()?;
    with_element!(spec.datatype, T => spread(Rows::<T>::new(keyed, true), &places, &given.tensor))
}

fn spread<T: Element>(mut rows: Rows<'_, T>, places: &[Option<i64>], matrix: &Tensor) -> Result<Given, String> {
    let plain = matrix.try_as_plain_ram().map_err(|e| e.to_string())?;
    let values = plain.as_slice::<T>().map_err(|e| e.to_string())?;
    for row in values.chunks_exact(places.len().max(1)) {
        let entries = places.iter().zip(row).filter_map(|(place, value)| Some(((*place)?, value.clone())));
        rows.take(entries.collect())?;
    }
    rows.finish()
}

/// Rows being filled.
struct Rows<'k, T> {
    keyed: &'k Keyed,
    values: Vec<T>,
    count: usize,
    /// Values of a row, once it is known.
    width: Option<usize>,
    missing: bool,
}

impl<'k, T: Element> Rows<'k, T> {
    fn new(keyed: &'k Keyed, missing: bool) -> Self {
        Self { keyed, values: Vec::new(), count: 0, width: keyed.width(), missing }
    }

    /// A map's values by their places as the next row. The last of equal keys counts.
    fn take(&mut self, mut entries: Vec<(i64, T)>) -> Result<(), String> {
        let start = self.values.len();
        if let Some(width) = self.keyed.width() {
            if start + width > MOST.max(width) {
                return Err(format!("too much at once: {} maps of {width} values; send fewer", self.count + 1));
            }
            self.values.resize(start + width, self.keyed.absent()?);
            for (at, value) in entries {
                self.values[start + usize::try_from(at).map_err(|e| e.to_string())?] = value;
            }
        } else {
            entries.sort_by_key(|(key, _)| *key);
            for (at, (key, value)) in entries.iter().enumerate() {
                if entries.get(at + 1).is_none_or(|(next, _)| next != key) {
                    self.values.push(value.clone());
                }
            }
        }
        self.end(self.values.len() - start)
    }

    /// A row of so many values has been added.
    fn end(&mut self, length: usize) -> Result<(), String> {
        let width = *self.width.get_or_insert(length);
        if width != length {
            return Err(format!("ragged: row {} has {length} values, expected {width}", self.count));
        }
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Result<Given, String> {
        let shape = vec![self.count, self.width.unwrap_or(0)];
        let mut tensor = Tensor::from(Array1::from(self.values));
        tensor.set_shape(&shape).map_err(|e| e.to_string())?;
        Ok(Given { tensor, shape })
    }
}

/// One map, or one row in the order of the keys.
struct Row<'r, 'k, T>(&'r mut Rows<'k, T>);

impl<'de, T: Element> DeserializeSeed<'de> for Row<'_, '_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Element> Visitor<'de> for Row<'_, '_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting::<T>(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let Some(place) = self.0.keyed.place(&key).map_err(A::Error::custom)? else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let cell = map.next_value::<Cell<'de>>();
            let value = cell.and_then(|cell| cell.element(self.0.missing).map_err(A::Error::custom));
            entries.push((place, value.map_err(|why| A::Error::custom(format!("key '{key}': {why}")))?));
        }
        self.0.take(entries).map_err(A::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut length = 0;
        while let Some(cell) = seq.next_element::<Cell<'de>>()? {
            let value = cell.element(self.0.missing);
            self.0.values.push(value.map_err(|why| A::Error::custom(format!("{why} (row {})", self.0.count)))?);
            length += 1;
        }
        self.0.end(length).map_err(A::Error::custom)
    }
}

fn expecting<T: Element>(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "an object with {} by key, or a list of such", T::TYPE.expected())
}

impl<'de, T: Element> Visitor<'de> for Rows<'_, T> {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expecting::<T>(f)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<Given, A::Error> {
        Row(&mut self).visit_map(map)?;
        self.finish().map_err(A::Error::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Given, A::Error> {
        while seq.next_element_seed(Row(&mut self))?.is_some() {}
        self.finish().map_err(A::Error::custom)
    }
}
