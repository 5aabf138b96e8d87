//! Requests that wait, run one by one and as one: a dense model, eight callers at one instance.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mlconsole::server::engine::{self, ModelSource, Place, Servable, Tuning};
use tract_onnx::pb::ModelProto;

use super::build::{self, Dim, FLOAT, model, node, value, weights};
use super::{infer, random};

const CALLERS: usize = 8;
const FEATURES: usize = 128;

/// Three layers; the two numbers are the widths between them.
fn dense(first: i64, second: i64) -> ModelProto {
    let sizes = [FEATURES as i64, first, second, 10];
    let names = ["x", "a", "b", "y"];
    let (mut nodes, mut consts) = (Vec::new(), Vec::new());
    for (layer, size) in sizes.windows(2).enumerate() {
        let (w, bias, product) = (format!("w{layer}"), format!("c{layer}"), format!("p{layer}"));
        consts.push(weights(&w, size, &random((size[0] * size[1]) as usize)));
        consts.push(weights(&bias, &size[1..], &random(size[1] as usize)));
        nodes.push(node("Gemm", &[names[layer], &w, &bias], &[&product]));
        nodes.push(node("Relu", &[&product], &[names[layer + 1]]));
    }
    let io = |name, width: i64| value(name, FLOAT, &[Dim::Named("batch"), Dim::N(width)]);
    model(vec![io("x", sizes[0])], vec![io("y", sizes[3])], nodes, consts)
}

fn load(folder: &Path, (first, second): (i64, i64), tuning: Tuning) -> Arc<dyn Servable> {
    let path = build::save(folder, "dense.onnx", &dense(first, second));
    let source =
        ModelSource { path, model_type: "custom_model".into(), name: "m".into(), tuning, ..ModelSource::default() };
    engine::load(&source, &|_| {}).expect("the model loads")
}

/// Requests a second of all callers together.
fn rate(servable: &Arc<dyn Servable>) -> f64 {
    let (place, done) = (Place::default(), AtomicU64::new(0));
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                let mut instance = Arc::clone(servable).start(&place).expect("an instance");
                let request = infer(&[1, FEATURES]);
                while start.elapsed() < Duration::from_secs(2) {
                    assert_eq!(instance.score(&request).status, 200);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// One call of 256 rows, in microseconds, the best of some.
fn large(servable: &Arc<dyn Servable>) -> f64 {
    let mut instance = Arc::clone(servable).instance().expect("an instance");
    let request = infer(&[256, FEATURES]);
    let call = |_| {
        let start = Instant::now();
        assert_eq!(instance.score(&request).status, 200);
        start.elapsed().as_secs_f64() * 1e6
    };
    (0..200).map(call).fold(f64::MAX, f64::min)
}

/// Prints both as ratios.
pub fn compare() {
    let folder = tempfile::tempdir().expect("a folder");
    for widths in [(512, 256), (2048, 2048)] {
        let alone = load(folder.path(), widths, Tuning::default());
        let joint = load(folder.path(), widths, Tuning { batch: 16, ..Tuning::default() });
        let (a, b) = ((rate(&alone), rate(&joint)), (rate(&alone), rate(&joint)));
        let (single, joined) = (a.0.max(b.0), a.1.max(b.1));
        let name = format!("{FEATURES}-{}-{}-10", widths.0, widths.1);
        println!("{name}, {CALLERS} callers: one by one {single:.0}/s, joined {joined:.0}/s, {:.2} ×", joined / single);
    }
    let alone = load(folder.path(), (2048, 2048), Tuning::default());
    let threads = load(folder.path(), (2048, 2048), Tuning { threads: 2, ..Tuning::default() });
    let (one, two) = (large(&alone), large(&threads));
    let only = if cfg!(feature = "multithread") { "" } else { " (this build has one only)" };
    println!("256 rows: one thread {one:.0} µs, two {two:.0} µs, {:.2} ×{only}", one / two);
}
