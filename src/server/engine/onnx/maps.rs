//! Inputs that are maps: the engine knows tensors alone, so such an input becomes a matrix with a row for each map.

use std::path::Path;

use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as Size};
use tract_onnx::pb::{ModelProto, TensorShapeProto, TypeProto, type_proto};
use tract_onnx::tract_hir::internal::*;

use crate::server::engine::ml;

/// Numbers of fields of an ONNX file (`onnx.proto`) on the way to an input's map type, which the engine's reader leaves out.
mod field {
    pub const GRAPH: u32 = 7;
    pub const INPUT: u32 = 11;
    pub const NAME: u32 = 1;
    pub const TYPE: u32 = 2;
    pub const MAP: u32 = 5;
    pub const KEY: u32 = 1;
    pub const VALUE: u32 = 2;
}

/// Makes matrices of the inputs that are maps, where one operator takes them; leaves the others, which are refused. `path`
/// is the file that `model` was read from.
pub fn as_matrices(model: &mut ModelProto, path: &Path) -> TractResult<()> {
    let Some(graph) = &mut model.graph else { return Ok(()) };
    let untyped = |at: &usize| graph.input[*at].r#type.as_ref().is_none_or(|kind| kind.value.is_none());
    let candidates = (0..graph.input.len()).filter(untyped);
    let found = candidates.filter_map(|at| Some((at, ml::keyed(graph, &graph.input[at].name)?)));
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Ok(());
    }
    let bytes = std::fs::read(path)?;
    for (at, keyed) in found {
        let input = &mut graph.input[at];
        let Some((key, value)) = map_type(&bytes, &input.name)? else { continue };
        let key_fits = key == if keyed.is_by_word() { DataType::String } else { DataType::Int64 } as i32;
        if key_fits {
            let width = keyed.width().and_then(|width| i64::try_from(width).ok());
            let dims = [None, width].map(|size| Dimension { value: size.map(Size::DimValue), ..Dimension::default() });
            let shape = Some(TensorShapeProto { dim: dims.to_vec() });
            let matrix = type_proto::Value::TensorType(type_proto::Tensor { elem_type: value, shape });
            input.r#type = Some(TypeProto { value: Some(matrix), ..TypeProto::default() });
        }
    }
    Ok(())
}

/// Element types of an input's keys and values, if it is a map to single values.
fn map_type(model: &[u8], name: &str) -> TractResult<Option<(i32, i32)>> {
    for graph in fields(model, field::GRAPH)? {
        for input in fields(graph.bytes, field::INPUT)? {
            if !fields(input.bytes, field::NAME)?.iter().any(|found| found.bytes == name.as_bytes()) {
                continue;
            }
            for kind in fields(input.bytes, field::TYPE)? {
                for map in fields(kind.bytes, field::MAP)? {
                    let key = fields(map.bytes, field::KEY)?.first().map(|key| key.number);
                    let value =
                        fields(map.bytes, field::VALUE)?.first().map(|v| TypeProto::decode(v.bytes)).transpose()?;
                    let (Some(key), Some(type_proto::Value::TensorType(value))) = (key, value.and_then(|v| v.value))
                    else {
                        continue;
                    };
                    return Ok(i32::try_from(key).ok().map(|key| (key, value.elem_type)));
                }
            }
        }
    }
    Ok(None)
}

/// A field's value: bytes, or a number.
struct Field<'b> {
    bytes: &'b [u8],
    number: u64,
}

/// All fields of a message that have this number.
fn fields(mut message: &[u8], wanted: u32) -> TractResult<Vec<Field<'_>>> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let (number, wire) = decode_key(&mut message)?;
        let field = match wire {
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut message)?)?;
                let (bytes, rest) = message.split_at_checked(length).context("a field is longer than its message")?;
                message = rest;
                Field { bytes, number: 0 }
            }
            WireType::Varint => Field { bytes: &[], number: decode_varint(&mut message)? },
            other => {
                skip_field(other, number, &mut message, DecodeContext::default())?;
                continue;
            }
        };
        if number == wanted {
            found.push(field);
        }
    }
    Ok(found)
}
