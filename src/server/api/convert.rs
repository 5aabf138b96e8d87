//! Converting models at registration, where that is asked for. It takes as long as building an environment takes, so that
//! registering does not wait for it: the version's properties say how it goes.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::environments::spec_of;
use super::fault::Fault;
use crate::resources::asset::{
    CONVERSION, CONVERSION_REPORT, CONVERSION_STEP, CONVERT, CONVERT_ENVIRONMENT, CONVERTED, CONVERTING, NOT_CONVERTED,
};
use crate::resources::python::BuildStep;
use crate::resources::{ModelVersion, StringMap};
use crate::server::App;
use crate::server::api::blob::layout::Assets;
use crate::server::environments::{Spec, Step};
use crate::server::mlflow::{self, convert};
use crate::server::stop::Stop;
use crate::server::store::{Change, Expect, Key, Kind, Store, StoreError};
use crate::server::telemetry::lock;

/// Deep graphs recurse deeply while they are read.
const STACK: usize = 64 * 1024 * 1024;
/// The longest conversion, with the building of its environment.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// Between two looks whether one has to stop.
const LOOK: Duration = Duration::from_millis(500);
/// A step that is the same but for its numbers is written down no more often than this.
const STEP: Duration = Duration::from_secs(1);
/// Times a change is tried again that somebody else was faster with.
const ATTEMPTS: u32 = 20;

/// Prepares a model's properties for being stored: keeps what is known of its conversion, or says that one is under way.
///
/// # Errors
/// It asks for a conversion that does not exist.
pub(super) fn prepare(wanted: &mut Value, existing: Option<&Value>) -> Result<(), Fault> {
    let Some(Value::Object(properties)) = wanted.pointer_mut("/properties/properties") else { return Ok(()) };
    let before = existing.and_then(|body| body.pointer("/properties/properties")).and_then(Value::as_object);
    for key in [CONVERSION, CONVERSION_STEP, CONVERSION_REPORT] {
        // Nobody but the workspace says what became of a conversion.
        match before.and_then(|before| before.get(key)) {
            Some(known) => properties.insert(key.to_owned(), known.clone()),
            None => properties.remove(key),
        };
    }
    let Some(form) = properties.get(CONVERT).and_then(Value::as_str) else { return Ok(()) };
    if !form.eq_ignore_ascii_case("onnx") {
        return Err(Fault::property(
            &format!("properties.properties.{CONVERT}"),
            format!("The property \"{CONVERT}\" is \"{form}\"; models are converted to \"onnx\" only."),
        ));
    }
    properties.entry(CONVERSION).or_insert_with(|| CONVERTING.into());
    Ok(())
}

/// Whether a stored version waits for being converted.
pub(super) fn waits(body: &Value) -> bool {
    body.pointer("/properties/properties").and_then(Value::as_object).is_some_and(is_under_way)
}

fn is_under_way(properties: &Map<String, Value>) -> bool {
    properties.get(CONVERSION).and_then(Value::as_str) == Some(CONVERTING)
}

/// Takes up conversions that an earlier process did not finish.
///
/// # Errors
/// The store cannot be read.
pub fn resume(app: &Arc<App>) -> Result<(), StoreError> {
    for doc in app.store.list(Kind::ModelVersion, None)?.into_iter().filter(|doc| waits(&doc.body)) {
        begin(app, doc.key);
    }
    Ok(())
}

