//! Bringing up what runs in Python: lay out its files, build its environment, make it servable.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::kind::{ScriptWanted, environment_failure};
use super::memory::memory_of;
use super::model::{load_failure, on_own_thread, size_of};
use super::notes::{probe, say, settings_of};
use super::report::{State, Step};
use super::tracker::{Stop, Tracker};
use super::{Reconciler, Slot, lock, stage};
use crate::resources::{ArmError, Deployment};
use crate::server::engine::{LoadError, ModelSource, Servable};
use crate::server::environments::{self, Built, EnvironmentError, Spec};
use crate::server::gateway::{Pool, PoolSettings};
use crate::server::mlflow::Hosted;
use crate::server::script::{self, ScriptSpec, StartLimit, worker_count, worker_timeout};
use crate::server::stop::Stop as StopWish;
use crate::server::telemetry::{Container, DeploymentTelemetry, Level};

/// Progress of a build is written down no more often than this.
const PROGRESS: Duration = Duration::from_millis(250);
/// How much longer than it may a worker is waited for before it counts as hung although nobody could end it.
const HANG_MARGIN: Duration = Duration::from_secs(60);
/// Times a script is started before it is given up, with the pauses between.
const STARTS: u32 = 3;
/// A worker's thread only passes frames on.
const STACK: usize = 1 << 20;

/// A deployment that is ready to be started.
pub(super) struct Loaded {
    pub servable: Arc<dyn Servable>,
    pub settings: PoolSettings,
    /// What its owner should know although it serves.
    pub notes: Vec<String>,
    /// What its owner should know of how it started.
    pub warnings: script::Warnings,
    /// Ends its start.
    pub stop: StopWish,
}

impl Loaded {
    /// Of a model in this process.
    pub fn native(servable: Arc<dyn Servable>, deployment: &Deployment) -> Self {
        let notes = servable.note().into_iter().collect();
        Self {
            servable,
            settings: settings_of(deployment),
            notes,
            warnings: script::Warnings::default(),
            stop: StopWish::new(),
        }
    }
}

/// What runs in Python, whoever wrote the script.
pub(super) struct Parts {
    code: Code,
    model: Option<ModelSource>,
    environment: Spec,
    variables: BTreeMap<String, String>,
}

enum Code {
    /// The user's folder, and the script's path in it.
    Folder { folder: PathBuf, script: PathBuf },
    /// The script and the files beside it.
    Generated(&'static str, Vec<(&'static str, String)>),
}

impl Parts {
    pub fn of_script(wanted: ScriptWanted) -> Self {
        let code = Code::Folder { folder: wanted.code, script: wanted.script };
        Self { code, model: wanted.model, environment: wanted.environment, variables: BTreeMap::new() }
    }

    /// An MLflow model; the deployment's own environment, if it names one, goes before the model's.
    ///
    /// # Errors
    /// The model's environment cannot be built here.
    pub fn of_mlflow(
        hosted: Hosted,
        source: ModelSource,
        own: Option<Result<Spec, ArmError>>,
    ) -> Result<Self, ArmError> {
        let name = format!("{}:{}", source.name, source.version);
        let environment = match own {
            Some(own) => own?,
            None => Spec::of_mlflow(&hosted.folder, &name).map_err(|error| environment_failure(&error))?,
        };
        Ok(Self {
            code: Code::Generated(hosted.script, hosted.beside),
            model: Some(source),
            environment,
            variables: hosted.variables,
        })
    }
}

/// Files on disk, before there is an interpreter for them.
struct Staged {
    home: TempDir,
    code: PathBuf,
    script: PathBuf,
    model_dir: Option<PathBuf>,
}

/// Asks to stop unless it is told that all went well.
pub(super) struct Unless(pub Option<StopWish>);

impl Drop for Unless {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.ask();
        }
    }
}

