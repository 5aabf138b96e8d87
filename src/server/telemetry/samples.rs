//! The last requests of a deployment, kept compactly and spelled out only when somebody looks.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;

use super::clock::Clock;
use super::deployment::Record;
use super::lock;
use crate::resources::RequestSample;

/// Requests kept for each deployment.
const KEPT: usize = 200;
/// Of each body.
const BODY_BYTES: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Samples(Mutex<VecDeque<Record>>);

impl Samples {
    pub fn push(&self, mut record: Record) {
        // A copy of the head, so that a sample does not hold a whole upload in memory.
        let head =
            |body: Bytes| if body.len() > BODY_BYTES { Bytes::copy_from_slice(&body[..BODY_BYTES]) } else { body };
        record.request_body = record.request_body.map(head);
        record.response_body = record.response_body.map(head);
        let mut kept = lock(&self.0);
        // The oldest is dropped after the lock is released: it may own bodies.
        let _oldest = if kept.len() >= KEPT { kept.pop_front() } else { None };
        kept.push_back(record);
        drop(kept);
    }

    pub fn read(&self, endpoint: &str, deployment: &str, clock: &Clock) -> Vec<RequestSample> {
        let kept: Vec<Record> = lock(&self.0).iter().rev().cloned().collect();
        kept.into_iter().map(|record| spell_out(record, endpoint, deployment, clock)).collect()
    }
}

fn spell_out(record: Record, endpoint: &str, deployment: &str, clock: &Clock) -> RequestSample {
    let ms = |d: Duration| (d.as_secs_f64() * 1e6).round() / 1e3;
    let text = |body: Bytes| String::from_utf8_lossy(&body).into_owned();
    RequestSample {
        id: record.id.to_string(),
        at_ms: clock.unix_ms(record.admitted),
        endpoint: endpoint.to_owned(),
        deployment: deployment.to_owned(),
        status: record.status,
        total_ms: ms(record.finished.saturating_duration_since(record.admitted)),
        queue_ms: ms(record.queued),
        model_ms: ms(record.model),
        request_bytes: record.request_bytes,
        response_bytes: record.response_bytes,
        generation: record.generation,
        probability: record.probability,
        pinned: record.pinned,
        mirrored: record.mirrored,
        request_body: record.request_body.map(text),
        response_body: record.response_body.map(text),
    }
}
