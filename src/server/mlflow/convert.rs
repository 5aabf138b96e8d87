//! scikit-learn models as ONNX: converted in the model's own environment, compared with the model itself, and served
//! natively only if they agree (reference scoring-and-mlflow §4.4).

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::read;
use crate::server::engine::{self, LoadError, ModelSource, ScoreRequest, Servable};
use crate::server::environments::{Environments, Progress, Spec, Step};
use crate::server::stop::Stop;

const SCRIPT: &str = include_str!("../../../assets/convert_sklearn.py");
/// Beside the model's own requirements.
const NEEDS: [&str; 2] = ["skl2onnx", "onnx"];
/// How far a number may be off, relative to itself or to the answers' mean size, whichever is larger: near nought nothing
/// in single precision is exact relative to itself.
const TOLERANCE: f64 = 1e-5;
/// The name of the report beside the converted model.
pub const REPORT: &str = "report.json";

/// Where the conversion of a model version lies, in the workspace's data folder.
pub fn folder(data: &Path, name: &str, version: &str) -> PathBuf {
    data.join("conversions").join(name).join(version)
}

/// How a converted model compares with its original.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Whether it is served natively.
    pub agrees: bool,
    /// The pipeline's steps.
    pub estimator: String,
    /// Rows compared, of which so many are the input example's; the others are drawn from it.
    pub rows: usize,
    pub examples: usize,
    /// Whether the answers are labels, which have to be equal.
    pub labels: bool,
    /// Rows whose labels differ, or whose numbers are too far off.
    pub different: usize,
    /// The largest difference of a number, as [`TOLERANCE`] measures it.
    pub largest_difference: f64,
    pub tolerance: f64,
    /// Packages of the environment that made it.
    pub made_with: Vec<String>,
}

impl Report {
    /// The report in a sentence.
    pub fn summary(&self) -> String {
        let Self { rows, examples, different, largest_difference, .. } = self;
        let compared = format!(
            "{} was compared with its ONNX form on {rows} rows ({examples} of its input example)",
            self.estimator
        );
        let found = match (self.labels, self.agrees) {
            (true, true) => "all labels are equal".to_owned(),
            (true, false) => format!("{different} labels differ"),
            (false, true) => format!("the largest difference is {largest_difference:.1e}, {TOLERANCE:.0e} is allowed"),
            (false, false) => {
                format!(
                    "{different} answers are off by more than {TOLERANCE:.0e}, the worst by {largest_difference:.1e}"
                )
            }
        };
        let then = if self.agrees { "it runs natively" } else { "it keeps running in Python" };
        format!("{compared}: {found}; {then}.")
    }
}

/// What the script writes down.
#[derive(Debug, Deserialize)]
struct Conversion {
    estimator: String,
    answer: Value,
    labels: bool,
    signature: Value,
    columns: Option<Vec<String>>,
    data: Value,
    predictions: Vec<Value>,
    examples: usize,
}

/// Converts the model at `model` into the folder `into`, which becomes an MLflow model of the flavor `onnx`, with its
/// report beside it. `spec` is the model's own environment. Call it on a thread with a large stack.
///
/// # Errors
/// It cannot be converted, in a sentence.
pub fn convert(
    environments: &Environments,
    mut spec: Spec,
    model: &Path,
    into: &Path,
    tell: &dyn Fn(Step),
    stop: &Stop,
) -> Result<Report, String> {
    spec.requirements.extend(NEEDS.map(str::to_owned));
    let phase = |phase| tell(Step::Progress(Progress { phase, ..Progress::default() }));
    let built = environments.prepare(&spec, tell, stop).map_err(|e| e.to_string())?;
    phase("converting");
    let file = |what: &str, error: std::io::Error| format!("{what} in \"{}\": {error}", into.display());
    fs::create_dir_all(into).map_err(|e| file("the folder cannot be made", e))?;
    let script = into.join("convert_sklearn.py");
    fs::write(&script, SCRIPT).map_err(|e| file("the script cannot be written", e))?;
    let mut last = String::new();
    let arguments: [&OsStr; 3] = [script.as_os_str(), model.as_os_str(), into.as_os_str()];
    let ended = built.run(&arguments, stop, &mut |line| {
        line.clone_into(&mut last);
        tell(Step::Line(line.to_owned()));
    });
    if !ended.map_err(|e| format!("Python cannot be started: {e}"))? {
        return Err(if last.is_empty() { "the conversion ended without a word".to_owned() } else { last });
    }
    let text = fs::read(into.join("conversion.json")).map_err(|e| file("the conversion left nothing", e))?;
    let conversion: Conversion =
        serde_json::from_slice(&text).map_err(|e| format!("the conversion is unreadable: {e}"))?;
    write_mlmodel(model, into, &conversion)?;
    phase("comparing");
    let report = Report { made_with: built.packages.clone(), ..compare(into, &conversion).map_err(|e| e.message)? };
    let text = serde_json::to_vec_pretty(&report).map_err(|e| e.to_string())?;
    fs::write(into.join(REPORT), text).map_err(|e| file("the report cannot be written", e))?;
    Ok(report)
}

