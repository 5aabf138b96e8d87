//! What can be said about a model of any kind without running it.

use std::path::Path;

use super::{hosted, pickles, read};
use crate::resources::mlmodel::{Inputs, MlModel};
use crate::resources::{ModelReport, Signature, TensorSpec};
use crate::server::engine::{self, LoadError};

/// Signature, files, operators, and how the model at `path` would run. Call it as [`engine::inspect`], on a thread with a
/// large stack. Nothing of a pickle is loaded.
///
/// # Errors
/// The files cannot be read, or are not what `model_type` says.
pub fn inspect(path: &Path, model_type: &str) -> Result<ModelReport, LoadError> {
    let mut report = match model_type {
        "mlflow_model" => mlflow(path)?,
        _ => match pickles::note(path) {
            // A folder may hold both; then the engine serves the graph.
            Some(_) => engine::inspect(path, model_type).unwrap_or_else(|_| pickled(path)),
            None => engine::inspect(path, model_type)?,
        },
    };
    if report.runs.is_empty() && report.all().all(|model| model.native) {
        report.runs = "native".to_owned();
    }
    report.notes.extend(pickles::note(path));
    Ok(report)
}

fn mlflow(path: &Path) -> Result<ModelReport, LoadError> {
    let (folder, model) = read(path)?;
    let way = hosted(path, &folder, &model);
    if model.onnx_data().is_some() {
        let report = engine::inspect(path, "mlflow_model");
        match (report, &way) {
            (Ok(mut report), Ok(_)) if !report.native => {
                report.runs = "python".to_owned();
                let names: Vec<&str> = report.unsupported.iter().map(|used| used.operator.as_str()).collect();
                report.notes.push(format!("Python serves it: the built-in engine does not run {}.", names.join(", ")));
                return Ok(report);
            }
            (report, _) => return report,
        }
    }
    way?;
    let flavors: Vec<&str> = model.flavors.keys().map(String::as_str).collect();
    Ok(ModelReport {
        format: "mlflow".to_owned(),
        file: "MLmodel".to_owned(),
        signature: signature(&model),
        size_bytes: size(path),
        runs: "python".to_owned(),
        notes: vec![format!("MLflow flavors: {}. Its script and environment are generated.", flavors.join(", "))],
        ..ModelReport::default()
    })
}

fn pickled(path: &Path) -> ModelReport {
    ModelReport {
        format: "pickle".to_owned(),
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        size_bytes: size(path),
        runs: "script".to_owned(),
        notes: vec!["It is served by a scoring script (score.py) in an environment of yours.".to_owned()],
        ..ModelReport::default()
    }
}

/// The signature in MLflow's own words for types.
fn signature(model: &MlModel) -> Signature {
    let specs = |inputs: Inputs| match inputs {
        Inputs::Unknown => Vec::new(),
        Inputs::Columns(columns) => columns
            .into_iter()
            .map(|c| TensorSpec { name: c.name, datatype: c.kind, shape: vec![-1], ..TensorSpec::default() })
            .collect(),
        Inputs::Tensors(tensors) => tensors
            .into_iter()
            .map(|t| TensorSpec {
                name: t.name.unwrap_or_else(|| "(unnamed)".to_owned()),
                datatype: t.dtype,
                shape: t.shape,
                ..TensorSpec::default()
            })
            .collect(),
    };
    Signature { inputs: specs(model.inputs()), outputs: specs(model.outputs()) }
}

/// Bytes of a file or of all files in a folder.
fn size(path: &Path) -> u64 {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => {
            std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
        }
        Ok(meta) => meta.len(),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_pickle_and_an_mlflow_model_are_described_without_being_loaded() {
        let place = tempfile::tempdir().unwrap();
        let pickle = place.path().join("model.pkl");
        fs::write(&pickle, b"not even a pickle").unwrap();
        let report = inspect(&pickle, "custom_model").unwrap();
        assert_eq!((report.runs.as_str(), report.format.as_str(), report.native), ("script", "pickle", false));
        assert!(report.notes.iter().any(|note| note.contains("runs whatever code")), "{:?}", report.notes);

        let text = "flavors:\n  python_function: {loader_module: mlflow.sklearn}\n  sklearn: {pickled_model: model.pkl}\n\
                    signature:\n  inputs: '[{\"type\": \"double\", \"name\": \"age\"}]'\n";
        fs::write(place.path().join("MLmodel"), text).unwrap();
        let message = inspect(place.path(), "mlflow_model").unwrap_err().message;
        assert!(message.contains("conda.yaml"), "{message}");
        fs::write(place.path().join("conda.yaml"), "dependencies: []\n").unwrap();
        let report = inspect(place.path(), "mlflow_model").unwrap();
        assert_eq!((report.runs.as_str(), report.signature.inputs[0].datatype.as_str()), ("python", "double"));
        assert!(report.notes.len() == 2 && report.size_bytes > 0, "{report:?}");
    }
}
