//! The Open Inference Protocol: documents, JSON and binary tensors, and what is said about wrong requests.

use http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::build::{self, BOOL, Dim, FLOAT, STRING};
use crate::serve::{Served, request, serve};

const INFER: &str = "/v2/models/m/infer";

/// A request with binary tensors: the JSON in front, the bytes behind.
fn binary(head: &Value, tail: &[u8]) -> mlconsole::server::engine::ScoreRequest {
    let head = head.to_string();
    let length = head.len().to_string();
    request(Method::POST, INFER, &[("inference-header-content-length", &length)], [head.as_bytes(), tail].concat())
}

fn error_of(model: &mut Served, request: &mlconsole::server::engine::ScoreRequest) -> String {
    let response = model.ask(request);
    assert!(response.caller_fault && response.status == 400, "{response:?}");
    let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
    answer["error"].as_str().expect("an error").to_owned()
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn server_and_model_describe_themselves() {
    let mut model = serve(&build::linear());
    assert_eq!(model.get("/v2").1["extensions"][0], "binary_tensor_data");
    assert_eq!(model.get("/v2/health/live").0, 200);
    assert_eq!(model.get("/v2/health/ready"), (200, json!({"ready": true})));
    let wanted = json!({
        "name": "m", "versions": ["1"], "platform": "onnx_tract",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
    });
    assert_eq!(model.get("/v2/models/m"), (200, wanted.clone()));
    assert_eq!(model.get("/v2/models/m/versions/1"), (200, wanted));
    assert_eq!(model.get("/v2/models/m/ready").0, 200);
    assert_eq!(model.get("/v2/models/m/versions/1/ready").0, 200);
    assert_eq!(model.get("/v2/models/m/config").1["input"][0]["data_type"], "TYPE_FP32");
    assert_eq!(model.post("/v2/repository/index", "").1[0]["state"], "READY");
    for (path, words) in
        [("/v2/models/other", "'m'"), ("/v2/models/m/versions/2", "version '1' is"), ("/v2/nothing", "not part")]
    {
        let (status, answer) = model.get(path);
        assert_eq!(status, 404, "{path}");
        assert!(answer["error"].as_str().unwrap().contains(words), "{answer}");
    }
    assert_eq!(model.get(INFER).0, 405);
}

#[test]
fn json_in_gives_json_out_with_the_id() {
    let mut model = serve(&build::linear());
    for data in ["[1, 1, 1, 0]", "[[1, 1, 1, 0]]"] {
        let body = format!(
            r#"{{"id": "42", "inputs": [{{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": {data}}}]}}"#
        );
        let wanted = json!({
            "model_name": "m", "model_version": "1", "id": "42",
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [5.5, 8.0, 10.5]}],
        });
        assert_eq!(model.post(INFER, &body), (200, wanted));
    }
    // Data may stand before the name and the shape.
    let body = r#"{"inputs": [{"data": [0, 0, 0, 0], "datatype": "FP32", "shape": [1, 4], "name": "x"}]}"#;
    assert_eq!(model.post("/v2/models/m/versions/1/infer", body).1["outputs"][0]["data"], json!([1.0, 2.0, 3.0]));
}

#[test]
fn binary_tensors_go_both_ways() {
    let mut model = serve(&build::two_inputs());
    let input =
        |name| json!({"name": name, "shape": [2, 1], "datatype": "FP32", "parameters": {"binary_data_size": 8}});
    let head = json!({
        "inputs": [input("b"), input("a")],
        "outputs": [{"name": "difference", "parameters": {"binary_data": true}}, {"name": "sum", "parameters": {"binary_data": false}}],
    });
    let response = model.ask(&binary(&head, &floats(&[2.0, 20.0, 1.0, 10.0])));
    assert_eq!((response.status, response.content_type), (200, "application/octet-stream"));
    let (name, length) = &response.headers[0];
    assert_eq!(*name, "inference-header-content-length");
    let (head, tail) = response.body.split_at(length.parse().unwrap());
    let head: Value = serde_json::from_slice(head).unwrap();
    assert_eq!(head["outputs"][0]["parameters"]["binary_data_size"], 8);
    assert_eq!(head["outputs"][1]["data"], json!([3.0, 30.0]));
    assert_eq!(tail, floats(&[-1.0, -10.0]));
}

#[test]
fn one_switch_makes_all_outputs_binary() {
    let mut model = serve(&build::linear());
    let head = json!({
        "parameters": {"binary_data_output": true},
        "inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0, 0, 0, 0]}],
    });
    let response = model.ask(&request(Method::POST, INFER, &[], head.to_string().into_bytes()));
    assert!(response.body.ends_with(&floats(&[1.0, 2.0, 3.0])));
}

