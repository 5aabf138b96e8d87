//! The keeper of a pool: finds hung calls, replaces lost instances.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::instance::failed;
use super::members::{Members, State};
use super::probe::{self, Tracks};
use super::{Level, Shared};
use crate::server::engine::LoadError;
use crate::server::telemetry::lock;

const SHORTEST_LOOK: Duration = Duration::from_millis(5);
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// Starts the keeper; it ends with the pool.
pub fn start(shared: &Arc<Shared>) -> Result<(), LoadError> {
    let mine = Arc::clone(shared);
    thread::Builder::new()
        .name(format!("keeper {}", shared.name))
        .spawn(move || keep(&mine))
        .map(|_detached| ())
        .map_err(|error| failed(&format!("the system refused a thread: {error}")))
}

fn keep(shared: &Arc<Shared>) {
    let look = (shared.settings.hang_limit() / 4).clamp(SHORTEST_LOOK, LONGEST_LOOK);
    let mut members = lock(&shared.members);
    while !members.stopped {
        if give_up_hung(shared, &mut members) {
            // Threads without an instance end.
            shared.queue.wake_all();
        }
        let probe = probe::round(shared, &mut members);
        let next = replace_lost(shared, &mut members);
        let next = next.map_or(probe, |next| Some(probe.map_or(next, |probe| next.min(probe))));
        shared.recount(&members);
        let now = Instant::now();
        members =
            shared.wait(members, next.map_or(look, |at| at.saturating_duration_since(now).clamp(SHORTEST_LOOK, look)));
    }
}

/// Calls over the limit lose their instance: the caller is told, the thread left alone (it cannot be killed). True when
/// there was one.
fn give_up_hung(shared: &Shared, members: &mut Members) -> bool {
    let limit = shared.settings.hang_limit();
    let before = shared.stuck.load(Ordering::Acquire);
    members.leaving.retain(|cell| {
        let hung = cell.busy_for().is_some_and(|busy| busy > limit) && cell.give_up(shared);
        if hung {
            shared.stuck.fetch_add(1, Ordering::AcqRel);
            shared.log(
                Some(cell.instance),
                Level::Error,
                "a call did not come back: the leaving instance was given up",
            );
        }
        !hung
    });
    for member in &mut members.all {
        let instance = member.cell.instance;
        match member.state {
            State::Ready if member.cell.busy_for().is_some_and(|busy| busy > limit) && member.cell.give_up(shared) => {
                let stuck = shared.stuck.fetch_add(1, Ordering::AcqRel) + 1;
                shared.restarts.fetch_add(1, Ordering::Relaxed);
                let message = format!(
                    "a call did not come back within {:.1} s: the instance was given up and is being replaced ({stuck} of \
                     at most {} threads hang)",
                    limit.as_secs_f32(),
                    shared.settings.stuck_limit
                );
                shared.log(Some(instance), Level::Error, &message);
                member.lost(&shared.settings, "a call did not come back");
            }
            State::Starting if member.replacement && member.cell.started.elapsed() > shared.settings.start_limit => {
                shared.log(Some(instance), Level::Error, "the instance did not start again in time");
                member.cell.leave.ask();
                member.lost(&shared.settings, "it did not start in time");
            }
            _ => {}
        }
    }
    shared.stuck.load(Ordering::Acquire) > before
}

/// Starts what is due; the answer is when the next one is.
fn replace_lost(shared: &Arc<Shared>, members: &mut Members) -> Option<Instant> {
    let now = Instant::now();
    let mut next: Option<Instant> = None;
    for place in 0..members.all.len() {
        let State::Down { retry } = members.all[place].state else { continue };
        if retry > now {
            next = Some(next.map_or(retry, |at| at.min(retry)));
            continue;
        }
        let instance = members.all[place].cell.instance;
        if shared.stuck.load(Ordering::Acquire) >= shared.settings.stuck_limit {
            let message = "too many threads of this deployment hang: the instance is not replaced until one of them \
                           comes back. Restart the workspace to be rid of them, and look at the model or its inputs.";
            shared.log(Some(instance), Level::Error, message);
            members.all[place].losses = u32::MAX / 2;
            members.all[place].lost(&shared.settings, message);
            continue;
        }
        let cell = members.cell(instance, true);
        let member = &mut members.all[place];
        member.cell = cell;
        member.tracks = Tracks::default();
        member.state = State::Starting;
        if let Err(error) = shared.spawn(&Arc::clone(&member.cell)) {
            shared.log(Some(instance), Level::Error, &error.message);
            member.lost(&shared.settings, &error.message);
        }
    }
    next
}
