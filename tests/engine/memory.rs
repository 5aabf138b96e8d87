//! An instance has so much memory and no more: what does not fit fails at load, or ends the run before it is made.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use mlconsole::server::engine::{self, Instance, InstanceMemory, LoadError, ModelSource, OutOfMemory, ScoreResponse};
use serde_json::json;
use tract_onnx::pb::ModelProto;

use crate::build::{self, Dim, FLOAT, INT64, model, node, value, weights, whole};
use crate::serve::{folder, request};

const MIB: u64 = 1 << 20;

fn load(path: &Path, bytes: u64, sharers: u32) -> Result<Box<dyn Instance>, LoadError> {
    let source = ModelSource {
        path: path.to_owned(),
        model_type: "custom_model".to_owned(),
        name: "m".to_owned(),
        version: "1".to_owned(),
        memory: Some(InstanceMemory { bytes, sharers }),
        ..Default::default()
    };
    engine::load(&source, &|_| {})?.instance()
}

fn loaded(model: &ModelProto, bytes: u64, sharers: u32) -> Result<Box<dyn Instance>, LoadError> {
    let folder = folder();
    load(&build::save(folder.path(), "model.onnx", model), bytes, sharers)
}

/// The answer, or the end of the instance.
fn score(instance: &mut Box<dyn Instance>, inputs: &serde_json::Value) -> Result<ScoreResponse, OutOfMemory> {
    let body = json!({"inputs": inputs}).to_string().into_bytes();
    let request = request(http::Method::POST, "/score", &[], body);
    catch_unwind(AssertUnwindSafe(|| instance.score(&request))).map_err(|end| *end.downcast().expect("out of memory"))
}

/// The sum of the numbers below `n`, all of them made first.
fn counting() -> ModelProto {
    model(
        vec![value("n", INT64, &[])],
        vec![value("y", INT64, &[Dim::N(1)])],
        vec![node("Range", &["zero", "n", "one"], &["all"]), node("ReduceSum", &["all"], &["y"])],
        vec![whole("zero", &[], &[0]), whole("one", &[], &[1])],
    )
}

