//! Who belongs to a pool: starting, losing, replacing, scaling.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::instance::{Cell, failed, run};
use super::probe::Tracks;
use super::{Level, PoolSettings, Shared};
use crate::resources::Trouble;
use crate::server::engine::LoadError;
use crate::server::telemetry::lock;

/// Losses in a row, without a call answered in between, that are made good at once; after that with back-off.
const AT_ONCE: u32 = 3;
const BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);
/// The same for processes, which are restarted as Kubernetes does, only sooner: the first time at once, then after growing
/// pauses; one that ran well for a while begins anew (reference scoring-and-mlflow §2.3).
const PROCESS_BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_PROCESS_BACK_OFF: Duration = Duration::from_secs(30);
const WELL_AFTER: Duration = Duration::from_secs(60);

/// What a thread says of itself.
pub enum Event {
    Ready,
    /// It could not start.
    Failed(LoadError),
    /// The instance is gone; how, in words that go on from "the model", and whether a request went with it.
    Lost {
        how: String,
        with_request: bool,
    },
}

pub enum State {
    Starting,
    Ready,
    /// Lost; the keeper tries again then.
    Down {
        retry: Instant,
    },
    /// Could not start when asked for.
    Failed(LoadError),
}

/// One thread of one instance.
pub struct Member {
    pub cell: Arc<Cell>,
    pub state: State,
    /// Losses in a row.
    pub losses: u32,
    /// It fails again and again: nobody waits for it.
    pub paused: bool,
    /// Why it was lost last.
    pub why: String,
    /// Started by the keeper in place of a lost one: it retries, and nobody waits for it.
    pub replacement: bool,
    pub tracks: Tracks,
}

impl Member {
    /// Takes work now.
    fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready) && self.cell.ready.load(Ordering::Acquire)
    }

    /// Takes work, or will again at once: requests may queue for it.
    fn counts_as_slot(&self) -> bool {
        let quick = self.replacement && !self.paused;
        match self.state {
            State::Ready => self.cell.ready.load(Ordering::Acquire),
            State::Starting | State::Down { .. } => quick,
            State::Failed(_) => false,
        }
    }

    /// Lost, to be replaced: at once, or after the answer's pause.
    pub fn lost(&mut self, settings: &PoolSettings, why: &str) -> Duration {
        let served = self.cell.served.swap(false, Ordering::Relaxed);
        let wait = if settings.processes.is_some() {
            if self.cell.started.elapsed() >= WELL_AFTER {
                self.losses = 0;
            }
            match self.losses.checked_sub(1) {
                // What has just served is worth a start at once.
                _ if served => Duration::ZERO,
                None => Duration::ZERO,
                Some(more) => (PROCESS_BACK_OFF * 2u32.saturating_pow(more.min(16))).min(LONGEST_PROCESS_BACK_OFF),
            }
        } else {
            if served {
                self.losses = 0;
            }
            match self.losses.checked_sub(AT_ONCE) {
                None => Duration::ZERO,
                Some(more) => (BACK_OFF * 2u32.saturating_pow(more.min(16))).min(LONGEST_BACK_OFF),
            }
        };
        self.losses = self.losses.saturating_add(1);
        self.paused = if settings.processes.is_some() { wait > PROCESS_BACK_OFF } else { self.losses >= AT_ONCE };
        self.replacement = true;
        why.clone_into(&mut self.why);
        self.state = State::Down { retry: Instant::now() + wait };
        wait
    }

    /// What keeps it from serving, if it waits for its next start, and how long it waits yet.
    pub fn trouble(&self, now: Instant) -> Option<(Trouble, Duration)> {
        let State::Down { retry } = self.state else { return None };
        let left = retry.saturating_duration_since(now);
        (self.paused && !left.is_zero()).then(|| {
            let at = jiff::Timestamp::now().as_millisecond() + i64::try_from(left.as_millis()).unwrap_or(i64::MAX / 2);
            (Trouble { kind: "CrashLoopBackOff".to_owned(), reason: self.why.clone(), retry_ms: at }, left)
        })
    }
}

#[derive(Default)]
pub struct Members {
    pub all: Vec<Member>,
    last_id: u64,
    last_instance: u32,
    /// Told to leave, still finishing a call: they may hang yet.
    pub leaving: Vec<Arc<Cell>>,
    pub stopped: bool,
}

