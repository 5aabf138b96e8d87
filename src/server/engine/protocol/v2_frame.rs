//! Bodies of `infer`: JSON, or JSON followed by binary tensors, both ways.
//!
//! The binary tensor data extension: the header `Inference-Header-Content-Length` says where the JSON ends.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use tract_onnx::prelude::{TValue, TVec, Tensor, tract_ndarray};

use super::nested::Given;
use super::scan::Cursor;
use super::v2_input::{Entry, List, Parameters, Payload};
use super::{Fault, Slots, write};
use crate::server::engine::datatype::Datatype;
use crate::server::engine::onnx::model::OnnxModel;

/// An output that a request asks for.
#[derive(Debug, Deserialize)]
struct Asked {
    name: String,
    #[serde(default)]
    parameters: Parameters,
}

/// What a request asks for besides its inputs.
#[derive(Debug, Default)]
pub struct Wanted {
    id: Option<String>,
    /// Position of each output to give out, and whether in binary.
    outputs: Vec<(usize, bool)>,
}

struct Head {
    id: Option<String>,
    parameters: Parameters,
    inputs: Option<Vec<Entry>>,
    outputs: Vec<Asked>,
}

struct HeadSeed<'a, 'm>(&'a Slots<'m>);

impl<'de> DeserializeSeed<'de> for HeadSeed<'_, '_> {
    type Value = Head;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Head, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeadSeed<'_, '_> {
    type Value = Head;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with 'inputs'")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head, A::Error> {
        let mut head = Head { id: None, parameters: Parameters::default(), inputs: None, outputs: vec![] };
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "id" => head.id = map.next_value()?,
                "parameters" => head.parameters = map.next_value()?,
                "inputs" => head.inputs = Some(map.next_value_seed(List { slots: self.0 })?),
                "outputs" => head.outputs = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(head)
    }
}

/// Reads a request. `json_length` is the header's value when it was sent.
pub fn read(model: &OnnxModel, json_length: Option<usize>, body: &[u8]) -> Result<(TVec<TValue>, Wanted), Fault> {
    let split = json_length.unwrap_or(body.len());
    let Some((json, mut binary)) = body.split_at_checked(split) else {
        return Err(Fault::bad(format!(
            "Inference-Header-Content-Length is {split}, but the body has only {} bytes",
            body.len()
        )));
    };
    if let Some(read) = scan(model, json).filter(|_| binary.is_empty()) {
        return Ok(read);
    }
    let mut slots = Slots::new(&model.inputs);
    let mut reader = serde_json::Deserializer::from_slice(json);
    let head = HeadSeed(&slots).deserialize(&mut reader).map_err(|e| Fault::json(&e))?;
    reader.end().map_err(|e| Fault::json(&e))?;
    head.parameters.refused().map_err(Fault::bad)?;
    for entry in head.inputs.ok_or_else(|| Fault::bad("the request has no 'inputs'"))? {
        let spec = &model.inputs[entry.index];
        let given = match entry.payload {
            Payload::Json(given) => given,
            Payload::Binary(size) => {
                let Some((bytes, rest)) = binary.split_at_checked(size) else {
                    return Err(Fault::bad(format!(
                        "input '{}': truncated: binary_data_size is {size}, but only {} bytes are left in the body",
                        spec.name,
                        binary.len()
                    )));
                };
                binary = rest;
                // A wrong shape is told before memory is taken for it.
                if !spec.accepts(&entry.shape) {
                    return Err(Fault::bad(format!(
                        "input '{}': expected shape {}, given {:?}",
                        spec.name,
                        crate::server::engine::onnx::spec::Shown(spec),
                        entry.shape
                    )));
                }
                let tensor = decode(spec.datatype, &entry.shape, bytes)
                    .map_err(|why| Fault::bad(format!("input '{}': {why}", spec.name)))?;
                Given { tensor, shape: entry.shape }
            }
        };
        slots.put(entry.index, given).map_err(Fault::bad)?;
    }
    if !binary.is_empty() {
        let hint = if json_length.is_none() { "" } else { " (binary_data_size of an input is missing or too small)" };
        return Err(Fault::bad(format!("{} bytes of binary data belong to no input{hint}", binary.len())));
    }
    let wanted = wanted(model, head.id, &head.parameters, head.outputs)?;
    Ok((slots.finish()?, wanted))
}

/// Reads the plain and common: inputs with their data, perhaps an id. `None` where the general parser has to look.
fn scan(model: &OnnxModel, json: &[u8]) -> Option<(TVec<TValue>, Wanted)> {
    let mut cursor = Cursor::new(json);
    let mut slots = Slots::new(&model.inputs);
    let (mut id, mut seen) = (None, false);
    cursor.object(|cursor, key| match key {
        "id" if id.is_none() => {
            id = Some(cursor.text()?.to_owned());
            Some(())
        }
        "inputs" if !seen => {
            seen = true;
            cursor.list(|cursor| {
                let (index, given) = Entry::scan(&slots, cursor)?.without_binary().ok()?;
                slots.put(index, given).ok()
            })?;
            Some(())
        }
        _ => None,
    })?;
    cursor.end()?;
    let wanted = Wanted { id, outputs: (0..model.outputs.len()).map(|i| (i, false)).collect() };
    seen.then(|| slots.finish().ok())?.map(|values| (values, wanted))
}

