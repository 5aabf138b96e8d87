//! Bodies of `/score`: `input_data` (columns and data, list, or dict) and `inputs`, and the answers to them.
//!
//! Reference scoring-and-mlflow §4.2 and §4.4.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tract_onnx::prelude::{TValue, TVec};

use super::maps::Value;
use super::{Fault, Slots, mlflow, plain, v2_input, write};
use crate::resources::mlmodel::{Answer, Inputs};
use crate::server::engine::onnx::model::{OnnxModel, Output};
use crate::server::engine::onnx::spec::Spec;

/// Whose rules a `/score` body follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialect {
    /// An ONNX file of its own: `input_data` or `inputs`; answers by output name.
    Custom,
    /// An MLflow model: `input_data` only, in the form that its signature takes. One that was converted from another
    /// kind answers with one output, as its own `predict` does.
    Mlflow { signature: Arc<Inputs>, answer: Option<Answer> },
}

impl Dialect {
    /// The signature, for an MLflow model.
    pub fn signature(&self) -> Option<&Inputs> {
        match self {
            Self::Custom => None,
            Self::Mlflow { signature, .. } => Some(signature),
        }
    }

    fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Custom => None,
            Self::Mlflow { answer, .. } => answer.as_ref(),
        }
    }

    /// Whether the signature takes what `rule` is about; where there are no such rules, it does.
    pub fn allows(&self, rule: impl FnOnce(&Inputs) -> Result<(), String>) -> Result<(), String> {
        self.signature().map_or(Ok(()), rule)
    }
}

/// How the inputs came, which decides how an MLflow answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Tensors,
    Frame,
}

/// Reads a body into the model's inputs.
pub fn read(model: &OnnxModel, dialect: &Dialect, body: &[u8]) -> Result<(TVec<TValue>, Form), Fault> {
    let read = plain::read(model, dialect, body).map_or_else(|| parse(model, dialect, body), Ok)?;
    for (spec, value) in model.inputs.iter().zip(&read.0) {
        dialect.allows(|inputs| mlflow::check_shape(inputs, &spec.name, value.shape())).map_err(Fault::bad)?;
    }
    Ok(read)
}

/// [`read`] with the general parser.
fn parse(model: &OnnxModel, dialect: &Dialect, body: &[u8]) -> Result<(TVec<TValue>, Form), Fault> {
    let key = if *dialect == Dialect::Custom { "'input_data' or 'inputs'" } else { "'input_data'" };
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::bad(format!("the body is empty; send a JSON object with {key}")));
    }
    let mut slots = Slots::new(&model.inputs);
    let mut json = serde_json::Deserializer::from_slice(body);
    let form = Body { slots: &mut slots, dialect }.deserialize(&mut json).map_err(|e| Fault::json(&e))?;
    json.end().map_err(|e| Fault::json(&e))?;
    let Some(form) = form else {
        return Err(Fault::bad(match dialect {
            Dialect::Custom => "the body has neither 'input_data' nor 'inputs'".to_owned(),
            Dialect::Mlflow { .. } => "A value is not provided for the 'input_data' parameter.".to_owned(),
        }));
    };
    Ok((slots.finish()?, form))
}

struct Body<'a, 'm> {
    slots: &'a mut Slots<'m>,
    dialect: &'a Dialect,
}

