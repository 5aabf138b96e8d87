//! Finding the ONNX files of a staged model: a file, a folder, a Triton repository, an MLflow folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::{LoadError, ModelSource};
use crate::resources::document::read_text;
use crate::resources::mlmodel::MlModel;

/// A model file to serve, and the name and version it is served under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    pub version: String,
    pub file: PathBuf,
}

/// What a model source holds.
#[derive(Debug)]
pub enum Layout {
    Onnx(Found),
    Triton(Vec<Found>),
    Mlflow(Found, Box<MlModel>),
}

const SERVED: &str = "an ONNX file (.onnx) or a folder with one, a Triton repository of ONNX models, or an MLflow model with the flavor 'onnx'";

/// Finds what there is to serve, or says what was found instead.
pub fn find(source: &ModelSource) -> Result<Layout, LoadError> {
    let path = &source.path;
    if !path.exists() {
        return Err(LoadError::new(format!(
            "the model's files are not at '{}'; register the model again",
            path.display()
        )));
    }
    let found = |file: PathBuf| Found { name: source.name.clone(), version: source.version.clone(), file };
    match source.model_type.as_str() {
        "triton_model" => triton(path).map(Layout::Triton),
        "mlflow_model" => {
            let (folder, model) = mlflow(path)?;
            let file = onnx_flavor(&folder, &model)?;
            Ok(Layout::Mlflow(found(file), Box::new(model)))
        }
        _ => onnx(path).map(|file| Layout::Onnx(found(file))),
    }
}

fn is_onnx(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"))
}

/// Entries of a folder in a fixed order, hidden ones left out; nothing for what cannot be listed.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.retain(|p| p.file_name().is_some_and(|n| !n.to_string_lossy().starts_with('.')));
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The ONNX file at a path, or the only one (or the one called `model.onnx`) in the folder, nearest the top.
fn onnx(path: &Path) -> Result<PathBuf, LoadError> {
    if path.is_file() {
        if is_onnx(path) {
            return Ok(path.to_owned());
        }
        return Err(LoadError::new(format!(
            "'{}' is not an ONNX file. Served without a scoring script: {SERVED}. Export the model to ONNX, or deploy it with a scoring script (score.py)",
            file_name(path)
        )));
    }
    let mut level = vec![path.to_owned()];
    for _ in 0..4 {
        let inside: Vec<PathBuf> = level.iter().flat_map(|f| entries(f)).collect();
        let files: Vec<&PathBuf> = inside.iter().filter(|p| p.is_file() && is_onnx(p)).collect();
        if let [only] = files[..] {
            return Ok(only.clone());
        }
        if !files.is_empty() {
            let mut named = files.iter().filter(|f| file_name(f) == "model.onnx");
            return match (named.next(), named.next()) {
                (Some(model), None) => Ok((*model).clone()),
                _ => Err(LoadError::new(format!(
                    "the model folder holds several ONNX files ({}); register the one to serve, or call it model.onnx",
                    list(&files.iter().map(|f| file_name(f)).collect::<Vec<_>>())
                ))),
            };
        }
        level = inside.into_iter().filter(|p| p.is_dir()).collect();
    }
    let mut names: Vec<String> = entries(path).iter().map(|p| file_name(p)).collect();
    if names.is_empty() {
        return Err(LoadError::new("the model folder is empty; register the model again with its files"));
    }
    let hint = match names.iter().any(|n| n == "MLmodel") {
        true => "It looks like an MLflow model: register it with type mlflow_model",
        false => "Export the model to ONNX, or deploy it with a scoring script (score.py)",
    };
    names.truncate(8);
    Err(LoadError::new(format!(
        "the model folder holds {} but no ONNX file. Served without a scoring script: {SERVED}. {hint}",
        list(&names)
    )))
}

fn list(names: &[String]) -> String {
    names.iter().map(|n| format!("'{n}'")).collect::<Vec<_>>().join(", ")
}

