//! Loading a staged model for serving, and reporting on one without serving it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::onnx::memory::{self, Budget};
use super::onnx::model::OnnxModel;
use super::onnx::{batch, check, file, spec};
use super::protocol::score::Dialect;
use super::servable::{Named, OnnxServable};
use super::source::{self, Found, Layout};
use super::{Choice, InstanceMemory, LoadError, ModelSource, OutOfMemory, ScoreRequest, Servable, Tuning, sample};
use crate::resources::ModelReport;
use crate::resources::mlmodel::Inputs;

/// Sizes tried for open dimensions until a run on zeros succeeds.
const OPEN_SIZES: [usize; 4] = [1, 2, 8, 32];

/// What a report is about: whether the built-in engine runs the model.
const BUILT_IN: Tuning = Tuning { engine: Choice::Tract, threads: 1, batch: 1 };

/// See [`super::load`].
pub fn load(source: &ModelSource, log: &dyn Fn(&str)) -> Result<Arc<dyn Servable>, LoadError> {
    let (found, dialect, columns) = match source::find(source)? {
        Layout::Onnx(found) => (vec![found], Some(Dialect::Custom), Inputs::Unknown),
        Layout::Triton(found) => (found, None, Inputs::Unknown),
        Layout::Mlflow(found, model) => {
            let inputs = model.inputs();
            let dialect = Dialect::Mlflow { signature: Arc::new(inputs.clone()), answer: model.answer() };
            (vec![found], Some(dialect), inputs)
        }
    };
    let mut models = Vec::with_capacity(found.len());
    for Found { name, version, file } in &found {
        log(&format!("loading {} as model '{name}', version {version}", shown(file, source)));
        if file.ancestors().nth(2).is_some_and(|folder| servable_config(folder, dialect.as_ref())) {
            log("config.pbtxt is not read: names, types and shapes are those of the model file");
        }
        let model = OnnxModel::load(file, source.tuning, log, source.memory.map(|m| m.bytes))?;
        let list = |specs: Vec<String>| specs.join(", ");
        log(&format!(
            "inputs {}; outputs {}",
            list(model.inputs.iter().map(ToString::to_string).collect()),
            list(model.outputs.iter().map(|o| o.spec.to_string()).collect())
        ));
        if source.tuning.batch > 1 && !batch::is_possible(&model) {
            log(&format!(
                "requests of '{name}' are run one by one whatever mlconsole.max_batch says: not all of its inputs and \
                 outputs begin with an open dimension that one plan serves"
            ));
        }
        models.push(Named { name: name.clone(), version: version.clone(), model });
    }
    let budget = source.memory.map(|memory| budget_of(memory, &models)).transpose()?;
    let servable = Arc::new(OnnxServable {
        models,
        dialect,
        sample: None,
        budget,
        batch: source.tuning.batch as usize,
        meetings: Mutex::default(),
    });
    let mut chosen = None;
    for (index, found) in found.iter().enumerate() {
        let sample = trial(&servable, index, found, &columns, log)?;
        chosen = chosen.or(sample);
    }
    let servable = Arc::try_unwrap(servable).map_err(|_| LoadError::new("an instance outlived its trial run"))?;
    Ok(Arc::new(OnnxServable { sample: chosen, ..servable }))
}

/// What the weights leave for running, if they and one request of the smallest size fit at all.
fn budget_of(memory: InstanceMemory, models: &[Named]) -> Result<Budget, LoadError> {
    let weights = models.iter().map(|m| m.model.core.weights()).sum();
    let budget = Budget { limit: memory.bytes, weights, sharers: memory.sharers };
    if weights >= memory.bytes {
        return Err(memory::too_large("the weights take", weights, memory.bytes));
    }
    for Named { name, model, .. } in models {
        let peak = model.core.smallest_peak();
        if peak > budget.run() {
            let needed = weights.saturating_add(peak.saturating_mul(u64::from(memory.sharers)));
            return Err(memory::too_large(&format!("one request of model '{name}' takes"), needed, memory.bytes));
        }
    }
    Ok(budget)
}

fn servable_config(folder: &Path, dialect: Option<&Dialect>) -> bool {
    dialect.is_none() && folder.join("config.pbtxt").is_file()
}

fn shown(file: &Path, source: &ModelSource) -> String {
    file.strip_prefix(&source.path).ok().filter(|p| !p.as_os_str().is_empty()).map_or_else(
        || format!("'{}'", file.file_name().unwrap_or(file.as_os_str()).to_string_lossy()),
        |p| format!("'{}'", p.display()),
    )
}

/// Runs one request: the author's sample, which must succeed, or zeros, which a model may refuse (a zero size, a divisor).
fn trial(
    servable: &Arc<OnnxServable>,
    index: usize,
    found: &Found,
    columns: &Inputs,
    log: &dyn Fn(&str),
) -> Result<Option<ScoreRequest>, LoadError> {
    let Named { name, model, .. } = &servable.models[index];
    let path = match servable.dialect {
        Some(_) => "/score".to_owned(),
        None => format!("/v2/models/{name}/infer"),
    };
    if let Some((file, body)) = sample::beside(&found.file) {
        let request = OnnxServable::request(path, body);
        run(servable, &request)?.map_err(|why| {
            LoadError::new(format!(
                "the model does not answer the sample request in '{file}': {why}; correct the file or the model"
            ))
        })?;
        log(&format!("the sample request in '{file}' is answered"));
        return Ok(Some(request));
    }
    let declared = model.inputs.iter().all(spec::Spec::is_static);
    let mut last = String::new();
    for open in OPEN_SIZES {
        let body = match servable.dialect {
            Some(_) => sample::of_zeros(model, columns, open),
            None => sample::of_zeros_v2(model, open),
        };
        let Some(body) = body else { return Ok(None) };
        let request = OnnxServable::request(path.clone(), body);
        match run(servable, &request)? {
            Ok(()) => return Ok(Some(request)),
            Err(why) if declared => {
                last = why;
                break;
            }
            Err(why) => last = why,
        }
    }
    log(&format!(
        "no trial run: the model fails on zeros ({last}); put a sample-request.json beside it to have it tried before it serves"
    ));
    Ok(None)
}

