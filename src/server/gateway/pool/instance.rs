//! An instance's thread: start, warm up, score until told to leave, or until the model takes it down.
//!
//! The instance itself sits in its cell, so that a connection's thread can borrow it for a very short call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::call::{Ending, Permit};
use super::effort::Effort;
use super::members::Event;
use super::probe::Desk;
use super::queue::{Besides, Job, Leave, Reply};
use super::{Level, Shared};
use crate::server::engine::{Instance, LoadError, OutOfMemory, ScoreResponse, panic_text};
use crate::server::telemetry::{MirrorEvent, lock};
use tokio::sync::oneshot;

/// What a thread and its keeper share.
pub struct Cell {
    pub id: u64,
    /// Number of the instance, as logs show it.
    pub instance: u32,
    pub started: Instant,
    pub retire: AtomicBool,
    /// A call has come back.
    pub served: AtomicBool,
    /// The model is lost: the thread has nothing left to do.
    pub lost: AtomicBool,
    /// Cleared while the readiness probe fails: takes no work.
    pub ready: AtomicBool,
    pub desk: Desk,
    busy: Mutex<Option<Busy>>,
    /// The instance; whoever scores holds the lock.
    seat: Mutex<Option<Box<dyn Instance>>>,
}

/// A call in progress. Whoever takes it out ends the call: the thread when the model returns, the keeper when it hangs.
struct Busy {
    since: Instant,
    reply: BusyReply,
}

enum BusyReply {
    Live { _running: Running, permit: Permit, sender: oneshot::Sender<Ending> },
    Shadow,
}

/// Counts a live request that is in a model.
struct Running(Arc<Shared>);

impl Running {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.running.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(shared))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Cell {
    pub fn new(id: u64, instance: u32) -> Self {
        Self {
            id,
            instance,
            started: Instant::now(),
            retire: AtomicBool::new(false),
            served: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            ready: AtomicBool::new(true),
            desk: Desk::default(),
            busy: Mutex::new(None),
            seat: Mutex::new(None),
        }
    }

    /// How long the present call has been running.
    pub fn busy_for(&self) -> Option<Duration> {
        lock(&self.busy).as_ref().map(|busy| busy.since.elapsed())
    }

    /// Ends the present call for its caller although the model has not returned. False when it just did.
    pub fn give_up(&self, shared: &Shared) -> bool {
        let Some(busy) = lock(&self.busy).take() else { return false };
        self.lost.store(true, Ordering::Release);
        finish(shared, busy.reply, Ending::Hung);
        true
    }
}

fn finish(shared: &Shared, reply: BusyReply, ending: Ending) {
    match reply {
        BusyReply::Live { _running, permit, sender } => {
            // The slot is free before the caller knows: its next request must find it.
            drop(_running);
            drop(permit);
            // A caller that has gone away wants no answer.
            let _ = sender.send(ending);
        }
        BusyReply::Shadow => {
            let ok = matches!(&ending, Ending::Answered { response, .. } if (200..300).contains(&response.status));
            shared.telemetry.mirror(if ok { MirrorEvent::Ok } else { MirrorEvent::Failed });
            shared.queue.shadow_done();
        }
    }
}

/// The body of an instance's thread.
pub fn run(shared: &Arc<Shared>, cell: &Arc<Cell>) {
    let started = catch_unwind(AssertUnwindSafe(|| start(shared)));
    let instance = match started {
        Ok(Ok(instance)) => instance,
        Ok(Err(error)) => return shared.report(cell, Event::Failed(error)),
        Err(panic) => {
            let error = failed(&format!("the model stopped while starting: {}", panic_text(&*panic)));
            return shared.report(cell, Event::Failed(error));
        }
    };
    *lock(&cell.seat) = Some(instance);
    shared.report(cell, Event::Ready);
    serve(shared, cell);
}

/// A failure to start.
pub fn failed(message: &str) -> LoadError {
    LoadError { code: "ResourceNotReady", message: message.to_owned(), unsupported: Vec::new(), details: String::new() }
}

fn start(shared: &Shared) -> Result<Box<dyn Instance>, LoadError> {
    let mut instance = Arc::clone(&shared.servable).instance()?;
    if let Some(mut sample) = shared.servable.sample() {
        sample.deadline = Instant::now() + shared.settings.start_limit;
        let response = instance.score(&sample);
        if !(200..300).contains(&response.status) {
            let body = String::from_utf8_lossy(&response.body).chars().take(500).collect::<String>();
            let message = format!("the warm-up request failed with status {}: {body}", response.status);
            return Err(failed(&message));
        }
    }
    Ok(instance)
}

/// Scores until told to leave, or until the model is lost.
fn serve(shared: &Arc<Shared>, cell: &Cell) {
    let mut effort = Effort::begin();
    loop {
        match shared.queue.pop(|| leave(shared, cell)) {
            Err(Besides::End) => break,
            Err(Besides::Probe) => {
                let mut seat = lock(&cell.seat);
                let Some(instance) = seat.as_mut() else { return };
                match cell.desk.answer(instance.as_mut()) {
                    None => {
                        discard(seat.take());
                        return shared.unstuck();
                    }
                    Some(well) if well && cell.ready.load(Ordering::Acquire) => {}
                    // The keeper has something to do.
                    Some(_) => shared.changed.notify_all(),
                }
                effort.tell(&shared.cpu_ns, Instant::now(), Duration::ZERO);
            }
            Ok(job) => {
                let mut seat = lock(&cell.seat);
                if seat.is_none() {
                    // Lost in a borrowed call: somebody else must do this.
                    return shared.queue.put_back(job);
                }
                if !step(shared, cell, &mut seat, job, Some(&mut effort)) {
                    return;
                }
            }
        }
    }
    discard(lock(&cell.seat).take());
    shared.left(cell);
}

