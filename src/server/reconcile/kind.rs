//! What a deployment runs on: the built-in engine, or a Python process with a scoring script.

use std::path::{Path, PathBuf};

use super::model::{model_source, own_server, refused};
use crate::resources::ids::{AssetKind, AssetRef, AssetVersion};
use crate::resources::{ArmError, CodeVersion, Deployment, EnvironmentVersion};
use crate::server::api::blob::layout::Assets;
use crate::server::engine::ModelSource;
use crate::server::environments::{EnvironmentError, Spec};
use crate::server::mlflow;
use crate::server::store::{Key, Kind, Store};

/// A deployment's parts, found.
pub(super) enum Wanted {
    /// A model without a script. An MLflow model may turn out to need Python, and then the environment it names.
    Model {
        source: ModelSource,
        environment: Option<Result<Spec, ArmError>>,
    },
    Script(ScriptWanted),
}

/// A scoring script's parts.
pub(super) struct ScriptWanted {
    /// The code folder as it was uploaded.
    pub code: PathBuf,
    /// The script's path in it.
    pub script: PathBuf,
    pub model: Option<ModelSource>,
    pub environment: Spec,
}

/// What a deployment names, found and checked as far as that is possible without running anything.
///
/// # Errors
/// Something is missing, or cannot run here; the error says what to do.
pub(super) fn wanted(store: &Store, deployment: &Deployment) -> Result<Wanted, ArmError> {
    let properties = &deployment.properties;
    let name = &deployment.name;
    let reference = properties.environment_id.as_deref().filter(|reference| !reference.is_empty());
    let Some(code) = &properties.code_configuration else {
        let Some(model) = &properties.model else {
            return Err(refused(format!(
                "Deployment \"{name}\" has neither a model nor a scoring script: its environment's image would have to \
                 bring the server, and an image cannot run without containers. Give it a registered model, or a \
                 code_configuration with a scoring script, or deploy it to an Azure workspace."
            )));
        };
        if let Some(environment) = own_server(store, reference)? {
            return Err(refused(format!(
                "Deployment \"{name}\" wants the server inside the image of environment \"{environment}\" (it has an \
                 inference_config), and an image cannot run without containers. An ONNX model needs no environment here: \
                 leave it out, or deploy to an Azure workspace."
            )));
        }
        let source = model_source(store, deployment, model)?;
        // Only MLflow models that need Python look at it; what it is for another is told in the log.
        let environment = match (source.model_type.as_str(), reference) {
            ("mlflow_model", Some(reference)) => Some(environment(store, reference)),
            _ => None,
        };
        return Ok(Wanted::Model { source, environment });
    };
    if let Some(environment) = own_server(store, reference)? {
        return Err(refused(format!(
            "Environment \"{environment}\" has an inference_config: the server is inside its image, which cannot run \
             without containers. For a scoring script name an environment with a conda_file, or a curated one."
        )));
    }
    let Some(reference) = reference else {
        return Err(refused(format!(
            "Deployment \"{name}\" has a scoring script but no environment. Name one with a conda_file, or a curated one \
             such as azureml://registries/azureml/environments/sklearn-1.5/labels/latest."
        )));
    };
    let folder = code_folder(store, name, code.code_id.as_deref())?;
    let script = script_in(&folder, &code.scoring_script)?;
    let model = properties.model.as_deref().filter(|model| !model.is_empty());
    Ok(Wanted::Script(ScriptWanted {
        script,
        code: folder,
        model: model.map(|model| model_source(store, deployment, model)).transpose()?,
        environment: environment(store, reference)?,
    }))
}

impl Wanted {
    /// Whether it is known beforehand that Python is needed.
    pub fn needs_python(&self) -> bool {
        match self {
            Self::Script(_) => true,
            Self::Model { source, .. } => mlflow::needs_python(source),
        }
    }
}