impl Members {
    /// A fresh cell for an instance.
    pub fn cell(&mut self, instance: u32, replacement: bool) -> Arc<Cell> {
        self.last_id += 1;
        Arc::new(Cell::new(self.last_id, instance, replacement))
    }

    fn instances(&self) -> BTreeSet<u32> {
        self.all.iter().map(|m| m.cell.instance).collect()
    }
}

impl Shared {
    /// Starts a thread for the cell.
    pub fn spawn(self: &Arc<Self>, cell: &Arc<Cell>) -> Result<(), LoadError> {
        let (shared, mine) = (Arc::clone(self), Arc::clone(cell));
        thread::Builder::new()
            .name(format!("model {}", self.name))
            .stack_size(self.settings.stack_bytes)
            .spawn(move || run(&shared, &mine))
            .map(|_detached| ())
            .map_err(|error| {
                failed(&format!(
                    "the system refused a thread for instance {}: {error}. Lower instance_count or \
                     max_concurrent_requests_per_instance, or raise the limit of processes (ulimit -u).",
                    cell.instance
                ))
            })
    }

    /// Takes an event from a thread; one that belongs to the pool no more is ignored.
    pub fn report(&self, cell: &Cell, event: Event) {
        let mut members = lock(&self.members);
        let Some(member) = members.all.iter_mut().find(|m| m.cell.id == cell.id) else {
            return members.leaving.retain(|c| c.id != cell.id);
        };
        match event {
            Event::Ready => {
                member.state = State::Ready;
                if member.replacement {
                    self.log(Some(cell.instance), Level::Info, "the instance serves again");
                }
            }
            Event::Failed(error) if member.replacement => {
                self.log(Some(cell.instance), Level::Error, &format!("the instance did not start again: {error}"));
                member.lost(&self.settings, &error.message);
                self.tell_pause(member);
            }
            Event::Failed(error) => member.state = State::Failed(error),
            Event::Lost { how, with_request } => {
                let name = if how.contains("OOMKilled") { "OOMKilled" } else { "BackOff" };
                let who = if self.settings.processes.is_some() { "worker" } else { "model" };
                let request = if with_request { "The request failed" } else { "No request was lost" };
                let message = format!("the {who} {how}. {request}; the instance is being replaced.");
                self.event(name, cell.instance, Level::Error, &message);
                self.restarts.fetch_add(1, Ordering::Relaxed);
                member.lost(&self.settings, &format!("the {who} {how}"));
                self.tell_pause(member);
            }
        }
        self.recount(&members);
        drop(members);
        self.changed.notify_all();
    }

    /// Says when a process that fails again and again is started next.
    fn tell_pause(&self, member: &Member) {
        if let Some((trouble, left)) = member.trouble(Instant::now()) {
            let seconds = left.as_secs_f32().ceil();
            let text = format!("{}: restart {} in {seconds} s; {}", trouble.kind, member.losses, trouble.reason);
            self.event("CrashLoopBackOff", member.cell.instance, Level::Warning, &text);
        }
    }

    /// A thread has ended in peace.
    pub fn left(&self, cell: &Cell) {
        lock(&self.members).leaving.retain(|c| c.id != cell.id);
    }

    /// A thread given up as hung has come back: what waited for that may start again.
    pub fn unstuck(&self) {
        let mut members = lock(&self.members);
        self.stuck.fetch_sub(1, Ordering::AcqRel);
        for member in &mut members.all {
            if matches!(member.state, State::Down { .. }) {
                member.state = State::Down { retry: Instant::now() };
            }
        }
        drop(members);
        self.changed.notify_all();
    }

    /// Publishes the numbers that follow from the members.
    pub fn recount(&self, members: &Members) {
        let ready: BTreeSet<u32> = members.all.iter().filter(|m| m.is_ready()).map(|m| m.cell.instance).collect();
        let working = || members.all.iter().filter(|m| m.counts_as_slot());
        let slots = match self.settings.processes {
            None => working().count(),
            Some(_) => {
                let instances: BTreeSet<u32> = working().map(|m| m.cell.instance).collect();
                instances.len() * self.settings.max_concurrent_per_instance.max(1) as usize
            }
        };
        let slots = if members.stopped { 0 } else { u32::try_from(slots).unwrap_or(u32::MAX / 2) };
        let seats = members.all.iter().filter(|m| m.is_ready()).map(|m| Arc::clone(&m.cell)).collect();
        self.seats.store(Arc::new(seats));
        self.ready.store(u32::try_from(ready.len()).unwrap_or(u32::MAX), Ordering::Release);
        self.slots.store(slots, Ordering::Release);
        self.queue.set_slots(slots);
    }

