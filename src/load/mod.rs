//! Open-model load generator, free of coordinated omission.
//!
//! Requests have intended start times that depend on the wanted rate alone. A slow server does not slow the schedule
//! down: what it makes wait counts as latency, because latency runs from the intended start. The time from the real
//! start is reported beside it as service time.

mod pace;
mod record;
mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::sync::{Mutex, Semaphore};

pub use pace::Pace;
pub use report::{DeploymentReport, LatencyReport, LoadProgress, LoadReport};

use pace::Schedule;
use record::{Outcome, Recorder};

/// Between two progress reports.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// What to send, where, and how fast.
#[derive(Clone)]
pub struct LoadPlan {
    /// The client to send with: it knows whom to trust.
    pub http: reqwest::Client,
    pub method: Method,
    pub url: String,
    /// Sent with every request; holds the credential, so `LoadPlan` has no `Debug`.
    pub headers: HeaderMap,
    /// Sent in turn; must not be empty.
    pub bodies: Vec<Bytes>,
    pub pace: Pace,
    /// `None` = until stopped.
    pub duration: Option<Duration>,
    /// At most this many requests are under way at once. The schedule does not wait for them.
    pub connections: usize,
    /// How long one request may take.
    pub timeout: Duration,
    /// Of the random gaps of a Poisson pace.
    pub seed: u64,
}

/// Stops a run from anywhere.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// No further request becomes due; those that are under way, or due already, are waited for.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Runs `plan` to its end, or until `stop`. `on_progress` is called once a second.
///
/// Memory does not grow with the length of the run or with the backlog.
///
/// # Errors
/// When the plan itself makes no sense: no bodies, no connections, a rate that is not positive.
pub async fn run(
    plan: LoadPlan,
    stop: Stop,
    mut on_progress: impl FnMut(&LoadProgress) + Send,
) -> Result<LoadReport, String> {
    if plan.bodies.is_empty() {
        return Err("there is no request body to send".into());
    }
    if plan.connections == 0 {
        return Err("with 0 connections nothing can be sent".into());
    }
    plan.pace.check()?;
    let start = Instant::now();
    let recorder = Arc::new(std::sync::Mutex::new(Recorder::new()?));
    let schedule = Arc::new(Mutex::new(Schedule::new(plan.pace.clone(), plan.seed, start, plan.duration)));
    // A permit for each request whose time has come: a number, however long the backlog.
    let due = Arc::new(Semaphore::new(0));
    let pacer = pace::start_pacer(
        Schedule::new(plan.pace.clone(), plan.seed, start, plan.duration),
        Arc::clone(&due),
        stop.clone(),
    )?;

    let plan = Arc::new(plan);
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..plan.connections {
        workers.spawn(work(Arc::clone(&plan), Arc::clone(&schedule), Arc::clone(&due), Arc::clone(&recorder)));
    }
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    ticks.tick().await;
    let mut before = LoadProgress::default();
    while !workers.is_empty() {
        tokio::select! {
            _ = workers.join_next() => {}
            _ = ticks.tick() => {
                before = lock(&recorder).progress(start.elapsed(), &before, due.available_permits() as u64);
                on_progress(&before);
            }
        }
    }
    // The pacer ended before the workers could: it closes the semaphore they wait for.
    let scheduled = pacer.join().map_err(|_| "the pacing thread panicked")?;
    Ok(lock(&recorder).report(&plan, start.elapsed(), scheduled, stop.is_stopped()))
}

/// One connection's worth of requests: takes the next intended start whose time has come, sends, records.
async fn work(
    plan: Arc<LoadPlan>,
    schedule: Arc<Mutex<Schedule>>,
    due: Arc<Semaphore>,
    recorder: Arc<std::sync::Mutex<Recorder>>,
) {
    while let Ok(permit) = due.acquire().await {
        permit.forget();
        let Some((number, intended)) = schedule.lock().await.next() else { return };
        let body = plan.bodies[(number % plan.bodies.len() as u64) as usize].clone();
        let begun = Instant::now();
        let outcome = send(&plan, body).await;
        let ended = Instant::now();
        lock(&recorder).record(&outcome, ended.duration_since(intended), ended.duration_since(begun));
    }
}

async fn send(plan: &LoadPlan, body: Bytes) -> Outcome {
    let request = plan
        .http
        .request(plan.method.clone(), &plan.url)
        .headers(plan.headers.clone())
        .timeout(plan.timeout)
        .body(body);
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Outcome::failed(&error),
    };
    let status = response.status().as_u16();
    let deployment =
        response.headers().get("azureml-model-deployment").and_then(|value| value.to_str().ok()).map(str::to_owned);
    match response.bytes().await {
        Ok(body) => Outcome::Answered { status, deployment, bytes: body.len() as u64 },
        Err(error) => Outcome::failed(&error),
    }
}

/// A recorder is plain numbers: whatever a panicking holder left is still whole.
fn lock(recorder: &std::sync::Mutex<Recorder>) -> std::sync::MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
