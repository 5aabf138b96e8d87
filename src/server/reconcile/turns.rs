//! One at a time for each name.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// A lock for each key, made as needed and forgotten when nobody waits for it.
#[derive(Debug)]
pub(super) struct Turns<K> {
    locks: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
}

impl<K: Eq + Hash + Clone> Turns<K> {
    pub fn new() -> Self {
        Self { locks: Mutex::new(HashMap::new()) }
    }

    /// Waits for the key's turn, in the order of asking; it ends when the answer is dropped.
    pub async fn take(&self, key: &K) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            // Those that nobody else holds are nobody's turn.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(key.clone()).or_default())
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_key_is_taken_once_at_a_time_and_others_are_free() {
        let turns = Turns::new();
        let first = turns.take(&"a").await;
        let _other = turns.take(&"b").await;
        let mut waiting = Box::pin(turns.take(&"a"));
        assert!((&mut waiting).now_or_never().is_none());
        drop(first);
        let _second = waiting.await;
        assert!(turns.take(&"a").now_or_never().is_none());
    }
}
