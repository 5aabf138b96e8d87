//! CPU time of an instance's thread, told by the thread itself a few times a second at most.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A thread looks at its own clock no more often than this.
const LEAST: Duration = Duration::from_millis(200);

/// CPU time this thread has used. Where the system does not tell, nothing: then calls count with their length.
fn used() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// What one thread has told of its effort.
pub struct Effort {
    told: Option<Duration>,
    at: Instant,
    /// Length of the calls since.
    calls: Duration,
}

impl Effort {
    /// Of the calling thread, from now on.
    pub fn begin() -> Self {
        Self { told: used(), at: Instant::now(), calls: Duration::ZERO }
    }

    /// Adds what was used since the last time to `total` (ns), if that is long enough ago.
    pub fn tell(&mut self, total: &AtomicU64, now: Instant, call: Duration) {
        self.calls += call;
        if now.saturating_duration_since(self.at) < LEAST {
            return;
        }
        self.at = now;
        let calls = std::mem::take(&mut self.calls);
        let now = used();
        let spent = match (now, self.told) {
            (Some(now), Some(before)) => now.saturating_sub(before),
            _ => calls,
        };
        self.told = now;
        total.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_told_and_sleep_is_not() {
        let total = AtomicU64::new(0);
        let mut effort = Effort::begin();
        let mut x = 1u64;
        while total.load(Ordering::Relaxed) == 0 {
            let began = Instant::now();
            for _ in 0..100_000 {
                x = std::hint::black_box(x.wrapping_mul(3));
            }
            effort.tell(&total, Instant::now(), began.elapsed());
        }
        // Thread time cannot be longer than the time that has passed.
        assert!(Duration::from_nanos(total.load(Ordering::Relaxed)) <= Duration::from_secs(60), "{x}");
    }
}