impl Reconciler {
    /// Lays out files and builds the environment. The running phase is that of the files; the next is that of the environment.
    pub(super) async fn load_script(
        &self,
        slot: &Slot,
        wanted: &Deployment,
        parts: Parts,
        log: &Arc<DeploymentTelemetry>,
        tracker: &Tracker,
    ) -> Result<Loaded, Stop> {
        let Parts { code, model, environment, variables } = parts;
        let staged = self.stage(wanted, code, model, log, tracker).await?;
        let done = "Models are downloaded successfully or no model need to download";
        self.report(slot, |r| r.step(Step::ModelDownload, State::Succeeded, "Downloaded", done));

        tracker.next();
        let stop = StopWish::new();
        let mut unless = Unless(Some(stop.clone()));
        let text = format!("Start building environment {}", environment.name);
        self.report(slot, |r| r.step(Step::ImagePull, State::InProgress, "Pulling", text));
        let spec = Spec { user: Some(format!("{}/{}", slot.0, wanted.name)), ..environment };
        let built = self.build(spec, log, tracker, &stop).await?;
        let text = format!("Environment ready: {} packages, {}", built.packages.len(), built.python.display());
        self.report(slot, |r| r.step(Step::ImagePull, State::Succeeded, "Pulled", text));

        let mut all: BTreeMap<String, String> = variables;
        all.extend(wanted.properties.environment_variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        let settings = settings_for(wanted, &all);
        let warnings = script::Warnings::default();
        let tell = {
            let tracker = tracker.clone();
            move |text: &str| tracker.note(text)
        };
        let spec = ScriptSpec {
            python: built.python.clone(),
            code: staged.code,
            script: staged.script,
            model_dir: staged.model_dir,
            workers: worker_count(&all),
            variables: all,
            memory: Some(memory_of(wanted)?.bytes),
            start: start_limit(wanted),
            stop: stop.clone(),
            tell: Arc::new(tell),
            warnings: Arc::clone(&warnings),
            home: staged.home,
            lease: Some(built.lease),
        };
        let servable = script::servable(spec, Arc::clone(log)).map_err(|e| Stop::Failed(load_failure(&e)))?;
        unless.0 = None;
        Ok(Loaded { servable, settings, notes: built.warnings, warnings, stop })
    }

    async fn stage(
        &self,
        wanted: &Deployment,
        code: Code,
        model: Option<ModelSource>,
        log: &Arc<DeploymentTelemetry>,
        tracker: &Tracker,
    ) -> Result<Staged, Stop> {
        let fetcher = Container::StorageInitializer;
        if let Some(source) = &model {
            let kilobytes = size_of(&source.path).div_ceil(1024);
            let text = format!("Model {}:{} ({}, {kilobytes} KiB).", source.name, source.version, source.model_type);
            say(log, fetcher, Level::Info, &text);
            tracker.note(&text);
        }
        let data = self.store.dir().to_owned();
        let work = move || -> std::io::Result<Staged> {
            let home = stage::home(&data)?;
            let (code, script) = match code {
                Code::Folder { folder, script } => {
                    let code = stage::code(home.path(), &folder)?;
                    (code.clone(), code.join(script))
                }
                Code::Generated(text, beside) => {
                    let folder = home.path().join("azureml-app/code");
                    std::fs::create_dir_all(&folder)?;
                    std::fs::write(folder.join("score.py"), text)?;
                    beside.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))?;
                    (folder.clone(), folder.join("score.py"))
                }
            };
            let model_dir = model.map(|source| stage::model(home.path(), &source)).transpose()?;
            Ok(Staged { home, code, script, model_dir })
        };
        let work = move || {
            work().map_err(|error| LoadError {
                code: "ResourceNotReady",
                ..LoadError::new(format!(
                    "The files of the deployment cannot be laid out in the data folder: {error}. Check its disk and rights."
                ))
            })
        };
        let staged = on_own_thread(format!("stage {}", wanted.name), work);
        let staged = tracker.unless_canceled(staged).await?.map_err(|e| Stop::Failed(load_failure(&e)))?;
        let above = staged.code.parent().unwrap_or(&staged.code);
        let script = staged.script.strip_prefix(above).unwrap_or(&staged.script).display();
        let text = format!("Code and model are in place; the scoring script is {script}.");
        say(log, fetcher, Level::Info, &text);
        Ok(staged)
    }

    /// Builds the environment, or finds it; every line goes to the log, progress to the operation.
    async fn build(
        &self,
        spec: Spec,
        log: &Arc<DeploymentTelemetry>,
        tracker: &Tracker,
        stop: &StopWish,
    ) -> Result<Built, Stop> {
        let fetcher = Container::StorageInitializer;
        let (environments, stop, hears) = (Arc::clone(&self.environments), stop.clone(), tracker.clone());
        let (of_thread, written) = (Arc::clone(log), Mutex::new(None::<Instant>));
        let tell = move |step: environments::Step| match step {
            environments::Step::Line(line) => say(&of_thread, fetcher, Level::Info, &line),
            environments::Step::Progress(progress) => {
                let mut written = lock(&written);
                if written.is_none_or(|at| at.elapsed() >= PROGRESS) {
                    *written = Some(Instant::now());
                    let (share, text) = in_words(&progress);
                    hears.progress(share, &text);
                }
            }
        };
        let began = Instant::now();
        let work = move || Ok(environments.prepare(&spec, &tell, &stop));
        let built = tracker.unless_canceled(on_own_thread("build environment".to_owned(), work)).await?;
        let built = match built.map_err(|e| Stop::Failed(load_failure(&e)))? {
            Ok(built) => built,
            Err(EnvironmentError::Stopped) => return Err(Stop::Canceled),
            Err(error) => return Err(Stop::Failed(environment_failure(&error))),
        };
        for warning in &built.warnings {
            say(log, fetcher, Level::Warning, warning);
        }
        tracker.note(&format!("{} packages", built.packages.len()));
        let text = format!("Environment ready after {} ms: {}", began.elapsed().as_millis(), built.python.display());
        say(log, fetcher, Level::Info, &text);
        Ok(built)
    }
}

