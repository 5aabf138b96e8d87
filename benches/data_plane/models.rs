//! Models made on the spot, and requests for them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mlconsole::resources::Signature;
use mlconsole::server::engine::{self, Instance, LoadError, ModelSource, ScoreRequest, ScoreResponse, Servable};

use crate::load::Request;

/// Floats of a 224×224 colour image.
const IMAGE: usize = 3 * 224 * 224;
/// Floats of a 32×32 colour image.
const THUMBNAIL: usize = 3 * 32 * 32;

/// Protocol buffers, just enough to write ONNX.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn int(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    fn message(self, field: u64, value: Message) -> Self {
        self.bytes(field, &value.0)
    }
}

/// A float tensor in a graph's signature.
fn value(name: &str, shape: &[usize]) -> Message {
    let dimensions = shape.iter().fold(Message::default(), |s, d| s.message(1, Message::default().int(1, *d as u64)));
    let tensor = Message::default().int(1, 1).message(2, dimensions);
    Message::default().bytes(1, name.as_bytes()).message(2, Message::default().message(1, tensor))
}

/// A constant of small pseudo-random floats.
fn weights(name: &str, shape: &[usize]) -> Message {
    let mut rng = fastrand::Rng::with_seed(shape.len() as u64);
    let data: Vec<u8> = (0..shape.iter().product()).flat_map(|_| (rng.f32() * 0.1 - 0.05).to_le_bytes()).collect();
    let dimensions = shape.iter().fold(Message::default(), |m, d| m.int(1, *d as u64));
    dimensions.int(2, 1).bytes(8, name.as_bytes()).bytes(9, &data)
}

fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let node = inputs.iter().fold(Message::default(), |m, i| m.bytes(1, i.as_bytes()));
    node.bytes(2, output.as_bytes()).bytes(3, output.as_bytes()).bytes(4, operator.as_bytes())
}

fn model(nodes: Vec<Message>, constants: Vec<Message>, input: Message, output: Message) -> Vec<u8> {
    let graph = nodes.into_iter().fold(Message::default(), |g, n| g.message(1, n)).bytes(2, b"bench");
    let graph = constants.into_iter().fold(graph, |g, c| g.message(5, c)).message(11, input).message(12, output);
    Message::default().int(1, 8).message(7, graph).message(8, Message::default().bytes(1, b"").int(2, 17)).0
}

/// Dense layers with a rectifier between them.
fn mlp(sizes: &[usize]) -> Vec<u8> {
    let (mut nodes, mut constants, mut from) = (Vec::new(), Vec::new(), "x".to_owned());
    for (n, pair) in sizes.windows(2).enumerate() {
        let (w, h, r) = (format!("w{n}"), format!("h{n}"), format!("r{n}"));
        constants.push(weights(&w, pair));
        nodes.push(node("MatMul", &[&from, &w], &h));
        nodes.push(node("Relu", &[&h], &r));
        from = r;
    }
    nodes.push(node("Identity", &[&from], "y"));
    model(nodes, constants, value("x", &[1, sizes[0]]), value("y", &[1, sizes[sizes.len() - 1]]))
}

/// Three layers of 3×3 windows over a small image: about a millisecond of pure arithmetic.
fn convolutions() -> Vec<u8> {
    let (mut nodes, mut constants, mut from) = (Vec::new(), Vec::new(), "x".to_owned());
    for (n, (channels, out)) in [(3, 32), (32, 64), (64, 64)].into_iter().enumerate() {
        let (w, h, r) = (format!("w{n}"), format!("h{n}"), format!("r{n}"));
        constants.push(weights(&w, &[out, channels, 3, 3]));
        nodes.push(node("Conv", &[&from, &w], &h));
        nodes.push(node("Relu", &[&h], &r));
        from = r;
    }
    nodes.push(node("GlobalAveragePool", &[&from], "y"));
    model(nodes, constants, value("x", &[1, 3, 32, 32]), value("y", &[1, 64, 1, 1]))
}