impl<'de> DeserializeSeed<'de> for Body<'_, '_> {
    type Value = Option<Form>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Form>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Body<'_, '_> {
    type Value = Option<Form>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with 'input_data'")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Form>, A::Error> {
        let mut form = None;
        while let Some(key) = map.next_key::<String>()? {
            let custom = *self.dialect == Dialect::Custom;
            match key.as_str() {
                "input_data" | "inputs" if form.is_some() && (custom || key == "input_data") => {
                    return Err(A::Error::custom("give either 'input_data' or 'inputs', once"));
                }
                "input_data" => {
                    form = Some(map.next_value_seed(InputData { slots: self.slots, dialect: self.dialect })?)
                }
                "inputs" if custom => {
                    let raw: &RawValue = map.next_value()?;
                    inputs(self.slots, raw.get()).map_err(A::Error::custom)?;
                    form = Some(Form::Tensors);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(form)
    }
}

/// `inputs` is an object by name, a list of v2 inputs, or the only input itself.
fn inputs(slots: &mut Slots<'_>, raw: &str) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_str(raw);
    let inner = raw.strip_prefix('[').map(str::trim_start);
    if inner.is_some_and(|rest| rest.starts_with('{')) {
        let entries = v2_input::List { slots: &*slots }.deserialize(&mut json).map_err(|e| e.to_string())?;
        for entry in entries {
            let (index, given) = entry.without_binary()?;
            slots.put(index, given)?;
        }
        return Ok(());
    }
    if !raw.starts_with('{') {
        return list(slots, &mut json);
    }
    struct ByName<'a, 'm>(&'a mut Slots<'m>);
    impl<'de> Visitor<'de> for ByName<'_, '_> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object by input name")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(name) = map.next_key::<String>()? {
                named(self.0, &name, &mut map, false)?;
            }
            Ok(())
        }
    }
    json.deserialize_map(ByName(slots)).map_err(|e| e.to_string())
}

/// Reads the value of a named input. An input nobody knows is an error, or skipped where the rules say so.
fn named<'de, A: MapAccess<'de>>(
    slots: &mut Slots<'_>,
    name: &str,
    map: &mut A,
    skip_unknown: bool,
) -> Result<(), A::Error> {
    let index = match slots.find(name) {
        Ok(index) => index,
        Err(_) if skip_unknown => return map.next_value::<IgnoredAny>().map(|_| ()),
        Err(why) => return Err(A::Error::custom(why)),
    };
    let value = Value::of(&slots.specs[index]);
    let given = map.next_value_seed(value).map_err(|e| A::Error::custom(format!("input '{name}': {e}")))?;
    slots.put(index, given).map_err(A::Error::custom)
}

fn list<'de, R: serde_json::de::Read<'de>>(
    slots: &mut Slots<'_>,
    json: &mut serde_json::Deserializer<R>,
) -> Result<(), String> {
    let spec = only(slots)?;
    let given = Value::of(spec).deserialize(json).map_err(|e| format!("input '{}': {e}", spec.name))?;
    slots.put(0, given)
}

fn only<'m>(slots: &Slots<'m>) -> Result<&'m Spec, String> {
    match slots.specs {
        [spec] => Ok(spec),
        specs => {
            let names: Vec<String> = specs.iter().map(|s| format!("'{}'", s.name)).collect();
            Err(format!(
                "a bare list needs a model with one input; this one has {}: give an object by name",
                names.join(", ")
            ))
        }
    }
}

/// The value of `input_data`.
pub struct InputData<'a, 'm> {
    pub slots: &'a mut Slots<'m>,
    pub dialect: &'a Dialect,
}

