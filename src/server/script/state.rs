//! What the thread that watches a worker shares with the thread that asks it: whether it lives, what it is at, why it ended.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::server::engine::{Lost, OutOfMemory};

/// How long a process that was told to leave may go on with a request.
const LAST_REQUEST: Duration = Duration::from_secs(30);
/// From the end of its input to SIGTERM, and from there to SIGKILL.
const TO_TERMINATE: Duration = Duration::from_secs(2);
const TO_KILL: Duration = Duration::from_secs(7);

/// Why we ended a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// It is not wanted any more.
    Leave,
    /// run() took too long.
    TooLong(Duration),
    /// It did not become ready in time.
    NotReady(Duration),
    /// Its instance took more than it has, in bytes.
    Memory { used: u64, limit: u64 },
    /// What it sent was no answer.
    Gibberish(String),
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    status: Option<ExitStatus>,
    order: Option<Order>,
    /// The last line of its last traceback.
    reason: Option<String>,
}

#[derive(Debug, Default)]
struct Inner {
    /// None before the start and after the end.
    pid: Option<u32>,
    ready: bool,
    busy: Option<Instant>,
    /// Told to leave when it has finished.
    retired: Option<Instant>,
    /// Its input was closed.
    closed: Option<Instant>,
    terminated: bool,
    order: Option<Order>,
    end: Option<End>,
}

/// See the module.
#[derive(Debug)]
pub struct Worker {
    inner: Mutex<Inner>,
    ended: Condvar,
    /// Our end of its socket.
    socket: UnixStream,
}

impl Worker {
    pub fn new(socket: UnixStream) -> Self {
        Self { inner: Mutex::default(), ended: Condvar::new(), socket }
    }

    pub fn started(&self, pid: u32) {
        let mut inner = self.inner();
        inner.pid = Some(pid);
        let unwanted = inner.order.is_some() || inner.retired.is_some();
        if unwanted {
            signal(pid, libc::SIGKILL);
        }
    }

    pub fn pid(&self) -> Option<u32> {
        self.inner().pid
    }

    pub fn ready(&self) {
        self.inner().ready = true;
    }

    /// A request begins; false when the process has ended.
    pub fn begin(&self) -> bool {
        let mut inner = self.inner();
        inner.busy = Some(Instant::now());
        inner.end.is_none() && inner.order.is_none()
    }

    pub fn done(&self) {
        self.inner().busy = None;
    }

    /// Ends the process and its children at once. The first order counts.
    pub fn kill(&self, order: Order) {
        let mut inner = self.inner();
        inner.order.get_or_insert(order);
        if let Some(pid) = inner.pid {
            signal(pid, libc::SIGKILL);
        }
    }

    /// It is not wanted any more: a start ends at once, a request may be finished.
    pub fn retire(&self) {
        let ready = {
            let mut inner = self.inner();
            inner.retired.get_or_insert_with(Instant::now);
            inner.ready
        };
        if !ready {
            self.kill(Order::Leave);
        }
    }

