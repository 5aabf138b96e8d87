//! Unix time from the monotonic clock: one reading serves both durations and dates.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Turns instants into unix time; follows the system's clock when that is set anew.
#[derive(Debug)]
pub struct Clock {
    origin: Instant,
    /// Unix milliseconds at `origin`.
    offset_ms: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A drift above this is a clock set by hand or a machine that slept, not jitter.
    const TOLERANCE_MS: i64 = 500;

    pub fn new() -> Self {
        Self { origin: Instant::now(), offset_ms: AtomicI64::new(system_ms()) }
    }

    /// Unix milliseconds of `instant`.
    pub fn unix_ms(&self, instant: Instant) -> i64 {
        let since = i64::try_from(instant.saturating_duration_since(self.origin).as_millis()).unwrap_or(i64::MAX);
        self.offset_ms.load(Ordering::Relaxed).saturating_add(since)
    }

    /// Unix milliseconds now; corrects the offset when the system's clock has moved.
    pub fn now_ms(&self) -> i64 {
        let ours = self.unix_ms(Instant::now());
        let drift = system_ms() - ours;
        if drift.abs() > Self::TOLERANCE_MS {
            self.offset_ms.fetch_add(drift, Ordering::Relaxed);
            return ours + drift;
        }
        ours
    }
}

fn system_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
