//! An instance's thread: start, warm up, score until told to leave, or until the model takes it down.
//!
//! The instance itself sits in its cell, so that a connection's thread can borrow it for a very short call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Shared;
use super::call::{Ending, Handed, Permit, SHORT_BODY};
use super::effort::Effort;
use super::members::Event;
use super::note::{self, Loss, discard, lose};
use super::probe::Desk;
use super::queue::{Besides, Job, Leave, Reply};
use crate::server::engine::{Instance, LoadError, Lost, OutOfMemory, Place, ScoreRequest, panic_text};
use crate::server::stop::Stop;
use crate::server::telemetry::{MirrorEvent, lock};
use tokio::sync::oneshot;

/// Waiting jobs that a borrower does before its own at most: its other connections wait meanwhile.
const HELPED: usize = 8;

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
    /// Takes the place of a lost one.
    replacement: bool,
    /// Asked when the instance is not wanted any more.
    pub leave: Stop,
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
    /// The caller waits elsewhere.
    Live {
        permit: Permit,
        sender: oneshot::Sender<Ending>,
    },
    /// The caller's own thread does the work.
    Here {
        permit: Permit,
    },
    Shadow,
}

impl Cell {
    pub fn new(id: u64, instance: u32, replacement: bool) -> Self {
        Self {
            id,
            instance,
            started: Instant::now(),
            retire: AtomicBool::new(false),
            served: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            ready: AtomicBool::new(true),
            desk: Desk::default(),
            replacement,
            leave: Stop::new(),
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

/// Ends a call; the answer is the ending for a caller on this very thread. The slot is free before the caller knows: its
/// next request must find it.
fn finish(shared: &Shared, reply: BusyReply, ending: Ending) -> Option<Ending> {
    match reply {
        BusyReply::Live { permit, sender } => {
            release(shared, permit);
            // A caller that has gone away wants no answer.
            let _ = sender.send(ending);
            None
        }
        BusyReply::Here { permit } => {
            release(shared, permit);
            Some(ending)
        }
        BusyReply::Shadow => {
            let ok = matches!(&ending, Ending::Answered { response, .. } if (200..300).contains(&response.status));
            shared.telemetry.mirror(if ok { MirrorEvent::Ok } else { MirrorEvent::Failed });
            shared.queue.shadow_done();
            None
        }
    }
}

fn release(shared: &Shared, permit: Permit) {
    shared.running.fetch_sub(1, Ordering::AcqRel);
    drop(permit);
}

/// The body of an instance's thread.
pub fn run(shared: &Arc<Shared>, cell: &Arc<Cell>) {
    let started = catch_unwind(AssertUnwindSafe(|| start(shared, cell)));
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

fn start(shared: &Arc<Shared>, cell: &Arc<Cell>) -> Result<Box<dyn Instance>, LoadError> {
    let (pool, me) = (Arc::downgrade(shared), Arc::downgrade(cell));
    let wake = move || {
        if let (Some(pool), Some(me)) = (pool.upgrade(), me.upgrade()) {
            me.desk.look_after();
            pool.queue.wake_all();
        }
    };
    let place = Place {
        instance: cell.instance,
        replacement: cell.replacement,
        leave: cell.leave.clone(),
        wake: Arc::new(wake),
    };
    let mut instance = Arc::clone(&shared.servable).start(&place)?;
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
    let process = lock(&cell.seat).as_ref().and_then(|instance| instance.process());
    let mut effort = Effort::begin(process);
    loop {
        match shared.queue.pop(|| leave(shared, cell)) {
            Err(Besides::End) => break,
            Err(Besides::Probe) => {
                let mut seat = lock(&cell.seat);
                let Some(instance) = seat.as_mut() else { return };
                if cell.desk.is_to_look_after()
                    && let Some(lost) = instance.gone()
                {
                    return lose(shared, cell, &mut seat, &lost.to_string(), Loss::Idle);
                }
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
                if !job_step(shared, cell, &mut seat, job, Some(&mut effort)) {
                    return;
                }
            }
        }
    }
    discard(lock(&cell.seat).take());
    shared.left(cell);
}

/// Does a call on the caller's thread if the instance is free and well. The jobs that wait go first, as far as they are
/// short too: nothing overtakes them, and nobody needs waking for them.
pub fn borrow(
    shared: &Arc<Shared>,
    cell: &Cell,
    permit: Permit,
    request: ScoreRequest,
) -> Result<Ending, (Permit, ScoreRequest)> {
    let Ok(mut seat) = cell.seat.try_lock() else { return Err((permit, request)) };
    for _ in 0..HELPED {
        if seat.is_none() || cell.retire.load(Ordering::Acquire) {
            return Err((permit, request));
        }
        if shared.handed.load(Ordering::Acquire) == 0 {
            let since = Instant::now();
            if since >= request.deadline {
                return Ok(Ending::Expired);
            }
            let begun = Begun { id: 0, request, reply: BusyReply::Here { permit }, since, queued: Duration::ZERO };
            // Given up as hung, the call has no other end.
            return Ok(step(shared, cell, &mut seat, begun, None).1.unwrap_or(Ending::Hung));
        }
        // What was handed over may be in other hands already: only those can end the wait.
        let Some(job) = shared.queue.pop_short(SHORT_BODY) else { break };
        job_step(shared, cell, &mut seat, job, None);
    }
    Err((permit, request))
}

/// One job from the queue. False when the instance is lost with it.
fn job_step(
    shared: &Arc<Shared>,
    cell: &Cell,
    seat: &mut Option<Box<dyn Instance>>,
    job: Job,
    effort: Option<&mut Effort>,
) -> bool {
    begin(shared, job).is_none_or(|begun| step(shared, cell, seat, begun, effort).0)
}

/// One call; `effort` is that of the instance's own thread, when it is on it. False when the instance is lost with it; the
/// ending is for a caller on this very thread.
fn step(
    shared: &Arc<Shared>,
    cell: &Cell,
    seat: &mut Option<Box<dyn Instance>>,
    begun: Begun,
    effort: Option<&mut Effort>,
) -> (bool, Option<Ending>) {
    let Begun { id, request, reply, since, queued } = begun;
    if !matches!(reply, BusyReply::Shadow) {
        shared.running.fetch_add(1, Ordering::AcqRel);
    }
    let Some(instance) = seat else { return (false, finish(shared, reply, Ending::Stopped)) };
    *lock(&cell.busy) = Some(Busy { since, reply });
    let result = catch_unwind(AssertUnwindSafe(|| instance.attempt(&request)));
    // Given up as hung in the meantime: a replacement is at work, this instance is one too many.
    let Some(busy) = lock(&cell.busy).take() else {
        discard(seat.take());
        shared.unstuck();
        return (false, None);
    };
    let took = busy.since.elapsed();
    note::service_time(shared, took);
    match effort {
        Some(effort) => effort.tell(&shared.cpu_ns, busy.since + took, took),
        // So short a call is as good as never interrupted.
        None => drop(shared.cpu_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed)),
    }
    match result {
        Ok(Ok(response)) => {
            cell.served.store(true, Ordering::Relaxed);
            note::failure(shared, cell, &response);
            (true, finish(shared, busy.reply, Ending::Answered { response, queued }))
        }
        Ok(Err(lost)) => {
            let idle = matches!(lost, Lost::Before(_));
            lose(shared, cell, seat, &lost.to_string(), if idle { Loss::Idle } else { Loss::Busy });
            let ending = match lost {
                Lost::Before(_) => return (false, again(shared, id, request, busy.reply)),
                Lost::During(how) => Ending::Lost(how),
                Lost::Memory(short) => Ending::OutOfMemory(short),
            };
            (false, finish(shared, busy.reply, ending))
        }
        Err(panic) => {
            let text = panic_text(&*panic);
            let how =
                if panic.is::<OutOfMemory>() { format!("was stopped: {text}") } else { format!("panicked: {text}") };
            lose(shared, cell, seat, &how, Loss::Busy);
            let ending = match panic.downcast::<OutOfMemory>() {
                Ok(short) => Ending::OutOfMemory(*short),
                Err(_) => Ending::Panicked,
            };
            (false, finish(shared, busy.reply, ending))
        }
    }
}

/// Gives a request to another instance that never reached the one which is gone. The ending is for a caller on this very
/// thread.
fn again(shared: &Arc<Shared>, id: u64, request: ScoreRequest, reply: BusyReply) -> Option<Ending> {
    let reply = match reply {
        BusyReply::Live { permit, sender } => {
            shared.running.fetch_sub(1, Ordering::AcqRel);
            Reply::Live { permit, sender, _handed: Handed::new(shared) }
        }
        BusyReply::Shadow => Reply::Shadow,
        here @ BusyReply::Here { .. } => return finish(shared, here, Ending::Stopped),
    };
    shared.queue.put_back(Job::again(id, request, reply));
    None
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

/// A job whose turn has come.
struct Begun {
    id: u64,
    request: ScoreRequest,
    reply: BusyReply,
    since: Instant,
    queued: Duration,
}

/// Takes a job up; `None` when nobody wants it any more: expired work is never started.
fn begin(shared: &Arc<Shared>, job: Job) -> Option<Begun> {
    let (now, id) = (Instant::now(), job.id());
    let in_time = now < job.request.deadline;
    let reply = match job.reply {
        Reply::Live { permit, sender, .. } if in_time && !sender.is_closed() => BusyReply::Live { permit, sender },
        Reply::Live { permit, sender, .. } => {
            drop(permit);
            let _ = sender.send(Ending::Expired);
            return None;
        }
        Reply::Shadow if in_time => BusyReply::Shadow,
        Reply::Shadow => {
            shared.telemetry.mirror(MirrorEvent::Failed);
            shared.queue.shadow_done();
            return None;
        }
    };
    Some(Begun { id, request: job.request, reply, since: now, queued: now.saturating_duration_since(job.pushed) })
}
