//! Intended start times.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::Stop;

/// The pacer wakes no more often than this; what falls due between is released together.
const FINEST: Duration = Duration::from_micros(200);
/// It looks at the stop signal at least this often.
const LONGEST_NAP: Duration = Duration::from_millis(50);
/// After the last intended start, requests that wait for a free connection are given up.
const GRACE: Duration = Duration::from_secs(1);

/// How fast requests are started.
#[derive(Clone)]
pub enum Pace {
    /// Requests a second, evenly spaced.
    Constant(f64),
    /// Requests a second on average, with the random gaps of many independent callers.
    Poisson(f64),
    /// Requests a second as a function of the seconds since the start, with random gaps.
    Rhythm(Arc<dyn Fn(f64) -> f64 + Send + Sync>),
}

impl Pace {
    /// # Errors
    /// A rate that is not positive and finite, or beyond a million a second.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Constant(rate) | Self::Poisson(rate) if !(rate.is_finite() && *rate > 0.0 && *rate <= 1e6) => {
                Err(format!("a rate of {rate} requests a second is not possible: give more than 0, at most 1000000"))
            }
            _ => Ok(()),
        }
    }

    /// The wanted rate, where there is one.
    pub(super) fn rate(&self) -> Option<f64> {
        match self {
            Self::Constant(rate) | Self::Poisson(rate) => Some(*rate),
            Self::Rhythm(_) => None,
        }
    }
}

/// The intended starts of a run, in order. Two schedules of the same seed are equal, so the pacing thread and the
/// senders agree without a queue between them.
pub(super) struct Schedule {
    pace: Pace,
    random: fastrand::Rng,
    start: Instant,
    length: Option<f64>,
    next: f64,
    number: u64,
}

impl Schedule {
    pub(super) fn new(pace: Pace, seed: u64, start: Instant, length: Option<Duration>) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let mut schedule = Self { pace, random, start, length: length.map(|d| d.as_secs_f64()), next: 0.0, number: 0 };
        // The first constant request starts at once; random ones after their first gap.
        if !matches!(schedule.pace, Pace::Constant(_)) {
            schedule.next = schedule.gap(0.0);
        }
        schedule
    }

    /// Seconds from one start at `at` to the next.
    fn gap(&mut self, at: f64) -> f64 {
        let rate = match &self.pace {
            Pace::Constant(rate) => return 1.0 / rate,
            Pace::Poisson(rate) => *rate,
            // A rhythm that pauses goes on a little later instead of never.
            Pace::Rhythm(rate) => rate(at).clamp(0.1, 1e6),
        };
        -(1.0 - self.random.f64()).ln() / rate
    }
}

impl Iterator for Schedule {
    /// Number of the request, from 0, and its intended start.
    type Item = (u64, Instant);

    fn next(&mut self) -> Option<(u64, Instant)> {
        if self.length.is_some_and(|length| self.next >= length) {
            return None;
        }
        let item = (self.number, self.start + Duration::from_secs_f64(self.next));
        self.number += 1;
        self.next = match self.pace {
            // Counted, not added up: no drift over a long run.
            Pace::Constant(rate) => self.number as f64 / rate,
            _ => self.next + self.gap(self.next),
        };
        Some(item)
    }
}

/// Releases a permit at each intended start, from a thread of its own: the runtime's timer is too coarse (1 ms), which
/// would show as latency that is not the server's. Closes the semaphore at the end and answers how many it released.
pub(super) fn start_pacer(schedule: Schedule, due: Arc<Semaphore>, stop: Stop) -> Result<JoinHandle<u64>, String> {
    let end = schedule.length.map(|length| schedule.start + Duration::from_secs_f64(length));
    let work = move || {
        let mut released = 0_u64;
        for (_, intended) in schedule {
            if !sleep_until(intended, &stop) {
                break;
            }
            due.add_permits(1);
            released += 1;
        }
        // The run lasts its whole time even when the last request is due earlier.
        if let Some(end) = end {
            sleep_until(end, &stop);
        }
        // What was due in time but found no free connection still gets its chance, or the last requests of a run would
        // be lost to any hiccup.
        let patience = Instant::now() + GRACE;
        while due.available_permits() > 0 && Instant::now() < patience {
            std::thread::sleep(FINEST);
        }
        due.close();
        released
    };
    std::thread::Builder::new()
        .name("load-pacer".into())
        .spawn(work)
        .map_err(|e| format!("cannot start the pacing thread: {e}"))
}

/// `false` when stopped on the way.
fn sleep_until(when: Instant, stop: &Stop) -> bool {
    loop {
        if stop.is_stopped() {
            return false;
        }
        let left = when.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.clamp(FINEST, LONGEST_NAP));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn starts(pace: Pace, seconds: u64) -> Vec<f64> {
        let start = Instant::now();
        Schedule::new(pace, 7, start, Some(Duration::from_secs(seconds)))
            .map(|(_, at)| at.duration_since(start).as_secs_f64())
            .collect()
    }

    #[test]
    fn a_constant_pace_is_even_and_exact() {
        let all = starts(Pace::Constant(200.0), 5);
        assert_eq!(all.len(), 1000);
        assert!(all.iter().enumerate().all(|(i, at)| (at - i as f64 / 200.0).abs() < 1e-6));
    }

    #[test]
    fn a_poisson_pace_has_the_mean_and_the_spread_of_independent_callers() {
        let all = starts(Pace::Poisson(100.0), 100);
        assert!((9_500..10_500).contains(&all.len()), "{}", all.len());
        let gaps: Vec<f64> = all.windows(2).map(|w| w[1] - w[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let var = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Exponential gaps: standard deviation = mean.
        assert!((var.sqrt() / mean - 1.0).abs() < 0.1);
    }

    #[test]
    fn a_rhythm_follows_its_function() {
        let rhythm = Pace::Rhythm(Arc::new(|at| if at < 50.0 { 20.0 } else { 80.0 }));
        let all = starts(rhythm, 100);
        let slow = all.iter().filter(|at| **at < 50.0).count();
        assert!((800..1200).contains(&slow), "{slow}");
        assert!((3600..4400).contains(&(all.len() - slow)));
    }

    proptest! {
        #[test]
        fn starts_never_go_back_and_equal_seeds_agree(rate in 0.5_f64..5000.0, seed: u64) {
            let start = Instant::now();
            let make = || Schedule::new(Pace::Poisson(rate), seed, start, None).take(200).collect::<Vec<_>>();
            let all = make();
            prop_assert!(all.windows(2).all(|w| w[0].1 <= w[1].1 && w[0].0 + 1 == w[1].0));
            prop_assert_eq!(all, make());
        }
    }
}
