//! What a file says of its sizes, looked at before anything of that size is made: reading and planning a graph compute
//! whatever is constant in it.

use std::collections::HashMap;
use std::path::Path;

use tract_onnx::pb::tensor_shape_proto::dimension::Value as Size;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto, type_proto};

use super::check::{external_files, name_of};
use super::memory::too_large;
use crate::server::engine::LoadError;
use crate::server::engine::datatype::Datatype;

/// Refuses a file that is larger than an instance's memory, unread.
pub fn file(path: &Path, limit: u64) -> Result<(), LoadError> {
    match path.metadata() {
        Ok(meta) if meta.len() > limit => Err(too_large("the model file takes", meta.len(), limit)),
        // Reading it will say what is wrong.
        _ => Ok(()),
    }
}

/// Refuses weights, inputs and constants that an instance has no room for.
pub fn sizes(model: &ModelProto, folder: &Path, limit: u64) -> Result<(), LoadError> {
    let beside = external_files(model).into_iter().filter_map(|name| folder.join(name).metadata().ok());
    let beside: u64 = beside.map(|m| m.len()).sum();
    if beside > limit {
        return Err(too_large("the weights beside the model take", beside, limit));
    }
    let Some(graph) = &model.graph else { return Ok(()) };
    for input in &graph.input {
        if let Some(bytes) = input_bytes(input).filter(|bytes| *bytes > u128::from(limit)) {
            return Err(too_large(&format!("input '{}' as declared takes", input.name), clip(bytes), limit));
        }
    }
    constants(graph, limit, 0)
}

fn clip(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Bytes of an input with every open dimension at 1.
fn input_bytes(input: &ValueInfoProto) -> Option<u128> {
    let Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), .. }) = &input.r#type else { return None };
    let each = Datatype::from_onnx(tensor.elem_type)?.datum().size_of() as u128;
    let dims = tensor.shape.as_ref()?.dim.iter().map(|dim| match dim.value {
        Some(Size::DimValue(n)) => u128::try_from(n).unwrap_or(1),
        _ => 1,
    });
    Some(dims.fold(each, u128::saturating_mul))
}

/// Operators that make something of a size that a constant gives.
fn constants(graph: &GraphProto, limit: u64, depth: usize) -> Result<(), LoadError> {
    let mut known: HashMap<&str, Vec<i64>> =
        graph.initializer.iter().filter_map(|t| Some((t.name.as_str(), numbers(t)?))).collect();
    for node in graph.node.iter().filter(|n| n.op_type == "Constant") {
        let attribute = |name: &str| node.attribute.iter().find(|a| a.name == name);
        let value =
            attribute("value").and_then(|a| numbers(a.t.as_ref()?)).or(attribute("value_ints").map(|a| a.ints.clone()));
        if let (Some(value), Some(output)) = (value.or(attribute("value_int").map(|a| vec![a.i])), node.output.first())
        {
            known.insert(output, value);
        }
    }
    for node in &graph.node {
        if let Some(elements) = elements(node, &known) {
            // At least a byte each.
            if elements > u128::from(limit) {
                let what = format!("{} '{}' takes at least", node.op_type, name_of(node));
                return Err(too_large(&what, clip(elements), limit));
            }
        }
        if depth < 64 {
            for inner in node.attribute.iter().flat_map(|a| a.g.iter().chain(&a.graphs)) {
                constants(inner, limit, depth + 1)?;
            }
        }
    }
    Ok(())
}

/// Elements that a node makes, where constants alone say so.
fn elements(node: &NodeProto, known: &HashMap<&str, Vec<i64>>) -> Option<u128> {
    let input = |at: usize| known.get(node.input.get(at)?.as_str());
    let product = |dims: &[i64]| {
        let dims = dims.iter().map(|d| u128::try_from(*d).unwrap_or(1));
        dims.fold(1u128, |n, d| n.saturating_mul(d))
    };
    match node.op_type.as_str() {
        "ConstantOfShape" => input(0).map(|dims| product(dims)),
        "Expand" | "Tile" => input(1).map(|dims| product(dims)),
        "OneHot" => input(1).map(|depth| product(depth)),
        "RandomNormal" | "RandomUniform" => node.attribute.iter().find(|a| a.name == "shape").map(|a| product(&a.ints)),
        "Range" => match (input(0)?.first(), input(1)?.first(), input(2)?.first()) {
            (Some(start), Some(limit), Some(step)) if *step != 0 => {
                let span = i128::from(*limit) - i128::from(*start);
                u128::try_from(span / i128::from(*step)).ok()
            }
            _ => None,
        },
        _ => None,
    }
}

/// The values of a small tensor of whole numbers.
fn numbers(tensor: &TensorProto) -> Option<Vec<i64>> {
    const INT32: i32 = 6;
    const INT64: i32 = 7;
    let few = tensor.dims.iter().try_fold(1i64, |n, d| n.checked_mul(*d)).is_some_and(|n| (0..=64).contains(&n));
    if !few {
        return None;
    }
    match tensor.data_type {
        INT64 if !tensor.int64_data.is_empty() => Some(tensor.int64_data.clone()),
        INT64 => {
            let words = tensor.raw_data.chunks_exact(8);
            Some(words.filter_map(|w| Some(i64::from_le_bytes(w.try_into().ok()?))).collect())
        }
        INT32 if !tensor.int32_data.is_empty() => Some(tensor.int32_data.iter().map(|n| i64::from(*n)).collect()),
        INT32 => {
            let words = tensor.raw_data.chunks_exact(4);
            Some(words.filter_map(|w| Some(i64::from(i32::from_le_bytes(w.try_into().ok()?)))).collect())
        }
        _ => None,
    }
}
