//! What a request costs inside the engine, as ratios taken in one run:
//!
//!     cargo bench --bench engine [-- recommender]
//!
//! A word keeps the cases with it in their names, and only their times are told; `trees` compares forests, boosted
//! models and pipelines with ONNX Runtime (from Python's package index, in an environment of its own), `joint` compares waiting requests run
//! one by one and as one, instead.
//! Each case is timed in turns with the others and the best of several rounds counts.

#[path = "../../tests/engine/build.rs"]
#[allow(dead_code)]
mod build;
mod joint;
mod trees;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use mlconsole::server::engine::{self, Instance, ModelSource, ScoreRequest};
use serde_json::json;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, ModelProto};
use tract_onnx::prelude::*;

use build::{Dim, FLOAT, int, ml, model, node, strings, value, weights, with};

fn random(count: usize) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..count).map(|_| random.f32() - 0.5).collect()
}

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: ints.to_vec(),
        r#type: AttributeType::Ints as i32,
        ..Default::default()
    }
}

/// 4-16-3, as small as models come.
fn mlp() -> ModelProto {
    let nodes = vec![
        node("Gemm", &["x", "w1", "b1"], &["h"]),
        node("Relu", &["h"], &["r"]),
        node("Gemm", &["r", "w2", "b2"], &["s"]),
        with(node("Softmax", &["s"], &["y"]), vec![]),
    ];
    let consts = vec![
        weights("w1", &[4, 16], &random(64)),
        weights("b1", &[16], &random(16)),
        weights("w2", &[16, 3], &random(48)),
        weights("b2", &[3], &random(3)),
    ];
    let io = |name, width| value(name, FLOAT, &[Dim::Named("batch"), Dim::N(width)]);
    model(vec![io("x", 4)], vec![io("y", 3)], nodes, consts)
}

/// An image in, its mean brightness out: next to no model.
fn image() -> ModelProto {
    let input = value("x", FLOAT, &[Dim::Named("batch"), Dim::N(3), Dim::N(224), Dim::N(224)]);
    let output = value("y", FLOAT, &[Dim::Named("batch"), Dim::N(3), Dim::N(1), Dim::N(1)]);
    model(vec![input], vec![output], vec![node("GlobalAveragePool", &["x"], &["y"])], vec![])
}

/// A hundred full trees of depth 8 over 64 features.
fn forest() -> ModelProto {
    let (trees, depth) = (100i64, 8u32);
    let inner = 2i64.pow(depth) - 1;
    let count = 2 * inner + 1;
    let mut random = fastrand::Rng::with_seed(2);
    let (mut tree, mut id, mut feature, mut yes, mut no, mut missing) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    let (mut threshold, mut modes) = (vec![], vec![]);
    let (mut leaf_tree, mut leaf_id, mut leaf_weight) = (vec![], vec![], vec![]);
    for t in 0..trees {
        for n in 0..count {
            let leaf = n >= inner;
            tree.push(t);
            id.push(n);
            feature.push(random.i64(0..64));
            threshold.push(random.f32());
            modes.push(if leaf { "LEAF" } else { "BRANCH_LEQ" });
            yes.push(if leaf { 0 } else { 2 * n + 1 });
            no.push(if leaf { 0 } else { 2 * n + 2 });
            missing.push(0);
            if leaf {
                leaf_tree.push(t);
                leaf_id.push(n);
                leaf_weight.push(random.f32());
            }
        }
    }
    let zeros = vec![0; leaf_id.len()];
    let attributes = vec![
        ints("nodes_treeids", &tree),
        ints("nodes_nodeids", &id),
        ints("nodes_featureids", &feature),
        ints("nodes_truenodeids", &yes),
        ints("nodes_falsenodeids", &no),
        ints("nodes_missing_value_tracks_true", &missing),
        build::floats("nodes_values", &threshold),
        strings("nodes_modes", &modes),
        ints("target_treeids", &leaf_tree),
        ints("target_nodeids", &leaf_id),
        ints("target_ids", &zeros),
        build::floats("target_weights", &leaf_weight),
        int("n_targets", 1),
    ];
    let io = |name, width| value(name, FLOAT, &[Dim::Named("batch"), Dim::N(width)]);
    model(
        vec![io("x", 64)],
        vec![io("y", 1)],
        vec![with(ml(node("TreeEnsembleRegressor", &["x"], &["y"])), attributes)],
        vec![],
    )
}

fn served(folder: &Path, name: &str, model: &ModelProto) -> Box<dyn Instance> {
    loaded(build::save(folder, &format!("{name}.onnx"), model))
}

fn loaded(path: PathBuf) -> Box<dyn Instance> {
    let source = ModelSource {
        path,
        model_type: "custom_model".into(),
        name: "m".into(),
        version: "1".into(),
        ..Default::default()
    };
    engine::load(&source, &|_| {}).expect("the model loads").instance().expect("an instance")
}

fn post(path: &str, headers: HeaderMap, body: Vec<u8>) -> ScoreRequest {
    let deadline = Instant::now() + Duration::from_secs(3600);
    ScoreRequest {
        method: Method::POST,
        path: path.into(),
        query: String::new(),
        headers,
        body: Bytes::from(body),
        deadline,
    }
}

fn score(shape: &[usize]) -> ScoreRequest {
    let values = random(shape.iter().product());
    let nested = shape.iter().skip(1).rev().fold(values.iter().map(|v| json!(v)).collect::<Vec<_>>(), |flat, size| {
        flat.chunks(*size).map(|c| json!(c)).collect()
    });
    post("/score", HeaderMap::new(), json!({"input_data": nested}).to_string().into_bytes())
}

