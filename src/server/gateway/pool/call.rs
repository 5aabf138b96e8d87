//! A caller's side: admission, waiting, leaving.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::instance::borrow;
use super::queue::{Job, Reply};
use super::{Pool, Shared};
use crate::server::engine::{OutOfMemory, ScoreRequest, ScoreResponse};
use crate::server::telemetry::MirrorEvent;

/// Calls of more time in the model are handed to an instance's own thread.
const SHORT_NS: u64 = 50_000;
/// So are calls with more to read.
pub(super) const SHORT_BODY: usize = 4_096;

thread_local! {
    /// Number of this thread among those that run calls.
    static THREAD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

/// Why a request was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// As many run and wait as may; come back after so many seconds.
    TooMany { retry_after: u64 },
    /// No instance takes work.
    NotReady,
}

/// How an admitted request ended.
#[derive(Debug)]
pub enum Ending {
    /// The model answered after waiting `queued`.
    Answered { response: ScoreResponse, queued: Duration },
    /// Over its deadline, in the queue or in the model.
    Expired,
    /// The model panicked.
    Panicked,
    /// The model's process ended; how, in words that go on from "the worker".
    Lost(String),
    /// The model needed more memory than its instance has.
    OutOfMemory(OutOfMemory),
    /// The model did not come back within the hang limit.
    Hung,
    /// The pool stopped before the request was started.
    Stopped,
}

/// The right to run once. Released when the work has really ended, or when its caller leaves the queue.
pub struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        if self.0.accepted.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

/// Counts a live request handed over and not yet begun.
pub struct Handed(Arc<Shared>);

impl Handed {
    pub fn new(shared: &Arc<Shared>) -> Self {
        shared.handed.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(shared))
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        self.0.handed.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Leaves the queue when the caller goes away or its time is up.
struct Waiting<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.queue.forget(self.id);
    }
}

impl Pool {
    /// Accepts while fewer than `2 × slots` run and wait, and an answer can be expected before the deadline.
    pub fn admit(&self) -> Result<Permit, Refusal> {
        let shared = &self.shared;
        let slots = shared.slots.load(Ordering::Acquire);
        if slots == 0 || shared.draining.load(Ordering::Acquire) {
            return Err(Refusal::NotReady);
        }
        let took = shared.accepted.fetch_update(Ordering::AcqRel, Ordering::Acquire, |accepted| {
            (accepted < 2 * slots).then_some(accepted + 1)
        });
        let refuse = |wait: Duration| {
            Err(Refusal::TooMany { retry_after: wait.as_secs() + u64::from(wait.subsec_nanos() > 0).max(1) })
        };
        match took {
            Err(_) => refuse(self.expected_wait(slots)),
            Ok(before) => {
                let permit = Permit(Arc::clone(shared));
                if before >= slots {
                    let wait = self.expected_wait(slots);
                    if wait > shared.settings.request_timeout {
                        return refuse(wait);
                    }
                }
                Ok(permit)
            }
        }
    }

    fn expected_wait(&self, slots: u32) -> Duration {
        let shared = &self.shared;
        let accepted = shared.accepted.load(Ordering::Relaxed);
        let queued = accepted.saturating_sub(shared.running.load(Ordering::Relaxed));
        let each = shared.service_ns.load(Ordering::Relaxed);
        // Processes may be fewer than the requests that are accepted for them.
        let at_once =
            shared.settings.processes.map_or(slots, |_| u32::try_from(shared.seats.load().len()).unwrap_or(slots));
        Duration::from_nanos(u64::from(queued).saturating_mul(each) / u64::from(at_once.max(1)))
    }

    /// A question of the workspace's own, answered as a request if there is room for it; counted nowhere.
    pub async fn ask(&self, request: ScoreRequest) -> Option<ScoreResponse> {
        let permit = self.admit().ok()?;
        match self.call(permit, request).await {
            Ending::Answered { response, .. } => Some(response),
            _ => None,
        }
    }

    /// Runs an admitted request. Dropping the future takes it out of the queue; work that has begun goes on unseen.
    pub async fn call(&self, permit: Permit, request: ScoreRequest) -> Ending {
        let deadline = request.deadline;
        let (permit, request) = match self.run_here(permit, request) {
            Ok(_) if Instant::now() > deadline => return Ending::Expired,
            Ok(ending) => return ending,
            Err(back) => back,
        };
        let (sender, answer) = oneshot::channel();
        let handed = Handed::new(&self.shared);
        let id = self.shared.queue.push(Job::new(request, Reply::Live { permit, sender, _handed: handed }));
        let waiting = Waiting { shared: &self.shared, id };
        let ending = tokio::time::timeout_at(deadline.into(), answer).await;
        match ending {
            Ok(Ok(ending)) => {
                std::mem::forget(waiting);
                ending
            }
            Ok(Err(_)) => Ending::Stopped,
            Err(_) => Ending::Expired,
        }
    }

    /// Runs a call on this very thread when it is sure to be short and an instance is free: handing it over would cost
    /// more than the call. Slots, order and counts are as if it had been handed over.
    fn run_here(&self, mut permit: Permit, mut request: ScoreRequest) -> Result<Ending, (Permit, ScoreRequest)> {
        let shared = &self.shared;
        let usual = shared.usual_ns.load(Ordering::Relaxed);
        if shared.bounded && (1..=SHORT_NS).contains(&usual) && request.body.len() <= SHORT_BODY {
            let seats = shared.seats.load();
            // Each thread has an instance of its own as long as there are enough: what it keeps warm stays in its core.
            let (before, after) = seats.split_at(THREAD.with(|thread| *thread) % seats.len().max(1));
            for cell in after.iter().chain(before) {
                (permit, request) = match borrow(shared, cell, permit, request) {
                    Ok(ending) => return Ok(ending),
                    Err(back) => back,
                };
            }
        }
        Err((permit, request))
    }

    /// Hands over a shadow copy, if its queue has room; nobody waits for it.
    pub fn shadow(&self, request: ScoreRequest) {
        let shared = &self.shared;
        let room = self.is_ready() && !shared.draining.load(Ordering::Acquire);
        if room && shared.queue.push_shadow(Job::new(request, Reply::Shadow)) {
            shared.telemetry.mirror(MirrorEvent::Sent);
        } else {
            shared.telemetry.mirror(MirrorEvent::Dropped);
        }
    }

    /// When a request admitted now must be answered.
    pub fn deadline(&self, admitted: Instant) -> Instant {
        admitted + self.shared.settings.request_timeout
    }
}
