//! Cases in which the runtime is known to answer wrongly without saying so: refused at load.
//!
//! The node tests of the `onnx` package (`tests/engine/node_tests.rs`) find them; each has its reason here.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, type_proto};

/// Why this node must not run here, when it must not. `half`: half-precision numbers occur somewhere in the model.
pub fn reason(node: &NodeProto, half: bool) -> Option<&'static str> {
    let given = |name: &str| attribute(node, name);
    let wrong = match node.op_type.as_str() {
        "LSTM" | "GRU" | "RNN" if text(node, "direction") == Some("reverse") => {
            "the built-in engine computes direction=reverse wrongly; reverse the sequence before and after a forward layer"
        }
        "SpaceToDepth" if text(node, "mode") == Some("CRD") => {
            "the built-in engine computes mode=CRD wrongly; use DCR, or Reshape and Transpose"
        }
        "Celu" if half => "the built-in engine computes it wrongly in half precision; use float32",
        "Swish" if given("alpha").is_some_and(|a| a.f != 1.0) => {
            "the built-in engine leaves alpha out of account; write it as Mul and Sigmoid"
        }
        "Attention" if ["left_window_size", "right_window_size"].iter().any(|w| given(w).is_some_and(|a| a.i >= 0)) => {
            "the built-in engine leaves the window out of account; give the window as a mask"
        }
        "Attention"
            if given("is_causal").is_some_and(|a| a.i != 0) && node.input.get(4).is_some_and(|i| !i.is_empty()) =>
        {
            "the built-in engine places the causal mask wrongly when there are past keys; give the mask as an input"
        }
        _ => return None,
    };
    Some(wrong)
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

fn text<'a>(node: &'a NodeProto, name: &str) -> Option<&'a str> {
    attribute(node, name).and_then(|a| std::str::from_utf8(&a.s).ok())
}

/// Whether half-precision numbers occur in inputs, weights or casts.
pub fn uses_half(model: &ModelProto) -> bool {
    model.graph.as_ref().is_some_and(|g| graph_uses_half(g, 0))
}

fn graph_uses_half(graph: &GraphProto, depth: usize) -> bool {
    const HALF: i32 = DataType::Float16 as i32;
    let is_half = |value: &tract_onnx::pb::ValueInfoProto| {
        let kind = value.r#type.as_ref().and_then(|t| t.value.as_ref());
        kind.is_some_and(|type_proto::Value::TensorType(t)| t.elem_type == HALF)
    };
    depth < 64
        && (graph.input.iter().any(is_half)
            || graph.initializer.iter().any(|t| t.data_type == HALF)
            || graph.node.iter().flat_map(|n| &n.attribute).any(|a| {
                (a.name == "to" && a.i == i64::from(HALF))
                    || a.t.as_ref().is_some_and(|t| t.data_type == HALF)
                    || a.g.iter().chain(&a.graphs).any(|g| graph_uses_half(g, depth + 1))
            }))
}