/// All models of a Triton repository: folders with numbered versions, of which the highest is served.
fn triton(path: &Path) -> Result<Vec<Found>, LoadError> {
    // The repository may be the path itself, one folder below it, or the path may be a single model of it.
    let mut candidates = vec![path.to_owned()];
    candidates.extend(entries(path).into_iter().filter(|p| p.is_dir()));
    for candidate in candidates {
        let found: Vec<Found> = entries(&candidate).iter().filter_map(|folder| triton_model(folder)).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    if let Some(found) = triton_model(path) {
        return Ok(vec![found]);
    }
    if path.is_file() && is_onnx(path) {
        return Err(LoadError::new(format!(
            "'{}' is a file; a Triton model is a folder: put it at <model name>/1/model.onnx, or register it as custom_model",
            file_name(path)
        )));
    }
    let other = versions(path).or_else(|| entries(path).iter().find_map(|p| versions(p)));
    let names: Vec<String> = match &other {
        Some((_, folder)) => entries(folder).iter().map(|p| file_name(p)).collect(),
        None => entries(path).iter().map(|p| file_name(p)).collect(),
    };
    Err(LoadError::new(format!(
        "no ONNX model in the Triton repository (found {}); expected <model name>/1/model.onnx. Other back ends do not run here: export to ONNX",
        if names.is_empty() { "nothing".to_owned() } else { list(&names) }
    )))
}

/// The highest numbered folder inside.
fn versions(folder: &Path) -> Option<(u64, PathBuf)> {
    let numbered =
        entries(folder).into_iter().filter(|p| p.is_dir()).filter_map(|p| Some((file_name(&p).parse().ok()?, p)));
    numbered.max_by_key(|(number, _)| *number)
}

fn triton_model(folder: &Path) -> Option<Found> {
    let numbered = entries(folder)
        .into_iter()
        .filter(|p| p.is_dir())
        .filter_map(|p| Some((file_name(&p).parse::<u64>().ok()?, p)));
    let mut with_model: Vec<(u64, PathBuf)> = numbered
        .filter_map(|(number, version)| {
            let named = version.join("model.onnx");
            // Triton also takes a folder of that name, with the graph and its weights inside.
            let file = if named.is_dir() { named.join("model.onnx") } else { named };
            if file.is_file() {
                return Some((number, file));
            }
            let files: Vec<PathBuf> = entries(&version).into_iter().filter(|p| p.is_file() && is_onnx(p)).collect();
            (files.len() == 1).then(|| files.into_iter().next().map(|f| (number, f))).flatten()
        })
        .collect();
    with_model.sort_by_key(|(number, _)| *number);
    let (version, file) = with_model.pop()?;
    Some(Found { name: file_name(folder), version: version.to_string(), file })
}

/// The folder of an MLflow model and its `MLmodel`.
pub fn mlflow(path: &Path) -> Result<(PathBuf, MlModel), LoadError> {
    let mut candidates = vec![path.to_owned()];
    candidates.extend(entries(path).into_iter().filter(|p| p.is_dir()));
    let Some(folder) = candidates.into_iter().find(|f| f.join("MLmodel").is_file()) else {
        return Err(LoadError::new(format!(
            "'{}' has no file MLmodel, so it is not an MLflow model; register the folder that mlflow.*.save_model wrote",
            file_name(path)
        )));
    };
    let next = "register the folder as mlflow.*.save_model wrote it";
    let text = read_text(&folder.join("MLmodel")).map_err(|e| LoadError::new(format!("{e}; {next}")))?;
    let model = MlModel::parse(&text).map_err(|e| {
        // Below its first line the parser draws the place.
        let all = e.to_string();
        let why = all.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        LoadError::with_details(format!("MLmodel cannot be understood: {why}; {next}"), e)
    })?;
    Ok((folder, model))
}

fn onnx_flavor(folder: &Path, model: &MlModel) -> Result<PathBuf, LoadError> {
    let Some(data) = model.onnx_data() else {
        let flavors: Vec<String> = model.flavors.keys().cloned().collect();
        return Err(LoadError::new(format!(
            "this MLflow model has the flavors {}; the built-in engine serves the flavor 'onnx'. Save it with mlflow.onnx.log_model",
            if flavors.is_empty() { "(none)".to_owned() } else { list(&flavors) }
        )));
    };
    let inside = Path::new(&data)
        .components()
        .all(|c| matches!(c, std::path::Component::Normal(_) | std::path::Component::CurDir));
    if !inside {
        return Err(LoadError::new(format!("MLmodel names the file '{data}', which lies outside the model's folder")));
    }
    let file = folder.join(&data);
    if file.is_dir() {
        return onnx(&file);
    }
    if !file.is_file() {
        return Err(LoadError::new(format!(
            "MLmodel names the file '{data}', which is not in the model's folder; register it whole"
        )));
    }
    Ok(file)
}
