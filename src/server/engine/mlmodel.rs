//! The file `MLmodel` of an MLflow folder, as far as serving needs it (reference scoring-and-mlflow §4.1).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Flavors and signature of an MLflow model.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct MlModel {
    pub flavors: BTreeMap<String, Value>,
    signature: Option<RawSignature>,
}

/// The signature's parts are JSON inside strings.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct RawSignature {
    inputs: Option<String>,
}

/// An entry of the signature's inputs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<Value>,
}

/// What kind of inputs a signature declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs {
    /// No signature.
    Unknown,
    /// Tensors, by name or a single one.
    Tensors,
    /// Columns of a frame, with their types (`double`, `string`, …).
    Columns(Vec<(String, String)>),
}

impl MlModel {
    /// Reads the file's text. Unknown keys are left aside.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|e| e.to_string())
    }

    /// The file of the onnx flavor, relative to the folder.
    pub fn onnx_data(&self) -> Option<String> {
        let flavor = self.flavors.get("onnx")?;
        Some(flavor.get("data").and_then(Value::as_str).unwrap_or("model.onnx").to_owned())
    }

    /// What the signature says about inputs; one that cannot be read counts as none.
    pub fn inputs(&self) -> Inputs {
        let text = self.signature.as_ref().and_then(|s| s.inputs.as_deref());
        let Some(entries) = text.and_then(|t| serde_json::from_str::<Vec<Entry>>(t).ok()) else {
            return Inputs::Unknown;
        };
        let is_tensor = |e: &Entry| e.kind.as_ref().and_then(Value::as_str) == Some("tensor");
        if entries.is_empty() {
            return Inputs::Unknown;
        }
        if entries.iter().any(is_tensor) {
            return Inputs::Tensors;
        }
        let kind = |e: &Entry| e.kind.as_ref().and_then(Value::as_str).unwrap_or("any").to_owned();
        Inputs::Columns(
            entries
                .iter()
                .enumerate()
                .map(|(i, e)| (e.name.clone().unwrap_or_else(|| i.to_string()), kind(e)))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = r#"
flavors:
  onnx: {data: model.onnx, onnx_version: 1.19.0, providers: [CPUExecutionProvider]}
  python_function: {loader_module: mlflow.onnx, python_version: 3.11.7}
signature:
  inputs: '[{"type": "double", "name": "age", "required": true}, {"type": "string", "name": "city"}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1]}}]'
mlflow_version: 3.17.2
utc_time_created: '2026-11-22 06:45:35.816029'
"#;

    #[test]
    fn flavor_and_columns_are_read() {
        let model = MlModel::parse(FILE).unwrap();
        assert_eq!(model.onnx_data().as_deref(), Some("model.onnx"));
        let columns = vec![("age".to_owned(), "double".to_owned()), ("city".to_owned(), "string".to_owned())];
        assert_eq!(model.inputs(), Inputs::Columns(columns));
    }

    #[test]
    fn only_flavors_are_required() {
        let model = MlModel::parse("flavors:\n  sklearn: {pickled_model: model.pkl}\n").unwrap();
        assert_eq!(model.onnx_data(), None);
        assert_eq!(model.inputs(), Inputs::Unknown);
        assert!(MlModel::parse("flavors: [1, 2").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = MlModel::parse(&text).map(|m| m.inputs());
        }
    }
}
