//! A running operation: its phases as they pass, and the wish to stop it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::resources::{ArmError, Operation, OperationDetails, Phase};
use crate::server::store::{Change, Store, now_ms};

/// Why a piece of work ended early.
#[derive(Debug)]
pub(super) enum Stop {
    Failed(ArmError),
    Canceled,
}

impl From<ArmError> for Stop {
    fn from(error: ArmError) -> Self {
        Self::Failed(error)
    }
}

/// An operation, and whether its end has been told: nothing is said of it any more then.
struct Running {
    operation: Operation,
    ended: bool,
}

/// Writes an operation's progress down as it happens.
#[derive(Clone)]
pub(super) struct Tracker {
    store: Store,
    /// `None` when nobody asked: a deployment that comes back at start.
    operation: Option<Arc<Mutex<Running>>>,
    cancel: Cancel,
}

/// Shared wish to stop an operation.
#[derive(Clone)]
pub(super) struct Cancel {
    wish: Arc<watch::Sender<Wish>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    None,
    Stop,
    /// The point of no return has passed.
    TooLate,
}

impl Cancel {
    pub fn new() -> Self {
        Self { wish: Arc::new(watch::Sender::new(Wish::None)) }
    }

    /// Asks to stop; false when it is too late.
    pub fn ask(&self) -> bool {
        let mut heard = false;
        self.wish.send_modify(|wish| {
            heard = *wish != Wish::TooLate;
            if heard {
                *wish = Wish::Stop;
            }
        });
        heard
    }

    /// Returns when asked to stop; otherwise never.
    async fn asked(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.wish.subscribe().wait_for(|wish| *wish == Wish::Stop).await;
    }

    fn is_asked(&self) -> bool {
        *self.wish.borrow() == Wish::Stop
    }

    fn too_late(&self) -> Result<(), Stop> {
        let mut stop = false;
        self.wish.send_modify(|wish| {
            stop = *wish == Wish::Stop;
            if !stop {
                *wish = Wish::TooLate;
            }
        });
        if stop { Err(Stop::Canceled) } else { Ok(()) }
    }
}

impl Tracker {
    pub fn of(store: Store, operation: Operation, cancel: Cancel) -> Self {
        Self { store, operation: Some(Arc::new(Mutex::new(Running { operation, ended: false }))), cancel }
    }

    /// For work that belongs to no operation.
    pub fn silent(store: Store, cancel: Cancel) -> Self {
        Self { store, operation: None, cancel }
    }

    /// Says what is going to be done. An operation that a crash interrupted begins again.
    pub fn plan(&self, names: &[String]) {
        self.change(|_, details| {
            details.phases = names.iter().map(|name| Phase { name: name.clone(), ..Phase::default() }).collect();
            details.cancellable = true;
        });
    }

    /// The next phase begins, the one before it has ended.
    pub fn next(&self) {
        self.change(|operation, details| {
            let now = now_ms();
            end_running(&mut details.phases, now);
            if let Some(next) = details.phases.iter_mut().find(|p| p.started_ms == 0) {
                next.started_ms = now;
            }
            let ended = details.phases.iter().filter(|p| p.ended_ms != 0).count();
            // 100 is for the end; a fresh operation shows that it was taken up.
            operation.percent_complete = (100.0 * ended as f64 / details.phases.len().max(1) as f64).clamp(1.0, 99.0);
        });
    }

    /// Says something about the running phase.
    pub fn note(&self, text: &str) {
        self.change(|_, details| {
            if let Some(phase) = details.phases.iter_mut().find(|p| p.started_ms != 0 && p.ended_ms == 0) {
                phase.note = Some(text.to_owned());
            }
        });
    }

    /// Says how far the running phase is, 0 to 1, and with what. For callers that say it often: every call is written.
    pub fn progress(&self, share: f64, text: &str) {
        self.change(|_, details| {
            if let Some(phase) = details.phases.iter_mut().find(|p| p.started_ms != 0 && p.ended_ms == 0) {
                phase.note = Some(text.to_owned());
                phase.share = Some(share.clamp(0.0, 1.0));
            }
        });
    }

    /// Waits for a piece of work, or for the wish to stop; the work then goes on unseen and its result is dropped.
    pub async fn unless_canceled<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.cancel.asked() => Err(Stop::Canceled),
            result = work => Ok(result),
        }
    }

    /// Whether it was asked to stop.
    pub fn is_to_stop(&self) -> bool {
        self.cancel.is_asked()
    }

    /// From here on the operation can no longer be stopped.
    ///
    /// # Errors
    /// It was asked to stop before.
    pub fn no_return(&self) -> Result<(), Stop> {
        self.cancel.too_late()?;
        self.change(|_, details| details.cancellable = false);
        Ok(())
    }

    /// The change that ends the operation; nothing for silent work.
    pub fn end(&self, result: &Result<(), Stop>) -> Change {
        let Some(operation) = &self.operation else { return Change::new() };
        let mut running = operation.lock().unwrap_or_else(PoisonError::into_inner);
        running.ended = true;
        let mut operation = running.operation.clone();
        drop(running);
        let (status, outcome) = match result {
            Ok(()) => ("Succeeded", "done"),
            Err(Stop::Failed(_)) => ("Failed", "failed"),
            Err(Stop::Canceled) => ("Canceled", "canceled"),
        };
        status.clone_into(&mut operation.status);
        operation.end_time = Some(jiff::Timestamp::now().to_string());
        operation.percent_complete = 100.0;
        operation.error = match result {
            Ok(()) => None,
            Err(Stop::Failed(error)) => Some(error.clone()),
            Err(Stop::Canceled) => Some(ArmError::new("OperationCanceled", "The operation was canceled on request.")),
        };
        if let Some(details) = &mut operation.properties {
            end_running(&mut details.phases, now_ms());
            details.cancellable = false;
        }
        let name = operation.name.clone();
        Change::new().operation(operation).settle(&name, outcome)
    }

    /// Changes the operation and sends it to the store without waiting: progress that cannot be written (a full disk)
    /// must not stop the work itself.
    fn change(&self, edit: impl FnOnce(&mut Operation, &mut OperationDetails)) {
        let Some(operation) = &self.operation else { return };
        let mut running = operation.lock().unwrap_or_else(PoisonError::into_inner);
        if running.ended {
            return;
        }
        let operation = &mut running.operation;
        let mut details = operation.properties.take().unwrap_or_default();
        edit(operation, &mut details);
        operation.properties = Some(details);
        self.store.post(Change::new().operation(operation.clone()));
    }
}

fn end_running(phases: &mut [Phase], now: i64) {
    for phase in phases.iter_mut().filter(|p| p.started_ms != 0 && p.ended_ms == 0) {
        phase.ended_ms = now;
        phase.share = None;
    }
}
