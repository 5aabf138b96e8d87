//! Reading a node's attributes, with errors that name them.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};
use tract_onnx::tract_hir::internal::*;

pub fn find<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

pub fn floats<'a>(node: &'a NodeProto, name: &str) -> &'a [f32] {
    find(node, name).map_or(&[], |a| &a.floats)
}

pub fn ints<'a>(node: &'a NodeProto, name: &str) -> &'a [i64] {
    find(node, name).map_or(&[], |a| &a.ints)
}

pub fn int(node: &NodeProto, name: &str) -> Option<i64> {
    find(node, name).map(|a| a.i)
}

pub fn float(node: &NodeProto, name: &str) -> Option<f32> {
    find(node, name).map(|a| a.f)
}

pub fn text(node: &NodeProto, name: &str) -> TractResult<Option<String>> {
    find(node, name).map(|a| utf8(&a.s, name)).transpose()
}

pub fn strings(node: &NodeProto, name: &str) -> TractResult<Vec<String>> {
    find(node, name).map_or(Ok(vec![]), |a| a.strings.iter().map(|s| utf8(s, name)).collect())
}

fn utf8(bytes: &[u8], name: &str) -> TractResult<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| format_err!("attribute {name} is not UTF-8"))
}

/// A tensor attribute.
pub fn tensor(node: &NodeProto, name: &str) -> TractResult<Option<Values>> {
    let Some(proto) = find(node, name).and_then(|a| a.t.as_ref()) else { return Ok(None) };
    Values::read(proto).with_context(|| format!("attribute {name}")).map(Some)
}

/// Numbers that may be given as floats (f32) or as a tensor (also f64).
pub fn numbers(node: &NodeProto, name: &str) -> TractResult<Vec<f64>> {
    if let Some(tensor) = tensor(node, &format!("{name}_as_tensor"))? {
        return tensor.into_floats();
    }
    Ok(floats(node, name).iter().map(|f| f64::from(*f)).collect())
}

/// The values of a tensor attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    Floats(Vec<f64>),
    Ints(Vec<i64>),
    Strings(Vec<String>),
}

impl Values {
    /// Reads a tensor held in the node itself; external data is not read here.
    pub fn read(proto: &TensorProto) -> TractResult<Self> {
        let raw = &proto.raw_data;
        let kind = DataType::try_from(proto.data_type).map_err(|e| format_err!("unknown element type: {e}"))?;
        Ok(match kind {
            DataType::Float if raw.is_empty() => Self::Floats(proto.float_data.iter().map(|f| f64::from(*f)).collect()),
            DataType::Float => Self::Floats(raw_values(raw, |b| f64::from(f32::from_le_bytes(b)))?),
            DataType::Double if raw.is_empty() => Self::Floats(proto.double_data.clone()),
            DataType::Double => Self::Floats(raw_values(raw, f64::from_le_bytes)?),
            DataType::Float16 if raw.is_empty() => {
                Self::Floats(proto.int32_data.iter().map(|i| f16::from_bits(*i as u16).to_f64()).collect())
            }
            DataType::Float16 => Self::Floats(raw_values(raw, |b| f16::from_le_bytes(b).to_f64())?),
            DataType::Int64 if raw.is_empty() => Self::Ints(proto.int64_data.clone()),
            DataType::Int64 => Self::Ints(raw_values(raw, i64::from_le_bytes)?),
            DataType::Int32 if !raw.is_empty() => Self::Ints(raw_values(raw, |b| i64::from(i32::from_le_bytes(b)))?),
            DataType::Int16 if !raw.is_empty() => Self::Ints(raw_values(raw, |b| i64::from(i16::from_le_bytes(b)))?),
            DataType::Uint8 | DataType::Bool if !raw.is_empty() => {
                Self::Ints(raw.iter().map(|b| i64::from(*b)).collect())
            }
            DataType::Int32 | DataType::Int16 | DataType::Uint8 | DataType::Int8 | DataType::Bool if raw.is_empty() => {
                Self::Ints(proto.int32_data.iter().map(|i| i64::from(*i)).collect())
            }
            DataType::String => {
                let strings = proto.string_data.iter().map(|s| String::from_utf8(s.clone()));
                Self::Strings(strings.collect::<Result<_, _>>().map_err(|_| format_err!("a string is not UTF-8"))?)
            }
            other => bail!("element type {other:?} is not expected here"),
        })
    }

    pub fn into_floats(self) -> TractResult<Vec<f64>> {
        match self {
            Self::Floats(values) => Ok(values),
            other => bail!("expected floating-point numbers, found {other:?}"),
        }
    }

    pub fn into_ints(self) -> TractResult<Vec<i64>> {
        match self {
            Self::Ints(values) => Ok(values),
            other => bail!("expected whole numbers, found {other:?}"),
        }
    }
}

fn raw_values<const N: usize, T>(raw: &[u8], read: impl Fn([u8; N]) -> T) -> TractResult<Vec<T>> {
    let (chunks, rest) = raw.as_chunks::<N>();
    ensure!(rest.is_empty(), "{} bytes are not a whole number of elements", raw.len());
    Ok(chunks.iter().map(|b| read(*b)).collect())
}
