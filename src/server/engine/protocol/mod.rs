//! The request forms of a served ONNX model: `/score` in JSON and the Open Inference Protocol v2.

pub mod columns;
pub mod frame;
pub mod invocations;
mod maps;
pub mod mlflow;
pub mod nested;
mod plain;
pub mod scan;
pub mod score;
pub mod v2;
pub mod v2_frame;
pub mod v2_input;
pub mod write;

use tract_onnx::prelude::{TValue, TVec};

use super::onnx::spec::{Shown, Spec};
use nested::Given;

/// What was wrong with a request: the caller gets this status and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub message: String,
}

impl Fault {
    pub fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, message: message.into() }
    }

    pub fn missing(message: impl Into<String>) -> Self {
        Self { status: 404, message: message.into() }
    }

    /// A parser's error: syntax errors say so, errors of content speak for themselves.
    pub fn json(error: &serde_json::Error) -> Self {
        if error.is_data() {
            Self::bad(error.to_string())
        } else {
            Self::bad(format!("the body is not valid JSON: {error}"))
        }
    }
}

/// The inputs of a model as they are being given.
pub struct Slots<'m> {
    pub specs: &'m [Spec],
    given: Vec<Option<Given>>,
}

impl<'m> Slots<'m> {
    pub fn new(specs: &'m [Spec]) -> Self {
        Self { specs, given: specs.iter().map(|_| None).collect() }
    }

    /// The position of an input.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.specs.iter().position(|s| s.name == name)
    }

    /// The position of an input, or an error that names those there are.
    pub fn find(&self, name: &str) -> Result<usize, String> {
        self.position(name).ok_or_else(|| {
            let names: Vec<String> = self.specs.iter().map(|s| format!("'{}'", s.name)).collect();
            format!("unknown input '{name}'; the model's inputs are {}", names.join(", "))
        })
    }

    /// Puts a value into its place.
    pub fn put(&mut self, index: usize, given: Given) -> Result<(), String> {
        if self.given[index].is_some() {
            return Err(format!("input '{}' is given twice", self.specs[index].name));
        }
        self.given[index] = Some(given);
        Ok(())
    }

    /// All inputs in order, each of the declared shape, named dimensions the same everywhere.
    pub fn finish(self) -> Result<TVec<TValue>, Fault> {
        // Few names, if any: a list is quicker than a map.
        let mut sizes: Vec<(&str, usize, &str)> = Vec::new();
        let mut values = TVec::new();
        for (spec, given) in self.specs.iter().zip(self.given) {
            let Some(given) = given else {
                return Err(Fault::bad(format!("input {spec} is not given")));
            };
            if !spec.accepts(&given.shape) {
                return Err(Fault::bad(format!(
                    "input '{}': expected shape {}, given {:?}",
                    spec.name,
                    Shown(spec),
                    given.shape
                )));
            }
            for (name, size) in spec.dim_names.iter().zip(&given.shape).filter(|(n, _)| is_symbol(n)) {
                let Some((_, known, first)) = sizes.iter().find(|(n, _, _)| n == name) else {
                    sizes.push((name, *size, &spec.name));
                    continue;
                };
                if known != size {
                    return Err(Fault::bad(format!(
                        "input '{}' has {size} in dimension '{name}', but input '{first}' has {known}: they must be the same",
                        spec.name
                    )));
                }
            }
            values.push(given.tensor.into());
        }
        Ok(values)
    }
}

/// Whether a dimension's name is a plain symbol, not an expression or a placeholder.
fn is_symbol(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with("unk__")
        && !matches!(name, "None" | "unknown")
}
