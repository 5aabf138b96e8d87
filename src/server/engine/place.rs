//! What an instance in a process of its own shares with its keeper: where it stands, and how it is lost.

use std::sync::Arc;

use super::OutOfMemory;
use crate::server::stop::Stop;

/// Where an instance stands in its pool.
#[derive(Clone)]
pub struct Place {
    /// Number of the instance, as logs show it.
    pub instance: u32,
    /// It takes the place of a lost one: whoever keeps the pool decides about another attempt.
    pub replacement: bool,
    /// Asked when the instance is not wanted any more: one that starts ends at once, one that works soon.
    pub leave: Stop,
    /// Makes the keeper ask [`super::Instance::gone`].
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

impl Default for Place {
    fn default() -> Self {
        Self { instance: 0, replacement: false, leave: Stop::new(), wake: Arc::new(|| {}) }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("instance", &self.instance).field("replacement", &self.replacement).finish()
    }
}

/// How an instance ended without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Before the request had reached it: another instance can take the request.
    #[error("{0}")]
    Before(String),
    /// While it worked.
    #[error("{0}")]
    During(String),
    /// It was stopped for its memory.
    #[error("was stopped: {0}")]
    Memory(OutOfMemory),
}