    /// Adds `n` instances and waits until all are ready; on failure none of them stays.
    fn grow(self: &Arc<Self>, n: u32) -> Result<(), LoadError> {
        let mut members = lock(&self.members);
        let first = members.last_instance;
        let mut result = Ok(());
        for instance in first..first.saturating_add(n) {
            members.last_instance = instance + 1;
            for _ in 0..self.settings.threads_per_instance() {
                let cell = members.cell(instance, false);
                result = result.and_then(|()| self.spawn(&cell));
                members.all.push(Member {
                    cell,
                    state: State::Starting,
                    losses: 0,
                    paused: false,
                    why: String::new(),
                    replacement: false,
                    tracks: Tracks::default(),
                });
            }
        }
        let new = |m: &Member| m.cell.instance >= first;
        let until = Instant::now() + self.settings.start_limit;
        loop {
            let failure = members.all.iter().filter(|m| new(m)).find_map(|m| match &m.state {
                State::Failed(error) => Some(error.clone()),
                _ => None,
            });
            result = result.and(failure.map_or(Ok(()), Err));
            let pending = members.all.iter().any(|m| new(m) && matches!(m.state, State::Starting));
            if result.is_ok() && pending && !members.stopped {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    let seconds = self.settings.start_limit.as_secs_f32();
                    result = Err(failed(&format!("the instances were not ready after {seconds} s")));
                    continue;
                }
                members = self.wait(members, left);
                continue;
            }
            break;
        }
        if members.stopped {
            result = result.and(Err(failed("the deployment was stopped while it started")));
        }
        if result.is_err() {
            retire(&mut members, |m| m.cell.instance >= first);
        }
        self.recount(&members);
        drop(members);
        self.queue.wake_all();
        result
    }

    /// Lets the chosen instances finish and leave.
    fn shrink(&self, leaving: &BTreeSet<u32>) {
        let mut members = lock(&self.members);
        retire(&mut members, |m| leaving.contains(&m.cell.instance));
        self.recount(&members);
        drop(members);
        self.queue.wake_all();
        self.changed.notify_all();
    }

    pub fn scale(self: &Arc<Self>, wanted: u32) -> Result<(), LoadError> {
        let instances = lock(&self.members).instances();
        let have = u32::try_from(instances.len()).unwrap_or(u32::MAX);
        let before = self.wanted.swap(wanted, Ordering::AcqRel);
        if wanted > have {
            let grown = self.grow(wanted - have);
            if grown.is_err() {
                self.wanted.store(before, Ordering::Release);
            }
            return grown;
        }
        // The youngest leave: the oldest have the warmest caches.
        self.shrink(&instances.into_iter().rev().take((have - wanted) as usize).collect());
        Ok(())
    }

    /// One new instance in, one old instance out, until all are new.
    pub fn roll(self: &Arc<Self>) -> Result<(), LoadError> {
        let old = lock(&self.members).instances();
        for instance in old {
            self.grow(1)?;
            self.shrink(&BTreeSet::from([instance]));
        }
        Ok(())
    }

    /// Those who start because somebody waits for them are not wanted any more.
    pub fn give_up_starting(&self) {
        let members = lock(&self.members);
        let starting = members.all.iter().filter(|m| matches!(m.state, State::Starting) && !m.replacement);
        starting.for_each(|member| member.cell.leave.ask());
    }

    /// Ends everything; threads finish what is admitted.
    pub fn stop(&self) {
        let mut members = lock(&self.members);
        members.stopped = true;
        members.all.iter().map(|m| &m.cell).chain(&members.leaving).for_each(|cell| cell.leave.ask());
        self.recount(&members);
        drop(members);
        self.queue.close();
        self.changed.notify_all();
    }

    pub fn wait<'a>(&self, members: MutexGuard<'a, Members>, limit: Duration) -> MutexGuard<'a, Members> {
        self.changed.wait_timeout(members, limit).unwrap_or_else(PoisonError::into_inner).0
    }
}

fn retire(members: &mut Members, leaving: impl Fn(&Member) -> bool) {
    for member in members.all.iter().filter(|m| leaving(m)) {
        member.cell.retire.store(true, Ordering::Release);
        member.cell.leave.ask();
        members.leaving.push(Arc::clone(&member.cell));
    }
    members.all.retain(|m| !leaving(m));
}