fn wanted(model: &OnnxModel, id: Option<String>, all: &Parameters, asked: Vec<Asked>) -> Result<Wanted, Fault> {
    let default = all.binary_data_output.unwrap_or(false);
    if asked.is_empty() {
        return Ok(Wanted { id, outputs: (0..model.outputs.len()).map(|i| (i, default)).collect() });
    }
    let mut outputs = Vec::with_capacity(asked.len());
    for output in asked {
        output.parameters.refused().map_err(|why| Fault::bad(format!("output '{}': {why}", output.name)))?;
        let Some(index) = model.outputs.iter().position(|o| o.spec.name == output.name) else {
            let names: Vec<String> = model.outputs.iter().map(|o| format!("'{}'", o.spec.name)).collect();
            return Err(Fault::bad(format!(
                "unknown output '{}'; the model's outputs are {}",
                output.name,
                names.join(", ")
            )));
        };
        outputs.push((index, output.parameters.binary_data.unwrap_or(default)));
    }
    Ok(Wanted { id, outputs })
}

/// A binary tensor. Every byte must be used.
fn decode(datatype: Datatype, shape: &[usize], bytes: &[u8]) -> Result<Tensor, String> {
    let count: usize = shape.iter().product();
    let Some(width) = datatype.width() else { return strings(shape, count, bytes) };
    if bytes.len() != count * width {
        return Err(format!(
            "shape {shape:?} of {} takes {} bytes, given {}",
            datatype.name(),
            count * width,
            bytes.len()
        ));
    }
    if datatype == Datatype::Bool
        && let Some(odd) = bytes.iter().find(|b| **b > 1)
    {
        return Err(format!("a BOOL is one byte, 0 or 1; given {odd}"));
    }
    // SAFETY: the bytes are as many as the shape takes (checked above, and again inside), any bytes are valid numbers,
    // and those of truths were found to be 0 or 1.
    unsafe { Tensor::from_raw_dt(datatype.datum(), shape, bytes) }.map_err(|e| e.to_string())
}

fn strings(shape: &[usize], count: usize, mut bytes: &[u8]) -> Result<Tensor, String> {
    let given = bytes.len();
    // Each string takes at least its length: no memory for more than can be there.
    if count > given / 4 {
        return Err(format!("truncated: {count} strings do not fit in {given} bytes"));
    }
    let mut values = Vec::with_capacity(count);
    for index in 0..count {
        let (length, rest) =
            bytes.split_first_chunk::<4>().ok_or_else(|| format!("truncated before string {index}"))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (text, rest) = rest
            .split_at_checked(length)
            .ok_or_else(|| format!("truncated: string {index} has {length} bytes, {} are left", rest.len()))?;
        let text = std::str::from_utf8(text).map_err(|_| format!("string {index} is not UTF-8"))?;
        values.push(text.to_owned());
        bytes = rest;
    }
    if !bytes.is_empty() {
        return Err(format!("{} bytes are left after {count} strings", bytes.len()));
    }
    let array =
        tract_ndarray::ArrayD::from_shape_vec(tract_ndarray::IxDyn(shape), values).map_err(|e| e.to_string())?;
    Ok(array.into())
}

/// An answer: its body, and how long its JSON is when binary tensors follow.
#[derive(Debug)]
pub struct Answer {
    pub body: Vec<u8>,
    pub json_length: Option<usize>,
}

/// Writes the answer to a request.
pub fn write_answer(model: &OnnxModel, name: &str, version: &str, wanted: &Wanted, outputs: &[TValue]) -> Answer {
    let mut body = Vec::with_capacity(256 + outputs.iter().map(|t| t.len() * 12).sum::<usize>());
    body.extend_from_slice(b"{\"model_name\":");
    write::text(&mut body, name);
    body.extend_from_slice(b",\"model_version\":");
    write::text(&mut body, version);
    if let Some(id) = &wanted.id {
        body.extend_from_slice(b",\"id\":");
        write::text(&mut body, id);
    }
    body.extend_from_slice(b",\"outputs\":[");
    for (position, (index, binary)) in wanted.outputs.iter().enumerate() {
        let (spec, tensor) = (&model.outputs[*index].spec, &outputs[*index]);
        if position > 0 {
            body.push(b',');
        }
        body.extend_from_slice(b"{\"name\":");
        write::text(&mut body, &spec.name);
        body.extend_from_slice(b",\"datatype\":\"");
        body.extend_from_slice(spec.datatype.name().as_bytes());
        body.extend_from_slice(b"\",\"shape\":");
        write::sizes(&mut body, tensor.shape());
        if *binary {
            body.extend_from_slice(b",\"parameters\":{\"binary_data_size\":");
            write::size(&mut body, write::binary_size(tensor, spec.datatype));
            body.push(b'}');
        } else {
            body.extend_from_slice(b",\"data\":");
            write::flat(&mut body, tensor, spec.datatype);
        }
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    let json_length = wanted.outputs.iter().any(|(_, binary)| *binary).then_some(body.len());
    for (index, _) in wanted.outputs.iter().filter(|(_, binary)| *binary) {
        write::binary(&mut body, &outputs[*index], model.outputs[*index].spec.datatype);
    }
    Answer { body, json_length }
}
