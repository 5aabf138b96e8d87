//! Reads JSON straight into the tree's nodes, keeping the order of fields and stopping to keep at the limit.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::tree::{MAX_NODES, Node, Shape, Step};

/// Nodes in pre-order, and how many were left out.
pub fn nodes(text: &str) -> Result<(Vec<Node>, usize), String> {
    let mut sink = Sink { nodes: Vec::new(), omitted: 0 };
    let mut reader = serde_json::Deserializer::from_str(text);
    Value { sink: &mut sink, step: Step::Root, depth: 0 }.deserialize(&mut reader).map_err(|e| e.to_string())?;
    reader.end().map_err(|e| e.to_string())?;
    Ok((sink.nodes, sink.omitted))
}

struct Sink {
    nodes: Vec<Node>,
    omitted: usize,
}

impl Sink {
    fn push(&mut self, step: Step, depth: u16, shape: Shape, text: String) -> Option<usize> {
        if self.nodes.len() >= MAX_NODES {
            self.omitted += 1;
            return None;
        }
        let end = self.nodes.len() + 1;
        self.nodes.push(Node { step, shape, depth, text, len: 0, end });
        Some(end - 1)
    }

    fn close(&mut self, at: Option<usize>, len: usize) {
        let end = self.nodes.len();
        if let Some(node) = at.and_then(|at| self.nodes.get_mut(at)) {
            node.len = len;
            node.end = end;
        }
    }
}

struct Value<'a> {
    sink: &'a mut Sink,
    step: Step,
    depth: u16,
}

impl Value<'_> {
    fn leaf<E>(self, shape: Shape, text: String) -> Result<(), E> {
        self.sink.push(self.step, self.depth, shape, text);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.leaf(Shape::Null, "null".into())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.leaf(Shape::Bool, value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.leaf(Shape::Number, value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.leaf(Shape::Number, value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.leaf(Shape::Number, format!("{value:?}"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        let text = serde_json::Value::from(value).to_string();
        self.leaf(Shape::Text, text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let at = self.sink.push(self.step, self.depth, Shape::Array, String::new());
        let mut len = 0;
        let depth = self.depth.saturating_add(1);
        while items.next_element_seed(Value { sink: self.sink, step: Step::Index(len), depth })?.is_some() {
            len += 1;
        }
        self.sink.close(at, len);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let at = self.sink.push(self.step, self.depth, Shape::Object, String::new());
        let mut len = 0;
        let depth = self.depth.saturating_add(1);
        while let Some(name) = fields.next_key::<String>()? {
            fields.next_value_seed(Value { sink: self.sink, step: Step::Name(name), depth })?;
            len += 1;
        }
        self.sink.close(at, len);
        Ok(())
    }
}
