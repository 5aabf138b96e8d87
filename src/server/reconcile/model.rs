//! From a deployment's wish to a loaded model: what can be served here, where its files are, and loading them so that
//! nothing a model file does can harm the process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::LOAD_LIMIT_PROPERTY;
use super::memory::memory_of;
use super::tuning::tuning_of;
use crate::resources::asset::{CONVERSION, CONVERTED};
use crate::resources::ids::{AssetKind, AssetRef, AssetVersion};
use crate::resources::{ArmError, Deployment, EnvironmentVersion, ModelVersion};
use crate::server::api::blob::layout::Assets;
use crate::server::engine::{LoadError, ModelSource};
use crate::server::mlflow::{self, convert};
use crate::server::store::{Doc, Key, Kind, Store, StoreError};

/// Deep graphs recurse deeply while they are optimised.
const STACK: usize = 64 * 1024 * 1024;

/// The model version a deployment names, as files on this machine.
///
/// # Errors
/// The model or its files are missing.
pub(super) fn model_source(store: &Store, deployment: &Deployment, model: &str) -> Result<ModelSource, ArmError> {
    let name = &deployment.name;
    let doc = find_model(store, model)?;
    let version: ModelVersion = doc.decode().map_err(|e| e.to_arm())?;
    let asset = format!("{}:{}", doc.key.parent, doc.key.name);
    let missing = |why: String| {
        ArmError::new(
            "ResourceNotFound",
            format!("The files of model \"{asset}\" are not there: {why} Register the model again."),
        )
    };
    let path = Assets::new(store.dir()).resolve(&version.properties.model_uri).map_err(|e| missing(e.to_string()))?;
    if !path.exists() {
        return Err(missing(format!("\"{}\" does not exist.", path.display())));
    }
    let anonymous = version.properties.is_anonymous;
    let converted = version.properties.properties.get(CONVERSION).is_some_and(|state| state == CONVERTED);
    let converted = converted.then(|| convert::folder(store.dir(), &doc.key.parent, &doc.key.name));
    Ok(ModelSource {
        path,
        model_type: version.properties.model_type,
        name: if anonymous { name.clone() } else { doc.key.parent },
        version: if anonymous { "1".to_owned() } else { doc.key.name },
        flavors: version.properties.flavors,
        memory: Some(memory_of(deployment)?),
        converted: converted.filter(|folder| folder.is_dir()),
        lenient: is_lenient(deployment),
        tuning: tuning_of(deployment)?,
    })
}

/// Whether a deployment of an MLflow model takes forms of input that the hosted service refuses.
fn is_lenient(deployment: &Deployment) -> bool {
    let properties = &deployment.properties;
    let said = [
        properties.environment_variables.get(mlflow::LENIENT_VARIABLE),
        properties.properties.get(mlflow::LENIENT_PROPERTY),
    ];
    said.into_iter().flatten().any(|text| ["1", "true", "yes"].contains(&text.trim().to_ascii_lowercase().as_str()))
}

/// The environment's name if it brings a server of its own; `None` for all others, which an ONNX model does without.
pub(super) fn own_server(store: &Store, reference: Option<&str>) -> Result<Option<String>, ArmError> {
    let Some(Ok(AssetRef::Id(id))) = reference.map(AssetRef::parse) else { return Ok(None) };
    let Some((AssetKind::Environment, name, version)) = id.asset() else { return Ok(None) };
    let Some(doc) = store.get(&Key::new(Kind::EnvironmentVersion, name, version)).map_err(|e| e.to_arm())? else {
        return Ok(None);
    };
    let environment: EnvironmentVersion = doc.decode().map_err(|e| e.to_arm())?;
    Ok(environment.properties.inference_config.map(|_| name.to_owned()))
}