impl<'de> DeserializeSeed<'de> for InputData<'_, '_> {
    type Value = Form;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Form, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for InputData<'_, '_> {
    type Value = Form;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("'input_data' as {\"columns\": …, \"data\": …}, a list, or an object by input name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Form, A::Error> {
        self.dialect.allows(mlflow::list_allowed).map_err(A::Error::custom)?;
        let spec = only(self.slots).map_err(A::Error::custom)?;
        let given =
            Value::of(spec).read_seq(seq).map_err(|e| A::Error::custom(format!("input '{}': {e}", spec.name)))?;
        self.slots.put(0, given).map_err(A::Error::custom)?;
        Ok(Form::Tensors)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Form, A::Error> {
        let mut columns: Option<Vec<String>> = None;
        // `data` before `columns` may be a frame's, or an input of that name: known at the end.
        let mut data: Option<&'de RawValue> = None;
        let mut read = false;
        let (mut tensors, mut index) = (false, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "columns" if columns.is_none() && self.slots.find("columns").is_err() => {
                    self.dialect.allows(|inputs| mlflow::frame_allowed(inputs, true)).map_err(A::Error::custom)?;
                    let names = map.next_value::<Vec<super::columns::Cell<'de>>>()?;
                    columns = Some(names.into_iter().map(super::columns::Cell::into_name).collect());
                }
                "index" if !tensors && self.slots.find("index").is_err() => {
                    map.next_value::<IgnoredAny>()?;
                    index = true;
                }
                "data" if read || data.is_some() => return Err(A::Error::custom("'data' is given twice")),
                "data" if !tensors => match &columns {
                    Some(columns) => {
                        self.frame(columns, |seed| map.next_value_seed(seed))?;
                        read = true;
                    }
                    None => data = Some(map.next_value()?),
                },
                name => {
                    self.dialect.allows(mlflow::names_allowed).map_err(A::Error::custom)?;
                    tensors = true;
                    named(self.slots, name, &mut map, *self.dialect != Dialect::Custom)?;
                }
            }
        }
        if columns.is_some() {
            self.dialect.allows(|inputs| mlflow::frame_allowed(inputs, index)).map_err(A::Error::custom)?;
        }
        match (columns, data) {
            (Some(_), None) if read => Ok(Form::Frame),
            (Some(columns), Some(raw)) => {
                self.frame(&columns, |seed| seed.read(raw).map_err(A::Error::custom))?;
                Ok(Form::Frame)
            }
            (Some(_), None) => Err(A::Error::custom("'columns' is given without 'data'")),
            (None, Some(raw)) => {
                let index = self.slots.find("data").map_err(|why| {
                    A::Error::custom(if tensors { why } else { "'data' is given without 'columns'".to_owned() })
                })?;
                let value = Value::of(&self.slots.specs[index]);
                let given = value.deserialize(&mut serde_json::Deserializer::from_str(raw.get()));
                let given = given.map_err(|e| A::Error::custom(format!("input 'data': {e}")))?;
                self.slots.put(index, given).map_err(A::Error::custom)?;
                Ok(Form::Tensors)
            }
            (None, None) => Ok(Form::Tensors),
        }
    }
}

/// The answer: an object by output name; for a frame given to an MLflow model, records with each output flattened.
///
/// # Errors
/// When flattened outputs differ in length: MLflow cannot make records of them either.
pub fn answer(model: &OnnxModel, dialect: &Dialect, form: Form, outputs: &[TValue]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(64 + outputs.iter().map(|t| t.len() * 12).sum::<usize>());
    let converted = dialect.answer().map(|answer| (answer, position(model, &answer.output)));
    if let Some((answer, Some(at))) = converted {
        let (tensor, datatype) = (&outputs[at], model.outputs[at].spec.datatype);
        let write = if answer.flat { write::flat } else { write::nested };
        write(&mut out, tensor, datatype);
        return Ok(out);
    }
    if form == Form::Frame && *dialect != Dialect::Custom {
        records(model, outputs, &mut out)?;
        return Ok(out);
    }
    out.push(b'{');
    for (index, (output, tensor)) in model.outputs.iter().zip(outputs).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write::text(&mut out, &output.spec.name);
        out.push(b':');
        match &output.labels {
            Some(labels) => write::zipped(&mut out, tensor, output.spec.datatype, labels),
            None => write::nested(&mut out, tensor, output.spec.datatype),
        }
    }
    out.push(b'}');
    Ok(out)
}

fn position(model: &OnnxModel, output: &str) -> Option<usize> {
    model.outputs.iter().position(|o| o.spec.name == output)
}

fn records(model: &OnnxModel, outputs: &[TValue], out: &mut Vec<u8>) -> Result<(), String> {
    let length = |output: &Output, tensor: &TValue| match output.labels {
        Some(_) => write::zipped_rows(tensor),
        None => tensor.len(),
    };
    let pairs = || model.outputs.iter().zip(outputs);
    let count = pairs().next().map_or(0, |(o, t)| length(o, t));
    if let Some((output, tensor)) = pairs().find(|(o, t)| length(o, t) != count) {
        return Err(format!(
            "the outputs cannot become records: '{}' has {} values, '{}' {count}; send the inputs by name instead of as a frame",
            output.spec.name,
            length(output, tensor),
            model.outputs[0].spec.name
        ));
    }
    out.push(b'[');
    for row in 0..count {
        out.extend_from_slice(if row > 0 { b",{" } else { b"{" });
        for (index, (output, tensor)) in pairs().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write::text(out, &output.spec.name);
            out.push(b':');
            match &output.labels {
                Some(labels) => write::zipped_row(out, tensor, output.spec.datatype, labels, row),
                None => write::element(out, tensor, output.spec.datatype, row),
            }
        }
        out.push(b'}');
    }
    out.push(b']');
    Ok(())
}
