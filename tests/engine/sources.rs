//! What may be deployed, and what is said about everything else.

use serde_json::json;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::{AttributeProto, GraphProto, StringStringEntryProto, TensorProto};

use crate::build::{self, Dim, FLOAT, node, value};
use crate::serve::{self, folder, load, serve_at};
use mlconsole::server::engine::{self, LoadError};

fn refused(path: &std::path::Path, model_type: &str) -> LoadError {
    load(path, model_type).err().expect("the model is refused")
}

#[test]
fn a_folder_with_one_model_is_found_however_deep() {
    let folder = folder();
    build::save(folder.path(), "deep/er/net.onnx", &build::linear());
    std::fs::write(folder.path().join("readme.txt"), "hello").unwrap();
    let path = folder.path().to_owned();
    let mut model = serve_at(folder, &path, "custom_model");
    assert_eq!(model.score(r#"{"input_data": [[0, 0, 0, 0]]}"#), json!({"y": [[1.0, 2.0, 3.0]]}));
}

#[test]
fn what_is_no_model_is_named_with_what_to_do() {
    let place = folder();
    assert!(refused(&place.path().join("gone.onnx"), "custom_model").message.contains("register the model again"));
    assert!(refused(place.path(), "custom_model").message.contains("empty"));
    std::fs::write(place.path().join("model.pkl"), b"\x80\x04").unwrap();
    let message = refused(place.path(), "custom_model").message;
    assert!(message.contains("'model.pkl'") && message.contains("score.py"), "{message}");
    assert!(refused(&place.path().join("model.pkl"), "custom_model").message.contains("not an ONNX file"));
    for bytes in [&b""[..], b"not a model at all", &[0xff; 64], &[8, 9]] {
        std::fs::write(place.path().join("model.onnx"), bytes).unwrap();
        let message = refused(&place.path().join("model.onnx"), "custom_model").message;
        assert!(message.contains("model.onnx"), "{message}");
    }
    build::save(place.path(), "other.onnx", &build::linear());
    build::save(place.path(), "third.onnx", &build::linear());
    std::fs::remove_file(place.path().join("model.onnx")).unwrap();
    assert!(refused(place.path(), "custom_model").message.contains("several ONNX files"));
}

#[test]
fn every_folder_of_a_triton_repository_is_a_model() {
    let place = folder();
    build::save(place.path(), "first/1/model.onnx", &build::linear());
    build::save(place.path(), "second/1/model.onnx", &build::linear());
    build::save(place.path(), "second/3/model.onnx", &build::two_inputs());
    std::fs::write(place.path().join("first/config.pbtxt"), "name: \"first\"").unwrap();
    let path = place.path().to_owned();
    let mut model = serve_at(place, &path, "triton_model");
    assert_eq!(model.get("/v2/models/first").1["versions"], json!(["1"]));
    // The highest version is the one that serves.
    assert_eq!(model.get("/v2/models/second").1["versions"], json!(["3"]));
    let body = r#"{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0, 0, 0, 0]}]}"#;
    assert_eq!(model.post("/v2/models/first/infer", body).1["outputs"][0]["data"], json!([1.0, 2.0, 3.0]));
    let (status, answer) = model.post("/score", "{}");
    assert_eq!(status, 404);
    assert!(answer["message"].as_str().unwrap().contains("/v2/models/first/infer"));
    let sample = model.servable.sample().unwrap();
    assert_eq!(model.ask(&sample).status, 200);
}

#[test]
fn a_triton_model_of_another_back_end_is_refused_by_name() {
    let place = folder();
    std::fs::create_dir_all(place.path().join("net/1")).unwrap();
    std::fs::write(place.path().join("net/1/model.plan"), "").unwrap();
    let message = refused(place.path(), "triton_model").message;
    assert!(message.contains("model.plan") && message.contains("model.onnx"), "{message}");
}

fn mlflow(signature: &str) -> tempfile::TempDir {
    let place = folder();
    build::save(place.path(), "model.onnx", &build::linear());
    let text = format!(
        "flavors:\n  onnx: {{data: model.onnx}}\n  python_function: {{loader_module: mlflow.onnx}}\n{signature}"
    );
    std::fs::write(place.path().join("MLmodel"), text).unwrap();
    place
}

const COLUMNS: &str = r#"signature:
  inputs: '[{"type": "double", "name": "a"}, {"type": "double", "name": "b"}, {"type": "long", "name": "c"}, {"type": "double", "name": "d"}]'
"#;

#[test]
fn an_mlflow_model_with_columns_takes_frames_and_answers_records() {
    let place = mlflow(COLUMNS);
    let path = place.path().to_owned();
    let mut model = serve_at(place, &path, "mlflow_model");
    let frame = r#"{"input_data": {"columns": ["a", "b", "c", "d"], "index": [0], "data": [[0, 0, 0, 0]]}}"#;
    assert_eq!(model.score(frame), json!([{"y": 1.0}, {"y": 2.0}, {"y": 3.0}]));
    let one = model.score(r#"{"input_data": {"columns": ["a", "b", "c", "d"], "data": [[1, 2, 3, 4]]}}"#);
    // Columns are found by name, others left aside; a fraction in a long column is cut.
    let other = r#"{"input_data": {"columns": ["note", "d", "c", "b", "a"], "data": [["x", 4, 3.9, 2, 1]]}}"#;
    assert_eq!(model.score(other), one);
    for (body, words) in [
        (r#"{"inputs": {"x": [[0, 0, 0, 0]]}}"#, "'input_data' parameter"),
        (r#"{"input_data": [[0, 0, 0, 0]]}"#, "signature of columns"),
        (r#"{"input_data": {"x": [[0, 0, 0, 0]]}}"#, "signature of columns"),
        (r#"{"input_data": {"columns": ["a", "b", "c"], "data": [[0, 0, 0]]}}"#, "column 'd' is missing"),
        (r#"{"input_data": {"columns": ["a", "b", "c", "d"], "data": [[0, 0, null, 0]]}}"#, "column 'c'"),
        (r#"{"input_data": {"columns": ["a", "b", "c", "d"], "data": [["old", 0, 0, 0]]}}"#, "column 'a'"),
    ] {
        assert!(model.refused("/score", body).contains(words), "{body}: {}", model.refused("/score", body));
    }
    let sample = model.servable.sample().unwrap();
    assert!(String::from_utf8_lossy(&sample.body).contains("columns"));
}

#[test]
fn an_mlflow_model_without_a_signature_takes_what_it_is_given() {
    let place = mlflow("");
    let path = place.path().to_owned();
    let mut model = serve_at(place, &path, "mlflow_model");
    let tensor = json!({"y": [[1.0, 2.0, 3.0]]});
    assert_eq!(model.score(r#"{"input_data": [[0, 0, 0, 0]]}"#), tensor);
    assert_eq!(model.score(r#"{"input_data": {"x": [[0, 0, 0, 0]], "extra": [1]}}"#), tensor);
    let frame = |index: &str| {
        format!(r#"{{"input_data": {{"columns": ["a", "b", "c", "d"], {index}"data": [[0, 0, 0, 0]]}}}}"#)
    };
    assert_eq!(model.score(&frame(r#""index": [0], "#)), json!([{"y": 1.0}, {"y": 2.0}, {"y": 3.0}]));
    assert!(model.refused("/score", &frame("")).contains("columns, index and data"));
}

#[test]
fn a_tensor_signature_takes_no_frames_and_keeps_its_shape() {
    let signature = |name: &str, width: i32| {
        format!(
            "signature:\n  inputs: '[{{\"type\": \"tensor\", {name}\"tensor-spec\": {{\"dtype\": \"float32\", \"shape\": [-1, {width}]}}}}]'\n"
        )
    };
    let serve = |text: &str| {
        let place = mlflow(text);
        let path = place.path().to_owned();
        serve_at(place, &path, "mlflow_model")
    };
    let mut named = serve(&signature("\"name\": \"x\", ", 4));
    let frame = r#"{"input_data": {"columns": ["a", "b", "c", "d"], "data": [[0, 0, 0, 0]]}}"#;
    assert!(named.refused("/score", frame).contains("tensor signature"));
    assert!(named.refused("/score", r#"{"input_data": [[0, 0, 0, 0]]}"#).contains("tensor signature"));
    assert_eq!(named.score(r#"{"input_data": {"x": [[0, 0, 0, 0]]}}"#), json!({"y": [[1.0, 2.0, 3.0]]}));
    let mut bare = serve(&signature("", 4));
    assert_eq!(bare.score(r#"{"input_data": [[0, 0, 0, 0]]}"#), json!({"y": [[1.0, 2.0, 3.0]]}));
    assert!(bare.refused("/score", r#"{"input_data": {"x": [[0, 0, 0, 0]]}}"#).contains("nested list"));
    assert_eq!(bare.servable.sample().unwrap().body, r#"{"input_data":[[0.0,0.0,0.0,0.0]]}"#);
    let mut narrow = serve(&signature("", 3));
    assert!(narrow.refused("/score", r#"{"input_data": [[0, 0, 0, 0]]}"#).contains("asks for shape [-1, 3]"));
}

#[test]
fn mlflow_s_own_protocol_is_answered_beside_the_hosted_one() {
    let place = mlflow(COLUMNS);
    let path = place.path().to_owned();
    let mut model = serve_at(place, &path, "mlflow_model");
    let wanted = json!({"predictions": [{"y": 1.0}, {"y": 2.0}, {"y": 3.0}]});
    for body in [
        r#"{"dataframe_split": {"columns": ["a", "b", "c", "d"], "data": [[0, 0, 0, 0]]}}"#,
        r#"{"dataframe_records": [{"a": 0, "b": 0, "c": 0, "d": 0}], "params": {"any": 1}}"#,
        r#"{"inputs": {"a": [0], "b": [0], "c": [0], "d": [0]}}"#,
    ] {
        assert_eq!(model.post("/invocations", body), (200, wanted.clone()), "{body}");
        assert!(model.refused("/score", body).contains("'input_data' parameter"));
    }
    let (status, answer) = model.post("/invocations", r#"{"input_data": {"columns": ["a"], "data": [[0]]}}"#);
    assert_eq!((status, &answer["error_code"]), (400, &json!("BAD_REQUEST")));
    let mut plain = serve::serve(&build::linear());
    assert_eq!(plain.post("/invocations", "{}").0, 404, "only MLflow models speak it");
}

#[test]
fn a_converted_model_answers_with_one_output_alone() {
    let place = folder();
    build::save(place.path(), "model.onnx", &build::linear());
    let path = place.path().to_owned();
    let answer = |flat: bool| {
        let text = json!({"flavors": {"onnx": {"data": "model.onnx", "answer": {"output": "y", "flat": flat}}}});
        std::fs::write(path.join("MLmodel"), text.to_string()).unwrap();
        let servable = load(&path, "mlflow_model").expect("the model loads");
        let body = br#"{"input_data": [[0, 0, 0, 0]]}"#.to_vec();
        let request = serve::request(http::Method::POST, "/score", &[], body);
        let response = servable.instance().expect("an instance").score(&request);
        serde_json::from_slice::<serde_json::Value>(&response.body).unwrap()
    };
    assert_eq!(answer(false), json!([[1.0, 2.0, 3.0]]));
    assert_eq!(answer(true), json!([1.0, 2.0, 3.0]));
}

#[test]
fn mlflow_models_that_cannot_be_served_say_why() {
    let place = folder();
    assert!(refused(place.path(), "mlflow_model").message.contains("no file MLmodel"));
    for (text, words) in [
        ("flavors:\n  sklearn: {pickled_model: model.pkl}\n", "'sklearn'"),
        ("flavors:\n  onnx: {data: ../../etc/passwd}\n", "outside"),
        ("flavors:\n  onnx: {data: gone.onnx}\n", "gone.onnx"),
        ("flavors: [", "MLmodel"),
    ] {
        std::fs::write(place.path().join("MLmodel"), text).unwrap();
        let message = refused(place.path(), "mlflow_model").message;
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn weights_may_lie_in_a_file_beside_the_model_but_not_elsewhere() {
    let external = |location: &str| {
        let mut model = build::linear();
        let tensor = &mut model.graph.as_mut().unwrap().initializer[1];
        tensor.raw_data.clear();
        tensor.data_location = Some(DataLocation::External as i32);
        let entry = |key: &str, value: &str| StringStringEntryProto { key: key.to_owned(), value: value.to_owned() };
        tensor.external_data = vec![entry("location", location), entry("offset", "4"), entry("length", "12")];
        model
    };
    let place = folder();
    let path = build::save(place.path(), "inside/model.onnx", &external("weights.bin"));
    let bytes: Vec<u8> = [0f32, 7.0, 8.0, 9.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(place.path().join("inside/weights.bin"), &bytes).unwrap();
    std::fs::write(place.path().join("outside.bin"), &bytes).unwrap();
    let escape = build::save(place.path(), "inside/escape.onnx", &external("../outside.bin"));
    let message = refused(&escape, "custom_model");
    assert!(
        message.details.contains("relative path inside") || message.message.contains("relative path inside"),
        "{message}"
    );
    let report = engine::inspect(&path, "custom_model").unwrap();
    assert!(report.native && report.notes.iter().any(|n| n.contains("weights.bin")), "{report:?}");
    let mut model = serve_at(place, &path, "custom_model");
    assert_eq!(model.score(r#"{"input_data": [[0, 0, 0, 0]]}"#), json!({"y": [[7.0, 8.0, 9.0]]}));
}

#[test]
fn all_operators_that_do_not_run_are_listed_at_once_even_in_subgraphs() {
    let branch = |operator: &str| GraphProto {
        node: vec![node(operator, &["x"], &["b"])],
        output: vec![value("b", FLOAT, &[Dim::Open])],
        ..Default::default()
    };
    let graph = |name: &str, g: GraphProto| AttributeProto {
        name: name.to_owned(),
        g: Some(g),
        r#type: AttributeType::Graph as i32,
        ..Default::default()
    };
    let mut custom = node("Add", &["x"], &["c"]);
    custom.domain = "my.company".to_owned();
    let choice = build::with(
        node("If", &["t"], &["y"]),
        vec![graph("then_branch", branch("Unique")), graph("else_branch", branch("Relu"))],
    );
    let reversed = build::with(node("LSTM", &["x"], &["l"]), vec![build::text("direction", "reverse")]);
    let model = build::model(
        vec![value("x", FLOAT, &[Dim::Open]), value("t", build::BOOL, &[])],
        vec![value("y", FLOAT, &[Dim::Open])],
        vec![custom, choice, reversed, node("Det", &["x"], &["d1"]), node("Det", &["x"], &["d2"])],
        vec![TensorProto {
            name: "half".to_owned(),
            data_type: 16,
            dims: vec![1],
            raw_data: vec![0, 0],
            ..Default::default()
        }],
    );
    let place = folder();
    let path = build::save(place.path(), "model.onnx", &model);
    let error = refused(&path, "custom_model");
    let named: Vec<(&str, &str, u32)> =
        error.unsupported.iter().map(|u| (u.domain.as_str(), u.operator.as_str(), u.count)).collect();
    for wanted in [("", "Det", 2), ("", "LSTM", 1), ("", "Unique", 1), ("my.company", "Add", 1), ("", "(type)", 1)] {
        assert!(named.contains(&wanted), "{wanted:?} is not in {named:?}");
    }
    for words in ["Det (ai.onnx opset 17; 2 nodes, first 'det_d1')", "reverse", "bfloat16", "'half'"] {
        assert!(error.message.contains(words), "{words}: {}", error.message);
    }
    let report = engine::inspect(&path, "custom_model").unwrap();
    assert!(!report.native);
    assert_eq!(report.unsupported, error.unsupported);
}

#[test]
fn a_report_tells_what_a_model_is() {
    let place = folder();
    build::save(place.path(), "net/model.onnx", &build::classifier());
    let report = engine::inspect(place.path(), "custom_model").unwrap();
    assert!(report.native, "{report:?}");
    assert_eq!((report.format.as_str(), report.file.as_str()), ("onnx", "net/model.onnx"));
    assert_eq!(report.producer, "mlconsole-tests");
    assert_eq!(report.signature.inputs[0].shape, [-1, 2]);
    assert_eq!(report.opsets, [(String::new(), 17), ("ai.onnx.ml".to_owned(), 3)]);
    assert_eq!(
        report.operators.iter().map(|o| o.operator.as_str()).collect::<Vec<_>>(),
        ["LinearClassifier", "ZipMap"]
    );
    assert!(report.size_bytes > 0 && report.unsupported.is_empty());
}

#[test]
fn a_graph_that_fixes_its_batch_inside_is_served_shape_by_shape() {
    // The output shape is computed from the data's own first value: no plan for open sizes can know it.
    let shape = TensorProto {
        name: "s".to_owned(),
        dims: vec![2],
        data_type: 7,
        raw_data: [1i64, 4].iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..Default::default()
    };
    let model = build::model(
        vec![value("x", FLOAT, &[Dim::Open, Dim::N(2)])],
        vec![value("y", FLOAT, &[Dim::N(1), Dim::N(4)])],
        vec![node("Reshape", &["x", "s"], &["y"])],
        vec![shape],
    );
    let mut model = serve::serve(&model);
    assert_eq!(model.score(r#"{"input_data": [[1, 2], [3, 4]]}"#), json!({"y": [[1.0, 2.0, 3.0, 4.0]]}));
    // Other sizes do not fit the reshape: the caller's fault, and the model goes on.
    let (status, _) = model.post("/score", r#"{"input_data": [[1, 2]]}"#);
    assert_ne!(status, 200);
    assert_eq!(model.score(r#"{"input_data": [[1, 2], [3, 4]]}"#), json!({"y": [[1.0, 2.0, 3.0, 4.0]]}));
}
