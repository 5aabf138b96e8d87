//! The prober: asks idle instances for a sign of life and acts on what it hears (reference: rollout semantics §6).
//!
//! A busy instance is alive as long as its call is within the hang limit; an idle one is asked on its own thread, so
//! that one which does not answer blocks nobody but itself. Between two probes nothing runs and nobody wakes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use super::instance::Cell;
use super::members::{Member, Members, State};
use super::{Level, Shared};
use crate::server::engine::{Instance, ProbeKind, panic_text};
use crate::server::telemetry::lock;

/// When to probe and what follows (reference §8; the defaults are Azure's).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSettings {
    /// From the instance's start to its first probe.
    pub initial_delay: Duration,
    pub period: Duration,
    /// No answer within this is a failure.
    pub timeout: Duration,
    /// Successes in a row that make an unready instance ready.
    pub success_threshold: u32,
    /// Failures in a row that make a ready instance unready, or end it.
    pub failure_threshold: u32,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_secs(10),
            period: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            success_threshold: 1,
            failure_threshold: 30,
        }
    }
}

/// Beside the bits of the kinds.
const LOOK_AFTER: u8 = 1 << 7;

const KINDS: [ProbeKind; 2] = [ProbeKind::Liveness, ProbeKind::Readiness];

type Answer = Result<(), String>;

/// Where keeper and thread meet over probes.
#[derive(Default)]
pub struct Desk {
    /// Kinds asked for, a bit each.
    asked: AtomicU8,
    /// The instance may be gone: it is to be asked.
    look_after: AtomicBool,
    /// A probe is running. Whoever takes it out ends it: the thread when it returns, the keeper when it does not.
    running: AtomicBool,
    answers: Mutex<[Option<Answer>; 2]>,
}

impl Desk {
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire) != 0
    }

    /// Has the thread ask its instance whether it is gone.
    pub fn look_after(&self) {
        self.look_after.store(true, Ordering::Release);
        self.asked.fetch_or(LOOK_AFTER, Ordering::AcqRel);
    }

    pub fn is_to_look_after(&self) -> bool {
        self.look_after.swap(false, Ordering::AcqRel)
    }

    /// Answers what is asked; true when all is well. `None` when the keeper has given the instance up in the meantime.
    pub fn answer(&self, instance: &mut dyn Instance) -> Option<bool> {
        let asked = self.asked.swap(0, Ordering::AcqRel);
        self.running.store(true, Ordering::Release);
        let mut well = true;
        for kind in KINDS.into_iter().filter(|kind| asked & bit(*kind) != 0) {
            let answer = catch_unwind(AssertUnwindSafe(|| instance.probe(kind)));
            let answer = answer.unwrap_or_else(|panic| Err(format!("panicked: {}", panic_text(&*panic))));
            well &= answer.is_ok();
            lock(&self.answers)[kind as usize] = Some(answer);
        }
        self.running.swap(false, Ordering::AcqRel).then_some(well)
    }

    fn ask(&self, kind: ProbeKind) {
        lock(&self.answers)[kind as usize] = None;
        self.asked.fetch_or(bit(kind), Ordering::AcqRel);
    }
}

fn bit(kind: ProbeKind) -> u8 {
    1 << kind as u8
}

/// One kind of probe of one thread, as its keeper sees it.
#[derive(Debug, Default)]
struct Track {
    due: Option<Instant>,
    asked: Option<Instant>,
    failures: u32,
    successes: u32,
}

/// Both kinds.
#[derive(Debug, Default)]
pub struct Tracks([Track; 2]);

/// What has become known of a probe.
enum Heard {
    Nothing,
    Answer(Answer),
}

