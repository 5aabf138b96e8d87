//! A real workspace in this process, with as many endpoints as wanted, fed with requests that were never made, a log
//! written as fast as wanted, and an endpoint that never answers. The console under test attaches to it as to any other.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use color_eyre::eyre::{Result, eyre};
use mlconsole::resources::{Deployment, Endpoint, EndpointKeys, ProvisioningState, Signature, Sku, TrafficMap, Weight};
use mlconsole::server::engine::{Instance, LoadError, ScoreRequest, ScoreResponse, Servable};
use mlconsole::server::gateway::{AuthPolicy, EndpointRoute, Mode, Pool, PoolSettings};
use mlconsole::server::store::{Change, Expect, Key};
use mlconsole::server::telemetry::{Container, DeploymentTelemetry, Level, Outcome, Record};
use mlconsole::server::{self, App, Options, Running};
use tokio::runtime::Runtime;

/// A model that answers at once, or never.
struct Answers {
    never: bool,
}

impl Servable for Answers {
    fn instance(self: Arc<Self>) -> Result<Box<dyn Instance>, LoadError> {
        Ok(Box::new(One(self.never)))
    }
    fn signature(&self) -> Option<Signature> {
        None
    }
    fn swagger(&self, _: &str, _: &str) -> Option<serde_json::Value> {
        None
    }
    fn sample(&self) -> Option<ScoreRequest> {
        None
    }
}

struct One(bool);

impl Instance for One {
    fn score(&mut self, _: &ScoreRequest) -> ScoreResponse {
        if self.0 {
            loop {
                std::thread::park();
            }
        }
        ScoreResponse {
            status: 200,
            headers: Vec::new(),
            content_type: "application/json",
            body: Bytes::from_static(b"[]"),
            model_time: Duration::ZERO,
            caller_fault: false,
        }
    }
}

/// The workspace; ends with it.
pub struct House {
    runtime: Runtime,
    running: Option<Running>,
    ended: Arc<AtomicBool>,
    feeder: Option<JoinHandle<()>>,
    /// Log lines a second.
    pub lines: Arc<AtomicU64>,
    /// Requests a second and deployment.
    pub rate: Arc<AtomicU64>,
}

impl House {
    /// A workspace with so many endpoints of two deployments each; those of the first one hang.
    pub fn new(folder: &Path, endpoints: usize) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut options = Options::new(folder);
        options.listen = Some(([127, 0, 0, 1], 0).into());
        let running = runtime.block_on(server::start(options))?;
        let app = Arc::clone(running.app());
        let fed = furnish(&app, endpoints)?;
        let (ended, lines, rate) = (Arc::default(), Arc::default(), Arc::default());
        let feeder = {
            let (ended, lines, rate) = (Arc::clone(&ended), Arc::clone(&lines), Arc::clone(&rate));
            std::thread::spawn(move || feed(&fed, &ended, &lines, &rate))
        };
        Ok(Self { runtime, running: Some(running), ended, feeder: Some(feeder), lines, rate })
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(feeder) = self.feeder.take() {
            let _ = feeder.join();
        }
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.shutdown_within(Duration::from_millis(10)));
        }
    }
}

fn furnish(app: &App, endpoints: usize) -> Result<Vec<Arc<DeploymentTelemetry>>> {
    let mut change = Change::new();
    let mut fed = Vec::new();
    let pool = |never| -> Result<Arc<Pool>> {
        let settings = PoolSettings { request_timeout: Duration::from_secs(300), ..PoolSettings::default() };
        let telemetry = app.telemetry.deployment("endpoint-0000", "blue");
        Pool::start("bench", Arc::new(Answers { never }), settings, telemetry).map_err(|e| eyre!("{e}"))
    };
    let (quick, hung) = (pool(false)?, pool(true)?);
    for n in 0..endpoints {
        let name = format!("endpoint-{n:04}");
        let weights = TrafficMap::from([("blue".into(), Weight::percent(90)), ("green".into(), Weight::percent(10))]);
        let keys = EndpointKeys { primary_key: "primary".into(), secondary_key: "secondary".into() };
        let mut endpoint = Endpoint { name: name.clone(), location: Some("local".into()), ..Endpoint::default() };
        endpoint.properties.traffic.clone_from(&weights);
        endpoint.properties.provisioning_state = ProvisioningState::Succeeded;
        change = change.put(Key::endpoint(&name), &endpoint, Expect::Any).endpoint_keys(&name, &keys);
        let mut deployments = Vec::new();
        for colour in ["blue", "green"] {
            let mut deployment = Deployment { name: colour.into(), ..Deployment::default() };
            deployment.sku = Some(Sku { name: "Default".into(), tier: None, capacity: 1 });
            deployment.properties.instance_type = Some("Standard_DS3_v2".into());
            deployment.properties.provisioning_state = ProvisioningState::Succeeded;
            change = change.put(Key::deployment(&name, colour), &deployment, Expect::Any);
            let pool = if n == 0 { &hung } else { &quick };
            deployments.push((colour.to_owned(), Some(Arc::clone(pool))));
            fed.push(app.telemetry.deployment(&name, colour));
        }
        app.router.publish(EndpointRoute {
            starting: Vec::new(),
            name,
            auth: AuthPolicy::Keys { primary: keys.primary_key, secondary: keys.secondary_key },
            weights,
            mirror: TrafficMap::new(),
            deployments,
            mode: Mode::Block,
            kubernetes: false,
        });
    }
    app.store.commit(change)?;
    Ok(fed)
}

/// Requests a second and deployment, of latencies that spread over a dozen buckets, and lines of the first deployment.
fn feed(fed: &[Arc<DeploymentTelemetry>], ended: &AtomicBool, lines: &AtomicU64, rate: &AtomicU64) {
    const STEP: Duration = Duration::from_millis(10);
    let mut random = fastrand::Rng::with_seed(3);
    let mut next = Instant::now();
    let mut line = 0_u64;
    for step in 0_usize.. {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        // A hundredth of all deployments a step, each with the requests of its second.
        for telemetry in fed.iter().skip(step % 100).step_by(100) {
            for _ in 0..rate.load(Ordering::Relaxed) {
                telemetry.record(request(Duration::from_micros(900 + random.u64(..3_000))));
            }
        }
        for _ in 0..lines.load(Ordering::Relaxed) / 100 {
            line += 1;
            let text = format!("POST /score 200 in {} us, line {line} of many: the quick brown fox", random.u16(..));
            if let Some(first) = fed.first() {
                first.log().push(Container::InferenceServer, Some(0), Level::Info, &text);
            }
        }
        next += STEP;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn request(took: Duration) -> Record {
    let finished = Instant::now();
    Record {
        id: uuid::Uuid::nil(),
        outcome: Outcome::Ok,
        status: 200,
        admitted: finished.checked_sub(took).unwrap_or(finished),
        finished,
        queued: Duration::ZERO,
        model: took,
        request_bytes: 100,
        response_bytes: 100,
        generation: 1,
        probability: 0.9,
        pinned: false,
        mirrored: false,
        request_body: None,
        response_body: None,
    }
}
