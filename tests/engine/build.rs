//! Small ONNX models, written with the format's own types: no Python needed.

use std::path::{Path, PathBuf};

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as Size};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

pub const FLOAT: i32 = 1;
pub const INT32: i32 = 6;
pub const INT64: i32 = 7;
pub const STRING: i32 = 8;
pub const BOOL: i32 = 9;

/// A dimension: a number, a name, or unknown.
#[derive(Clone, Copy)]
pub enum Dim {
    N(i64),
    Named(&'static str),
    Open,
}

pub fn value(name: &str, kind: i32, dims: &[Dim]) -> ValueInfoProto {
    let dim = dims.iter().map(|d| Dimension {
        value: match d {
            Dim::N(n) => Some(Size::DimValue(*n)),
            Dim::Named(name) => Some(Size::DimParam((*name).to_owned())),
            Dim::Open => None,
        },
        ..Default::default()
    });
    let tensor = type_proto::Tensor { elem_type: kind, shape: Some(TensorShapeProto { dim: dim.collect() }) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}

pub fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto {
        op_type: operator.to_owned(),
        name: format!("{}_{}", operator.to_lowercase(), outputs.first().unwrap_or(&"")),
        input: inputs.iter().map(|s| (*s).to_owned()).collect(),
        output: outputs.iter().map(|s| (*s).to_owned()).collect(),
        ..Default::default()
    }
}

pub fn text(name: &str, s: &str) -> AttributeProto {
    AttributeProto { name: name.to_owned(), s: s.into(), r#type: AttributeType::String as i32, ..Default::default() }
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i, r#type: AttributeType::Int as i32, ..Default::default() }
}

pub fn graph(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto { name: name.to_owned(), g: Some(graph), r#type: AttributeType::Graph as i32, ..Default::default() }
}

pub fn floats(name: &str, floats: &[f32]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        floats: floats.to_vec(),
        r#type: AttributeType::Floats as i32,
        ..Default::default()
    }
}

pub fn strings(name: &str, values: &[&str]) -> AttributeProto {
    let strings = values.iter().map(|s| s.as_bytes().to_vec()).collect();
    AttributeProto { name: name.to_owned(), strings, r#type: AttributeType::Strings as i32, ..Default::default() }
}

pub fn with(mut node: NodeProto, attributes: Vec<AttributeProto>) -> NodeProto {
    node.attribute = attributes;
    node
}

pub fn ml(mut node: NodeProto) -> NodeProto {
    node.domain = "ai.onnx.ml".to_owned();
    node
}

pub fn weights(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    TensorProto { name: name.to_owned(), dims: dims.to_vec(), data_type: FLOAT, raw_data, ..Default::default() }
}

pub fn model(
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    nodes: Vec<NodeProto>,
    initializer: Vec<TensorProto>,
) -> ModelProto {
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    ModelProto {
        ir_version: 9,
        producer_name: "mlconsole-tests".to_owned(),
        opset_import: vec![opset("", 17), opset("ai.onnx.ml", 3)],
        graph: Some(GraphProto {
            name: "graph".to_owned(),
            node: nodes,
            input: inputs,
            output: outputs,
            initializer,
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A constant of whole numbers.
pub fn whole(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: INT64,
        int64_data: values.to_vec(),
        ..Default::default()
    }
}

pub fn save(folder: &Path, name: &str, model: &ModelProto) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(&path, model.encode_to_vec()).expect("the model is written");
    path
}

/// `y = x · w + b` with four features and three answers, any batch.
pub fn linear() -> ModelProto {
    let w: Vec<f32> = (0..12).map(|i| i as f32 * 0.5).collect();
    model(
        vec![value("x", FLOAT, &[Dim::Named("batch"), Dim::N(4)])],
        vec![value("y", FLOAT, &[Dim::Named("batch"), Dim::N(3)])],
        vec![node("MatMul", &["x", "w"], &["xw"]), node("Add", &["xw", "b"], &["y"])],
        vec![weights("w", &[4, 3], &w), weights("b", &[3], &[1.0, 2.0, 3.0])],
    )
}

/// Two inputs of open batch, a sum and a difference.
pub fn two_inputs() -> ModelProto {
    let column = |name| value(name, FLOAT, &[Dim::Open, Dim::N(1)]);
    model(
        vec![column("a"), column("b")],
        vec![column("sum"), column("difference")],
        vec![node("Add", &["a", "b"], &["sum"]), node("Sub", &["a", "b"], &["difference"])],
        vec![],
    )
}

/// The same value given back.
pub fn echo(kind: i32, dims: &[Dim]) -> ModelProto {
    model(vec![value("x", kind, dims)], vec![value("y", kind, dims)], vec![node("Identity", &["x"], &["y"])], vec![])
}

/// A classifier as scikit-learn exports them: labels, and probabilities behind a ZipMap whose type is no tensor.
pub fn classifier() -> ModelProto {
    let classifier = with(
        ml(node("LinearClassifier", &["x"], &["label", "scores"])),
        vec![
            floats("coefficients", &[-1.0, 0.0, 1.0, 0.0]),
            floats("intercepts", &[0.0, 0.0]),
            strings("classlabels_strings", &["no", "yes"]),
            text("post_transform", "SOFTMAX"),
        ],
    );
    let zip =
        with(ml(node("ZipMap", &["scores"], &["probabilities"])), vec![strings("classlabels_strings", &["no", "yes"])]);
    let untyped = ValueInfoProto { name: "probabilities".to_owned(), ..Default::default() };
    model(
        vec![value("x", FLOAT, &[Dim::Open, Dim::N(2)])],
        vec![value("label", STRING, &[Dim::Open]), untyped],
        vec![classifier, zip],
        vec![],
    )
}
