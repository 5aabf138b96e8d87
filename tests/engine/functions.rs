//! Functions that a file defines for itself: written out when it is read.

use serde_json::json;
use tract_onnx::pb::{AttributeProto, FunctionProto, OperatorSetIdProto, attribute_proto::AttributeType};

use crate::build::{Dim, FLOAT, int, model, node, value, weights, with};
use crate::serve::serve;

fn own(name: &str, inputs: &[&str], outputs: &[&str], nodes: Vec<tract_onnx::pb::NodeProto>) -> FunctionProto {
    let texts = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    FunctionProto {
        name: Some(name.to_owned()),
        domain: Some("own".to_owned()),
        input: texts(inputs),
        output: texts(outputs),
        attribute: vec!["axis".to_owned()],
        node: nodes,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 17 }],
        ..Default::default()
    }
}

fn call(name: &str, inputs: &[&str], outputs: &[&str]) -> tract_onnx::pb::NodeProto {
    let mut call = node(name, inputs, outputs);
    call.domain = "own".to_owned();
    call
}

#[test]
fn functions_that_call_functions_are_written_out() {
    let by_reference = AttributeProto {
        name: "axis".to_owned(),
        ref_attr_name: "axis".to_owned(),
        r#type: AttributeType::Int as i32,
        ..Default::default()
    };
    // twice(x) = x + x under inner names that the graph uses too; share(x) = softmax(twice(x)) along a given axis.
    let twice = own("twice", &["a"], &["b"], vec![node("Add", &["a", "a"], &["h"]), node("Identity", &["h"], &["b"])]);
    let softmax = with(node("Softmax", &["h"], &["b"]), vec![by_reference]);
    let share = own("share", &["a"], &["b"], vec![call("twice", &["a"], &["h"]), softmax]);
    let shape = [Dim::Named("n"), Dim::N(2)];
    let mut proto = model(
        vec![value("x", FLOAT, &shape)],
        vec![value("y", FLOAT, &shape), value("z", FLOAT, &shape)],
        vec![
            node("Mul", &["x", "w"], &["h"]),
            call("twice", &["h"], &["y"]),
            with(call("share", &["h"], &["z"]), vec![int("axis", 1)]),
        ],
        vec![weights("w", &[2], &[1.0, 2.0])],
    );
    proto.functions = vec![twice, share];
    proto.opset_import.push(OperatorSetIdProto { domain: "own".to_owned(), version: 1 });
    let mut served = serve(&proto);
    let answer = served.score(r#"{"inputs": {"x": [[1.0, 0.5], [0.0, 0.0]]}}"#);
    assert_eq!(answer["y"], json!([[2.0, 2.0], [0.0, 0.0]]));
    assert_eq!(answer["z"], json!([[0.5, 0.5], [0.5, 0.5]]));
}
