//! CPU time of an instance's thread, told by the thread itself a few times a second at most.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A thread looks at its own clock no more often than this.
const LEAST: Duration = Duration::from_millis(200);
/// Unit in which Linux tells the time of a process.
const TICK_MS: u64 = 10;

/// CPU time a process, or else this thread, has used. Where the system does not tell, nothing: then calls count with their
/// length.
fn used(process: Option<u32>) -> Option<Duration> {
    if let Some(process) = process {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name in front may hold anything.
        let mut fields = text.rsplit_once(") ")?.1.split(' ').skip(11);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        return Some(Duration::from_millis((ticks()? + ticks()?) * TICK_MS));
    }
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// What one thread, or the process that works for it, has told of its effort.
pub struct Effort {
    process: Option<u32>,
    told: Option<Duration>,
    at: Instant,
    /// Length of the calls since.
    calls: Duration,
}

impl Effort {
    /// Of a process, or of the calling thread, from now on.
    pub fn begin(process: Option<u32>) -> Self {
        Self { process, told: used(process), at: Instant::now(), calls: Duration::ZERO }
    }

    /// Adds what was used since the last time to `total` (ns), if that is long enough ago.
    pub fn tell(&mut self, total: &AtomicU64, now: Instant, call: Duration) {
        self.calls += call;
        if now.saturating_duration_since(self.at) < LEAST {
            return;
        }
        self.at = now;
        let calls = std::mem::take(&mut self.calls);
        let now = used(self.process);
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
        let mut effort = Effort::begin(None);
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