/// Runs a request on an instance of its own; a panic counts as a failure, which a model may have on some values.
///
/// # Errors
/// It takes more memory than an instance has.
fn run(servable: &Arc<OnnxServable>, request: &ScoreRequest) -> Result<Result<(), String>, LoadError> {
    let mut instance = servable.clone().instance()?;
    let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| instance.score(request)));
    let response = match attempt {
        Ok(response) => response,
        Err(panic) => {
            if let Some(OutOfMemory { needed, limit, node }) = panic.downcast_ref() {
                return Err(memory::too_large(&format!("node '{node}' of the trial run takes"), *needed, *limit));
            }
            return Ok(Err(format!("the engine panicked: {}", super::panic_text(panic.as_ref()))));
        }
    };
    if response.status == 200 {
        return Ok(Ok(()));
    }
    Ok(Err(String::from_utf8_lossy(&response.body).chars().take(500).collect()))
}

/// See [`super::inspect`].
pub fn inspect(path: &Path, model_type: &str) -> Result<ModelReport, LoadError> {
    let source = ModelSource { path: path.to_owned(), model_type: model_type.to_owned(), ..Default::default() };
    match source::find(&source)? {
        Layout::Onnx(found) => report(path, &found, "onnx", vec![]),
        Layout::Mlflow(found, model) => {
            let flavors: Vec<&str> = model.flavors.keys().map(String::as_str).collect();
            report(path, &found, "mlflow", vec![format!("MLflow flavors: {}.", flavors.join(", "))])
        }
        Layout::Triton(all) => {
            let names: Vec<String> = all.iter().map(|f| format!("'{}' version {}", f.name, f.version)).collect();
            let mut reports = Vec::with_capacity(all.len());
            for found in &all {
                // One that cannot be read says so itself: the others are worth knowing all the same.
                reports
                    .push(report(path, found, "triton", vec![]).or_else(|error| unreadable(path, &all, found, error))?);
            }
            let mut first = reports.remove(0);
            first.notes.insert(0, format!("A Triton repository with {}.", names.join(", ")));
            first.others = reports;
            Ok(first)
        }
    }
}

/// What is said of a model that cannot be read among others; alone, it is the error itself.
fn unreadable(path: &Path, all: &[Found], found: &Found, error: LoadError) -> Result<ModelReport, LoadError> {
    if all.len() == 1 {
        return Err(error);
    }
    Ok(ModelReport {
        name: found.name.clone(),
        version: found.version.clone(),
        format: "triton".to_owned(),
        file: found.file.strip_prefix(path).unwrap_or(&found.file).to_string_lossy().into_owned(),
        notes: vec![error.message],
        ..ModelReport::default()
    })
}

/// All about one model file below `path`.
fn report(path: &Path, found: &Found, format: &str, mut notes: Vec<String>) -> Result<ModelReport, LoadError> {
    let proto = file::read(&found.file)?;
    let findings = check::check(&proto);
    let signature = spec::signature(&proto);
    if signature.inputs.iter().any(|i| i.shape.contains(&-1)) {
        notes.push("Some dimensions are open: requests of any size in them are answered.".to_owned());
    }
    let mut native = findings.unsupported.is_empty();
    if native && let Err(error) = OnnxModel::load(&found.file, BUILT_IN, &|_| {}, None) {
        native = false;
        notes.push(error.message);
    }
    let elsewhere = Tuning { engine: Choice::OnnxRuntime, ..BUILT_IN };
    if cfg!(feature = "onnxruntime") && !native && OnnxModel::load(&found.file, elsewhere, &|_| {}, None).is_ok() {
        notes.push(
            "The ONNX Runtime library of this machine runs it: deployments do unless they ask for tract.".to_owned(),
        );
    }
    let size = |p: &Path| p.metadata().map_or(0, |m| m.len());
    let beside = check::external_files(&proto);
    let folder = found.file.parent().unwrap_or(path);
    if !beside.is_empty() {
        notes.push(format!("Weights lie beside the file: {}.", beside.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    let relative = if path.is_dir() { found.file.strip_prefix(path).ok() } else { None };
    Ok(ModelReport {
        name: found.name.clone(),
        version: found.version.clone(),
        others: Vec::new(),
        format: format.to_owned(),
        file: match relative {
            Some(relative) => relative.to_string_lossy().into_owned(),
            None => found.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        },
        signature,
        size_bytes: size(&found.file) + beside.iter().map(|name| size(&folder.join(name))).sum::<u64>(),
        opsets: findings.opsets,
        producer: [proto.producer_name.as_str(), proto.producer_version.as_str()].join(" ").trim().to_owned(),
        operators: findings.operators,
        unsupported: findings.unsupported,
        native,
        runs: String::new(),
        notes,
    })
}