fn infer(shape: &[usize]) -> ScoreRequest {
    binary(shape, &random(shape.iter().product()))
}

/// A request with these values as a binary tensor.
fn binary(shape: &[usize], values: &[f32]) -> ScoreRequest {
    let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let head = json!({
        "inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "parameters": {"binary_data_size": data.len()}}],
        "parameters": {"binary_data_output": true},
    })
    .to_string();
    let mut headers = HeaderMap::new();
    headers.insert("inference-header-content-length", HeaderValue::from(head.len()));
    post("/v2/models/m/infer", headers, [head.as_bytes(), &data].concat())
}

/// The first recommender of the sample, with its request.
fn recommender() -> (PathBuf, ScoreRequest) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/restaurants");
    let body = std::fs::read(folder.join("sample-request.json")).expect("the sample's request");
    (folder.join("recommender-v1.onnx"), post("/score", HeaderMap::new(), body))
}

/// The same in tract alone.
fn bare_recommender() -> impl FnMut() {
    let mut model = tract_onnx::onnx().with_ignore_value_info(true).model_for_path(recommender().0).expect("a graph");
    for input in 0..3 {
        model = model.with_input_fact(input, InferenceFact::dt_shape(i64::datum_type(), [1])).expect("an input");
    }
    let plan = model.into_optimized().and_then(|m| m.into_runnable()).expect("a plan");
    let mut state = TypedSimplePlan::spawn(&plan).expect("a state");
    let inputs: TVec<TValue> = [17i64, 42, 12].map(|id| tensor1(&[id]).into_tvalue()).into_iter().collect();
    move || {
        state.run(inputs.clone()).expect("an answer");
    }
}

/// tract alone, without any of our code around it.
fn bare(folder: &Path, name: &str, shape: &[usize]) -> impl FnMut() + use<> {
    let dims: TVec<TDim> = shape.iter().map(|d| (*d as i64).into()).collect();
    let model = tract_onnx::onnx()
        .with_ignore_value_info(true)
        .model_for_path(folder.join(format!("{name}.onnx")))
        .expect("a graph");
    let fact = InferenceFact::dt_shape(f32::datum_type(), dims);
    let plan = model
        .with_input_fact(0, fact)
        .and_then(|m| m.into_optimized())
        .and_then(|m| m.into_runnable())
        .expect("a plan");
    let mut state = TypedSimplePlan::spawn(&plan).expect("a state");
    let tensor = Arc::new(Tensor::from_shape(shape, &random(shape.iter().product())).expect("a tensor"));
    move || {
        state.run(tvec![tensor.clone().into_tvalue()]).expect("an answer");
    }
}

/// What is timed, under its name.
type Case = (&'static str, Box<dyn FnMut()>);

/// Best time of one call over several rounds in turn, in microseconds.
fn timed(cases: &mut [Case]) -> Vec<f64> {
    let mut best = vec![f64::MAX; cases.len()];
    for _ in 0..7 {
        for (index, (_, case)) in cases.iter_mut().enumerate() {
            let start = Instant::now();
            let mut calls = 0u32;
            while start.elapsed() < Duration::from_millis(100) {
                case();
                calls += 1;
            }
            best[index] = best[index].min(start.elapsed().as_secs_f64() * 1e6 / f64::from(calls));
        }
    }
    best
}

fn asking(mut instance: Box<dyn Instance>, request: ScoreRequest) -> Box<dyn FnMut()> {
    Box::new(move || assert_eq!(instance.score(&request).status, 200))
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let small = || served(folder, "mlp", &mlp());
    let big = || served(folder, "image", &image());
    let trees = || served(folder, "forest", &forest());
    let mut cases: Vec<Case> = vec![
        ("MLP 4-16-3, JSON", asking(small(), score(&[1, 4]))),
        ("MLP 4-16-3, binary", asking(small(), infer(&[1, 4]))),
        ("MLP 4-16-3, tract alone", Box::new(bare(folder, "mlp", &[1, 4]))),
        ("recommender v1, JSON", asking(loaded(recommender().0), recommender().1)),
        ("recommender v1, tract alone", Box::new(bare_recommender())),
        ("image 3x224x224, JSON", asking(big(), score(&[1, 3, 224, 224]))),
        ("image 3x224x224, binary", asking(big(), infer(&[1, 3, 224, 224]))),
        ("image 3x224x224, tract alone", Box::new(bare(folder, "image", &[1, 3, 224, 224]))),
        ("forest 100 trees, 8 rows, binary", asking(trees(), infer(&[8, 64]))),
    ];
    let word = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if word.as_deref() == Some("trees") {
        return trees::compare();
    }
    if word.as_deref() == Some("joint") {
        return joint::compare();
    }
    cases.retain(|(name, _)| word.as_ref().is_none_or(|word| name.contains(word)));
    let best = timed(&mut cases);
    for ((name, _), time) in cases.iter().zip(&best) {
        println!("{name:<36} {time:>10.2} µs");
    }
    if word.is_some() {
        return;
    }
    println!("small request over tract alone       {:>10.2} ×", best[0] / best[2]);
    println!("recommender over tract alone         {:>10.2} ×", best[3] / best[4]);
    println!("JSON over binary, image              {:>10.2} ×", best[5] / best[6]);
    println!("binary image over tract alone        {:>10.2} ×", best[6] / best[7]);
}
