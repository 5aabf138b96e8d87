//! Models with requests and expected answers in files, each asked as a deployment would be: over the Open Inference
//! Protocol with binary tensors.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use http::Method;
use mlconsole::server::engine::{self, Choice, ModelSource, ScoreRequest, Tuning};
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json};
use tract_onnx::pb::TensorProto;

use crate::{python, serve};

#[derive(Deserialize)]
pub struct Index {
    pub onnx: String,
    pub cases: Vec<Case>,
    /// Versions of the packages the cases were made with.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// Models that their own converter does not export.
    #[serde(default)]
    pub unexported: Vec<Unexported>,
}

#[derive(Deserialize)]
pub struct Unexported {
    pub name: String,
    pub why: String,
}

#[derive(Deserialize)]
pub struct Case {
    pub kind: String,
    pub name: String,
    rtol: f64,
    atol: f64,
    pub inputs: Vec<String>,
    outputs: Vec<String>,
    pub operators: Vec<String>,
    pub skip: Option<String>,
    sets: usize,
    /// Who gave the expected answers, where it is not the package itself.
    #[serde(default)]
    pub reference: String,
    /// How far the library's own answers lie from them.
    #[serde(default)]
    pub apart: Option<f64>,
    /// `single` or `double`.
    #[serde(default)]
    pub precision: String,
}

/// What became of a case.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Passed,
    /// Refused when it was loaded.
    Refused(String),
    /// Loaded, and an error instead of an answer.
    Failed(String),
    Wrong(String),
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// The folder of cases that `script` (below `tests/engine`) writes with the packages of `requirements` (below `tests/engine`),
/// made once for each state of these files.
pub fn made_by(script: &str, requirements: &str, folder: &str) -> Result<PathBuf, String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine");
    let read = |name: &str| std::fs::read_to_string(here.join(name)).map_err(|e| format!("{name}: {e}"));
    let pins = read(requirements)?;
    let stem = script.trim_end_matches(".py");
    let models = read(&format!("{stem}_models.py")).unwrap_or_default();
    let wanted = [pins.clone(), read(script)?, models].concat();
    let python = python::environment(folder, &pins)?;
    let cases = python::place().with_file_name(folder);
    let lock = std::fs::File::create(cases.with_extension("lock")).map_err(|e| e.to_string())?;
    lock.lock().map_err(|e| e.to_string())?;
    if std::fs::read_to_string(cases.join("made-by.txt")).is_ok_and(|made| made == wanted) {
        return Ok(cases);
    }
    let _ = std::fs::remove_dir_all(&cases);
    run(Command::new(&python).arg("-B").arg(here.join(script)).arg(&cases))?;
    std::fs::write(cases.join("made-by.txt"), wanted).map_err(|e| e.to_string())?;
    Ok(cases)
}

/// The index of a folder of cases.
pub fn read_index(folder: &Path) -> Index {
    serde_json::from_slice(&std::fs::read(folder.join("index.json")).expect("an index")).expect("JSON")
}

/// What became of every case of an index, in the index's order.
pub fn outcomes<'i>(index: &'i Index, folder: &Path) -> Vec<(&'i Case, Outcome)> {
    outcomes_on(index, folder, Choice::Tract)
}

