//! Requests that wait at an instance, run as one.
//!
//! As an operator of a busy dense model I let an instance take up to `mlconsole.max_batch` waiting requests at once; every
//! caller gets exactly its own rows, and errors stay with those who made them.

use std::sync::Arc;

use mlconsole::server::engine::{self, Instance, InstanceMemory, ModelSource, Place, Servable, Tuning};
use serde_json::{Value, json};
use tract_onnx::pb::ModelProto;

use crate::build::{self, Dim, FLOAT, INT64, linear, model, node, value, weights};
use crate::serve::{folder, request};

fn load(model: &ModelProto, batch: u32) -> (Arc<dyn Servable>, Vec<String>) {
    let folder = folder();
    let source = ModelSource {
        path: build::save(folder.path(), "model.onnx", model),
        model_type: "custom_model".to_owned(),
        name: "m".to_owned(),
        memory: Some(InstanceMemory { bytes: 64 << 20, sharers: 8 }),
        tuning: Tuning { batch, ..Tuning::default() },
        ..Default::default()
    };
    let log = std::cell::RefCell::new(Vec::new());
    let servable = engine::load(&source, &|line| log.borrow_mut().push(line.to_owned())).expect("the model loads");
    (servable, log.into_inner())
}

fn post(instance: &mut dyn Instance, body: &Value) -> (u16, Value) {
    let answer = instance.score(&request(http::Method::POST, "/score", &[], body.to_string().into_bytes()));
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// Asks from eight threads of one instance at the same time, each several times.
fn all_at_once(servable: &Arc<dyn Servable>, ask: impl Fn(&mut dyn Instance, usize) + Sync) {
    let place = Place::default();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (ask, place) = (&ask, &place);
            scope.spawn(move || {
                let mut instance = Arc::clone(servable).start(place).expect("an instance");
                for round in 0..100 {
                    ask(instance.as_mut(), thread * 100 + round);
                }
            });
        }
    });
}

#[test]
fn everybody_gets_their_own_rows() {
    let (servable, _) = load(&linear(), 16);
    assert!(!servable.is_bounded(), "whoever waits for others must not do so on a connection's thread");
    all_at_once(&servable, |instance, number| {
        let rows: Vec<Vec<f32>> = (0..1 + number % 3).map(|row| vec![number as f32, row as f32, 1.0, 0.0]).collect();
        let (status, answer) = post(instance, &json!({"input_data": rows}));
        assert_eq!(status, 200, "{answer}");
        // x · w + b with w = 0, 0.5, 1, …
        let of = |row: &Vec<f32>| -> Vec<f64> {
            let sum = |target: usize| (0..4).map(|i| f64::from(row[i]) * (i * 3 + target) as f64 * 0.5).sum::<f64>();
            (0..3).map(|target| sum(target) + (target + 1) as f64).collect()
        };
        assert_eq!(answer["y"], json!(rows.iter().map(of).collect::<Vec<_>>()));
    });
}

#[test]
fn errors_stay_with_those_who_made_them() {
    let lookup = model(
        vec![value("i", INT64, &[Dim::Named("n")])],
        vec![value("y", FLOAT, &[Dim::Named("n"), Dim::N(1)])],
        vec![node("Gather", &["w", "i"], &["y"])],
        vec![weights("w", &[3, 1], &[1.0, 2.0, 3.0])],
    );
    let (servable, _) = load(&lookup, 16);
    all_at_once(&servable, |instance, number| {
        let index = if number % 5 == 0 { 7 } else { number % 3 };
        let (status, answer) = post(instance, &json!({"input_data": [index]}));
        match index {
            7 => assert_eq!(status, 400, "{answer}"),
            index => assert_eq!((status, &answer["y"]), (200, &json!([[index as f64 + 1.0]]))),
        }
    });
}

#[test]
fn a_model_of_fixed_size_is_run_request_by_request_and_the_log_says_so() {
    let fixed = model(
        vec![value("x", FLOAT, &[Dim::N(2)])],
        vec![value("y", FLOAT, &[Dim::N(2)])],
        vec![node("Neg", &["x"], &["y"])],
        vec![],
    );
    let (servable, log) = load(&fixed, 4);
    assert!(log.iter().any(|line| line.contains("mlconsole.max_batch")), "{log:?}");
    all_at_once(&servable, |instance, number| {
        let (status, answer) = post(instance, &json!({"input_data": [number, 1]}));
        assert_eq!((status, &answer["y"]), (200, &json!([-(number as f64), -1.0])));
    });
}
