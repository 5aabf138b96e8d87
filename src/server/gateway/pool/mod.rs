//! The instances of a deployment: dedicated threads, one queue, exact admission (reference: rollout semantics §6).

mod call;
mod effort;
mod instance;
mod keeper;
mod members;
mod note;
mod probe;
mod queue;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::resources::{Signature, Trouble};
use crate::server::engine::{LoadError, ProbeKind, Servable};
use crate::server::telemetry::{Container, DeploymentTelemetry, Level, lock};

pub use self::probe::ProbeSettings;

pub(super) use self::call::{Ending, Permit, Refusal};
use self::instance::Cell;
use self::members::Members;
use self::queue::Queue;

/// Hears of what happens to instances, in the words of container events: a name such as `OOMKilled`, and what happened.
#[derive(Clone, Default)]
pub struct Events(Option<EventSink>);

type EventSink = Arc<dyn Fn(&'static str, &str) + Send + Sync>;

impl Events {
    /// `hear` is called under the pool's lock: it must not call the pool.
    pub fn to(hear: impl Fn(&'static str, &str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Events(heard)" } else { "Events(unheard)" })
    }
}

/// How a pool runs.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Instances, 0 to 50.
    pub instances: u32,
    /// `max_concurrent_requests_per_instance`: so many threads serve in one instance, each with its own state.
    pub max_concurrent_per_instance: u32,
    /// Processes of an instance, where its model runs in processes of its own: each serves one request at a time, and is
    /// restarted with growing pauses when it fails again and again. Admission goes by the requests an instance may run.
    pub processes: Option<u32>,
    /// From admission to answer; then 408. Time in the queue counts.
    pub request_timeout: Duration,
    /// A call that runs longer is taken for hung and its instance replaced; `None`: three times the request timeout,
    /// at least 30 s.
    pub hang_limit: Option<Duration>,
    /// Longest time an instance may take to start and answer its warm-up request.
    pub start_limit: Duration,
    /// Threads that may hang before the pool stops replacing them: a thread cannot be killed.
    pub stuck_limit: u32,
    /// Stack of an instance's thread, in bytes; only what is used takes memory.
    pub stack_bytes: usize,
    pub liveness: ProbeSettings,
    pub readiness: ProbeSettings,
    /// Who hears of lost instances and failed probes besides the log.
    pub events: Events,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            instances: 1,
            max_concurrent_per_instance: 1,
            processes: None,
            request_timeout: Duration::from_secs(5),
            hang_limit: None,
            start_limit: Duration::from_secs(600),
            stuck_limit: 8,
            stack_bytes: 64 * 1024 * 1024,
            liveness: ProbeSettings::default(),
            readiness: ProbeSettings::default(),
            events: Events::default(),
        }
    }
}

impl PoolSettings {
    fn hang_limit(&self) -> Duration {
        self.hang_limit.unwrap_or((self.request_timeout * 3).max(Duration::from_secs(30)))
    }

    fn probe(&self, kind: ProbeKind) -> &ProbeSettings {
        match kind {
            ProbeKind::Liveness => &self.liveness,
            ProbeKind::Readiness => &self.readiness,
        }
    }

    fn threads_per_instance(&self) -> u32 {
        self.processes.unwrap_or(self.max_concurrent_per_instance).max(1)
    }
}

/// A pool now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolStatus {
    /// Instances that take work.
    pub ready: u32,
    pub wanted: u32,
    /// Requests in a model.
    pub in_flight: u32,
    /// Requests that wait for an instance.
    pub queued: u32,
    /// Requests that can run at once; twice as many are accepted.
    pub slots: u32,
    /// Instance threads replaced since the pool started: panics and hangs.
    pub restarts: u32,
    /// Threads that hang in a model and were replaced.
    pub stuck: u32,
}

/// What threads, keeper and callers share.
struct Shared {
    /// `endpoint/deployment`, for thread names and messages.
    name: String,
    servable: Arc<dyn Servable>,
    settings: PoolSettings,
    telemetry: Arc<DeploymentTelemetry>,
    queue: Queue,
    /// Live requests admitted and not finished.
    accepted: AtomicU32,
    /// Live requests in a model.
    running: AtomicU32,
    /// Threads that take work, or will again at once.
    slots: AtomicU32,
    ready: AtomicU32,
    wanted: AtomicU32,
    /// Smoothed time in the model, ns; 0 until the first call.
    service_ns: AtomicU64,
    /// The same, of which an outlier moves little.
    usual_ns: AtomicU64,
    /// CPU time of the instances so far, ns: what their threads tell, and the calls on other threads.
    cpu_ns: AtomicU64,
    /// Live requests handed to the queue and not begun.
    handed: AtomicU32,
    /// Calls may run on connections' threads while they are short.
    bounded: bool,
    /// Instances that serve, to be borrowed.
    seats: ArcSwap<Vec<Arc<Cell>>>,
    restarts: AtomicU32,
    stuck: AtomicU32,
    /// Takes no new requests.
    draining: AtomicBool,
    /// Signals that `accepted` fell to 0.
    idle: Notify,
    members: Mutex<Members>,
    changed: Condvar,
}

impl Shared {
    /// Says it in the log, and to whoever listens to events.
    fn event(&self, name: &'static str, instance: u32, level: Level, text: &str) {
        self.log(Some(instance), level, text);
        if let Some(hear) = &self.settings.events.0 {
            hear(name, &format!("instance {instance}: {text}"));
        }
    }

