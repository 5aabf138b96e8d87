//! The file `MLmodel` of an MLflow folder (reference scoring-and-mlflow §4.1).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Flavors, signature and input example of an MLflow model. Everything but the flavors may be missing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct MlModel {
    pub flavors: BTreeMap<String, Value>,
    signature: Option<RawSignature>,
    saved_input_example_info: Option<Example>,
}

/// The signature's parts are JSON inside strings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RawSignature {
    inputs: Option<String>,
    outputs: Option<String>,
    params: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Example {
    serving_input_path: Option<String>,
}

/// An entry of the signature, as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    name: Option<Value>,
    #[serde(rename = "type")]
    kind: Option<Value>,
    required: Option<bool>,
    optional: Option<bool>,
    #[serde(rename = "tensor-spec")]
    tensor: Option<TensorKind>,
    default: Value,
    shape: Option<Vec<i64>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct TensorKind {
    dtype: String,
    shape: Vec<i64>,
}

/// What kind of inputs (or outputs) a signature declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// No signature.
    Unknown,
    /// Tensors, by name or a single one.
    Tensors(Vec<TensorInput>),
    /// Columns of a frame.
    Columns(Vec<Column>),
}

/// A column of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// `boolean`, `integer`, `long`, `float`, `double`, `string`, `binary`, `datetime`, `array`, `object`, `map` or `any`.
    pub kind: String,
    pub required: bool,
}

/// A tensor of the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInput {
    /// `None` for a single one without a name.
    pub name: Option<String>,
    /// numpy's name: `float64`, `int64`, `object`, …
    pub dtype: String,
    /// −1 = any size.
    pub shape: Vec<i64>,
}

/// How a converted model answers: with one output of its graph, bare.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Answer {
    pub output: String,
    /// As one list, whatever the output's shape.
    pub flat: bool,
}

/// A parameter of `predict`.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    pub name: String,
    pub kind: String,
    pub default: Value,
    /// `[-1]` for a list; `None` for a single value.
    pub shape: Option<Vec<i64>>,
}

impl MlModel {
    /// Reads the file's text. Unknown keys are left aside.
    ///
    /// # Errors
    /// The text is no YAML, or a known part has another form; the error says where.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|e| e.to_string())
    }

    /// The file of the onnx flavor, relative to the folder.
    pub fn onnx_data(&self) -> Option<String> {
        let flavor = self.flavors.get("onnx")?;
        Some(flavor.get("data").and_then(Value::as_str).unwrap_or("model.onnx").to_owned())
    }

    /// How the graph of the onnx flavor answers, if this was a model of another kind. Written by the conversion.
    pub fn answer(&self) -> Option<Answer> {
        serde_json::from_value(self.flavors.get("onnx")?.get("answer")?.clone()).ok()
    }

    /// Whether Python can load it: the flavor `python_function`.
    pub fn has_python(&self) -> bool {
        self.flavors.contains_key("python_function")
    }

    /// The example request in the form of MLflow's own server, relative to the folder.
    pub fn serving_example(&self) -> Option<&str> {
        self.saved_input_example_info.as_ref()?.serving_input_path.as_deref()
    }

    /// The signature's inputs as they are written: JSON.
    pub fn signed_inputs(&self) -> Option<&str> {
        self.signature.as_ref()?.inputs.as_deref()
    }

    /// What the signature says about inputs; one that cannot be read counts as none.
    pub fn inputs(&self) -> Inputs {
        read(self.signature.as_ref().and_then(|s| s.inputs.as_deref()))
    }

    /// What the signature says about outputs.
    pub fn outputs(&self) -> Inputs {
        read(self.signature.as_ref().and_then(|s| s.outputs.as_deref()))
    }

    /// Parameters of `predict` that a request may set.
    pub fn params(&self) -> Vec<Param> {
        let text = self.signature.as_ref().and_then(|s| s.params.as_deref());
        entries(text).into_iter().filter_map(param).collect()
    }
}

fn entries(text: Option<&str>) -> Vec<Entry> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn text_of(name: &Value) -> Option<String> {
    match name {
        Value::String(name) => Some(name.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

fn param(entry: Entry) -> Option<Param> {
    let name = entry.name.as_ref().and_then(text_of)?;
    Some(Param { name, kind: kind_of(&entry), default: entry.default, shape: entry.shape })
}

fn kind_of(entry: &Entry) -> String {
    entry.kind.as_ref().and_then(Value::as_str).unwrap_or("any").to_owned()
}

fn read(text: Option<&str>) -> Inputs {
    let entries = entries(text);
    if entries.is_empty() {
        return Inputs::Unknown;
    }
    let name = |entry: &Entry| entry.name.as_ref().and_then(text_of);
    if entries.iter().any(|entry| kind_of(entry) == "tensor") {
        let tensor = |entry: &Entry| {
            let spec = entry.tensor.clone().unwrap_or_default();
            TensorInput { name: name(entry), dtype: spec.dtype, shape: spec.shape }
        };
        return Inputs::Tensors(entries.iter().map(tensor).collect());
    }
    let column = |(position, entry): (usize, &Entry)| Column {
        name: name(entry).unwrap_or_else(|| position.to_string()),
        kind: kind_of(entry),
        required: entry.required.unwrap_or(entry.optional != Some(true)),
    };
    Inputs::Columns(entries.iter().enumerate().map(column).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const FILE: &str = r#"
flavors:
  onnx: {data: model.onnx, onnx_version: 1.19.0, providers: [CPUExecutionProvider]}
  python_function: {loader_module: mlflow.onnx, python_version: 3.11.7}
signature:
  inputs: '[{"type": "double", "name": "age", "required": true}, {"type": "string", "name": "city", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
  params: '[{"name": "times", "type": "long", "default": 1, "shape": null}]'
saved_input_example_info: {artifact_path: input_example.json, serving_input_path: serving_input_example.json}
mlflow_version: 3.17.2
utc_time_created: '2026-11-22 06:45:35.816029'
"#;

    #[test]
    fn flavors_columns_tensors_and_parameters_are_read() {
        let model = MlModel::parse(FILE).unwrap();
        assert_eq!(model.onnx_data().as_deref(), Some("model.onnx"));
        assert!(model.has_python());
        let column =
            |name: &str, kind: &str, required| Column { name: name.to_owned(), kind: kind.to_owned(), required };
        assert_eq!(
            model.inputs(),
            Inputs::Columns(vec![column("age", "double", true), column("city", "string", false)])
        );
        let output = TensorInput { name: None, dtype: "float64".to_owned(), shape: vec![-1] };
        assert_eq!(model.outputs(), Inputs::Tensors(vec![output]));
        let times = Param { name: "times".to_owned(), kind: "long".to_owned(), default: json!(1), shape: None };
        assert_eq!(model.params(), [times]);
        assert_eq!(model.serving_example(), Some("serving_input_example.json"));
    }

    #[test]
    fn only_flavors_are_required() {
        let model = MlModel::parse("flavors:\n  sklearn: {pickled_model: model.pkl}\n").unwrap();
        assert_eq!((model.onnx_data(), model.has_python()), (None, false));
        assert_eq!((model.inputs(), model.params()), (Inputs::Unknown, vec![]));
        assert!(MlModel::parse("flavors: [1, 2").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = MlModel::parse(&text).map(|m| (m.inputs(), m.outputs(), m.params()));
        }
    }
}
