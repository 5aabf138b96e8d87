//! One queue a deployment: live work first, shadows on the side.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::call::{Ending, Handed, Permit};
use crate::server::engine::ScoreRequest;
use crate::server::telemetry::lock;

/// Shadow copies that may wait.
const SHADOWS: usize = 64;
/// A thread that should leave looks again this often whether it may.
const RETIRE_CHECK: Duration = Duration::from_millis(20);

/// Who hears of the end.
pub enum Reply {
    Live { permit: Permit, sender: oneshot::Sender<Ending>, _handed: Handed },
    Shadow,
}

/// A request on its way to an instance.
pub struct Job {
    id: u64,
    pub request: ScoreRequest,
    pub pushed: Instant,
    pub reply: Reply,
}

impl Job {
    pub fn new(request: ScoreRequest, reply: Reply) -> Self {
        Self { id: 0, request, pushed: Instant::now(), reply }
    }

    /// The same job once more.
    pub fn again(id: u64, request: ScoreRequest, reply: Reply) -> Self {
        Self { id, request, pushed: Instant::now(), reply }
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn is_shadow(&self) -> bool {
        matches!(self.reply, Reply::Shadow)
    }
}

#[derive(Default)]
struct Lanes {
    live: VecDeque<Job>,
    shadow: VecDeque<Job>,
    shadow_running: usize,
    shadow_limit: usize,
    /// Threads that wait: a wake-up costs a system call, so none is sent to nobody.
    idle: usize,
    last_id: u64,
    closed: bool,
}

/// See the module.
#[derive(Default)]
pub struct Queue {
    lanes: Mutex<Lanes>,
    work: Condvar,
    /// For threads that may take nothing at present: a wake-up meant for work must not reach them.
    rest: Condvar,
}

impl Queue {
    /// Adds live work; its length is bounded by admission. The answer is the job's number.
    pub fn push(&self, mut job: Job) -> u64 {
        let mut lanes = lock(&self.lanes);
        lanes.last_id += 1;
        let id = lanes.last_id;
        job.id = id;
        lanes.live.push_back(job);
        let wake = lanes.idle > 0;
        drop(lanes);
        if wake {
            self.work.notify_one();
        }
        id
    }

    /// Adds a shadow copy unless 64 wait already.
    pub fn push_shadow(&self, job: Job) -> bool {
        let mut lanes = lock(&self.lanes);
        if lanes.shadow.len() >= SHADOWS || lanes.closed {
            return false;
        }
        lanes.shadow.push_back(job);
        let wake = lanes.idle > 0 && lanes.shadow_running < lanes.shadow_limit;
        drop(lanes);
        if wake {
            self.work.notify_one();
        }
        true
    }

    /// Takes a job out whose caller has gone; one that has begun is not there any more.
    pub fn forget(&self, id: u64) {
        let mut lanes = lock(&self.lanes);
        let place = lanes.live.iter().position(|job| job.id == id);
        let gone = place.and_then(|place| lanes.live.remove(place));
        // Its permit and body are released outside the lock.
        drop(lanes);
        drop(gone);
    }

    /// What a thread is to do next. `leave` is asked whenever there is a chance to go.
    pub fn pop(&self, leave: impl Fn() -> Leave) -> Result<Job, Besides> {
        let mut lanes = lock(&self.lanes);
        loop {
            let leaving = leave();
            if matches!(leaving, Leave::Now | Leave::Probe) {
                // A wake-up meant for whoever works must not end here.
                if lanes.idle > 0 && !lanes.live.is_empty() {
                    self.work.notify_one();
                }
                return Err(if leaving == Leave::Probe { Besides::Probe } else { Besides::End });
            }
            if leaving == Leave::Rest {
                if lanes.closed {
                    return Err(Besides::End);
                }
                lanes = self.rest.wait(lanes).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if let Some(job) = lanes.live.pop_front() {
                return Ok(job);
            }
            let may_shadow = leaving == Leave::No && lanes.shadow_running < lanes.shadow_limit;
            if may_shadow && let Some(job) = lanes.shadow.pop_front() {
                lanes.shadow_running += 1;
                return Ok(job);
            }
            if lanes.closed {
                return Err(Besides::End);
            }
            lanes.idle += 1;
            lanes = match leaving {
                Leave::No => self.work.wait(lanes).unwrap_or_else(PoisonError::into_inner),
                _ => self.work.wait_timeout(lanes, RETIRE_CHECK).unwrap_or_else(PoisonError::into_inner).0,
            };
            lanes.idle -= 1;
        }
    }

    /// The next live job, if its body is no larger than `bytes`. Never waits.
    pub fn pop_short(&self, bytes: usize) -> Option<Job> {
        let mut lanes = lock(&self.lanes);
        let short = lanes.live.front().is_some_and(|job| job.request.body.len() <= bytes);
        if short { lanes.live.pop_front() } else { None }
    }

    /// Gives back a job that could not be begun, first in its lane.
    pub fn put_back(&self, job: Job) {
        let mut lanes = lock(&self.lanes);
        if job.is_shadow() {
            lanes.shadow_running = lanes.shadow_running.saturating_sub(1);
            lanes.shadow.push_front(job);
        } else {
            lanes.live.push_front(job);
        }
        drop(lanes);
        self.work.notify_one();
    }

    /// A shadow copy has ended (or its instance was given up).
    pub fn shadow_done(&self) {
        let mut lanes = lock(&self.lanes);
        lanes.shadow_running = lanes.shadow_running.saturating_sub(1);
        let wake = lanes.idle > 0 && !lanes.shadow.is_empty();
        drop(lanes);
        if wake {
            self.work.notify_one();
        }
    }

    /// Shadows may use a quarter of the slots, at least one.
    pub fn set_slots(&self, slots: u32) {
        lock(&self.lanes).shadow_limit = if slots == 0 { 0 } else { (slots as usize / 4).max(1) };
    }

    /// Makes waiting threads ask again whether they should leave.
    pub fn wake_all(&self) {
        // Under the lock: a thread between its question and its wait must not miss this.
        let lanes = lock(&self.lanes);
        self.work.notify_all();
        self.rest.notify_all();
        drop(lanes);
    }

    /// Threads end once the live lane is empty; shadows are dropped.
    pub fn close(&self) {
        let mut lanes = lock(&self.lanes);
        lanes.closed = true;
        let shadows = std::mem::take(&mut lanes.shadow);
        self.work.notify_all();
        self.rest.notify_all();
        drop(lanes);
        drop(shadows);
    }
}

/// What a thread is to do when there is no work for it.
pub enum Besides {
    /// Answer the prober.
    Probe,
    End,
}

/// Whether a thread should end, or do something other than work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    No,
    /// It may take no work for now.
    Rest,
    /// The prober has asked.
    Probe,
    /// As soon as nothing is left that only it can do.
    Soon,
    Now,
}
