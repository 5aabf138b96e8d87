//! Cases in which the runtime is known to answer wrongly without saying so: refused at load.
//!
//! The node tests of the `onnx` package (`tests/engine/node_tests.rs`) find them; each has its reason here.

use tract_onnx::pb::{AttributeProto, NodeProto};

/// Why this node must not run here, when it must not.
pub fn reason(node: &NodeProto, opset: i64) -> Option<&'static str> {
    let _ = opset;
    match node.op_type.as_str() {
        "LSTM" | "GRU" | "RNN" if text(node, "direction") == Some("reverse") => Some(
            "the built-in engine computes direction=reverse wrongly; reverse the sequence in front of and behind a forward layer",
        ),
        "BitShift" => Some(
            "the built-in engine shifts wrongly when the shift is not below the width; multiply or divide by powers of two",
        ),
        "SpaceToDepth" if text(node, "mode") == Some("CRD") => {
            Some("the built-in engine computes mode=CRD wrongly; use DCR or Reshape and Transpose")
        }
        _ => None,
    }
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

fn text<'a>(node: &'a NodeProto, name: &str) -> Option<&'a str> {
    attribute(node, name).and_then(|a| std::str::from_utf8(&a.s).ok())
}