#[test]
fn a_size_that_a_value_decides_is_asked_for_before_it_is_made() {
    let mut instance = loaded(&counting(), 16 * MIB, 1).unwrap();
    assert_eq!(score(&mut instance, &json!({"n": 1000})).unwrap().body, r#"{"y":[499500]}"#);
    // The second would not fit into any machine: it must not even be tried.
    for n in [4_000_000_u64, 400_000_000_000] {
        let end = score(&mut instance, &json!({"n": n})).unwrap_err();
        assert_eq!(end.limit, 16 * MIB);
        assert!(end.needed >= 8 * n && end.node.contains("range_all"), "{end:?}");
        assert!(end.to_string().starts_with("OOMKilled"), "{end}");
    }
}

#[test]
fn the_requests_of_an_instance_share_its_memory() {
    let n = json!({"n": 1_000_000});
    let answer = score(&mut loaded(&counting(), 32 * MIB, 1).unwrap(), &n).unwrap();
    assert_eq!(answer.body, r#"{"y":[499999500000]}"#);
    assert!(score(&mut loaded(&counting(), 32 * MIB, 8).unwrap(), &n).is_err());
}

/// A table of all products of two columns.
fn table() -> ModelProto {
    model(
        vec![
            value("a", FLOAT, &[Dim::Named("rows"), Dim::N(1)]),
            value("b", FLOAT, &[Dim::N(1), Dim::Named("columns")]),
        ],
        vec![value("y", FLOAT, &[Dim::N(1), Dim::N(1)])],
        vec![node("Mul", &["a", "b"], &["all"]), node("ReduceMax", &["all"], &["y"])],
        vec![],
    )
}

#[test]
fn shapes_alone_tell_what_does_not_fit() {
    let mut instance = loaded(&table(), 4 * MIB, 1).unwrap();
    let of = |n: usize| json!({"a": vec![[1.0]; n], "b": [vec![2.0; n]]});
    // Rising, falling and rising again: what was found out about one size must not pass for another.
    for n in [1, 100, 700, 3, 900, 100] {
        assert_eq!(score(&mut instance, &of(n)).unwrap().status, 200, "{n}");
    }
    let end = score(&mut instance, &of(2_000)).unwrap_err();
    assert!(end.needed >= 16_000_000 && end.needed < 64_000_000, "{end:?}");
}

#[test]
fn what_can_never_fit_fails_at_load() {
    let large = vec![0.5; 1_000_000];
    let heavy = model(
        vec![value("x", FLOAT, &[Dim::Named("batch"), Dim::N(1_000)])],
        vec![value("y", FLOAT, &[Dim::Named("batch"), Dim::N(1_000)])],
        vec![node("MatMul", &["x", "w"], &["y"])],
        vec![weights("w", &[1_000, 1_000], &large)],
    );
    assert!(loaded(&heavy, 16 * MIB, 1).is_ok());
    let declared = |dims: &[Dim]| build::echo(FLOAT, dims);
    let constant = model(
        vec![value("x", FLOAT, &[Dim::N(1)])],
        vec![value("y", FLOAT, &[Dim::Open])],
        vec![node("ConstantOfShape", &["size"], &["zeros"]), node("Add", &["x", "zeros"], &["y"])],
        vec![whole("size", &[1], &[30_000_000_000])],
    );
    // Small on its own, but not what comes of it.
    let grown = model(
        vec![value("x", FLOAT, &[Dim::N(100_000), Dim::N(1)])],
        vec![value("y", FLOAT, &[Dim::N(1), Dim::N(1)])],
        vec![
            node("Transpose", &["x"], &["t"]),
            node("Mul", &["x", "t"], &["all"]),
            node("ReduceMax", &["all"], &["y"]),
        ],
        vec![],
    );
    let cases = [
        (heavy, "model file"),
        (declared(&[Dim::N(30_000_000_000)]), "input 'x' as declared"),
        (declared(&[Dim::N(i64::MAX), Dim::N(i64::MAX)]), "input 'x' as declared"),
        (declared(&[Dim::Named("n"), Dim::N(1_000_000)]), "input 'x' as declared"),
        (constant, "ConstantOfShape 'constantofshape_zeros'"),
        (grown, "one request of model 'm'"),
    ];
    for (model, words) in cases {
        let error = loaded(&model, 2 * MIB, 1).err().expect(words);
        assert!(error.message.contains(words) && error.message.contains("instance_type"), "{words}: {error}");
    }
}

#[test]
fn a_graph_inside_an_operator_is_held_to_the_same_memory_and_values() {
    let branch = |name: &str, sign: i64| {
        let nodes = vec![
            node("Range", &[&format!("{name}_zero"), "n", &format!("{name}_one")], &[&format!("{name}_all")]),
            node("ReduceMax", &[&format!("{name}_all")], &[&format!("{name}_most")]),
            node("Mul", &[&format!("{name}_most"), &format!("{name}_sign")], &[&format!("{name}_signed")]),
            node("Gather", &["list", "at"], &[&format!("{name}_found")]),
            node("Add", &[&format!("{name}_signed"), &format!("{name}_found")], &[name]),
        ];
        let mut graph = model(
            vec![],
            vec![value(name, INT64, &[Dim::N(1)])],
            nodes,
            vec![
                whole(&format!("{name}_zero"), &[], &[0]),
                whole(&format!("{name}_one"), &[], &[1]),
                whole(&format!("{name}_sign"), &[], &[sign]),
            ],
        );
        graph.graph.take().expect("a graph")
    };
    let choose = build::with(
        node("If", &["up"], &["y"]),
        vec![build::graph("then_branch", branch("then", 1)), build::graph("else_branch", branch("other", -1))],
    );
    let choosing = model(
        vec![value("up", build::BOOL, &[]), value("n", INT64, &[]), value("at", INT64, &[Dim::N(1)])],
        vec![value("y", INT64, &[Dim::N(1)])],
        vec![choose],
        vec![whole("list", &[2], &[100, 200])],
    );
    let mut instance = loaded(&choosing, 16 * MIB, 1).unwrap();
    let of = |up: bool, n: u64, at: i64| json!({"up": up, "n": n, "at": [at]});
    assert_eq!(score(&mut instance, &of(true, 1_000, 0)).unwrap().body, r#"{"y":[1099]}"#);
    assert_eq!(score(&mut instance, &of(false, 1_000, 1)).unwrap().body, r#"{"y":[-799]}"#);
    let wrong = score(&mut instance, &of(true, 10, 2)).unwrap();
    assert_eq!((wrong.status, wrong.caller_fault), (400, true));
    assert!(String::from_utf8_lossy(&wrong.body).contains("index 2 is out of range"), "{wrong:?}");
    let end = score(&mut instance, &of(false, 400_000_000_000, 0)).unwrap_err();
    assert!(end.needed >= 3_200_000_000_000 && end.node.contains("range_other_all"), "{end:?}");
}
