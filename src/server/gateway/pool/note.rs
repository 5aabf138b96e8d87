//! What is written down when a call has ended: its time, its failure, the loss of its instance.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::instance::Cell;
use super::members::Event;
use super::{Level, Shared};
use crate::server::engine::{Instance, ScoreResponse};

/// What an instance was at when it was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    Idle,
    Busy,
}

/// Ends an instance that is lost. The pool knows before a caller does.
pub fn lose(shared: &Shared, cell: &Cell, seat: &mut Option<Box<dyn Instance>>, how: &str, at: Loss) {
    discard(seat.take());
    cell.lost.store(true, Ordering::Release);
    shared.report(cell, Event::Lost { how: how.to_owned(), with_request: at == Loss::Busy });
    shared.queue.wake_all();
}

/// Drops an instance; what a panic left behind may panic again.
pub fn discard(instance: Option<Box<dyn Instance>>) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(instance)));
}

/// How long a call took.
pub fn service_time(shared: &Shared, took: Duration) {
    let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
    let smooth = |time: &AtomicU64, took: u64| {
        let before = time.load(Ordering::Relaxed);
        let next = if before == 0 { took } else { before - before / 8 + took / 8 };
        time.store(next.max(1), Ordering::Relaxed);
    };
    smooth(&shared.service_ns, took);
    // A thread that lost its core for a while says nothing of the model; models that really are slow show it again.
    let usual = shared.usual_ns.load(Ordering::Relaxed);
    smooth(&shared.usual_ns, if usual == 0 { took } else { took.min(usual.saturating_mul(4)) });
}

/// A model's failure belongs in its log; the caller's mistakes do not. A script says in its own what was wrong, and this line
/// would come in the midst of that.
pub fn failure(shared: &Shared, cell: &Cell, response: &ScoreResponse) {
    let is_script = shared.settings.processes.is_some();
    if (200..300).contains(&response.status) || response.caller_fault || is_script {
        return;
    }
    let body = String::from_utf8_lossy(&response.body[..response.body.len().min(2_000)]).into_owned();
    shared.log(Some(cell.instance), Level::Error, &format!("the model answered {}: {body}", response.status));
}
