//! Scoring scripts: each instance is a Python process of its own, asked over a private socket (reference
//! scoring-and-mlflow §1, §2).
//!
//! A process is started, watched and ended by a thread of its own, which lives exactly as long as it does. Whatever a script
//! does (exit, crash, hang, eat memory, flood its output), it takes down nothing but its own process.

mod child;
mod disk;
mod environment;
mod frame;
mod instance;
mod lines;
mod memory;
mod start;
mod state;
mod strays;
mod watch;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::disk::Disks;
pub use self::disk::copy_tree;
use self::memory::Usage;
use super::engine::{Instance, LoadError, MemoryUse, Place, ScoreRequest, Servable};
use super::environments::Lease;
use super::stop::Stop;
use super::telemetry::{DeploymentTelemetry, lock};
use crate::resources::Signature;

/// The worker's files: what is started, the short way through the official server, and what stands in for it where that is not
/// installed.
const WORKER: [(&str, &str); 5] = [
    ("worker.py", include_str!("../../../assets/worker.py")),
    ("worker_quick.py", include_str!("../../../assets/worker_quick.py")),
    ("worker_http.py", include_str!("../../../assets/worker_http.py")),
    ("worker_settings.py", include_str!("../../../assets/worker_settings.py")),
    ("worker_shim.py", include_str!("../../../assets/worker_shim.py")),
];

/// Unless the deployment says otherwise in `WORKER_TIMEOUT` (reference §1.4).
const WORKER_TIMEOUT: Duration = Duration::from_secs(300);

/// Hears what a starting instance does, for the operation that waits for it.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// What the owner of a deployment should know of how its script started.
pub type Warnings = Arc<Mutex<Vec<String>>>;

/// A scoring script and how it runs.
pub struct ScriptSpec {
    /// The environment's interpreter, absolute.
    pub python: PathBuf,
    /// The code: each instance runs on a copy of it.
    pub code: PathBuf,
    /// The scoring script in it, absolute. Its folder is the working directory, and where its own modules are found.
    pub script: PathBuf,
    /// `…/azureml-models/<name>/<version>`.
    pub model_dir: Option<PathBuf>,
    /// The deployment's own environment variables.
    pub variables: BTreeMap<String, String>,
    /// Bytes that the processes of one instance may take together.
    pub memory: Option<u64>,
    /// Processes of an instance.
    pub workers: u32,
    /// A start that takes longer than `initial_delay` and `failure_threshold` periods is given up.
    pub start: StartLimit,
    /// Ends what is starting.
    pub stop: Stop,
    /// Hears how starting goes.
    pub tell: Tell,
    /// Takes what scripts warn of while they start.
    pub warnings: Warnings,
    /// Keeps the environment from being cleaned up.
    pub lease: Option<Lease>,
    /// Holds the staged code and model and the processes' temporary folders; goes with the last of them.
    pub home: TempDir,
}

/// How long a start may take, in the terms of a readiness probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartLimit {
    pub initial_delay: Duration,
    pub period: Duration,
    pub failure_threshold: u32,
}

impl StartLimit {
    /// The longest start.
    pub fn total(&self) -> Duration {
        self.initial_delay + self.period * self.failure_threshold
    }
}

/// Processes of one instance: `WORKER_COUNT` among the deployment's variables, 1 by default.
pub fn worker_count(variables: &BTreeMap<String, String>) -> u32 {
    variables
        .get("WORKER_COUNT")
        .and_then(|text| text.trim().parse().ok())
        .filter(|n| (1..=64).contains(n))
        .unwrap_or(1)
}

/// How long run() may take before its process is ended: `WORKER_TIMEOUT` in seconds, where 0 means for ever.
pub fn worker_timeout(variables: &BTreeMap<String, String>) -> Duration {
    match variables.get("WORKER_TIMEOUT").and_then(|text| text.trim().parse::<u64>().ok()) {
        Some(0) => Duration::from_secs(u64::from(u32::MAX)),
        Some(seconds) => Duration::from_secs(seconds.min(u64::from(u32::MAX))),
        None => WORKER_TIMEOUT,
    }
}

/// A scoring script that can be started any number of times.
struct Script {
    spec: ScriptSpec,
    telemetry: Arc<DeploymentTelemetry>,
    usage: Usage,
    disks: Disks,
    /// Processes that have not ended.
    alive: Mutex<u32>,
    ended: Condvar,
    /// Numbers the processes, for their temporary folders.
    started: AtomicU64,
}

/// Makes a scoring script servable: every instance is a process of its own.
///
/// # Errors
/// The worker's files cannot be written.
pub fn servable(spec: ScriptSpec, telemetry: Arc<DeploymentTelemetry>) -> Result<Arc<dyn Servable>, LoadError> {
    let folder = worker_folder(spec.home.path());
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        WORKER.iter().try_for_each(|(name, text)| std::fs::write(folder.join(name), text))
    };
    write().map_err(|error| {
        LoadError::new(format!("the worker's files cannot be written to '{}': {error}", folder.display()))
    })?;
    Ok(Arc::new(Script {
        spec,
        telemetry,
        usage: Usage::default(),
        disks: Disks::default(),
        alive: Mutex::new(0),
        ended: Condvar::new(),
        started: AtomicU64::new(0),
    }))
}

fn worker_folder(home: &Path) -> PathBuf {
    home.join("worker")
}

impl Script {
    /// The script's name, for messages.
    fn name(&self) -> String {
        self.spec.script.file_name().unwrap_or(self.spec.script.as_os_str()).to_string_lossy().into_owned()
    }
}

impl Servable for Script {
    fn instance(self: Arc<Self>) -> Result<Box<dyn Instance>, LoadError> {
        self.start(&Place::default())
    }

    fn start(self: Arc<Self>, place: &Place) -> Result<Box<dyn Instance>, LoadError> {
        start::start(&self, place)
    }

    fn signature(&self) -> Option<Signature> {
        None
    }

    fn swagger(&self, _: &str, _: &str) -> Option<serde_json::Value> {
        // The script's own, which the worker answers.
        None
    }

    fn sample(&self) -> Option<ScoreRequest> {
        None
    }

    fn memory(&self) -> Option<MemoryUse> {
        self.spec.memory.map(|limit| MemoryUse { used: self.usage.largest(), limit })
    }

    fn rest(&self, until: Instant) {
        let mut alive = lock(&self.alive);
        while *alive > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            alive = self.ended.wait_timeout(alive, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn is_container(&self) -> bool {
        true
    }
}
