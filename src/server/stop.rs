//! The wish to end work that blocks a thread: building an environment, waiting for a script that hangs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A wish to stop that clones share. It is heard once and for all: work that begins after it does not start.
#[derive(Clone, Default)]
pub struct Stop {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    asked: bool,
    next: u64,
    hooks: BTreeMap<u64, Box<dyn FnOnce() + Send>>,
}

impl Stop {
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop: runs what was hung up with [`Stop::when_asked`] and wakes who waits. Asking again changes nothing.
    pub fn ask(&self) {
        // The lock is held while the hooks run, so that whoever takes his hook back knows that it does not run.
        let mut state = self.state();
        state.asked = true;
        for (_, hook) in std::mem::take(&mut state.hooks) {
            hook();
        }
        self.inner.bell.notify_all();
    }

    pub fn is_asked(&self) -> bool {
        self.state().asked
    }

    /// Waits until asked, at most `limit`; whether it was asked.
    pub fn wait(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.state();
        while !state.asked {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.inner.bell.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.asked
    }

    /// Runs `hook` when asked to stop, at once when that has happened; not any more once the result is dropped. The
    /// hook must be quick and must not use this `Stop`.
    #[must_use = "the hook is taken back when this is dropped"]
    pub fn when_asked(&self, hook: impl FnOnce() + Send + 'static) -> Hook {
        let mut state = self.state();
        if state.asked {
            drop(state);
            hook();
            return Hook { stop: self.clone(), id: u64::MAX };
        }
        let id = state.next;
        state.next += 1;
        state.hooks.insert(id, Box::new(hook));
        drop(state);
        Hook { stop: self.clone(), id }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("asked", &self.is_asked()).finish()
    }
}

/// Something to do when asked to stop; dropped, it is forgotten, and does not run any more.
#[derive(Debug)]
pub struct Hook {
    stop: Stop,
    id: u64,
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.stop.state().hooks.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_hook_runs_once_when_asked_and_not_after_it_was_taken_back() {
        let (stop, count) = (Stop::new(), Arc::new(AtomicU32::new(0)));
        let add = || {
            let count = Arc::clone(&count);
            move || {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let kept = stop.when_asked(add());
        drop(stop.when_asked(add()));
        assert!(!stop.is_asked() && !stop.wait(Duration::ZERO));
        stop.ask();
        stop.clone().ask();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let late = stop.when_asked(add());
        assert_eq!(count.load(Ordering::SeqCst), 2, "who comes late is told at once");
        drop((kept, late));
    }

    #[test]
    fn who_waits_is_woken() {
        let stop = Stop::new();
        let other = stop.clone();
        let waiting = std::thread::spawn(move || other.wait(Duration::from_secs(60)));
        stop.ask();
        assert!(waiting.join().unwrap());
    }
}
