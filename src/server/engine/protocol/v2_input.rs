//! The `inputs` of an Open Inference Protocol request: names, types, shapes, and data in JSON or by size.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Slots;
use super::maps::Value;
use super::nested::{Array, Given};
use super::scan::{Cursor, Number};

/// Parameters of an input, an output or a request that mean something here.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Parameters {
    pub binary_data_size: Option<usize>,
    pub binary_data: Option<bool>,
    pub binary_data_output: Option<bool>,
    pub classification: Option<serde_json::Value>,
    pub shared_memory_region: Option<serde_json::Value>,
}

impl Parameters {
    /// Extensions that would change the answer and are not offered.
    pub fn refused(&self) -> Result<(), String> {
        if self.shared_memory_region.is_some() {
            return Err("shared memory is not offered; send the data in the request".to_owned());
        }
        if self.classification.is_some() {
            return Err("the classification extension is not offered; ask for the whole output".to_owned());
        }
        Ok(())
    }
}

/// Where an input's values are.
#[derive(Debug)]
pub enum Payload {
    Json(Given),
    /// So many bytes behind the JSON.
    Binary(usize),
}

/// One input of a request; its shape is checked against its data, not yet against the model.
#[derive(Debug)]
pub struct Entry {
    pub index: usize,
    pub shape: Vec<usize>,
    pub payload: Payload,
}

impl Entry {
    /// The value of an input that came in JSON.
    pub fn without_binary(self) -> Result<(usize, Given), String> {
        match self.payload {
            Payload::Json(given) => Ok((self.index, given)),
            Payload::Binary(_) => Err("binary data is for /v2/models/…/infer only".to_owned()),
        }
    }
}

/// Reads the list of inputs.
pub struct List<'a, 'm> {
    pub slots: &'a Slots<'m>,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = Vec<Entry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Entry>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'inputs' as a list of objects with name, shape, datatype and data")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Entry>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element_seed(Input { slots: self.slots })? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

struct Input<'a, 'm> {
    slots: &'a Slots<'m>,
}

impl<'de> DeserializeSeed<'de> for Input<'_, '_> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Input<'_, '_> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an input as an object with name, shape, datatype and data")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut index = None;
        let mut shape: Option<Vec<i64>> = None;
        let mut datatype: Option<String> = None;
        let mut given: Option<Given> = None;
        // Data before the name: its type is not known yet.
        let mut early: Option<&'de RawValue> = None;
        let mut parameters = Parameters::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => {
                    let name: String = map.next_value()?;
                    index = Some(self.slots.find(&name).map_err(A::Error::custom)?);
                }
                "shape" => shape = Some(map.next_value()?),
                "datatype" => datatype = Some(map.next_value()?),
                "parameters" => parameters = map.next_value()?,
                "data" => match index {
                    Some(index) => {
                        given = Some(map.next_value_seed(self.value(index)).map_err(|e| self.about(index, e))?)
                    }
                    None => early = Some(map.next_value()?),
                },
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let index = index.ok_or_else(|| A::Error::custom("an input has no name"))?;
        let about = |why: String| A::Error::custom(format!("input '{}': {why}", self.slots.specs[index].name));
        if let Some(raw) = early {
            let read = self.value(index).deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
            given = Some(read.map_err(|e| self.about::<A::Error>(index, e))?);
        }
        parameters.refused().map_err(about)?;
        let wanted = self.slots.specs[index].datatype.name();
        match datatype {
            None => return Err(about("no datatype is given".to_owned())),
            Some(datatype) if datatype != wanted => {
                return Err(about(format!("expected datatype {wanted}, given {datatype}")));
            }
            Some(_) => {}
        }
        let shape = shape.ok_or_else(|| about("no shape is given".to_owned()))?;
        let shape = sizes(&shape).map_err(about)?;
        let payload = match (given, parameters.binary_data_size) {
            (Some(_), Some(_)) => return Err(about("both data and binary_data_size are given".to_owned())),
            (None, None) => return Err(about("neither data nor binary_data_size is given".to_owned())),
            (None, Some(size)) => Payload::Binary(size),
            (Some(given), None) => Payload::Json(shaped(given, &shape).map_err(about)?),
        };
        Ok(Entry { index, shape, payload })
    }
}

impl<'m> Input<'_, 'm> {
    fn value(&self, index: usize) -> Value<'m> {
        Value { spec: &self.slots.specs[index], missing: false }
    }

    fn about<E: Error>(&self, index: usize, error: impl fmt::Display) -> E {
        E::custom(format!("input '{}': {error}", self.slots.specs[index].name))
    }
}

impl Entry {
    /// Reads plain JSON: a name, then in any order shape, datatype and data, once each. `None` where the general parser
    /// has to look.
    pub fn scan(slots: &Slots<'_>, cursor: &mut Cursor<'_>) -> Option<Self> {
        let (mut index, mut shape, mut given) = (None, None, None);
        let mut typed = false;
        cursor.object(|cursor, key| match (key, index) {
            ("name", None) => {
                index = Some(slots.position(cursor.text()?)?);
                Some(())
            }
            ("shape", _) if shape.is_none() => {
                let mut found = Vec::with_capacity(4);
                cursor.list(|cursor| match cursor.number()? {
                    Number::Unsigned(size) => i64::try_from(size).ok().map(|size| found.push(size)),
                    _ => None,
                })?;
                shape = Some(sizes(&found).ok()?);
                Some(())
            }
            ("datatype", Some(index)) if !typed => {
                typed = cursor.text()? == slots.specs[index].datatype.name();
                typed.then_some(())
            }
            ("data", Some(index)) if given.is_none() => {
                let spec = &slots.specs[index];
                let array = Array { datatype: spec.datatype, missing: false };
                given = Some(spec.keyed.is_none().then_some(array)?.scan(cursor)?);
                Some(())
            }
            _ => None,
        })?;
        let shape = shape.filter(|_| typed)?;
        let given = shaped(given?, &shape).ok()?;
        Some(Self { index: index?, shape, payload: Payload::Json(given) })
    }
}

fn sizes(shape: &[i64]) -> Result<Vec<usize>, String> {
    let wrong = || format!("shape {shape:?} is not a list of sizes");
    let sizes: Vec<usize> = shape.iter().map(|s| usize::try_from(*s).map_err(|_| wrong())).collect::<Result<_, _>>()?;
    sizes.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).filter(|n| *n < 1 << 48).ok_or_else(wrong)?;
    Ok(sizes)
}

/// Data comes flat in row-major order, or nested as its shape says.
fn shaped(mut given: Given, shape: &[usize]) -> Result<Given, String> {
    if given.shape == shape {
        return Ok(given);
    }
    let count: usize = shape.iter().product();
    if given.shape.len() > 1 {
        return Err(format!("expected data of shape {shape:?}, given {:?}", given.shape));
    }
    if given.tensor.len() != count {
        return Err(format!("expected {count} values for shape {shape:?}, given {}", given.tensor.len()));
    }
    given.tensor.set_shape(shape).map_err(|e| e.to_string())?;
    given.shape = shape.to_vec();
    Ok(given)
}
