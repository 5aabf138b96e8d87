//! A request that exercises a model: the file its author left beside it, else zeros of the declared shape.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::datatype::Datatype;
use super::onnx::model::{OnnxModel, zeros};
use super::onnx::spec::Spec;
use super::protocol::write;
use crate::resources::mlmodel::Inputs;
use crate::resources::template;

/// Names a sample may have beside the model file, in the order they are looked for.
const NAMES: [&str; 4] =
    ["sample-request.json", "sample_input.json", "sample-input.json", "serving_input_example.json"];
/// Keys of a map that a sample writes out; where there are more, it has rows in their order.
const KEYS: usize = 64;
/// A larger sample is not read.
const LIMIT: u64 = 16 << 20;

/// The author's sample beside the model, with the file's name; the body is in the form `/score` takes.
pub fn beside(file: &Path) -> Option<(String, Vec<u8>)> {
    let folder = file.parent()?;
    NAMES.iter().find_map(|name| {
        let path = folder.join(name);
        let small = path.metadata().is_ok_and(|m| m.is_file() && m.len() <= LIMIT);
        let text = small.then(|| std::fs::read(&path).ok()).flatten()?;
        Some(((*name).to_owned(), if *name == "serving_input_example.json" { from_mlflow(&text)? } else { text }))
    })
}

/// MLflow writes its samples for its own server: the same content under other keys.
fn from_mlflow(text: &[u8]) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_slice(text).ok()?;
    serde_json::to_vec(&template::of_mlflow_example(&value)?).ok()
}

/// A body of zeros (empty strings), `open` in place of every open dimension: a frame where the signature has columns.
pub fn of_zeros(model: &OnnxModel, inputs: &Inputs, open: usize) -> Option<Vec<u8>> {
    if let Inputs::Columns(columns) = inputs {
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        let value = |kind: &str| match kind {
            "string" => json!(""),
            "boolean" => json!(false),
            "long" | "integer" => json!(0),
            _ => json!(0.0),
        };
        let row: Vec<Value> = columns.iter().map(|c| value(&c.kind)).collect();
        return serde_json::to_vec(&json!({"input_data": {"columns": names, "index": [0], "data": [row]}})).ok();
    }
    let signed = |spec: &Spec| match inputs {
        Inputs::Tensors(all) => all.iter().find(|t| t.name.as_ref().is_none_or(|name| *name == spec.name)),
        _ => None,
    };
    let bare = model.inputs.len() == 1 && signed(&model.inputs[0]).is_some_and(|tensor| tensor.name.is_none());
    let mut body = if bare { b"{\"input_data\":".to_vec() } else { b"{\"input_data\":{".to_vec() };
    for (index, spec) in model.inputs.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        if !bare {
            write::text(&mut body, &spec.name);
            body.push(b':');
        }
        let shape = match signed(spec) {
            Some(tensor) => tensor.shape.iter().map(|size| usize::try_from(*size).unwrap_or(open)).collect(),
            None => spec.sample_shape(open),
        };
        match spec.keyed.as_ref().map(|keyed| keyed.names()).filter(|keys| (1..=KEYS).contains(&keys.len())) {
            Some(keys) => {
                let zero = if spec.datatype == Datatype::Bytes { json!("") } else { json!(0) };
                let map: Map<String, Value> = keys.into_iter().map(|key| (key, zero.clone())).collect();
                body.extend(serde_json::to_vec(&vec![map; open]).ok()?);
            }
            None => write::nested(&mut body, &zero(spec, &shape)?, spec.datatype),
        }
    }
    body.extend_from_slice(if bare { b"}" } else { b"}}" });
    Some(body)
}

/// The same as an Open Inference Protocol request.
pub fn of_zeros_v2(model: &OnnxModel, open: usize) -> Option<Vec<u8>> {
    let mut body = b"{\"inputs\":[".to_vec();
    for (index, spec) in model.inputs.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(b"{\"name\":");
        write::text(&mut body, &spec.name);
        let shape = spec.sample_shape(open);
        body.extend_from_slice(
            format!(",\"shape\":{shape:?},\"datatype\":\"{}\",\"data\":", spec.datatype.name()).as_bytes(),
        );
        write::flat(&mut body, &zero(spec, &shape)?, spec.datatype);
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    Some(body)
}

/// Zeros for an input, unless it would take absurd room.
fn zero(spec: &Spec, shape: &[usize]) -> Option<tract_onnx::prelude::Tensor> {
    let count = shape.iter().try_fold(1usize, |n, s| n.checked_mul(*s))?;
    (count <= 64 << 20).then(|| zeros(spec.datatype, shape).ok()).flatten()
}