fn find_model(store: &Store, reference: &str) -> Result<Doc, ArmError> {
    let arm = |e: StoreError| e.to_arm();
    let parsed = AssetRef::parse(reference).map_err(|e| ArmError::new("BadArgument", e.to_string()))?;
    let (name, version) = match parsed {
        AssetRef::Registry { registry, name, .. } => {
            return Err(refused(format!(
                "Model \"{name}\" lives in the registry \"{registry}\", which a local workspace cannot reach. Download it, \
                 register it here (mlconsole model register), and name it as azureml:{name}:VERSION."
            )));
        }
        AssetRef::Named { name, version } => (name, version),
        AssetRef::Id(id) => match id.asset() {
            Some((AssetKind::Model, name, version)) => (name.to_owned(), AssetVersion::Exact(version.to_owned())),
            _ => {
                return Err(refused(format!(
                    "\"{reference}\" is not the id of a model version. Name a registered model."
                )));
            }
        },
    };
    let found = match &version {
        AssetVersion::Exact(version) => {
            store.get(&Key::new(Kind::ModelVersion, name.as_str(), version.as_str())).map_err(arm)?
        }
        AssetVersion::Label(_) => {
            let versions = store.list(Kind::ModelVersion, Some(&name)).map_err(arm)?;
            versions.into_iter().max_by_key(|doc| (doc.created_ms, doc.etag))
        }
    };
    let shown = match version {
        AssetVersion::Exact(version) => format!("{name}:{version}"),
        AssetVersion::Label(label) => format!("{name}@{label}"),
    };
    found.ok_or_else(|| {
        ArmError::new(
            "ResourceNotFound",
            format!("Model \"{shown}\" is not registered here. Register it first (mlconsole model register)."),
        )
    })
}

pub(super) fn refused(message: String) -> ArmError {
    ArmError::new("BadArgument", message)
}

/// Why a model does not load, with the engine's own words and each unsupported operator under the details.
pub(super) fn load_failure(error: &LoadError) -> ArmError {
    let mut arm = ArmError::new(error.code, error.message.clone());
    for operator in &error.unsupported {
        let domain = if operator.domain.is_empty() { "ai.onnx" } else { &operator.domain };
        arm.details.push(ArmError {
            target: Some(operator.first_node.clone()),
            ..ArmError::new(
                "UnsupportedOperator",
                format!(
                    "{} ({domain} opset {}), {} node(s): {}",
                    operator.operator, operator.opset, operator.count, operator.hint
                ),
            )
        });
    }
    if !error.details.is_empty() {
        arm.details.push(ArmError::new("Engine", error.details.clone()));
    }
    arm
}

/// Runs work of the engine on a thread of its own with a large stack; a panic becomes an error.
pub(super) async fn on_own_thread<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    abandonable(name, |_| {}, work).await
}

/// The same for work that may be given up: `late` is told how long it took when it ends after all.
pub(super) async fn abandonable<T: Send + 'static>(
    name: String,
    late: impl FnOnce(Duration) + Send + 'static,
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let began = Instant::now();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let run = move || {
        let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(LoadError::with_details(
                "The model makes the engine fail while loading. Export it again with another opset or exporter version; \
                 nothing else is affected.",
                text,
            ))
        });
        // Nobody may be waiting any more (canceled, or out of time): then what was loaded is dropped here.
        if sender.send(result).is_err() {
            late(began.elapsed());
        }
    };
    let started = std::thread::Builder::new().name(name).stack_size(STACK).spawn(run);
    if let Err(error) = started {
        return Err(LoadError::with_details(
            "No thread could be started to load the model. Stop other work on this machine and try again.",
            error,
        ));
    }
    receiver.await.unwrap_or_else(|_| Err(LoadError::new("Loading the model ended without an answer. Try again.")))
}

/// Longest time a load may take, unless the deployment says otherwise.
const LOAD_LIMIT: Duration = Duration::from_secs(300);

/// How long loading the deployment's model may take.
///
/// # Errors
/// The deployment's own limit is not a number of seconds.
pub(super) fn load_limit(deployment: &Deployment) -> Result<Duration, ArmError> {
    let Some(text) = deployment.properties.properties.get(LOAD_LIMIT_PROPERTY) else { return Ok(LOAD_LIMIT) };
    let seconds = text.trim().parse::<f64>().ok().filter(|s| (0.001..=86_400.0).contains(s));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        refused(format!(
            "The property \"{LOAD_LIMIT_PROPERTY}\" is \"{text}\"; give the longest time a load may take in seconds, e.g. \"300\"."
        ))
    })
}

/// A load that has not come to an end. Its thread cannot be stopped.
pub(super) fn too_long(limit: Duration) -> LoadError {
    let message = format!(
        "Loading the model took longer than {} s and was given up: the file may be damaged, or its graph too large for \
         this machine. Export it again, or give it longer (property \"{LOAD_LIMIT_PROPERTY}\"). Its thread goes on until it \
         ends by itself; restart the workspace to be rid of it.",
        limit.as_secs_f64()
    );
    LoadError { code: "ResourceNotReady", ..LoadError::new(message) }
}

/// Size of a file or of all files in a folder, in bytes; what cannot be read counts as nothing.
pub(super) fn size_of(path: &Path) -> u64 {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::read_dir(path)
            .map_or(0, |entries| entries.filter_map(Result::ok).map(|entry| size_of(&entry.path())).sum()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    }
}