/// Waits for a change of a running pool. Where instances are processes it can be stopped as long as they start; the pool is
/// then as before.
pub(super) async fn changed(
    tracker: &Tracker,
    pool: &Pool,
    change: impl Future<Output = Result<(), LoadError>>,
) -> Result<(), Stop> {
    let failed = |error: LoadError| Stop::Failed(load_failure(&error));
    if pool.settings().processes.is_none() {
        tracker.no_return()?;
        return change.await.map_err(failed);
    }
    let mut change = std::pin::pin!(change);
    match tracker.unless_canceled(&mut change).await {
        Ok(changed) => changed.map_err(failed),
        Err(stop) => {
            pool.give_up_starting();
            // It ends with what it had started; why does not matter any more.
            let _ = change.await;
            Err(stop)
        }
    }
}

fn in_words(progress: &environments::Progress) -> (f64, String) {
    let environments::Progress { phase, done, total, bytes } = progress;
    let share = if *total > 0 { f64::from(*done) / f64::from(*total) } else { 0.0 };
    let mut text = (*phase).to_owned();
    if *total > 0 {
        text.push_str(&format!(", {done} of {total} packages"));
    }
    if *bytes > 0 {
        text.push_str(&format!(", {:.1} MiB", *bytes as f64 / 1_048_576.0));
    }
    (share, text)
}

/// How long a start may take: the readiness probe's own terms (reference scoring-and-mlflow §2.3).
fn start_limit(deployment: &Deployment) -> StartLimit {
    let settings = probe(deployment.properties.readiness_probe.as_ref());
    let startup = deployment.properties.startup_probe.as_ref().map(|asked| probe(Some(asked)));
    let settings = startup.unwrap_or(settings);
    StartLimit {
        initial_delay: settings.initial_delay,
        period: settings.period,
        failure_threshold: settings.failure_threshold,
    }
}

fn settings_for(deployment: &Deployment, variables: &BTreeMap<String, String>) -> PoolSettings {
    PoolSettings {
        processes: Some(worker_count(variables)),
        hang_limit: Some(worker_timeout(variables) + HANG_MARGIN),
        start_limit: (start_limit(deployment).total() + HANG_MARGIN) * STARTS,
        stack_bytes: STACK,
        ..settings_of(deployment)
    }
}
