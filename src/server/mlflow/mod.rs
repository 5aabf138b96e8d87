//! MLflow models: served by the built-in engine where their `onnx` flavor allows it, else by Python with a generated
//! scoring script (reference scoring-and-mlflow §4).

pub mod convert;
mod inspect;
mod openapi;
pub mod pickles;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use inspect::inspect;

use super::engine::{self, LoadError, ModelSource, Servable};
use crate::resources::mlmodel::MlModel;

/// The scoring script of MLflow models, under the name it is staged with.
pub const SCRIPT: &str = include_str!("../../../assets/mlflow_score.py");
/// Names the model's folder below `AZUREML_MODEL_DIR`, as the hosted service has it.
pub const FOLDER_VARIABLE: &str = "MLFLOW_MODEL_FOLDER";
/// Set to `true`, forms of input are taken that the hosted service refuses.
pub const LENIENT_VARIABLE: &str = "MLFLOW_LENIENT_INPUT";
/// The same as a property of the deployment.
pub const LENIENT_PROPERTY: &str = "mlflow_lenient_input";

/// How an MLflow model runs.
pub enum Way {
    /// In the built-in engine; loaded already.
    Native(Arc<dyn Servable>),
    /// In a Python worker with a generated script. `why` says what kept a model with the `onnx` flavor from running
    /// natively.
    Python { hosted: Hosted, why: Option<String> },
}

/// What a Python worker needs to serve an MLflow model.
#[derive(Debug, Clone)]
pub struct Hosted {
    /// The folder with the file `MLmodel`; its environment is that of `environments::Spec::of_mlflow`.
    pub folder: PathBuf,
    /// Staged as the deployment's `score.py`.
    pub script: &'static str,
    /// Names and texts of files beside it: its OpenAPI documents.
    pub beside: Vec<(&'static str, String)>,
    /// Environment variables of the worker, beside those of every deployment.
    pub variables: BTreeMap<String, String>,
}

/// Whether it is known beforehand that a model runs in Python.
pub fn needs_python(source: &ModelSource) -> bool {
    source.model_type == "mlflow_model"
        && source.converted.is_none()
        && read(&source.path).is_ok_and(|(_, model)| source.lenient || model.onnx_data().is_none())
}

/// Decides how a model runs that is an MLflow model or was converted, and loads it where that is the built-in engine. Call
/// it as [`engine::load`], on a thread with a large stack.
///
/// # Errors
/// It runs in neither way; the error says what is missing.
pub fn load(source: &ModelSource, log: &dyn Fn(&str)) -> Result<Way, LoadError> {
    if let Some(folder) = &source.converted {
        log("native (converted): the ONNX form of this model is served, which was compared with it at registration");
        let converted = ModelSource { path: folder.clone(), model_type: "mlflow_model".to_owned(), ..source.clone() };
        return engine::load(&converted, log).map(Way::Native);
    }
    let (folder, model) = read(&source.path)?;
    if source.lenient || model.onnx_data().is_none() {
        let mut hosted = hosted(&source.path, &folder, &model)?;
        if source.lenient {
            hosted.variables.insert(LENIENT_VARIABLE.to_owned(), "true".to_owned());
        }
        return Ok(Way::Python { hosted, why: None });
    }
    let error = match engine::load(source, log) {
        Ok(servable) => return Ok(Way::Native(servable)),
        Err(error) => error,
    };
    // Only a model that Python could read better is tried there: a damaged file stays damaged.
    if error.unsupported.is_empty() || !model.has_python() {
        return Err(error);
    }
    let mut operators: Vec<&str> = error.unsupported.iter().map(|used| used.operator.as_str()).collect();
    operators.sort_unstable();
    operators.dedup();
    let why = format!("the built-in engine does not run {}; Python serves this model", operators.join(", "));
    log(&why);
    match hosted(&source.path, &folder, &model) {
        Ok(hosted) => Ok(Way::Python { hosted, why: Some(why) }),
        Err(_) => Err(LoadError {
            message: format!(
                "{} Python could serve it, but the model's folder has no conda.yaml, python_env.yaml or requirements.txt.",
                error.message
            ),
            ..error
        }),
    }
}

/// The folder with `MLmodel` (the model's path, or a folder directly inside), and what the file says.
///
/// # Errors
/// There is none, or it cannot be understood.
pub fn read(path: &Path) -> Result<(PathBuf, MlModel), LoadError> {
    engine::mlflow_folder(path)
}

/// What a Python worker needs for the model in `folder`, which lies at or directly below `path`.
fn hosted(path: &Path, folder: &Path, model: &MlModel) -> Result<Hosted, LoadError> {
    if !model.has_python() {
        let flavors: Vec<&str> = model.flavors.keys().map(String::as_str).collect();
        return Err(LoadError::new(format!(
            "this MLflow model has no flavor 'python_function' ({}), so nothing can serve it; save it with the flavor's \
             own mlflow.*.save_model",
            if flavors.is_empty() { "it has none at all".to_owned() } else { format!("it has {}", flavors.join(", ")) }
        )));
    }
    if !ENVIRONMENT_FILES.iter().any(|name| folder.join(name).is_file()) {
        return Err(LoadError::new(format!(
            "the MLflow model says nothing about its Python environment: none of {} is in its folder; save it with \
             pip_requirements or conda_env, or give the deployment an environment and a scoring script",
            ENVIRONMENT_FILES.join(", ")
        )));
    }
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let inside = folder.strip_prefix(path).ok().filter(|p| !p.as_os_str().is_empty());
    // AZUREML_MODEL_DIR holds the last component of the registered path.
    let below = match inside {
        Some(inside) => format!("{}/{}", last(path), inside.display()),
        None => last(path),
    };
    let beside = openapi::documents(&last(path), folder, model);
    let variables = BTreeMap::from([(FOLDER_VARIABLE.to_owned(), below)]);
    Ok(Hosted {
        folder: fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()),
        script: SCRIPT,
        beside,
        variables,
    })
}

/// Files that describe a model's environment, in the order they are looked for.
const ENVIRONMENT_FILES: [&str; 3] = ["conda.yaml", "python_env.yaml", "requirements.txt"];

#[cfg(test)]
mod tests;