/// The converted folder's `MLmodel`: the original's signature, and how the graph answers as the original does.
fn write_mlmodel(model: &Path, into: &Path, conversion: &Conversion) -> Result<(), String> {
    let own = read(model).ok().and_then(|(_, model)| model.signed_inputs().map(str::to_owned));
    let document = json!({
        "flavors": {"onnx": {"data": "model.onnx", "answer": conversion.answer}},
        "signature": {"inputs": own.unwrap_or_else(|| conversion.signature.to_string())},
    });
    fs::write(into.join("MLmodel"), document.to_string()).map_err(|e| format!("MLmodel cannot be written: {e}"))
}

/// Asks the converted model for every row and compares its answers with those of the original.
fn compare(folder: &Path, conversion: &Conversion) -> Result<Report, LoadError> {
    let source = ModelSource {
        path: folder.to_owned(),
        model_type: "mlflow_model".to_owned(),
        name: "converted".to_owned(),
        version: "1".to_owned(),
        ..ModelSource::default()
    };
    let input = match &conversion.columns {
        Some(columns) => json!({"columns": columns, "data": conversion.data}),
        None => conversion.data.clone(),
    };
    let answers = ask(&engine::load(&source, &|_| {})?, &json!({"input_data": input}))?;
    let wanted = &conversion.predictions;
    if answers.len() != wanted.len() {
        return Err(LoadError::new(format!("{} rows were answered with {} answers", wanted.len(), answers.len())));
    }
    let sizes: Vec<f64> = wanted.iter().flat_map(numbers).map(f64::abs).collect();
    let mean = sizes.iter().sum::<f64>() / sizes.len().max(1) as f64;
    let (mut different, mut largest) = (0, 0.0_f64);
    for (got, want) in answers.iter().zip(wanted) {
        let off = if conversion.labels { f64::from(u8::from(!same_label(got, want))) } else { off(got, want, mean) };
        largest = largest.max(off);
        // What is no number is off as well.
        different += usize::from(off.is_nan() || off > TOLERANCE);
    }
    Ok(Report {
        agrees: different == 0 && !wanted.is_empty(),
        estimator: conversion.estimator.clone(),
        rows: wanted.len(),
        examples: conversion.examples,
        labels: conversion.labels,
        different,
        largest_difference: largest,
        tolerance: TOLERANCE,
        made_with: Vec::new(),
    })
}

fn ask(servable: &Arc<dyn Servable>, body: &Value) -> Result<Vec<Value>, LoadError> {
    let request = ScoreRequest {
        method: Method::POST,
        path: "/score".to_owned(),
        query: String::new(),
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_string()),
        deadline: Instant::now() + Duration::from_secs(3_600),
    };
    let response = Arc::clone(servable).instance()?.score(&request);
    match serde_json::from_slice(&response.body) {
        Ok(Value::Array(answers)) if response.status == 200 => Ok(answers),
        _ => {
            let said: String = String::from_utf8_lossy(&response.body).chars().take(300).collect();
            Err(LoadError::new(format!("the converted model does not answer the input example: {said}")))
        }
    }
}

fn same_label(got: &Value, want: &Value) -> bool {
    match (got.as_f64(), want.as_f64()) {
        (Some(got), Some(want)) => got == want,
        _ => got == want,
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap_or(f64::NAN)],
    }
}

/// The largest difference between two answers; infinite when they differ in shape.
fn off(got: &Value, want: &Value, mean: f64) -> f64 {
    let (got, want) = (numbers(got), numbers(want));
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let apart = |(got, want): (&f64, &f64)| {
        if got == want { 0.0 } else { (got - want).abs() / want.abs().max(mean).max(f64::MIN_POSITIVE) }
    };
    got.iter().zip(&want).map(apart).fold(0.0, |a, b| if b.is_nan() { f64::INFINITY } else { a.max(b) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_off_by_their_tolerance_and_labels_not_at_all() {
        assert_eq!(off(&json!([1.0, 2.0]), &json!([1, 2]), 1.0), 0.0);
        assert!(off(&json!(1.000_001), &json!(1.0), 1.0) < TOLERANCE);
        assert!(off(&json!(1.001), &json!(1.0), 1.0) > TOLERANCE);
        // Near nought the mean size of the answers counts.
        assert!(off(&json!(1e-7), &json!(0.0), 1.0) < TOLERANCE);
        assert_eq!(off(&json!([1.0]), &json!([1.0, 2.0]), 1.0), f64::INFINITY);
        assert_eq!(off(&json!("x"), &json!(1.0), 1.0), f64::INFINITY);
        assert!(same_label(&json!(1), &json!(1.0)) && same_label(&json!("a"), &json!("a")));
        assert!(!same_label(&json!("a"), &json!("b")) && !same_label(&json!(1), &json!("1")));
    }

    #[test]
    fn a_report_says_in_a_sentence_what_was_found() {
        let report = Report { agrees: true, estimator: "Ridge".into(), rows: 259, examples: 3, ..Report::default() };
        let text = report.summary();
        assert!(text.contains("259 rows (3 of its input example)") && text.ends_with("it runs natively."), "{text}");
        let text = Report { labels: true, agrees: false, different: 2, ..report }.summary();
        assert!(text.contains("2 labels differ") && text.contains("in Python"), "{text}");
    }
}
