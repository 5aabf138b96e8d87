//! Figures over the last [`RECENT_S`] seconds, kept up to date second by second: what a frame costs does not depend on
//! the length of that window, and little on the number of endpoints.

use super::RECENT_S;
use super::series::Summary;
use crate::resources::{Counts, Second};
use crate::stats::histogram::quantile_of;

/// The sum of the seconds in `(end − RECENT_S, end]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recent {
    end: i64,
    counts: Counts,
    /// Requests with a latency.
    answered: u64,
    /// Bucket and count, in order of buckets.
    latency: Vec<(u16, u64)>,
}

impl Recent {
    /// The last second of the window.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// Whether a second lies in the window.
    pub fn holds(&self, at: i64) -> bool {
        at > self.end - RECENT_S && at <= self.end
    }

    /// Forgets everything; the window ends with `end` from now on.
    pub fn begin(&mut self, end: i64) {
        self.latency.clear();
        (self.end, self.counts, self.answered) = (end, Counts::default(), 0);
    }

    /// Moves the end, once the seconds that enter are added and those that leave are taken off.
    pub fn move_to(&mut self, end: i64) {
        self.end = end;
    }

    pub fn add(&mut self, second: &Second) {
        self.counts.add(&second.counts);
        for (bucket, n) in &second.latency {
            self.count(*bucket, u64::from(*n));
        }
    }

    pub fn take_off(&mut self, second: &Second) {
        self.counts.take_off(&second.counts);
        let mut emptied = false;
        for (bucket, n) in &second.latency {
            if let Ok(at) = self.latency.binary_search_by_key(bucket, |pair| pair.0) {
                let taken = u64::from(*n).min(self.latency[at].1);
                self.latency[at].1 -= taken;
                self.answered -= taken;
                emptied |= self.latency[at].1 == 0;
            }
        }
        if emptied {
            self.latency.retain(|pair| pair.1 > 0);
        }
    }

    /// Several windows with the same end as one.
    pub fn together<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for one in all {
            sum.end = one.end;
            sum.counts.add(&one.counts);
            for (bucket, n) in &one.latency {
                sum.count(*bucket, *n);
            }
        }
        sum
    }

    /// Figures of the window, of which so many seconds were observed.
    pub fn summary(&self, seconds: i64) -> Summary {
        let total = self.counts.total();
        if total == 0 {
            return Summary { seconds, ..Summary::default() };
        }
        let ms = |q| quantile_of(self.latency.iter().copied(), self.answered, q).map(|us| us / 1_000.0);
        let rate = if seconds > 0 { total as f64 / seconds as f64 } else { 0.0 };
        Summary { counts: self.counts, seconds, rate, p50: ms(0.5), p95: ms(0.95), p99: ms(0.99) }
    }

    fn count(&mut self, bucket: u16, n: u64) {
        match self.latency.binary_search_by_key(&bucket, |pair| pair.0) {
            Ok(at) => self.latency[at].1 += n,
            Err(at) => self.latency.insert(at, (bucket, n)),
        }
        self.answered += n;
    }
}