impl Track {
    /// Looks whether an answer is there, or overdue, and asks anew when it is time. The second value is when to look
    /// again.
    fn look(&mut self, settings: &ProbeSettings, kind: ProbeKind, cell: &Cell, now: Instant) -> (Heard, Instant) {
        let busy = cell.busy_for().is_some();
        if let Some(asked) = self.asked {
            let answer = lock(&cell.desk.answers)[kind as usize].take();
            let overdue = asked + settings.timeout;
            let heard = match answer {
                Some(answer) => answer,
                None if busy => Ok(()),
                None if now >= overdue => Err(format!("no answer within {:.1} s", settings.timeout.as_secs_f32())),
                // Good news are no reason to wake up: they are found when the next probe is due.
                None => {
                    return (Heard::Nothing, self.due.filter(|due| *due > now).map_or(overdue, |due| due.min(overdue)));
                }
            };
            self.asked = None;
            return (Heard::Answer(heard), self.due.unwrap_or(now));
        }
        let due = *self.due.get_or_insert(cell.started + settings.initial_delay);
        if now < due {
            return (Heard::Nothing, due);
        }
        self.due = Some(now + settings.period);
        if busy {
            return (Heard::Answer(Ok(())), now + settings.period);
        }
        cell.desk.ask(kind);
        self.asked = Some(now);
        (Heard::Nothing, now + settings.timeout.min(settings.period))
    }
}

/// One round over all threads; the answer is when the next one is due.
pub fn round(shared: &Shared, members: &mut Members) -> Option<Instant> {
    let now = Instant::now();
    let mut next: Option<Instant> = None;
    let mut changed = false;
    for member in members.all.iter_mut().filter(|m| matches!(m.state, State::Ready)) {
        for kind in KINDS {
            let settings = shared.settings.probe(kind);
            let (heard, at) = member.tracks.0[kind as usize].look(settings, kind, &member.cell, now);
            next = Some(next.map_or(at, |next| next.min(at)));
            if let Heard::Answer(answer) = heard {
                changed |= judge(shared, member, kind, answer);
            }
            if !matches!(member.state, State::Ready) {
                // Its replacement has tracks of its own.
                break;
            }
        }
        changed |= member.cell.desk.is_asked();
    }
    if changed {
        shared.queue.wake_all();
    }
    next
}

/// Counts an answer; true when it made a difference.
fn judge(shared: &Shared, member: &mut Member, kind: ProbeKind, answer: Answer) -> bool {
    let settings = shared.settings.probe(kind);
    let (cell, track) = (&member.cell, &mut member.tracks.0[kind as usize]);
    let Err(why) = answer else {
        track.failures = 0;
        track.successes = track.successes.saturating_add(1);
        let back = kind == ProbeKind::Readiness
            && track.successes >= settings.success_threshold
            && !cell.ready.swap(true, Ordering::AcqRel);
        if back {
            shared.log(
                Some(cell.instance),
                Level::Info,
                "the readiness probe succeeds again: the instance takes requests",
            );
        }
        return back;
    };
    track.successes = 0;
    track.failures = track.failures.saturating_add(1);
    let count = format!("{} of {} in a row", track.failures, settings.failure_threshold);
    let last = track.failures >= settings.failure_threshold;
    match kind {
        ProbeKind::Liveness if last => {
            let text = format!("the liveness probe failed ({count}): {why}. The instance is being replaced.");
            shared.event("LivenessProbeFailed", cell.instance, Level::Error, &text);
            shared.event("Killing", cell.instance, Level::Warning, "stopped because its liveness probe failed");
            shared.restarts.fetch_add(1, Ordering::Relaxed);
            cell.lost.store(true, Ordering::Release);
            cell.leave.ask();
            if cell.desk.running.swap(false, Ordering::AcqRel) {
                shared.stuck.fetch_add(1, Ordering::AcqRel);
            }
            member.lost(&shared.settings, "its liveness probe failed");
            true
        }
        ProbeKind::Liveness => {
            let text = format!("the liveness probe failed ({count}): {why}");
            shared.event("LivenessProbeFailed", cell.instance, Level::Warning, &text);
            false
        }
        ProbeKind::Readiness => {
            let out = last && cell.ready.swap(false, Ordering::AcqRel);
            let end = if out { ". The instance gets no requests until it succeeds." } else { "" };
            let text = format!("the readiness probe failed ({count}): {why}{end}");
            if out || !last {
                shared.event("ReadinessProbeFailed", cell.instance, Level::Warning, &text);
            }
            out
        }
    }
}
