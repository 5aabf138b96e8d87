//! YAML into the tree.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::{Entry, FileError, MAX_BYTES, MAX_DEPTH, Node, Place, Value};

/// Reads one YAML document. `file` is its name in messages. Duplicate keys, several documents and nesting beyond
/// [`MAX_DEPTH`] are errors; an empty document is null.
pub fn parse_yaml(file: &str, text: &str) -> Result<Node, FileError> {
    if text.len() > MAX_BYTES {
        return Err(FileError::new(file, "is larger than 4 MiB: is it the right file?"));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: 200_000 },
        leading_zero_numbers_as_strings: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Option<Spanned<Raw>>>(text, options) {
        Ok(Some(raw)) => Ok(node(text, raw)),
        Ok(None) => Ok(Node::default()),
        Err(error) => {
            let place = error.location().map_or(Place::Unknown, place);
            let words = error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter);
            let words = match words.rfind(" at line ").map_or(words.as_str(), |end| &words[..end]) {
                // What `{{ENDPOINT_NAME}}` of a template looks like to the parser.
                "expected string scalar" => {
                    "a key is not plain text; fill in placeholders such as {{NAME}}, quote texts that start with { or ["
                }
                words => words,
            };
            Err(FileError::at(file, &place, format!("this is not valid YAML: {words}")))
        }
    }
}

fn place(location: Location) -> Place {
    match (location.line(), location.column()) {
        (0, _) => Place::Unknown,
        (line, column) => Place::File { line, column },
    }
}

/// A value as the parser gives it, before its written form is looked up.
enum Raw {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    /// Keys are texts whatever they look like: `on` is not `true` here.
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn node(source: &str, raw: Spanned<Raw>) -> Node {
    let written = || written(source, raw.defined);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value, written().unwrap_or_else(|| value.to_string())),
        Raw::Int(value) => Value::Int(value, written().unwrap_or_else(|| value.to_string())),
        Raw::Float(value) => Value::Float(value, written().unwrap_or_else(|| value.to_string())),
        Raw::Text(text) => Value::Text(text),
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(source, item)).collect()),
        Raw::Map(entries) => {
            let entry = |(key, value): (Spanned<String>, _)| Entry {
                place: place(key.referenced),
                key: key.value,
                node: node(source, value),
            };
            Value::Map(entries.into_iter().map(entry).collect())
        }
    };
    Node { value, place: place(raw.referenced) }
}

/// The letters of a plain scalar: `1.10` is a version, not the number 1.1.
fn written(source: &str, location: Location) -> Option<String> {
    let start = usize::try_from(location.span().byte_offset()?).ok()?;
    let length = usize::try_from(location.span().byte_len()?).ok()?;
    let text = source.get(start..start.checked_add(length)?)?.trim();
    // Anything but a plain scalar (an explicit tag, say) is better shown as its value.
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c));
    plain.then(|| text.to_owned())
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Int(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(i128::try_from(value).map_or(Raw::Float(value as f64), Raw::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}
