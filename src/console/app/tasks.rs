//! Work in flight, and messages about how it ended.

use super::call::{Call, Failure};
use crate::resources::Operation;

/// How long a message stays, in milliseconds.
const TOAST_MS: i64 = 4_000;
const BAD_TOAST_MS: i64 = 9_000;
/// Ended tasks kept in the list.
const KEPT: usize = 50;

/// A call in flight or ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub id: u64,
    /// "move traffic of restaurants to blue 50, green 50".
    pub title: String,
    pub call: Call,
    pub started_ms: i64,
    pub ended_ms: Option<i64>,
    pub progress: String,
    pub operation: Option<Box<Operation>>,
    pub failure: Option<Failure>,
}

impl Task {
    pub fn is_running(&self) -> bool {
        self.ended_ms.is_none()
    }
}

/// All tasks, oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tasks {
    pub all: Vec<Task>,
    next: u64,
}

impl Tasks {
    /// Takes down a call that is about to be made and gives its number.
    pub fn start(&mut self, title: String, call: Call, now: i64) -> u64 {
        self.next += 1;
        let task = Task {
            id: self.next,
            title,
            call,
            started_ms: now,
            ended_ms: None,
            progress: String::new(),
            operation: None,
            failure: None,
        };
        self.all.push(task);
        while self.all.len() > KEPT
            && let Some(at) = self.all.iter().position(|task| !task.is_running())
        {
            self.all.remove(at);
        }
        self.next
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Task> {
        self.all.iter_mut().find(|task| task.id == id)
    }

    /// Those in flight that the user started.
    pub fn running(&self) -> impl Iterator<Item = &Task> {
        self.all.iter().filter(|task| task.is_running() && !task.call.is_quiet())
    }

    /// Whether a call for which `wanted` holds is in flight.
    pub fn in_flight(&self, wanted: impl Fn(&Call) -> bool) -> bool {
        self.all.iter().any(|task| task.is_running() && wanted(&task.call))
    }

    /// The last one that failed.
    pub fn last_failure(&self) -> Option<&Task> {
        self.all.iter().rev().find(|task| task.failure.is_some())
    }

    /// What the user sees in the list: everything but background reads that went well.
    pub fn listed(&self) -> Vec<&Task> {
        self.all.iter().rev().filter(|task| !task.call.is_quiet() || task.failure.is_some()).collect()
    }
}

/// A message that goes away by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    pub text: String,
    pub bad: bool,
    pub until_ms: i64,
}

/// Messages, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Toasts(pub Vec<Toast>);

impl Toasts {
    pub fn good(&mut self, now: i64, text: impl Into<String>) {
        self.push(Toast { text: text.into(), bad: false, until_ms: now + TOAST_MS });
    }

    pub fn bad(&mut self, now: i64, text: impl Into<String>) {
        self.push(Toast { text: text.into(), bad: true, until_ms: now + BAD_TOAST_MS });
    }

    /// What a setting is now; what was said of it before is no longer true.
    pub fn setting(&mut self, now: i64, name: &str, value: &str) {
        let name = format!("{name}: ");
        self.0.retain(|old| !old.text.starts_with(&name));
        self.good(now, name + value);
    }

    fn push(&mut self, toast: Toast) {
        self.0.retain(|old| old.text != toast.text);
        self.0.push(toast);
        if self.0.len() > 3 {
            self.0.remove(0);
        }
    }

    /// Drops what is over.
    pub fn tidy(&mut self, now: i64) {
        self.0.retain(|toast| toast.until_ms > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_changes_twice_is_told_once() {
        let mut toasts = Toasts::default();
        toasts.setting(0, "theme", "dark");
        toasts.bad(0, "no");
        toasts.setting(5, "theme", "light");
        assert_eq!(toasts.0.iter().map(|toast| &*toast.text).collect::<Vec<_>>(), ["no", "theme: light"]);
    }
}