    fn log(&self, instance: Option<u32>, level: Level, text: &str) {
        self.telemetry.log().push(Container::InferenceServer, instance, level, text);
    }
}

/// The running instances of one deployment version. Dropping the last handle stops them.
pub struct Pool {
    shared: Arc<Shared>,
    /// Scaling and restarting take turns.
    changing: Mutex<()>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("name", &self.shared.name).field("status", &self.status()).finish()
    }
}

impl Pool {
    /// Starts the instances and warms each with the model's sample request. Blocks until all are ready; when one fails
    /// all stop and its error is returned. `name` is for logs and thread names.
    pub fn start(
        name: &str,
        servable: Arc<dyn Servable>,
        settings: PoolSettings,
        telemetry: Arc<DeploymentTelemetry>,
    ) -> Result<Arc<Self>, LoadError> {
        let instances = settings.instances;
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            telemetry,
            queue: Queue::default(),
            accepted: AtomicU32::new(0),
            running: AtomicU32::new(0),
            slots: AtomicU32::new(0),
            ready: AtomicU32::new(0),
            wanted: AtomicU32::new(0),
            service_ns: AtomicU64::new(0),
            usual_ns: AtomicU64::new(0),
            cpu_ns: AtomicU64::new(0),
            handed: AtomicU32::new(0),
            bounded: servable.is_bounded(),
            seats: ArcSwap::default(),
            restarts: AtomicU32::new(0),
            stuck: AtomicU32::new(0),
            draining: AtomicBool::new(false),
            idle: Notify::new(),
            members: Mutex::new(Members::default()),
            changed: Condvar::new(),
            servable,
            settings,
        });
        // From here on dropping the pool stops what was started.
        let pool = Self { shared, changing: Mutex::new(()) };
        keeper::start(&pool.shared)?;
        pool.scale(instances)?;
        Ok(Arc::new(pool))
    }

    /// What the pool serves.
    pub fn servable(&self) -> &Arc<dyn Servable> {
        &self.shared.servable
    }

    /// Inputs and outputs, when the engine knows them.
    pub fn signature(&self) -> Option<Signature> {
        self.shared.servable.signature()
    }

    /// CPU time that all instances have used since the pool started, told a few times a second while they work.
    pub fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.shared.cpu_ns.load(Ordering::Relaxed))
    }

    pub fn settings(&self) -> &PoolSettings {
        &self.shared.settings
    }

    /// Takes work now, or will again at once.
    pub fn is_ready(&self) -> bool {
        self.shared.slots.load(Ordering::Acquire) > 0
    }

    /// Its processes should serve and do not.
    pub fn is_down(&self) -> bool {
        let shared = &self.shared;
        shared.settings.processes.is_some() && !self.is_ready() && shared.wanted.load(Ordering::Acquire) > 0
    }

    /// Changes the number of instances. Blocks until new ones are ready (on failure the pool is as before); surplus ones
    /// finish what they are doing, and no request is dropped.
    pub fn scale(&self, instances: u32) -> Result<(), LoadError> {
        let _turn = lock(&self.changing);
        self.shared.scale(instances)
    }

    /// Replaces every instance, one after the other, the new one ready before the old one leaves. Blocks.
    pub fn restart(&self) -> Result<(), LoadError> {
        let _turn = lock(&self.changing);
        self.shared.roll()
    }

    /// Ends what was asked for and has not started yet: the call that waits for it fails, and the pool is as before.
    pub fn give_up_starting(&self) {
        self.shared.give_up_starting();
    }

    /// Stops the instances; what is admitted is finished.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Takes no new requests, waits until all admitted ones are answered or `timeout` has passed, then stops the
    /// instances. Publish a snapshot without this pool first.
    pub async fn drain(&self, timeout: Duration) {
        self.shared.draining.store(true, Ordering::Release);
        let empty = async {
            loop {
                let idle = self.shared.idle.notified();
                if self.shared.accepted.load(Ordering::Acquire) == 0 {
                    return;
                }
                idle.await;
            }
        };
        // After the time limit the instances still finish what runs; only the wait ends.
        let _in_time = tokio::time::timeout(timeout, empty).await;
        self.shared.stop();
    }

    /// Why an instance that fails again and again is down; of several, that which is started next.
    pub fn trouble(&self) -> Option<Trouble> {
        self.shared.settings.processes?;
        let now = std::time::Instant::now();
        let members = lock(&self.shared.members);
        let troubles = members.all.iter().filter_map(|member| member.trouble(now));
        troubles.min_by_key(|(_, left)| *left).map(|(trouble, _)| trouble)
    }

    /// The pool now.
    pub fn status(&self) -> PoolStatus {
        let shared = &self.shared;
        let accepted = shared.accepted.load(Ordering::Relaxed);
        let running = shared.running.load(Ordering::Relaxed).min(accepted);
        PoolStatus {
            ready: shared.ready.load(Ordering::Relaxed),
            wanted: shared.wanted.load(Ordering::Relaxed),
            in_flight: running,
            queued: accepted - running,
            slots: shared.slots.load(Ordering::Relaxed),
            restarts: shared.restarts.load(Ordering::Relaxed),
            stuck: shared.stuck.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop();
    }
}
