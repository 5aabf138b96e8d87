//! What a model takes and gives, and whether it runs here.

use serde::{Deserialize, Serialize};

use super::brief;

/// Inputs and outputs of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Signature {
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
}

/// Name, element type and shape of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TensorSpec {
    pub name: String,
    /// Open Inference Protocol name: `FP32`, `FP64`, `FP16`, `INT8`…`INT64`, `UINT8`…`UINT64`, `BOOL`, `BYTES`.
    pub datatype: String,
    /// −1 = any size.
    pub shape: Vec<i64>,
    /// A name for each dimension where the file gives one; empty strings otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dim_names: Vec<String>,
    /// The input takes JSON objects, one a row, with values of `datatype` by these keys; none are listed where keys are
    /// whole numbers, below the row's size where that is fixed. Nothing for other inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
}

impl TensorSpec {
    /// Keys shown in a line.
    const SHOWN: usize = 8;

    /// The first keys of an input that takes maps, and how many more there are.
    pub fn keys_text(&self) -> Option<String> {
        let keys = self.keys.as_ref()?;
        if keys.is_empty() {
            return Some("whole numbers".to_owned());
        }
        Some(brief::first(keys, Self::SHOWN))
    }
}

/// All that can be said about a model file without serving it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelReport {
    /// Name and version in a Triton repository; empty where a file is looked at by itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// `onnx`, `mlflow`, `triton` or `other`.
    pub format: String,
    /// The file that was read, relative to the model's folder.
    pub file: String,
    pub signature: Signature,
    pub size_bytes: u64,
    /// Domain ("" = ai.onnx) and version.
    pub opsets: Vec<(String, i64)>,
    pub producer: String,
    pub operators: Vec<OperatorUse>,
    /// Operators that cannot run here; a deployment of this model fails when it is not empty.
    pub unsupported: Vec<OperatorUse>,
    /// Whether the built-in engine serves it.
    pub native: bool,
    /// How it would run: `native`, `native (converted)`, `python` (an MLflow model) or `script` (it needs one of the user's).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub runs: String,
    /// Things worth knowing, in whole sentences.
    pub notes: Vec<String>,
    /// The further models of a Triton repository.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<ModelReport>,
}

impl ModelReport {
    /// This model and the further ones.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OperatorUse {
    pub operator: String,
    /// "" = ai.onnx.
    pub domain: String,
    /// Version of the domain that the file asks for; 0 where it does not matter.
    pub opset: i64,
    pub count: u32,
    pub first_node: String,
    /// Why it does not run, and what to do; empty for supported operators.
    pub hint: String,
}
