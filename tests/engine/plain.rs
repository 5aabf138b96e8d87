//! Plain bodies have a reader of their own: what it takes must mean what it means to the general one.
//!
//! A key that nobody knows is ignored, and sends a body to the general reader: with and without it the answers are the same.

use http::Method;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::build::{self, Dim, INT64};
use crate::serve::{Served, request, serve};

const INFER: &str = "/v2/models/m/infer";

const SCORE: [&str; 9] = [
    r#"{"input_data": [[1, -2.5, 3e2, 0.4829174]]}"#,
    r#"{"input_data":{"x":[[1,1,1,0],[0.1,0.2,0.3,-0]]}}"#,
    r#"{"inputs": {"a": [[1.0], [1]], "b": [[2], [20]]}}"#,
    r#"{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 0]}]}"#,
    r#"{"input_data": {"columns": ["a", "b", "c", "d"], "index": [7], "data": [[1, 1, 1, 0]]}}"#,
    r#"{"input_data": {"columns": ["b", "a"], "data": [[2, 1], [20.25, 10]]}}"#,
    r#"{"inputs": [1, 2, 3, 123456789012345678]}"#,
    r#"{"input_data": [3, 4]}"#,
    r#"{"input_data": {"columns": ["a", "b"], "data": []}}"#,
];

const V2: [&str; 4] = [
    r#"{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[0.1,-0.2,0.3,4]}]}"#,
    r#"{"id": "7", "inputs": [{"name": "x", "shape": [2, 4], "datatype": "FP32", "data": [[1, 2, 3, 4], [5, 6, 7, 8]]}]}"#,
    r#"{"inputs":[{"name":"a","datatype":"FP32","shape":[2,1],"data":[1,10]},{"name":"b","shape":[2,1],"datatype":"FP32","data":[2,20]}]}"#,
    r#"{"inputs":[{"name":"x","shape":[3],"datatype":"INT64","data":[1,-2,3]}]}"#,
];

/// What damage puts into a body.
const PIECES: [&str; 30] = [
    "",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "0",
    "7",
    "-",
    ".",
    "e",
    "1e3",
    "-0",
    "1.5",
    "null",
    "true",
    "\"a\"",
    " ",
    "\n",
    "\\",
    "data",
    "columns",
    "1e400",
    "99999999999999999999",
    "0.1000000000000000055511",
    "[1]",
    "{}",
    "ü",
];

fn models() -> Vec<Served> {
    vec![serve(&build::linear()), serve(&build::two_inputs()), serve(&build::echo(INT64, &[Dim::Open]))]
}

/// The same body for the general reader.
fn general(body: &str) -> Option<String> {
    let rest = body.trim_start().strip_prefix('{')?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    Some(format!("{{\"nobody's\":null{comma}{rest}"))
}

/// Status and answer; places in the body left out, as they differ.
fn answer(model: &mut Served, path: &str, body: &str) -> (u16, String) {
    let response = model.ask(&request(Method::POST, path, &[], body.as_bytes().to_vec()));
    let text = String::from_utf8(response.body.to_vec()).expect("text");
    let mut parts = text.split(" at line ");
    let first = parts.next().unwrap_or_default().to_owned();
    let placeless = parts
        .fold(first, |all, part| all + part.trim_start_matches(|c: char| c.is_ascii_digit() || "column ".contains(c)));
    (response.status, placeless)
}

fn check(models: &mut [Served], path: &str, body: &str) -> Result<usize, TestCaseError> {
    let mut taken = 0;
    for model in models {
        let ours = answer(model, path, body);
        taken += usize::from(ours.0 == 200);
        if let Some(general) = general(body) {
            prop_assert_eq!(ours, answer(model, path, &general), "{}", body);
        }
    }
    Ok(taken)
}

#[test]
fn plain_bodies_are_answered_as_by_the_general_reader() {
    let mut models = models();
    for (path, bodies) in [("/score", &SCORE[..]), (INFER, &V2)] {
        for body in bodies {
            let taken = check(&mut models, path, body).expect("the same answers");
            assert!(taken > 0, "no model takes {body}");
        }
    }
}

#[test]
fn damaged_bodies_are_answered_as_by_the_general_reader() {
    let models = std::cell::RefCell::new(models());
    let damage = (any::<Index>(), 0usize..4, select(&PIECES[..]));
    let bodies: Vec<(&str, &str)> =
        SCORE.iter().map(|b| ("/score", *b)).chain(V2.iter().map(|b| (INFER, *b))).collect();
    let config = ProptestConfig::with_cases(1_500);
    proptest!(config, |((path, body) in select(bodies), damages in proptest::collection::vec(damage, 1..3))| {
        let mut body = body.to_owned();
        for (place, length, piece) in damages {
            let places: Vec<usize> = body.char_indices().map(|(at, _)| at).chain([body.len()]).collect();
            let from = place.index(places.len());
            body.replace_range(places[from]..places[(from + length).min(places.len() - 1)], piece);
        }
        check(&mut models.borrow_mut(), path, &body)?;
    });
}
