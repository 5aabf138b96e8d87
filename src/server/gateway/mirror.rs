//! Shadow copies (reference: rollout semantics §2): handed over in passing, heard of only in the shadow's own counts.

use std::time::Instant;

use http::HeaderValue;

use super::answer::SHADOW;
use super::snapshot::Snapshot;
use crate::server::engine::ScoreRequest;

/// Hands copies of an admitted request to the chosen targets. Never waits.
pub fn send(snapshot: &Snapshot, targets: &[usize], request: &ScoreRequest) {
    for pool in targets.iter().filter_map(|t| snapshot.targets.get(*t)?.pool.as_ref()) {
        let mut copy = request.clone();
        copy.headers.insert(SHADOW, HeaderValue::from_static("true"));
        copy.deadline = pool.deadline(Instant::now());
        pool.shadow(copy);
    }
}