#[test]
fn strings_travel_with_their_length() {
    let mut model = serve(&build::echo(STRING, &[Dim::Open]));
    let tail = [&2u32.to_le_bytes()[..], "ü".as_bytes(), &0u32.to_le_bytes()].concat();
    let head = json!({
        "inputs": [{"name": "x", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": tail.len()}}],
        "parameters": {"binary_data_output": true},
    });
    let response = model.ask(&binary(&head, &tail));
    assert!(response.body.ends_with(&tail), "{response:?}");
    for (tail, words) in [
        (vec![9, 0, 0, 0, b'a', 0, 0, 0], "truncated: string 0 has 9 bytes, 4 are left"),
        (vec![0, 0, 0, 0, 1, 0, 0, 0, 0xff], "not UTF-8"),
        (vec![0, 0, 0, 0, 0, 0, 0, 0, 7], "1 bytes are left after 2 strings"),
        (vec![0, 0, 0], "2 strings do not fit in 3 bytes"),
    ] {
        let head = json!({"inputs": [{"name": "x", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": tail.len()}}]});
        let message = error_of(&mut model, &binary(&head, &tail));
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn wrong_requests_name_the_input_the_expected_and_the_given() {
    let mut model = serve(&build::linear());
    let x = |shape: Value, datatype: &str, more: Value| {
        let mut input = json!({"name": "x", "shape": shape, "datatype": datatype});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"inputs": [input]})
    };
    let data = json!({"data": [1, 2, 3, 4]});
    let size = |n: usize| json!({"parameters": {"binary_data_size": n}});
    let cases = [
        (x(json!([1, 4]), "FP64", data.clone()), vec![], "input 'x': expected datatype FP32, given FP64"),
        (x(json!([1, 3]), "FP32", json!({"data": [1, 2, 3]})), vec![], "expected shape [batch, 4], given [1, 3]"),
        (x(json!([2, 4]), "FP32", data.clone()), vec![], "expected 8 values for shape [2, 4], given 4"),
        (x(json!([1, -4]), "FP32", data.clone()), vec![], "not a list of sizes"),
        (x(json!([1, 4]), "FP32", json!({})), vec![], "neither data nor binary_data_size"),
        (x(json!([1, 4]), "FP32", json!({"data": [1, null, 3, 4]})), vec![], "null"),
        (x(json!([1, 4]), "FP32", size(16)), vec![0; 12], "truncated: binary_data_size is 16, but only 12 bytes"),
        (x(json!([1, 4]), "FP32", size(12)), vec![0; 12], "takes 16 bytes, given 12"),
        (x(json!([1, 4]), "FP32", size(16)), vec![0; 20], "4 bytes of binary data belong to no input"),
        (x(json!([9223372036854775807i64, 4]), "FP32", size(16)), vec![0; 16], "not a list of sizes"),
        (
            json!({"inputs": [{"name": "z", "shape": [1], "datatype": "FP32", "data": [1]}]}),
            vec![],
            "unknown input 'z'",
        ),
        (json!({"inputs": []}), vec![], "input 'x' FP32 [batch, 4] is not given"),
        (json!({}), vec![], "no 'inputs'"),
        (json!({"inputs": [{"shape": [1], "datatype": "FP32", "data": [1]}]}), vec![], "an input has no name"),
        (
            json!({"inputs": x(json!([1, 4]), "FP32", data.clone())["inputs"], "outputs": [{"name": "q"}]}),
            vec![],
            "unknown output 'q'; the model's outputs are 'y'",
        ),
    ];
    for (head, tail, words) in cases {
        let message = error_of(&mut model, &binary(&head, &tail));
        assert!(message.contains(words), "{head}: {message}");
    }
    let long = request(Method::POST, INFER, &[("inference-header-content-length", "99")], b"{}".to_vec());
    assert!(error_of(&mut model, &long).contains("99"));
    let odd = request(Method::POST, INFER, &[("inference-header-content-length", "abc")], b"{}".to_vec());
    assert!(error_of(&mut model, &odd).contains("number of bytes"));
}

#[test]
fn a_truth_is_one_byte_of_nought_or_one() {
    let mut model = serve(&build::echo(BOOL, &[Dim::Open]));
    let head =
        json!({"inputs": [{"name": "x", "shape": [2], "datatype": "BOOL", "parameters": {"binary_data_size": 2}}]});
    let response = model.ask(&binary(&head, &[1, 0]));
    assert_eq!(response.status, 200);
    assert!(error_of(&mut model, &binary(&head, &[1, 7])).contains("0 or 1; given 7"));
}

#[test]
fn any_frame_is_answered_or_refused() {
    let model = std::cell::RefCell::new(serve(&build::echo(FLOAT, &[Dim::Open])));
    proptest!(ProptestConfig::with_cases(300), |(length in 0usize..200, size in any::<u16>(), count in any::<i64>(), tail in proptest::collection::vec(any::<u8>(), 0..64), exact in any::<bool>())| {
        let count = if exact { (tail.len() / 4) as i64 } else { count };
        let size = if exact { tail.len() as u64 } else { u64::from(size) };
        let head = json!({"inputs": [{"name": "x", "shape": [count], "datatype": "FP32", "parameters": {"binary_data_size": size}}]}).to_string();
        let length = if exact { head.len() } else { length }.to_string();
        let body = [head.as_bytes(), &tail].concat();
        let response = model.borrow_mut().ask(&request(Method::POST, INFER, &[("inference-header-content-length", &length)], body));
        prop_assert!(response.status == 200 || (response.status == 400 && response.caller_fault), "{:?}", response);
        prop_assert!(!exact || tail.len() % 4 != 0 || response.status == 200);
    });
}