fn code_folder(store: &Store, deployment: &str, reference: Option<&str>) -> Result<PathBuf, ArmError> {
    let Some(reference) = reference.filter(|reference| !reference.is_empty()) else {
        return Err(refused(format!(
            "Deployment \"{deployment}\" names a scoring script but no code: upload the folder that holds it, and name it in \
             code_configuration.code."
        )));
    };
    let parsed = AssetRef::parse(reference).map_err(|e| ArmError::new("BadArgument", e.to_string()))?;
    let missing = |why: &str| {
        ArmError::new("ResourceNotFound", format!("The code \"{reference}\" is not there: {why}. Upload it again."))
    };
    let AssetRef::Id(id) = &parsed else { return Err(missing("it is no id of a code asset of this workspace")) };
    let Some((AssetKind::Code, name, version)) = id.asset() else { return Err(missing("it is no id of a code asset")) };
    let code: Option<CodeVersion> =
        store.get_as(&Key::new(Kind::CodeVersion, name, version)).map_err(|e| e.to_arm())?;
    let Some(code) = code else { return Err(missing("it is not registered in this workspace")) };
    let path = Assets::new(store.dir()).resolve(&code.properties.code_uri).map_err(|e| missing(&e.to_string()))?;
    if path.exists() { Ok(path) } else { Err(missing("its files are gone")) }
}

/// The script's path in the code folder.
fn script_in(folder: &Path, script: &str) -> Result<PathBuf, ArmError> {
    let relative = Path::new(script.trim_start_matches("./"));
    let inside = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if inside && folder.join(relative).is_file() {
        return Ok(relative.to_owned());
    }
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    found.truncate(12);
    let holds =
        if found.is_empty() { "which is empty".to_owned() } else { format!("which holds {}", found.join(", ")) };
    Err(refused(format!(
        "The scoring script \"{script}\" is not in the code folder, {holds}. Correct code_configuration.scoring_script; it \
         is relative to the code folder."
    )))
}

/// What an environment must hold; `reference` names a registered one or a curated one.
///
/// # Errors
/// It is unknown, or cannot be built here.
pub fn environment(store: &Store, reference: &str) -> Result<Spec, ArmError> {
    let parsed = AssetRef::parse(reference).map_err(|e| ArmError::new("BadArgument", e.to_string()))?;
    let (name, version) = match &parsed {
        AssetRef::Id(id) => match id.asset() {
            Some((AssetKind::Environment, name, version)) => (name.to_owned(), version.to_owned()),
            _ => return Err(refused(format!("\"{reference}\" is not the id of an environment version."))),
        },
        AssetRef::Named { name, version } | AssetRef::Registry { name, version, .. } => {
            let version = match version {
                AssetVersion::Exact(version) => version.clone(),
                AssetVersion::Label(label) => label.clone(),
            };
            (name.clone(), version)
        }
    };
    let known: Option<EnvironmentVersion> = match parsed {
        AssetRef::Registry { .. } => None,
        _ => store
            .get_as(&Key::new(Kind::EnvironmentVersion, name.as_str(), version.as_str()))
            .map_err(|e| e.to_arm())?,
    };
    let spec = match known {
        Some(known) => Spec::of_environment(&known, &format!("{name}:{version}")),
        None => Spec::curated(&name).unwrap_or_else(|| {
            Err(EnvironmentError::Refused(format!(
                "Environment \"{reference}\" is not registered here, and its name is not one of the curated environments \
                 that the local workspace knows. Register one with a conda_file (mlconsole environment register)."
            )))
        }),
    };
    spec.map_err(|error| environment_failure(&error))
}

/// Why there is no environment, with the tool's own words under the details.
pub(super) fn environment_failure(error: &EnvironmentError) -> ArmError {
    let code = if matches!(error, EnvironmentError::Refused(_)) { "BadArgument" } else { "EnvironmentBuildFailed" };
    let mut arm = ArmError::new(code, error.to_string());
    if let EnvironmentError::Failed { details, .. } = error
        && !details.is_empty()
    {
        arm.details.push(ArmError::new("Environment", details.clone()));
    }
    arm
}
