//! Files that went wrong on their way: a clear refusal, or a model that serves; never the end of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mlconsole::server::engine::{self, InstanceMemory, LoadError, ModelSource, Servable};
use tract_onnx::pb::StringStringEntryProto;

use crate::build::{self, Dim, FLOAT, model, node, value, weights};
use crate::maps::vectorizer;
use crate::serve::folder;

/// Loads as a deployment does: on a thread of its own with a large stack, where a panic is an error.
fn load(path: &Path) -> Result<Arc<dyn Servable>, LoadError> {
    let source = ModelSource {
        path: path.to_owned(),
        model_type: "custom_model".to_owned(),
        name: "m".to_owned(),
        version: "1".to_owned(),
        memory: Some(InstanceMemory { bytes: 64 << 20, sharers: 1 }),
        ..Default::default()
    };
    let work = move || {
        catch_unwind(AssertUnwindSafe(|| engine::load(&source, &|_| {})))
            .unwrap_or_else(|_| Err(LoadError::new("the engine panicked while loading")))
    };
    std::thread::Builder::new().stack_size(64 << 20).spawn(work).unwrap().join().unwrap()
}

fn refused(path: &Path) -> String {
    load(path).err().expect("it cannot be served").message
}

#[test]
fn a_graph_in_a_circle_is_refused() {
    let folder = folder();
    let shape = [Dim::Named("n"), Dim::N(2)];
    let circle = model(
        vec![value("x", FLOAT, &shape)],
        vec![value("y", FLOAT, &shape)],
        vec![node("Add", &["x", "b"], &["a"]), node("Relu", &["a"], &["b"]), node("Neg", &["b"], &["y"])],
        vec![],
    );
    let message = refused(&build::save(folder.path(), "circle.onnx", &circle));
    assert!(message.contains("circle.onnx") && message.contains("circle"), "{message}");
    let own = model(
        vec![value("x", FLOAT, &shape)],
        vec![value("y", FLOAT, &shape)],
        vec![node("Add", &["x", "y"], &["y"])],
        vec![],
    );
    let message = refused(&build::save(folder.path(), "own.onnx", &own));
    assert!(message.contains("own.onnx"), "{message}");
}

#[test]
fn an_output_that_nothing_makes_is_named() {
    let folder = folder();
    let shape = [Dim::Named("n"), Dim::N(2)];
    let (x, y) = (vec![value("x", FLOAT, &shape)], vec![value("yy", FLOAT, &shape)]);
    let message =
        refused(&build::save(folder.path(), "far.onnx", &model(x, y, vec![node("Neg", &["x"], &["y"])], vec![])));
    assert_eq!(message, "the graph in 'far.onnx' makes no 'yy', its output; export it again");
}

#[test]
fn weights_that_lie_beside_the_model_and_are_not_there_are_named() {
    let folder = folder();
    let mut far = weights("w", &[4, 3], &[]);
    far.data_location = Some(1);
    let entry = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
    far.external_data = vec![entry("location", "weights.bin"), entry("offset", "0"), entry("length", "48")];
    let linear = model(
        vec![value("x", FLOAT, &[Dim::Named("batch"), Dim::N(4)])],
        vec![value("y", FLOAT, &[Dim::Named("batch"), Dim::N(3)])],
        vec![node("MatMul", &["x", "w"], &["y"])],
        vec![far],
    );
    let path = build::save(folder.path(), "model.onnx", &linear);
    let message = refused(&path);
    assert!(message.contains("weights.bin") && message.contains("register"), "{message}");
    // Too short is as bad as missing.
    std::fs::write(folder.path().join("weights.bin"), [0; 20]).unwrap();
    let message = refused(&path);
    assert!(message.contains("weights.bin"), "{message}");
    std::fs::write(folder.path().join("weights.bin"), [0; 48]).unwrap();
    assert!(load(&path).is_ok());
}

#[test]
fn flipped_bits_end_in_a_refusal_or_a_model() {
    let folder = folder();
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    let mut originals: Vec<PathBuf> =
        ["restaurants/recommender-v1.onnx", "image-tagger/image-tagger.onnx", "review-mood/review-mood.onnx"]
            .iter()
            .map(|name| assets.join(name))
            .collect();
    let maps = folder.path().join("maps.onnx");
    std::fs::write(&maps, vectorizer()).unwrap();
    originals.push(maps);
    let mut random = fastrand::Rng::with_seed(7);
    for original in &originals {
        let bytes = std::fs::read(original).unwrap();
        for round in 0..150 {
            let mut damaged = bytes.clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(0..damaged.len());
                damaged[at] ^= 1 << random.u8(0..8);
            }
            if round % 10 == 0 {
                damaged.truncate(random.usize(0..damaged.len()));
            }
            let path = folder.path().join("model.onnx");
            std::fs::write(&path, damaged).unwrap();
            if let Err(error) = load(&path) {
                assert!(error.message.len() > 20, "{error}");
            }
        }
    }
}