    /// Ends its input, which a worker takes as the wish to leave.
    pub fn close(&self) {
        {
            let mut inner = self.inner();
            inner.closed.get_or_insert_with(Instant::now);
            inner.order.get_or_insert(Order::Leave);
        }
        // Not connected any more is as good.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// What time demands of the watcher: signals, orders.
    pub fn look(&self, limit: Duration) {
        let now = Instant::now();
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        let mut inner = self.inner();
        let Some(pid) = inner.pid else { return };
        if since(inner.busy).is_some_and(|busy| busy > limit) {
            inner.order.get_or_insert(Order::TooLong(limit));
            signal(pid, libc::SIGKILL);
        } else if since(inner.closed).is_some_and(|closed| closed > TO_KILL)
            || since(inner.retired).is_some_and(|retired| retired > LAST_REQUEST && inner.busy.is_some())
        {
            inner.order.get_or_insert(Order::Leave);
            signal(pid, libc::SIGKILL);
        } else if since(inner.closed).is_some_and(|closed| closed > TO_TERMINATE) && !inner.terminated {
            inner.terminated = true;
            signal(pid, libc::SIGTERM);
        }
    }

    /// The process is about to be reaped: what is left of its group ends with it, and its number means nothing any more.
    pub fn last_rites(&self) {
        if let Some(pid) = self.inner().pid.take() {
            signal(pid, libc::SIGKILL);
        }
    }

    /// It has ended: whoever waits for an answer hears of it.
    pub fn has_ended(&self, status: Option<ExitStatus>, reason: Option<String>) {
        let mut inner = self.inner();
        inner.pid = None;
        inner.end = Some(End { status, order: inner.order.clone(), reason });
        drop(inner);
        self.ended.notify_all();
        // A child that still holds the other end must not keep anybody waiting.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// How it ended, if it has within `limit`.
    pub fn end(&self, limit: Duration) -> Option<End> {
        let until = Instant::now() + limit;
        let mut inner = self.inner();
        while inner.end.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inner = self.ended.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        inner.end.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a signal to a process and its children: each worker leads a group of its own.
fn signal(pid: u32, signal: i32) {
    let Ok(group) = i32::try_from(pid) else { return };
    // SAFETY: a number and a signal go to the system. The process has not been reaped, so its number is its own.
    unsafe { libc::kill(-group, signal) };
}

impl End {
    /// In words that go on from "the worker".
    pub fn words(&self) -> String {
        let how = match (&self.order, self.status) {
            (Some(Order::Leave), _) => "was stopped".to_owned(),
            (Some(Order::TooLong(limit)), _) => {
                format!("did not come back from run() within {} s (WORKER_TIMEOUT) and was killed", limit.as_secs_f64())
            }
            (Some(Order::NotReady(limit)), _) => {
                format!("did not come back from init() within {} s and was killed", limit.as_secs_f64())
            }
            (Some(Order::Memory { used, limit }), _) => Lost::Memory(out_of_memory(*used, *limit)).to_string(),
            (Some(Order::Gibberish(what)), _) => format!("sent something that is no answer ({what}) and was killed"),
            (None, Some(status)) => match (status.signal(), status.code()) {
                (Some(libc::SIGKILL), _) => {
                    "was killed by signal 9 (SIGKILL), possibly because the machine is out of memory".to_owned()
                }
                (Some(signal), _) => format!("was killed by signal {signal}{}", name(signal)),
                (None, code) => format!("exited with code {}", code.unwrap_or_default()),
            },
            (None, None) => "ended".to_owned(),
        };
        match &self.reason {
            // A signal from outside has nothing to do with what was said before; a crash says so itself.
            Some(reason)
                if self.order.is_none()
                    && (self.status.is_none_or(|s| s.signal().is_none()) || reason.starts_with("Fatal")) =>
            {
                format!("{how}: {reason}")
            }
            _ => how,
        }
    }

    pub fn was_told_to_leave(&self) -> bool {
        self.order == Some(Order::Leave)
    }

    /// As the loss of an instance; `began` says whether a request was under way.
    pub fn lost(&self, began: bool) -> Lost {
        match self.order {
            Some(Order::Memory { used, limit }) => Lost::Memory(out_of_memory(used, limit)),
            _ if began => Lost::During(self.words()),
            _ => Lost::Before(self.words()),
        }
    }
}

fn out_of_memory(needed: u64, limit: u64) -> OutOfMemory {
    OutOfMemory { needed, limit, node: "the scoring script".to_owned() }
}

/// The names of signals that end processes which did something wrong.
fn name(signal: i32) -> &'static str {
    match signal {
        libc::SIGSEGV => " (SIGSEGV, an invalid memory access in native code)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGILL => " (SIGILL, an instruction that this processor does not have)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGINT => " (SIGINT)",
        _ => "",
    }
}