/// Converts a model version on a thread of its own.
pub(super) fn begin(app: &Arc<App>, key: Key) {
    let of_thread = Arc::clone(app);
    let work = move || {
        let stop = Stop::new();
        let result = watched(&of_thread, &stop, || converted(&of_thread, &key, &stop));
        if *of_thread.closing.borrow() {
            // Taken up again at the next start.
            return;
        }
        let (state, report) = match result {
            Ok(report) if report.agrees => (CONVERTED, report.summary()),
            Ok(report) => (NOT_CONVERTED, report.summary()),
            Err(_) if stop.is_asked() => (
                NOT_CONVERTED,
                format!("There is no ONNX form: the conversion took longer than {} minutes.", LIMIT.as_secs() / 60),
            ),
            Err(why) => (
                NOT_CONVERTED,
                format!("There is no ONNX form: {}. The model runs in Python.", why.trim_end_matches('.')),
            ),
        };
        let end = [(CONVERSION, Some(state)), (CONVERSION_STEP, None), (CONVERSION_REPORT, Some(report.as_str()))];
        if let Err(error) = write(&of_thread, &key, &end) {
            tracing::warn!(%error, model = %key.parent, version = %key.name, "a conversion's end cannot be written down");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("convert".into()).stack_size(STACK).spawn(work) {
        tracing::error!(%error, "no thread could be started to convert a model");
    }
}

/// Does work that is asked to stop when it takes too long or the workspace closes.
fn watched<T>(app: &Arc<App>, stop: &Stop, work: impl FnOnce() -> T) -> T {
    let done = Stop::new();
    let (app, stop, waiting) = (Arc::clone(app), stop.clone(), done.clone());
    let began = Instant::now();
    let watch = move || {
        while !waiting.wait(LOOK) {
            if began.elapsed() > LIMIT || *app.closing.borrow() {
                return stop.ask();
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("watch conversion".into()).spawn(watch) {
        tracing::warn!(%error, "nobody watches a conversion");
    }
    let result = work();
    done.ask();
    result
}

fn converted(app: &Arc<App>, key: &Key, stop: &Stop) -> Result<convert::Report, String> {
    let version: Option<ModelVersion> = app.store.get_as(key).map_err(|e| e.to_string())?;
    let properties = version.ok_or("the model is gone")?.properties;
    let path = Assets::new(app.store.dir()).resolve(&properties.model_uri).map_err(|e| e.to_string())?;
    let name = format!("{}:{}", key.parent, key.name);
    let spec = match properties.model_type.as_str() {
        "mlflow_model" => {
            let (folder, _) = mlflow::read(&path).map_err(|e| e.message)?;
            Spec::of_mlflow(&folder, &name).map_err(|e| e.to_string())?
        }
        "custom_model" => environment(app, &properties.properties)?,
        other => return Err(format!("models of type {other} are not converted")),
    };
    let path =
        if properties.model_type == "mlflow_model" { mlflow::read(&path).map_err(|e| e.message)?.0 } else { path };
    let written = Mutex::new((String::new(), Instant::now()));
    let told = |step: Step| match BuildStep::from(step) {
        BuildStep::Progress { phase, .. } if !is_due(&written, &phase) => {}
        BuildStep::Line { text } => tracing::info!(model = %name, "{text}"),
        step => {
            // Whoever waits hears less; the conversion goes on.
            if let Err(error) = write(app, key, &[(CONVERSION_STEP, step.said().as_deref())]) {
                tracing::debug!(%error, model = %name, "the step of a conversion cannot be written down");
            }
        }
    };
    let folder = convert::folder(app.store.dir(), &key.parent, &key.name);
    let work = std::panic::AssertUnwindSafe(|| convert::convert(&app.environments, spec, &path, &folder, &told, stop));
    std::panic::catch_unwind(work).unwrap_or_else(|_| Err("the engine fails on the converted model".to_owned()))
}

/// The environment that the registration names for a pickle.
fn environment(app: &App, properties: &StringMap) -> Result<Spec, String> {
    let reference = properties.get(CONVERT_ENVIRONMENT).ok_or(
        "a pickle does not say what it needs: name an environment (--environment azureml:NAME:VERSION, or the property \
         mlconsole.convert_environment)",
    )?;
    spec_of(&app.store, reference).map_err(|fault| fault.error.message)
}

/// A mistyped environment is told before anything is stored, not as the outcome of a conversion.
///
/// # Errors
/// The environment named for the conversion cannot be had.
pub(super) fn check_environment(store: &Store, wanted: &Value) -> Result<(), Fault> {
    let named = wanted.pointer("/properties/properties").and_then(|properties| properties.get(CONVERT_ENVIRONMENT));
    let (true, Some(reference)) = (waits(wanted), named.and_then(Value::as_str)) else { return Ok(()) };
    let target = format!("properties.properties.{CONVERT_ENVIRONMENT}");
    spec_of(store, reference).map(drop).map_err(|fault| Fault::property(&target, fault.error.message))
}

/// Whether a step is to be written down: a new phase at once, more of the same now and then.
fn is_due(written: &Mutex<(String, Instant)>, phase: &str) -> bool {
    let mut written = lock(written);
    let due = written.0 != phase || written.1.elapsed() >= STEP;
    if due {
        *written = (phase.to_owned(), Instant::now());
    }
    due
}

/// Sets or removes properties of a model version; nothing if it is gone.
fn write(app: &App, key: &Key, changes: &[(&str, Option<&str>)]) -> Result<(), StoreError> {
    for _ in 0..ATTEMPTS {
        let Some(doc) = app.store.get(key)? else { return Ok(()) };
        let mut body = doc.body.clone();
        let Some(Value::Object(properties)) = body.pointer_mut("/properties/properties") else { return Ok(()) };
        for (name, value) in changes {
            match value {
                Some(value) => properties.insert((*name).to_owned(), (*value).into()),
                None => properties.remove(*name),
            };
        }
        match app.store.commit(Change::new().put(key.clone(), &body, Expect::Etag(doc.etag))) {
            Err(StoreError::Conflict { .. }) => {}
            other => return other.map(drop),
        }
    }
    Ok(())
}