/// The same on an engine of choice.
pub fn outcomes_on<'i>(index: &'i Index, folder: &Path, engine: Choice) -> Vec<(&'i Case, Outcome)> {
    let outcomes = std::sync::Mutex::new(Vec::new());
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    let Some(case) = index.cases.get(at) else { break };
                    let outcome = attempt(case, &folder.join(&case.kind).join(&case.name), engine);
                    outcomes.lock().expect("no panic").push((at, case, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no panic");
    outcomes.sort_by_key(|(at, _, _)| *at);
    outcomes.into_iter().map(|(_, case, outcome)| (case, outcome)).collect()
}

/// The wrong answers among them, in words.
pub fn wrong(outcomes: &[(&Case, Outcome)]) -> Vec<String> {
    let wrong = outcomes.iter().filter_map(|(case, outcome)| match outcome {
        Outcome::Wrong(why) => Some(format!("{}: {why}", case.name)),
        _ => None,
    });
    wrong.collect()
}

/// The line of an error that says something of its own, short enough for a table.
pub fn brief(why: &str) -> String {
    let line = why.lines().nth(usize::from(why.contains("does not run:"))).unwrap_or(why).trim();
    line.replace('|', "/").chars().take(140).collect()
}

/// Name on the wire and width of an ONNX element type.
pub fn wire_type(number: i32) -> Option<(&'static str, usize)> {
    Some(match number {
        1 => ("FP32", 4),
        2 => ("UINT8", 1),
        3 => ("INT8", 1),
        4 => ("UINT16", 2),
        5 => ("INT16", 2),
        6 => ("INT32", 4),
        7 => ("INT64", 8),
        8 => ("BYTES", 0),
        9 => ("BOOL", 1),
        10 => ("FP16", 2),
        11 => ("FP64", 8),
        12 => ("UINT32", 4),
        13 => ("UINT64", 8),
        _ => return None,
    })
}

pub fn wire_bytes(tensor: &TensorProto) -> Vec<u8> {
    if tensor.data_type != 8 {
        return tensor.raw_data.clone();
    }
    let prefixed = |s: &Vec<u8>| [&(s.len() as u32).to_le_bytes()[..], s].concat();
    tensor.string_data.iter().flat_map(prefixed).collect()
}

pub fn read(path: &Path) -> TensorProto {
    TensorProto::decode(&std::fs::read(path).expect("a data file")[..]).expect("a tensor")
}

/// What a tensor of a file says on the wire: its bytes and its type. Nothing where the protocol has no such type.
pub fn on_the_wire(tensor: &TensorProto) -> Option<(Vec<u8>, &'static str)> {
    Some((wire_bytes(tensor), wire_type(tensor.data_type)?.0))
}

/// The request of a set of a case, whose tensors are sent as `send` has them; maps come in a file of their own.
pub fn request(
    case: &Case,
    folder: &Path,
    send: impl Fn(&TensorProto) -> Option<(Vec<u8>, &'static str)>,
) -> Result<ScoreRequest, String> {
    let (mut inputs, mut tail) = (Vec::new(), Vec::new());
    for (i, name) in case.inputs.iter().enumerate() {
        if let Ok(maps) = std::fs::read(folder.join(format!("input_{i}.json"))) {
            let mut input: Value = serde_json::from_slice(&maps).map_err(|e| e.to_string())?;
            input["name"] = json!(name);
            inputs.push(input);
            continue;
        }
        let path = folder.join(format!("input_{i}.pb"));
        if !path.is_file() {
            return Err(format!("no data for input '{name}'"));
        }
        let tensor = read(&path);
        let (bytes, datatype) = send(&tensor).ok_or("an element type the protocol does not have")?;
        inputs.push(json!({"name": name, "shape": tensor.dims, "datatype": datatype, "parameters": {"binary_data_size": bytes.len()}}));
        tail.extend(bytes);
    }
    let head = json!({"inputs": inputs, "parameters": {"binary_data_output": true}}).to_string();
    let length = head.len().to_string();
    let headers = [("inference-header-content-length", length.as_str())];
    let body = [head.into_bytes(), tail].concat();
    Ok(serve::request(Method::POST, "/v2/models/case/infer", &headers, body))
}

fn attempt(case: &Case, folder: &Path, engine: Choice) -> Outcome {
    if let Some(reason) = &case.skip {
        return Outcome::Refused(reason.clone());
    }
    let source = ModelSource {
        path: folder.join("model.onnx"),
        model_type: "custom_model".to_owned(),
        name: "case".to_owned(),
        version: "1".to_owned(),
        tuning: Tuning { engine, ..Tuning::default() },
        ..Default::default()
    };
    let servable = match engine::load(&source, &|_| {}) {
        Ok(servable) => servable,
        Err(error) => return Outcome::Refused(error.message),
    };
    let mut instance = servable.instance().expect("an instance of a loaded model");
    for set in 0..case.sets {
        let folder = folder.join(set.to_string());
        let request = match request(case, &folder, on_the_wire) {
            Ok(request) => request,
            Err(reason) => return Outcome::Failed(reason),
        };
        let answer = match catch_unwind(AssertUnwindSafe(|| instance.score(&request))) {
            Ok(answer) => answer,
            Err(_) => return Outcome::Failed("the run panicked".to_owned()),
        };
        if answer.status != 200 {
            return Outcome::Failed(String::from_utf8_lossy(&answer.body).into_owned());
        }
        let json_length = answer.headers.iter().find(|(n, _)| *n == "inference-header-content-length");
        let split: usize = json_length.map_or(answer.body.len(), |(_, v)| v.parse().expect("a length"));
        let head: Value = serde_json::from_slice(&answer.body[..split]).expect("JSON in front");
        let mut tail = &answer.body[split..];
        for (i, name) in case.outputs.iter().enumerate() {
            let output = &head["outputs"][i];
            let size = output["parameters"]["binary_data_size"].as_u64().expect("a size") as usize;
            let (bytes, rest) = tail.split_at(size);
            tail = rest;
            let path = folder.join(format!("output_{i}.pb"));
            if !path.is_file() {
                continue;
            }
            let expected = read(&path);
            if let Err(why) = compare(&expected, output, bytes, case) {
                return Outcome::Wrong(format!("output '{name}': {why}"));
            }
        }
    }
    Outcome::Passed
}

fn compare(expected: &TensorProto, output: &Value, bytes: &[u8], case: &Case) -> Result<(), String> {
    let (datatype, width) = wire_type(expected.data_type).ok_or("unknown type expected")?;
    let shape: Vec<i64> = output["shape"].as_array().expect("a shape").iter().filter_map(Value::as_i64).collect();
    if output["datatype"] != datatype || shape != expected.dims {
        return Err(format!("expected {datatype} {:?}, given {} {shape:?}", expected.dims, output["datatype"]));
    }
    let wanted = wire_bytes(expected);
    let is_float = matches!(datatype, "FP16" | "FP32" | "FP64");
    if !is_float {
        return if wanted == bytes { Ok(()) } else { Err("values differ".to_owned()) };
    }
    // Rounding: two units in the last place of halves; and for numbers near zero, noise of the size of the largest ones
    // and of what gates compute with, which is 1.
    let (rtol, unit) = match datatype {
        "FP16" => (case.rtol.max(2e-3), f64::from(half::f16::EPSILON)),
        "FP32" => (case.rtol, f64::from(f32::EPSILON)),
        _ => (case.rtol, f64::EPSILON),
    };
    let size = wanted.chunks(width).map(number).filter(|n| n.is_finite()).fold(1.0, |m: f64, n| m.max(n.abs()));
    for (i, (a, b)) in wanted.chunks(width).zip(bytes.chunks(width)).enumerate() {
        let (a, b) = (number(a), number(b));
        let close = (a - b).abs() <= case.atol + rtol * a.abs() + 16.0 * unit * size;
        if !(close || a == b || (a.is_nan() && b.is_nan())) {
            return Err(format!("value {i}: expected {a}, given {b}"));
        }
    }
    Ok(())
}

fn number(bytes: &[u8]) -> f64 {
    match *bytes {
        [a, b] => half::f16::from_le_bytes([a, b]).to_f64(),
        [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
        _ => f64::from_le_bytes(bytes.try_into().expect("eight bytes")),
    }
}
