//! The second engine, ONNX Runtime: the library of the exports' Python environment, opened when a model asks for it.
//!
//! As an operator I may have a model run on ONNX Runtime, by choice or because the built-in engine has no such operator,
//! and get the same answers, limits and errors. `cargo test --features onnxruntime --test engine second`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use mlconsole::server::engine::{
    self, Choice, Instance, InstanceMemory, LoadError, ModelSource, Places, ScoreRequest, Servable, Tuning,
};
use serde_json::{Value, json};
use tract_onnx::pb::ModelProto;

use crate::build::{self, Dim, FLOAT, INT64, linear, model, node, value, weights};
use crate::cases::{made_by, outcomes_on, read_index, wrong};
use crate::python;
use crate::serve::folder;

/// Says where the library is; nothing when there is none, loudly.
fn library() -> Option<PathBuf> {
    let found = made_by("exports.py", "exports-requirements.txt", "exports");
    let folder = python::or_skip(&found)?;
    engine::look_in(Places { library: None, environments: vec![python::place().join("exports")] });
    Some(folder.clone())
}

fn load(path: &Path, engine: Choice, memory: Option<u64>) -> Result<(Arc<dyn Servable>, Vec<String>), LoadError> {
    let source = ModelSource {
        path: path.to_owned(),
        model_type: "custom_model".to_owned(),
        name: "m".to_owned(),
        version: "1".to_owned(),
        memory: memory.map(|bytes| InstanceMemory { bytes, sharers: 1 }),
        tuning: Tuning { engine, ..Tuning::default() },
        ..Default::default()
    };
    let log = std::cell::RefCell::new(Vec::new());
    let servable = engine::load(&source, &|line| log.borrow_mut().push(line.to_owned()))?;
    Ok((servable, log.into_inner()))
}

fn post(instance: &mut Box<dyn Instance>, body: Value) -> (u16, Value) {
    let request = ScoreRequest {
        method: Method::POST,
        path: "/score".to_owned(),
        query: String::new(),
        headers: HeaderMap::new(),
        body: body.to_string().into(),
        deadline: Instant::now() + Duration::from_secs(60),
    };
    let answer = instance.score(&request);
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// One that the built-in engine does not have: the distinct values of its input.
fn unique() -> ModelProto {
    model(
        vec![value("x", FLOAT, &[Dim::Named("n")])],
        vec![value("y", FLOAT, &[Dim::Named("m")])],
        vec![node("Unique", &["x"], &["y"])],
        vec![],
    )
}

#[test]
fn every_export_gets_the_same_answer_on_the_second_engine() {
    let Some(folder) = library() else { return };
    let index = read_index(&folder);
    let outcomes = outcomes_on(&index, &folder, Choice::OnnxRuntime);
    let wrong = wrong(&outcomes);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let answered = outcomes.iter().filter(|(_, outcome)| *outcome == crate::cases::Outcome::Passed).count();
    // What the library itself does not run (a type error in the file, an operator for doubles) is refused, and maps that
    // become text.
    assert!(answered + 8 >= outcomes.len(), "{answered} of {}", outcomes.len());
}

#[test]
fn a_model_that_the_built_in_engine_does_not_run_runs_on_the_other_and_says_why() {
    let Some(_) = library() else { return };
    let folder = folder();
    let path = build::save(folder.path(), "unique.onnx", &unique());
    assert!(load(&path, Choice::Tract, None).is_err());
    let (servable, log) = load(&path, Choice::Auto, None).unwrap();
    let note = servable.note().unwrap();
    assert!(note.contains("ONNX Runtime") && note.contains("Unique"), "{note}");
    assert!(log.contains(&note), "{log:?}");
    let mut instance = servable.instance().unwrap();
    let (status, answer) = post(&mut instance, json!({"inputs": {"x": [3.0, 1.0, 3.0, 2.0]}}));
    assert_eq!((status, &answer["y"]), (200, &json!([1.0, 2.0, 3.0])));
    // Where the built-in engine can, it does, and there is nothing to say.
    let plain = build::save(folder.path(), "linear.onnx", &linear());
    assert_eq!(load(&plain, Choice::Auto, None).unwrap().0.note(), None);
    assert!(load(&plain, Choice::OnnxRuntime, None).unwrap().0.note().unwrap().contains("asks for it"));
}

#[test]
fn limits_and_errors_are_the_same_on_both_engines() {
    let Some(_) = library() else { return };
    let folder = folder();
    let lookup = model(
        vec![value("i", INT64, &[Dim::Named("n")])],
        vec![value("y", FLOAT, &[Dim::Named("n"), Dim::N(2)])],
        vec![node("Gather", &["w", "i"], &["y"])],
        vec![weights("w", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])],
    );
    let path = build::save(folder.path(), "lookup.onnx", &lookup);
    for engine in [Choice::Tract, Choice::OnnxRuntime] {
        let mut instance = load(&path, engine, None).unwrap().0.instance().unwrap();
        let (status, answer) = post(&mut instance, json!({"inputs": {"i": [2, 0]}}));
        assert_eq!((status, &answer["y"]), (200, &json!([[5.0, 6.0], [1.0, 2.0]])), "{engine:?}");
        let (status, _) = post(&mut instance, json!({"inputs": {"i": [7]}}));
        assert_eq!(status, 400, "{engine:?}");
        let (status, answer) = post(&mut instance, json!({"inputs": {"i": "seven"}}));
        assert_eq!(status, 400, "{engine:?}: {answer}");
        // A model larger than its instance is not loaded.
        let error = load(&path, engine, Some(16)).err().unwrap();
        assert!(error.message.contains("instance"), "{engine:?}: {error}");
    }
    let broken = folder.path().join("broken.onnx");
    std::fs::write(&broken, b"no model").unwrap();
    for engine in [Choice::Auto, Choice::Tract, Choice::OnnxRuntime] {
        assert!(load(&broken, engine, None).is_err_and(|e| e.message.contains("broken.onnx")), "{engine:?}");
    }
}
