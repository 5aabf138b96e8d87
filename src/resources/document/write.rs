//! Writing files: a tree in the order a person would write it.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Something to write; maps keep their order.
#[derive(Debug, Clone, PartialEq)]
pub enum Out {
    Text(String),
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<Out>),
    Map(Vec<(String, Out)>),
}

impl Out {
    /// An empty map to `put` into.
    pub const fn map() -> Self {
        Self::Map(Vec::new())
    }

    /// Adds a key to a map, unless the value is empty (`None`, an empty map or list).
    pub fn put(&mut self, key: impl Into<String>, value: impl Into<Option<Out>>) {
        if let (Self::Map(entries), Some(value)) = (self, value.into())
            && !value.is_empty()
        {
            entries.push((key.into(), value));
        }
    }

    /// Whether it is a map or list without anything in it.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::List(items) => items.is_empty(),
            Self::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }

    /// A map of texts.
    pub fn texts<'a>(map: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        Self::Map(map.into_iter().map(|(key, value)| (key.clone(), Self::Text(value.clone()))).collect())
    }

    /// As YAML.
    pub fn to_yaml(&self) -> String {
        // Every node has a YAML form, so this cannot fail; an empty text would be seen at once.
        serde_saphyr::to_string(self).unwrap_or_default()
    }
}

impl From<&str> for Out {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Out {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Serialize for Out {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::List(items) => {
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| seq.serialize_element(item))?;
                seq.end()
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                entries.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
        }
    }
}
