//! Every node test of the `onnx` package through the engine, binary tensors both ways; the table of results is committed.
//!
//! As an operator's user I get the standard's answer or a refusal at load, never a wrong number.
//! Needs Python and the package index once; says so loudly and passes when they are missing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use mlconsole::server::engine::{self, ModelSource, ScoreRequest};
use prost::Message;
use serde::Deserialize;
use serde_json::{Value, json};
use tract_onnx::pb::TensorProto;

/// The version whose tests the table is about.
const PACKAGE: &str = "onnx==1.23.2";
const TABLE: &str = "assets/onnx-node-tests.md";

#[derive(Deserialize)]
pub struct Index {
    onnx: String,
    pub cases: Vec<Case>,
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
}

/// What became of a case.
#[derive(Debug, PartialEq)]
enum Outcome {
    Passed,
    /// Refused when it was loaded.
    Refused(String),
    /// Loaded, and an error instead of an answer.
    Failed(String),
    Wrong(String),
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").to_owned()
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// The folder of cases, made once by the package itself.
pub fn cases() -> Result<PathBuf, String> {
    // Cases of one's own (exports of a training library, say) in the same form.
    if let Some(folder) = std::env::var_os("MLCONSOLE_NODE_CASES") {
        return Ok(folder.into());
    }
    let folder = target().join("onnx-node-tests");
    if folder.join("index.json").is_file() {
        return Ok(folder);
    }
    let venv = target().join("test-venv/onnx");
    let python = venv.join("bin/python");
    if !python.is_file() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    }
    run(Command::new(&python).args(["-m", "pip", "install", "-q", PACKAGE, "numpy"]))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/node_cases.py");
    run(Command::new(&python).arg(script).arg(&folder))?;
    Ok(folder)
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

fn request(case: &Case, folder: &Path) -> Result<ScoreRequest, String> {
    let (mut inputs, mut tail) = (Vec::new(), Vec::new());
    for (i, name) in case.inputs.iter().enumerate() {
        let path = folder.join(format!("input_{i}.pb"));
        if !path.is_file() {
            return Err(format!("no data for input '{name}'"));
        }
        let tensor = read(&path);
        let (datatype, _) = wire_type(tensor.data_type).ok_or("an element type the protocol does not have")?;
        let bytes = wire_bytes(&tensor);
        inputs.push(json!({"name": name, "shape": tensor.dims, "datatype": datatype, "parameters": {"binary_data_size": bytes.len()}}));
        tail.extend(bytes);
    }
    let head = json!({"inputs": inputs, "parameters": {"binary_data_output": true}}).to_string();
    let mut headers = HeaderMap::new();
    headers.insert("inference-header-content-length", HeaderValue::from(head.len()));
    Ok(ScoreRequest {
        method: Method::POST,
        path: "/v2/models/case/infer".to_owned(),
        query: String::new(),
        headers,
        body: Bytes::from([head.into_bytes(), tail].concat()),
        deadline: Instant::now() + Duration::from_secs(3600),
    })
}

fn attempt(case: &Case, folder: &Path) -> Outcome {
    if let Some(reason) = &case.skip {
        return Outcome::Refused(reason.clone());
    }
    let source = ModelSource {
        path: folder.join("model.onnx"),
        model_type: "custom_model".to_owned(),
        name: "case".to_owned(),
        version: "1".to_owned(),
        ..Default::default()
    };
    let servable = match engine::load(&source, &|_| {}) {
        Ok(servable) => servable,
        Err(error) => return Outcome::Refused(error.message),
    };
    let mut instance = servable.instance().expect("an instance of a loaded model");
    for set in 0..case.sets {
        let folder = folder.join(set.to_string());
        let request = match request(case, &folder) {
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

/// The operator a case is about: its name says, else its only operator.
fn subject(case: &Case) -> String {
    let plain = case.name.trim_start_matches("test_").replace('_', "");
    let named = |o: &&String| plain.starts_with(&o.rsplit("::").next().unwrap_or_default().to_lowercase());
    let found = case.operators.iter().filter(named).max_by_key(|o| o.len());
    match (found, &case.operators[..]) {
        (Some(operator), _) => operator.clone(),
        (None, [only]) => only.clone(),
        _ => "(several operators)".to_owned(),
    }
}

#[derive(Default)]
struct Row {
    passed: usize,
    refused: usize,
    failed: usize,
    wrong: usize,
    reason: String,
}

fn table(version: &str, results: &[(&Case, Outcome)]) -> String {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for (case, outcome) in results {
        let row = rows.entry(subject(case)).or_default();
        let (count, reason) = match outcome {
            Outcome::Passed => (&mut row.passed, None),
            Outcome::Refused(why) => (&mut row.refused, Some(why)),
            Outcome::Failed(why) => (&mut row.failed, Some(why)),
            Outcome::Wrong(why) => (&mut row.wrong, Some(why)),
        };
        *count += 1;
        if let Some(why) = reason
            && row.reason.is_empty()
        {
            // The first line that says something of its own, short enough for a table.
            let line = why.lines().nth(usize::from(why.contains("does not run:"))).unwrap_or(why).trim();
            row.reason = line.replace('|', "/").chars().take(140).collect();
        }
    }
    let total = |of: fn(&Row) -> usize| rows.values().map(of).sum::<usize>();
    let (passed, refused, failed, wrong) =
        (total(|r| r.passed), total(|r| r.refused), total(|r| r.failed), total(|r| r.wrong));
    let mut text = format!(
        "# The ONNX standard's node tests on the built-in engine\n\n\
         Made by `MLCONSOLE_WRITE_TABLE=1 cargo test --test engine node_tests` from onnx {version}: every node test of the package, and cases\n\
         of our own for `ai.onnx.ml` with the answers of the package's reference implementation. Each model is loaded as a\n\
         deployment would load it and asked over the Open Inference Protocol with binary tensors.\n\n\
         **{passed} passed, {refused} refused at load, {failed} ended in an error instead of an answer, {wrong} wrong.**\n\n\
         | operator | passed | refused | error | wrong | first reason |\n|---|--:|--:|--:|--:|---|\n"
    );
    for (operator, row) in &rows {
        let _ = writeln!(
            text,
            "| {operator} | {} | {} | {} | {} | {} |",
            row.passed, row.refused, row.failed, row.wrong, row.reason
        );
    }
    text
}

fn passed_in(table: &str) -> usize {
    let line = table.lines().find(|l| l.starts_with("**")).unwrap_or_default();
    line.trim_start_matches('*').split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[test]
fn no_node_test_of_the_standard_gets_a_wrong_answer() {
    let folder = match cases() {
        Ok(folder) => folder,
        Err(why) => {
            eprintln!("SKIPPED: the node tests need Python 3 and {PACKAGE} from the package index: {why}");
            return;
        }
    };
    let index: Index =
        serde_json::from_slice(&std::fs::read(folder.join("index.json")).expect("an index")).expect("JSON");
    let outcomes = std::sync::Mutex::new(Vec::new());
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = index.cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let outcome = attempt(case, &folder.join(&case.kind).join(&case.name));
                    outcomes.lock().expect("no panic").push((case, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().expect("no panic");
    outcomes.sort_by_key(|(case, _)| (&case.kind, &case.name));
    let text = table(&index.onnx, &outcomes);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("MLCONSOLE_WRITE_TABLE").is_some() {
        std::fs::write(&path, &text).expect("the table is written");
        let details: Vec<String> = outcomes.iter().map(|(c, o)| format!("{} {o:?}", c.name)).collect();
        std::fs::write(folder.join("outcomes.txt"), details.join("\n")).expect("the details are written");
    }
    let wrong: Vec<String> = outcomes
        .iter()
        .filter_map(|(case, outcome)| match outcome {
            Outcome::Wrong(why) => Some(format!("{}: {why}", case.name)),
            _ => None,
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
    if std::env::var_os("MLCONSOLE_NODE_CASES").is_some() {
        println!("{text}");
        return;
    }
    assert!(passed_in(&text) >= passed_in(&committed), "fewer node tests pass than {TABLE} says");
}