/// Drops an instance; what a panic left behind may panic again.
fn discard(instance: Option<Box<dyn Instance>>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(instance)));
}

/// Does a job on the caller's thread if the instance is free and well.
pub fn borrow(shared: &Arc<Shared>, cell: &Cell, job: Job) -> Result<(), Job> {
    match cell.seat.try_lock() {
        Ok(mut seat) if seat.is_some() && !cell.retire.load(Ordering::Acquire) => {
            step(shared, cell, &mut seat, job, None);
            Ok(())
        }
        _ => Err(job),
    }
}

/// One job; `effort` is that of the instance's own thread, when it is on it. False when the instance is lost with it.
fn step(
    shared: &Arc<Shared>,
    cell: &Cell,
    seat: &mut Option<Box<dyn Instance>>,
    job: Job,
    effort: Option<&mut Effort>,
) -> bool {
    let Some(instance) = seat else { return false };
    let Some((request, queued)) = begin(shared, cell, job) else { return true };
    let result = catch_unwind(AssertUnwindSafe(|| instance.score(&request)));
    // Given up as hung in the meantime: a replacement is at work, this instance is one too many.
    let Some(busy) = lock(&cell.busy).take() else {
        discard(seat.take());
        shared.unstuck();
        return false;
    };
    let took = busy.since.elapsed();
    note_service_time(shared, took);
    match effort {
        Some(effort) => effort.tell(&shared.cpu_ns, busy.since + took, took),
        // So short a call is as good as never interrupted.
        None => drop(shared.cpu_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed)),
    }
    match result {
        Ok(response) => {
            cell.served.store(true, Ordering::Relaxed);
            note_failure(shared, cell, &response);
            finish(shared, busy.reply, Ending::Answered { response, queued });
            true
        }
        Err(panic) => {
            discard(seat.take());
            cell.lost.store(true, Ordering::Release);
            // The pool knows before the caller does.
            shared.report(cell, Event::Lost(panic_text(&*panic)));
            shared.queue.wake_all();
            let ending = match panic.downcast::<OutOfMemory>() {
                Ok(short) => Ending::OutOfMemory(*short),
                Err(_) => Ending::Panicked,
            };
            finish(shared, busy.reply, ending);
            false
        }
    }
}

fn leave(shared: &Shared, cell: &Cell) -> Leave {
    if cell.lost.load(Ordering::Acquire) {
        return Leave::Now;
    }
    if cell.desk.is_asked() {
        return Leave::Probe;
    }
    if !cell.retire.load(Ordering::Acquire) {
        return if cell.ready.load(Ordering::Acquire) { Leave::No } else { Leave::Rest };
    }
    // The last thread of a pool scaled to nothing finishes what was admitted before.
    let needed = shared.slots.load(Ordering::Acquire) == 0 && shared.accepted.load(Ordering::Acquire) > 0;
    if needed { Leave::Soon } else { Leave::Now }
}

/// Marks the call as running; `None` when nobody wants it any more: expired work is never started.
fn begin(shared: &Arc<Shared>, cell: &Cell, job: Job) -> Option<(crate::server::engine::ScoreRequest, Duration)> {
    let now = Instant::now();
    let shadow = job.is_shadow();
    let reply = match job.reply {
        Reply::Live { permit, sender } if now < job.request.deadline && !sender.is_closed() => {
            BusyReply::Live { _running: Running::new(shared), permit, sender }
        }
        Reply::Live { permit, sender } => {
            drop(permit);
            let _ = sender.send(Ending::Expired);
            return None;
        }
        Reply::Shadow if now < job.request.deadline => BusyReply::Shadow,
        Reply::Shadow => {
            shared.telemetry.mirror(MirrorEvent::Failed);
            shared.queue.shadow_done();
            return None;
        }
    };
    debug_assert_eq!(shadow, matches!(reply, BusyReply::Shadow));
    *lock(&cell.busy) = Some(Busy { since: now, reply });
    Some((job.request, now.saturating_duration_since(job.pushed)))
}

fn note_service_time(shared: &Shared, took: Duration) {
    let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let before = shared.service_ns.load(Ordering::Relaxed);
    let next = if before == 0 { took } else { before - before / 8 + took / 8 };
    shared.service_ns.store(next.max(1), Ordering::Relaxed);
}

/// A model's failure belongs in its log; the caller's mistakes do not.
fn note_failure(shared: &Shared, cell: &Cell, response: &ScoreResponse) {
    if (200..300).contains(&response.status) || response.caller_fault {
        return;
    }
    let body = String::from_utf8_lossy(&response.body[..response.body.len().min(2_000)]).into_owned();
    shared.log(Some(cell.instance), Level::Error, &format!("the model answered {}: {body}", response.status));
}
