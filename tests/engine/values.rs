//! Values that an operator cannot take are the caller's error: named, and the instance lives on.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::build::{Dim, FLOAT, INT64, int, model, node, text, value, with};
use crate::serve::{Served, serve, serve_within};

/// Asks with `inputs`; a 400 gives its message.
fn ask(served: &mut Served, inputs: &Value) -> Result<Value, String> {
    let body = json!({"inputs": inputs}).to_string();
    match served.post("/score", &body) {
        (200, answer) => Ok(answer),
        (400, answer) => Err(answer["message"].as_str().unwrap().to_owned()),
        (status, answer) => panic!("{status} {answer}"),
    }
}

fn open(name: &str, kind: i32, rank: usize) -> tract_onnx::pb::ValueInfoProto {
    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let first = name.len() % 2 * 3;
    let dims: Vec<Dim> = (0..rank).map(|axis| Dim::Named(NAMES[first + axis])).collect();
    value(name, kind, &dims)
}

/// One operator over data `x` of two dimensions and indices `at` (an even name: symbols of its own).
fn indexed(operator: &str, rank: usize, attributes: Vec<tract_onnx::pb::AttributeProto>) -> Served {
    let scatters = operator.starts_with("Scatter");
    let mut inputs = vec![open("x", FLOAT, 2), open("at", INT64, rank)];
    let mut names = vec!["x", "at"];
    if scatters {
        inputs.push(value("u", FLOAT, &vec![Dim::Open; rank.max(1)]));
        names.push("u");
    }
    let output = value("y", FLOAT, &[]);
    let output = tract_onnx::pb::ValueInfoProto { r#type: None, ..output };
    serve(&model(inputs, vec![output], vec![with(node(operator, &names, &["y"]), attributes)], vec![]))
}

fn data(rows: usize, columns: usize) -> Value {
    (0..rows).map(|r| (0..columns).map(|c| (10 * r + c) as f64).collect::<Vec<_>>()).collect::<Vec<_>>().into()
}

fn at(x: &Value, row: i64, rows: usize) -> Value {
    x[usize::try_from(if row < 0 { row + rows as i64 } else { row }).unwrap()].clone()
}

/// Whether the answer is right: in range, what the standard says; out of range, an error that names all.
fn judge(
    operator: &str,
    indices: &[i64],
    length: usize,
    answer: Result<Value, String>,
    wanted: impl FnOnce() -> Value,
) {
    let length = length as i64;
    match (indices.iter().find(|i| !(-length..length).contains(*i)), answer) {
        (None, Ok(answer)) => assert_eq!(answer["y"], wanted(), "{operator} {indices:?}"),
        (Some(bad), Err(message)) => {
            let named = format!("{operator} '{}_y' (input 'at')", operator.to_lowercase());
            assert!(message.contains(&named) && message.contains(&format!("index {bad} ")), "{message}");
        }
        (bad, answer) => panic!("{operator} {indices:?} of {length}: {bad:?} gave {answer:?}"),
    }
}

#[test]
fn any_index_is_answered_or_named() {
    let gather = RefCell::new(indexed("Gather", 1, vec![int("axis", 0)]));
    let elements = RefCell::new(indexed("GatherElements", 2, vec![int("axis", 0)]));
    let nd = RefCell::new(indexed("GatherND", 2, vec![]));
    let scatter = RefCell::new(indexed("ScatterElements", 2, vec![int("axis", 0)]));
    let scatter_nd = RefCell::new(indexed("ScatterND", 2, vec![]));
    let added = RefCell::new(indexed("ScatterND", 2, vec![text("reduction", "add")]));
    let cases = (1usize..4, 1usize..4)
        .prop_flat_map(|(rows, columns)| (Just(rows), Just(columns), prop::collection::vec(-6i64..6, 1..4)));
    let mut runner = TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
    let outcome = runner.run(&cases, |(rows, columns, indices)| {
        let x = data(rows, columns);
        let answer = ask(&mut gather.borrow_mut(), &json!({"x": x, "at": indices}));
        judge("Gather", &indices, rows, answer, || indices.iter().map(|i| at(&x, *i, rows)).collect());

        // One index a row, in the first column.
        let column: Vec<Vec<i64>> = indices.iter().map(|i| vec![*i]).collect();
        let answer = ask(&mut elements.borrow_mut(), &json!({"x": x, "at": column}));
        judge("GatherElements", &indices, rows, answer, || {
            indices.iter().map(|i| json!([at(&x, *i, rows)[0]])).collect()
        });
        let answer = ask(&mut nd.borrow_mut(), &json!({"x": x, "at": column}));
        judge("GatherND", &indices, rows, answer, || indices.iter().map(|i| at(&x, *i, rows)).collect());

        let only = &column[..1];
        let written = |row: i64, values: &[f64]| {
            let mut wanted = x.clone();
            let row = usize::try_from(if row < 0 { row + rows as i64 } else { row }).unwrap();
            for (c, v) in values.iter().enumerate() {
                wanted[row][c] = json!(v);
            }
            wanted
        };
        let answer = ask(&mut scatter.borrow_mut(), &json!({"x": x, "at": only, "u": [[-1.0]]}));
        judge("ScatterElements", &indices[..1], rows, answer, || written(indices[0], &[-1.0]));
        let row = vec![-1.0; columns];
        let answer = ask(&mut scatter_nd.borrow_mut(), &json!({"x": x, "at": only, "u": [row]}));
        judge("ScatterND", &indices[..1], rows, answer, || written(indices[0], &row));
        let answer = ask(&mut added.borrow_mut(), &json!({"x": x, "at": only, "u": [row]}));
        judge("ScatterND", &indices[..1], rows, answer, || {
            let sums: Vec<f64> = (0..columns).map(|c| at(&x, indices[0], rows)[c].as_f64().unwrap() - 1.0).collect();
            written(indices[0], &sums)
        });
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_one_hot_index_out_of_range_is_a_row_without_a_one() {
    let off_on = tract_onnx::pb::TensorProto { name: "v".into(), ..crate::build::weights("v", &[2], &[0.0, 1.0]) };
    let mut served = serve(&model(
        vec![value("at", INT64, &[Dim::Named("n")])],
        vec![value("y", FLOAT, &[Dim::Named("n"), Dim::N(3)])],
        vec![node("OneHot", &["at", "depth", "v"], &["y"])],
        vec![crate::build::whole("depth", &[], &[3]), off_on],
    ));
    let answer = ask(&mut served, &json!({"at": [0, 2, -1, 3, -4, 4_294_967_296_i64]})).unwrap();
    let none = json!([0.0, 0.0, 0.0]);
    assert_eq!(answer["y"], json!([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], none, none, none]));
}

#[test]
fn an_integer_divided_by_zero_is_named_and_floats_are_not() {
    for (operator, wanted) in [("Div", [-3, 3]), ("Mod", [1, 1])] {
        let column = |name| value(name, INT64, &[Dim::Named("n")]);
        let nodes = vec![node(operator, &["a", "by"], &["y"])];
        let mut served = serve(&model(vec![column("a"), column("by")], vec![column("y")], nodes, vec![]));
        let message = ask(&mut served, &json!({"a": [7, 7], "by": [2, 0]})).unwrap_err();
        let named = format!("{operator} '{}_y' (input 'by'): an integer is divided by zero", operator.to_lowercase());
        assert!(message.contains(&named), "{message}");
        let least = ask(&mut served, &json!({"a": [i64::MIN], "by": [-1]})).unwrap();
        assert!(least["y"][0].is_i64(), "{least}");
        let by = if operator == "Div" { [-2, 2] } else { [2, 3] };
        assert_eq!(ask(&mut served, &json!({"a": [7, 7], "by": by})).unwrap()["y"], json!(wanted));
    }
    let column = |name| value(name, FLOAT, &[Dim::Named("n")]);
    let nodes = vec![node("Div", &["a", "by"], &["q"]), node("IsInf", &["q"], &["y"])];
    let output = value("y", crate::build::BOOL, &[Dim::Named("n")]);
    let mut served = serve(&model(vec![column("a"), column("by")], vec![output], nodes, vec![]));
    assert_eq!(ask(&mut served, &json!({"a": [1.0], "by": [0.0]})).unwrap()["y"], json!([true]));
}

#[test]
fn a_range_without_a_step_and_too_many_of_the_largest_are_named() {
    let scalar = |name| value(name, INT64, &[]);
    let nodes = vec![node("Range", &["zero", "to", "step"], &["y"])];
    let zero = crate::build::whole("zero", &[], &[0]);
    let output = value("y", INT64, &[Dim::Named("n")]);
    let mut served = serve(&model(vec![scalar("to"), scalar("step")], vec![output], nodes, vec![zero]));
    assert_eq!(ask(&mut served, &json!({"to": 5, "step": 2})).unwrap()["y"], json!([0, 2, 4]));
    let message = ask(&mut served, &json!({"to": 5, "step": 0})).unwrap_err();
    assert!(message.contains("Range 'range_y'") && message.contains("the step is zero"), "{message}");

    let nodes = vec![node("TopK", &["x", "k"], &["y", "i"])];
    let inputs = vec![value("x", FLOAT, &[Dim::Named("n")]), value("k", INT64, &[Dim::N(1)])];
    let outputs = vec![value("y", FLOAT, &[Dim::Named("k")]), value("i", INT64, &[Dim::Named("k")])];
    let mut served = serve(&model(inputs, outputs, nodes, vec![]));
    assert_eq!(ask(&mut served, &json!({"x": [1.0, 3.0, 2.0], "k": [2]})).unwrap()["i"], json!([1, 2]));
    for k in [4, -1] {
        let message = ask(&mut served, &json!({"x": [1.0, 3.0, 2.0], "k": [k]})).unwrap_err();
        assert!(message.contains("TopK 'topk_y' (input 'k')"), "{message}");
    }
}

#[test]
fn numbers_that_are_none_cost_no_instance_and_count_as_the_largest() {
    // The root of a negative number is none: the caller needs no trick to have some.
    let nodes = vec![node("Sqrt", &["x"], &["root"]), node("TopK", &["root", "five"], &["best", "i"])];
    let outputs = vec![value("i", INT64, &[Dim::N(5)])];
    let five = crate::build::whole("five", &[1], &[5]);
    let mut served = serve(&model(vec![value("x", FLOAT, &[Dim::Named("n")])], outputs, nodes, vec![five]));
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..200 {
        let x: Vec<f32> = (0..50).map(|_| random.f32() - 0.25).collect();
        let none = (0..50).filter(|at| x[*at] < 0.0);
        let mut numbers: Vec<usize> = (0..50).filter(|at| x[*at] >= 0.0).collect();
        numbers.sort_by(|a, b| x[*b].total_cmp(&x[*a]));
        let wanted: Vec<usize> = none.chain(numbers).take(5).collect();
        assert_eq!(ask(&mut served, &json!({"x": x})).unwrap()["i"], json!(wanted));
    }
}

#[test]
fn a_picture_smaller_than_the_window_over_it_is_refused() {
    let shape = [Dim::Named("n"), Dim::N(1), Dim::Named("h"), Dim::Named("w")];
    let kernel = crate::build::weights("k", &[1, 1, 4, 4], &[1.0; 16]);
    let nodes = vec![node("Conv", &["x", "k"], &["y"])];
    let mut served =
        serve_within(&model(vec![value("x", FLOAT, &shape)], vec![value("y", FLOAT, &shape)], nodes, vec![kernel]));
    let picture = |h: usize, w: usize| json!({"x": [[vec![vec![1.0; w]; h]]]});
    assert_eq!(ask(&mut served, &picture(4, 5)).unwrap()["y"], json!([[[[16.0, 16.0]]]]));
    for (h, w) in [(2, 2), (4, 1), (1, 9)] {
        let message = ask(&mut served, &picture(h, w)).unwrap_err();
        assert!(message.contains("the inputs are too small") && message.contains("conv_y"), "{message}");
    }
    assert_eq!(ask(&mut served, &picture(4, 4)).unwrap()["y"], json!([[[[16.0]]]]));
}
