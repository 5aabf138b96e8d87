//! Models that take maps: an object of values by key, or a list of them.

use http::Method;
use serde_json::json;
use tract_onnx::pb::{ModelProto, ValueInfoProto};

use crate::build::{self, Dim, FLOAT, INT64, STRING};
use crate::serve::{self, Served, load, request};

/// A graph that gives a map to one operator. The engine's own types have no maps, so the type is written into the bytes.
fn file(keys: i32, values: i32, node: tract_onnx::pb::NodeProto, out: i32) -> Vec<u8> {
    use prost::Message as _;
    let output = build::value("y", out, &[Dim::Open, Dim::Open]);
    let mut model: ModelProto = build::model(vec![], vec![output], vec![build::ml(node)], vec![]);
    let graph = model.graph.take().expect("a graph").encode_to_vec();
    let part = |number: u8, bytes: &[u8]| {
        assert!(bytes.len() < 128);
        [&[number << 3 | 2, bytes.len() as u8][..], bytes].concat()
    };
    let element = part(1, &[1 << 3, values as u8]);
    let map = [vec![1 << 3, keys as u8], part(2, &element)].concat();
    let input = [part(1, b"x"), part(2, &part(5, &map))].concat();
    assert!(ValueInfoProto::decode(&input[..]).is_ok());
    // Messages are put together by writing one behind the other.
    let graph = [graph, part(11, &input)].concat();
    let mut bytes = model.encode_to_vec();
    prost::encoding::bytes::encode(7, &graph, &mut bytes);
    bytes
}

fn served(bytes: &[u8]) -> Served {
    let folder = serve::folder();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, bytes).expect("a file");
    serve::serve_at(folder, &path, "custom_model")
}

/// A model that takes maps.
pub fn vectorizer() -> Vec<u8> {
    let words = build::strings("string_vocabulary", &["b", "a", "c"]);
    file(STRING, FLOAT, build::with(build::node("DictVectorizer", &["x"], &["y"]), vec![words]), FLOAT)
}