/// Answers with what it was asked: what remains is the gateway's own cost.
struct Echo {
    bounded: bool,
}

impl Instance for Echo {
    fn score(&mut self, request: &ScoreRequest) -> ScoreResponse {
        ScoreResponse {
            status: 200,
            headers: Vec::new(),
            content_type: "application/json",
            body: request.body.clone(),
            model_time: Duration::ZERO,
            caller_fault: false,
        }
    }
}

impl Servable for Echo {
    fn instance(self: Arc<Self>) -> Result<Box<dyn Instance>, LoadError> {
        Ok(Box::new(Self { ..*self }))
    }

    fn signature(&self) -> Option<Signature> {
        None
    }

    fn swagger(&self, _: &str, _: &str) -> Option<serde_json::Value> {
        None
    }

    fn sample(&self) -> Option<ScoreRequest> {
        None
    }

    fn is_bounded(&self) -> bool {
        self.bounded
    }
}

/// 4-16-3, as small as models come.
pub fn small() -> Vec<u8> {
    mlp(&[4, 16, 3])
}

/// A model by the name the cases use.
pub fn load(name: &str) -> Arc<dyn Servable> {
    let bytes = match name {
        "echo" => return Arc::new(Echo { bounded: true }),
        "echo on its thread" => return Arc::new(Echo { bounded: false }),
        "small" => small(),
        "big" => convolutions(),
        _ => model(
            vec![node("GlobalAveragePool", &["x"], "y")],
            Vec::new(),
            value("x", &[1, 3, 224, 224]),
            value("y", &[1, 3, 1, 1]),
        ),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, bytes).expect("a file");
    from_file(&path)
}

fn from_file(path: &Path) -> Arc<dyn Servable> {
    let source = ModelSource {
        memory: None,
        path: path.to_owned(),
        model_type: "custom_model".into(),
        name: "model".into(),
        version: "1".into(),
        flavors: BTreeMap::new(),
        ..ModelSource::default()
    };
    engine::load(&source, &|_| {}).expect("the model loads")
}

fn json(shape: &str, floats: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(1);
    let mut body = format!("{{\"inputs\":[{{\"name\":\"x\",\"shape\":{shape},\"datatype\":\"FP32\",\"data\":[");
    for n in 0..floats {
        let comma = if n == 0 { "" } else { "," };
        write!(body, "{comma}{}", rng.f32()).expect("a string");
    }
    body.push_str("]}]}");
    body.into_bytes()
}

fn infer(body: Vec<u8>, header_length: Option<usize>) -> Request {
    Request { path: "/v2/models/model/infer".into(), body: body.into(), header_length }
}

/// Four floats.
pub fn small_request() -> Request {
    infer(json("[1,4]", 4), None)
}

/// A request for a model of about a millisecond.
pub fn big_request() -> Request {
    infer(json("[1,3,32,32]", THUMBNAIL), None)
}

/// An image as text.
pub fn image_json() -> Request {
    infer(json("[1,3,224,224]", IMAGE), None)
}

/// The same image as a binary tensor.
pub fn image_binary() -> Request {
    let mut rng = fastrand::Rng::with_seed(1);
    let size = IMAGE * 4;
    let header = format!(
        "{{\"inputs\":[{{\"name\":\"x\",\"shape\":[1,3,224,224],\"datatype\":\"FP32\",\"parameters\":{{\"binary_data_size\":{size}}}}}]}}"
    );
    let length = header.len();
    let mut body = header.into_bytes();
    body.extend((0..IMAGE).flat_map(|_| rng.f32().to_le_bytes()));
    infer(body, Some(length))
}

/// The request as the engine sees it.
pub fn score_request(request: &Request) -> ScoreRequest {
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", http::HeaderValue::from_static("application/json"));
    ScoreRequest {
        method: http::Method::POST,
        path: request.path.clone(),
        query: String::new(),
        headers,
        body: request.body.clone(),
        deadline: Instant::now() + Duration::from_secs(3_600),
    }
}
