//! `/score`: the forms a body may have, the answers, and what is said about wrong ones.

use http::Method;
use proptest::prelude::*;
use serde_json::json;

use crate::build::{self, BOOL, Dim, FLOAT, INT32, INT64, STRING};
use crate::serve::{self, request, serve};

#[test]
fn a_matrix_may_come_as_a_list_by_name_or_as_columns() {
    let mut model = serve(&build::linear());
    let wanted = json!({"y": [[5.5, 8.0, 10.5]]});
    for body in [
        r#"{"input_data": [[1, 1, 1, 0]]}"#,
        r#"{"input_data": {"x": [[1, 1, 1, 0]]}}"#,
        r#"{"inputs": {"x": [[1.0, 1.0, 1.0, 0.0]]}}"#,
        r#"{"inputs": [[1, 1, 1, 0]]}"#,
        r#"{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 0]}]}"#,
        r#"{"input_data": {"columns": ["a", "b", "c", "d"], "index": [7], "data": [[1, 1, 1, 0]]}}"#,
        r#"{"input_data": {"data": [[1, 1, 1, 0]], "columns": ["a", "b", "c", "d"]}, "params": {"ignored": 1}}"#,
    ] {
        assert_eq!(model.score(body), wanted, "{body}");
    }
    let two = model.score(r#"{"input_data": [[0, 0, 0, 0], [1, 1, 1, 1]]}"#);
    assert_eq!(two["y"].as_array().unwrap().len(), 2);
}

#[test]
fn several_inputs_are_found_by_name_or_column_and_several_outputs_answered() {
    let mut model = serve(&build::two_inputs());
    let wanted = json!({"sum": [[3.0], [30.0]], "difference": [[-1.0], [-10.0]]});
    assert_eq!(model.score(r#"{"input_data": {"a": [[1], [10]], "b": [[2], [20]]}}"#), wanted);
    // Order is free, columns nobody asks for are left aside.
    assert_eq!(
        model.score(r#"{"input_data": {"columns": ["b", "note", "a"], "data": [[2, "x", 1], [20, null, 10]]}}"#),
        wanted
    );
    let missing = model.refused("/score", r#"{"input_data": {"columns": ["a"], "data": [[1]]}}"#);
    assert!(missing.contains("column 'b' is missing"), "{missing}");
    let bare = model.refused("/score", r#"{"input_data": [[1]]}"#);
    assert!(bare.contains("'a', 'b'"), "{bare}");
}

#[test]
fn wrong_bodies_are_refused_with_input_expected_and_given() {
    let mut model = serve(&build::linear());
    let cases = [
        ("", "empty"),
        ("{", "not valid JSON"),
        ("[1]", "an object with 'input_data'"),
        ("{}", "neither 'input_data' nor 'inputs'"),
        (r#"{"input_data": {"z": [[1]]}}"#, "unknown input 'z'; the model's inputs are 'x'"),
        (r#"{"input_data": {}}"#, "input 'x' FP32 [batch, 4] is not given"),
        (r#"{"input_data": [[1, 2, 3]]}"#, "input 'x': expected shape [batch, 4], given [1, 3]"),
        (r#"{"input_data": [1, 2, 3, 4]}"#, "given [4]"),
        (r#"{"input_data": [[1, 2, 3, 4], [1, 2]]}"#, "ragged"),
        (r#"{"input_data": [[1, 2, "a", 4]]}"#, "expected a number for FP32, given the string \"a\""),
        (r#"{"input_data": [[1, 2, 1e40, 4]]}"#, "does not fit FP32"),
        (r#"{"input_data": [[1, 2, NaN, 4]]}"#, "input 'x'"),
        (r#"{"input_data": {"columns": ["a", "b"], "data": [[1, 2, 3, 4]]}}"#, "4 values for 2 columns"),
        (r#"{"input_data": {"columns": ["a"]}}"#, "'columns' is given without 'data'"),
        (r#"{"input_data": {"data": [[1]]}}"#, "'data' is given without 'columns'"),
        (r#"{"input_data": [[1,1,1,1]], "inputs": {}}"#, "either 'input_data' or 'inputs'"),
        (r#"{"input_data": [[1,1,1,1]]} x"#, "not valid JSON"),
        (
            r#"{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [1]}]}"#,
            "expected datatype FP32, given FP64",
        ),
    ];
    for (body, wanted) in cases {
        let message = model.refused("/score", body);
        assert!(message.contains(wanted), "{body}: {message}");
    }
}

#[test]
fn whole_numbers_truths_and_strings_keep_their_types() {
    let mut ints = serve(&build::echo(INT64, &[Dim::Open]));
    assert_eq!(ints.score(r#"{"input_data": [9007199254740993, -1]}"#), json!({"y": [9007199254740993i64, -1]}));
    assert!(ints.refused("/score", r#"{"input_data": [1.5]}"#).contains("a whole number for INT64, given 1.5"));
    assert!(ints.refused("/score", r#"{"input_data": [null]}"#).contains("null"));
    let mut narrow = serve(&build::echo(INT32, &[Dim::Open]));
    assert!(narrow.refused("/score", r#"{"input_data": [3000000000]}"#).contains("3000000000 does not fit INT32"));
    let mut truths = serve(&build::echo(BOOL, &[Dim::Open]));
    assert_eq!(truths.score(r#"{"input_data": [true, 0]}"#), json!({"y": [true, false]}));
    let mut texts = serve(&build::echo(STRING, &[Dim::Open, Dim::N(1)]));
    assert_eq!(texts.score(r#"{"input_data": [["ü"], ["b\""]]}"#), json!({"y": [["ü"], ["b\""]]}));
    assert!(texts.refused("/score", r#"{"input_data": [[1]]}"#).contains("expected a string for BYTES, given 1"));
    let mut numbers = serve(&build::echo(FLOAT, &[Dim::Open]));
    // A missing number is NaN inside and null outside.
    assert_eq!(numbers.score(r#"{"input_data": [null, 1]}"#), json!({"y": [null, 1.0]}));
}

#[test]
fn a_dimension_of_one_name_has_one_size() {
    let row = |name| build::value(name, FLOAT, &[Dim::Named("n")]);
    let add =
        build::model(vec![row("a"), row("b")], vec![row("y")], vec![build::node("Add", &["a", "b"], &["y"])], vec![]);
    let mut model = serve(&add);
    assert_eq!(model.score(r#"{"inputs": {"a": [1, 2], "b": [3, 4]}}"#), json!({"y": [4.0, 6.0]}));
    let message = model.refused("/score", r#"{"inputs": {"a": [1, 2], "b": [3]}}"#);
    assert!(message.contains("input 'b' has 1 in dimension 'n', but input 'a' has 2"), "{message}");
}

#[test]
fn inputs_of_unnamed_batch_may_differ_where_the_graph_allows() {
    let mut model = serve(&build::two_inputs());
    // The engine assumes one batch; broadcasting makes this legal all the same.
    assert_eq!(model.score(r#"{"inputs": {"a": [[1], [2]], "b": [[10]]}}"#)["sum"], json!([[11.0], [12.0]]));
    assert_eq!(model.score(r#"{"inputs": {"a": [[1], [2]], "b": [[10], [20]]}}"#)["sum"], json!([[11.0], [22.0]]));
    let message = model.refused("/score", r#"{"inputs": {"a": [[1], [2]], "b": [[1], [2], [3]]}}"#);
    assert!(!message.is_empty());
}

#[test]
fn probabilities_behind_a_zip_map_carry_their_labels() {
    let mut model = serve(&build::classifier());
    let answer = model.score(r#"{"input_data": [[100, 0], [-100, 0]]}"#);
    assert_eq!(answer["label"], json!(["yes", "no"]));
    assert_eq!(answer["probabilities"], json!([{"no": 0.0, "yes": 1.0}, {"no": 1.0, "yes": 0.0}]));
}

#[test]
fn health_swagger_and_other_paths_answer_as_a_model_server_does() {
    let mut model = serve(&build::linear());
    assert_eq!(model.get("/").0, 200);
    for version in ["2", "3", "3.1"] {
        let (status, document) = model.get(&format!("/swagger.json?version={version}"));
        assert_eq!(status, 200);
        assert!(document["paths"]["/score"]["post"].is_object());
        assert!(document.to_string().contains("ServiceInput"));
    }
    assert_eq!(model.get("/swagger.json?version=4").0, 404);
    assert_eq!(model.get("/score").0, 405);
    assert_eq!(model.get("/nothing").0, 404);
    let zipped = model.ask(&request(Method::POST, "/score", &[("content-encoding", "br")], vec![1]));
    assert_eq!((zipped.status, zipped.caller_fault), (415, true));
}

#[test]
fn the_sample_is_a_request_that_works() {
    let mut model = serve(&build::linear());
    let sample = model.servable.sample().expect("a sample");
    assert_eq!(model.ask(&sample).status, 200);
    let signature = model.servable.signature().expect("a signature");
    assert_eq!(signature.inputs[0].shape, [-1, 4]);
    assert_eq!(signature.inputs[0].dim_names, ["batch", ""]);
    assert_eq!(signature.outputs[0].datatype, "FP32");
}

#[test]
fn a_sample_beside_the_model_is_tried_before_it_serves() {
    let folder = serve::folder();
    let path = build::save(folder.path(), "model.onnx", &build::linear());
    std::fs::write(folder.path().join("sample-request.json"), r#"{"input_data": [[1, 2, 3, 4]]}"#).unwrap();
    let servable = serve::load(&path, "custom_model").unwrap();
    assert_eq!(&servable.sample().unwrap().body[..], br#"{"input_data": [[1, 2, 3, 4]]}"#);
    std::fs::write(folder.path().join("sample-request.json"), r#"{"input_data": [[1]]}"#).unwrap();
    let error = serve::load(&path, "custom_model").err().unwrap();
    assert!(error.message.contains("sample-request.json") && error.message.contains("given [1, 1]"), "{error}");
}

#[test]
fn any_bytes_are_answered_or_refused_never_a_panic() {
    let model = std::cell::RefCell::new(serve(&build::two_inputs()));
    let fragments = "(\\{|\\}|\\[|\\]|,|:|\"input_data\"|\"inputs\"|\"columns\"|\"data\"|\"a\"|\"b\"|\"name\"|\"shape\"|1|2.5|-3|null|true|\"FP32\"| ){0,40}";
    proptest!(ProptestConfig::with_cases(400), |(text in fragments, bytes in proptest::collection::vec(any::<u8>(), 0..80))| {
        for (path, body) in [("/score", text.clone().into_bytes()), ("/score", bytes.clone()), ("/v2/models/m/infer", text.into_bytes()), ("/v2/models/m/infer", bytes)] {
            let response = model.borrow_mut().ask(&request(Method::POST, path, &[], body));
            prop_assert!(response.status == 200 || (response.caller_fault && response.status == 400), "{:?}", response);
        }
    });
}