#[test]
fn maps_come_as_objects_in_every_form_of_a_request() {
    let mut model = served(&vectorizer());
    let wanted = json!({"y": [[0.0, 1.5, 2.0], [4.0, 0.0, 0.0]]});
    for body in [
        r#"{"input_data": {"x": [{"a": 1.5, "c": 2, "unknown": {"of": "any kind"}}, {"b": 4}]}}"#,
        r#"{"input_data": [{"a": 1.5, "c": 2}, {"b": 4}]}"#,
        r#"{"inputs": {"x": [{"a": 1.5, "c": 2}, {"b": 4}]}}"#,
        r#"{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3], "data": [{"a": 1.5, "c": 2}, {"b": 4}]}]}"#,
        // In the order of the keys, as the signature lists them.
        r#"{"input_data": [[0, 1.5, 2], [4, 0, 0]]}"#,
        r#"{"input_data": {"columns": ["c", "z", "a", "b"], "data": [[2, 9, 1.5, 0], [0, 9, 0, 4]]}}"#,
    ] {
        assert_eq!(model.score(body), wanted, "{body}");
    }
    assert_eq!(model.score(r#"{"input_data": {"x": {"a": 7}}}"#), json!({"y": [[0.0, 7.0, 0.0]]}));
    assert_eq!(model.score(r#"{"input_data": {"x": {}}}"#), json!({"y": [[0.0, 0.0, 0.0]]}));
    let infer = json!({"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [{"c": 3}]}]});
    let (status, answer) = model.post("/v2/models/m/infer", &infer.to_string());
    assert_eq!((status, &answer["outputs"][0]["data"]), (200, &json!([0.0, 0.0, 3.0])));
}

#[test]
fn what_is_no_map_is_refused_with_the_key_and_the_reason() {
    let mut model = served(&vectorizer());
    for (body, part) in [
        (r#"{"input_data": {"x": {"a": "old"}}}"#, "key 'a': expected a number"),
        (r#"{"input_data": {"x": {"a": [1]}}}"#, "key 'a'"),
        (r#"{"input_data": {"x": 3}}"#, "an object with a number by key"),
        (r#"{"input_data": [{"a": 1}, 3]}"#, "an object"),
        (r#"{"input_data": [[1, 2]]}"#, "ragged"),
        (r#"{"input_data": {"columns": ["a"], "data": [["x"]]}}"#, "input 'x'"),
    ] {
        let why = model.refused("/score", body);
        assert!(why.contains(part), "{body}: {why}");
    }
    let cast = [build::text("map_form", "SPARSE"), build::int("max_map", 3)].to_vec();
    let cast = file(INT64, FLOAT, build::with(build::node("CastMap", &["x"], &["y"]), cast), FLOAT);
    let mut model = served(&cast);
    assert_eq!(model.score(r#"{"input_data": {"x": {"2": 5, "9": 1}}}"#), json!({"y": [[0.0, 0.0, 5.0]]}));
    for (body, part) in [
        (r#"{"input_data": {"x": {"two": 5}}}"#, "key \"two\" is not a whole number"),
        (r#"{"input_data": {"x": {"-1": 5}}}"#, "key -1 is below 0"),
    ] {
        let why = model.refused("/score", body);
        assert!(why.contains(part), "{body}: {why}");
    }
}

#[test]
fn a_small_body_cannot_ask_for_rows_without_end() {
    let wide = [build::text("map_form", "SPARSE"), build::int("max_map", 1 << 20)].to_vec();
    let wide = file(INT64, FLOAT, build::with(build::node("CastMap", &["x"], &["y"]), wide), FLOAT);
    let mut model = served(&wide);
    let body = format!(r#"{{"input_data": [{}{{}}]}}"#, "{},".repeat(40));
    assert!(model.refused("/score", &body).contains("too much at once"), "{body}");
}

#[test]
fn signature_and_documents_say_that_maps_are_wanted() {
    let mut model = served(&vectorizer());
    let signature = model.servable.signature().expect("a signature");
    assert_eq!(signature.inputs[0].keys.as_deref(), Some(&["b".to_owned(), "a".to_owned(), "c".to_owned()][..]));
    assert_eq!(signature.inputs[0].shape, [-1, 3]);
    let document = model.servable.swagger("e", "3").expect("a document");
    let input = document.pointer("/components/schemas/ServiceInput/properties/input_data/properties/x").expect("x");
    assert_eq!(input["items"]["type"], "object");
    assert!(input["items"]["properties"]["a"].is_object(), "{input}");
    let sample = model.servable.sample().expect("a sample");
    assert_eq!(String::from_utf8_lossy(&sample.body), r#"{"input_data":{"x":[{"a":0,"b":0,"c":0}]}}"#);
    assert_eq!(model.ask(&sample).status, 200);
    let metadata = model.ask(&request(Method::GET, "/v2/models/m", &[], vec![]));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.body).expect("JSON");
    assert_eq!(metadata["inputs"][0]["parameters"]["keys"], json!(["b", "a", "c"]));
}

#[test]
fn maps_that_cannot_become_rows_are_refused_by_name() {
    let refused = |bytes: &[u8]| {
        let folder = serve::folder();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, bytes).expect("a file");
        load(&path, "custom_model").map(|_| ()).expect_err("a refusal").message
    };
    let words = || build::strings("string_vocabulary", &["a", "a"]);
    let twice = build::with(build::node("DictVectorizer", &["x"], &["y"]), vec![words()]);
    assert!(refused(&file(STRING, FLOAT, twice, FLOAT)).contains("DictVectorizer"));
    // Keys of another kind than the vocabulary's.
    let words = build::strings("string_vocabulary", &["a"]);
    let other = build::with(build::node("DictVectorizer", &["x"], &["y"]), vec![words]);
    assert!(refused(&file(INT64, FLOAT, other, FLOAT)).contains("input 'x' is not a tensor"));
}
