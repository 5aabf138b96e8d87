//! Seconds of a deployment, and figures over windows of them.

use std::collections::VecDeque;

use super::RECENT_S;
use super::recent::Recent;
use crate::resources::{Counts, Second};
use crate::stats::histogram::{BUCKETS, Histogram, lower, samples_for, upper};

/// Seconds a point of a course of percentiles stands for; more where requests are so rare that these do not tell.
const SMOOTH_S: i64 = 20;
const RARE_S: i64 = 60;

/// What a deployment did, second by second; seconds without requests are not kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    seconds: VecDeque<Second>,
    recent: Recent,
}

/// When the workspace was observed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Inclusive spans of Unix seconds, in order.
    spans: VecDeque<(i64, i64)>,
    interrupted: bool,
}

/// Figures over a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    pub counts: Counts,
    /// Observed seconds of the window.
    pub seconds: i64,
    /// Requests per second.
    pub rate: f64,
    /// Milliseconds; `None` when there are too few samples.
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

impl Summary {
    /// Share of requests that failed by the service's fault, in percent.
    pub fn error_percent(&self) -> Option<f64> {
        let total = self.counts.total();
        (total > 0).then(|| self.counts.errors() as f64 * 100.0 / total as f64)
    }
}

impl Coverage {
    /// The feed was interrupted: the next frame brings the history of what was missed.
    pub fn interrupt(&mut self) {
        self.interrupted = true;
    }

    /// A frame came at `second`; after an interruption (or at first) it brought `history` seconds with it.
    pub fn extend(&mut self, second: i64, history: i64) {
        let first = std::mem::take(&mut self.interrupted) || self.spans.is_empty();
        let from = if first { second - history } else { second };
        match self.spans.back_mut() {
            Some(last) if from <= last.1 + 3 => {
                last.0 = last.0.min(from);
                last.1 = last.1.max(second);
            }
            _ => self.spans.push_back((from, second)),
        }
    }

    /// Whatever came before a second counts as not observed.
    pub fn forget(&mut self, before: i64) {
        while self.spans.front().is_some_and(|span| span.1 < before) {
            self.spans.pop_front();
        }
        if let Some(first) = self.spans.front_mut() {
            first.0 = first.0.max(before);
        }
    }

    /// Whether a second was observed.
    pub fn has(&self, second: i64) -> bool {
        self.spans.iter().any(|span| (span.0..=span.1).contains(&second))
    }

    /// How many seconds of `(from, to]` were observed.
    pub fn count(&self, from: i64, to: i64) -> i64 {
        self.spans.iter().map(|span| (span.1.min(to) - span.0.max(from + 1) + 1).max(0)).sum()
    }
}

impl Series {
    /// Takes in seconds, in any order, and forgets those up to `oldest`.
    pub fn push(&mut self, seconds: Vec<Second>, oldest: i64) {
        for mut second in seconds {
            if second.counts.total() == 0 && second.latency.is_empty() {
                continue;
            }
            second.latency.shrink_to_fit();
            let recent = self.recent.holds(second.at);
            if recent {
                self.recent.add(&second);
            }
            match self.seconds.back() {
                Some(last) if last.at >= second.at => {
                    match self.seconds.binary_search_by_key(&second.at, |kept| kept.at) {
                        Ok(at) => {
                            let before = std::mem::replace(&mut self.seconds[at], second);
                            if recent {
                                self.recent.take_off(&before);
                            }
                        }
                        Err(at) => self.seconds.insert(at, second),
                    }
                }
                _ => self.seconds.push_back(second),
            }
        }
        while self.seconds.front().is_some_and(|second| second.at <= oldest) {
            self.seconds.pop_front();
        }
    }

    /// How many seconds are kept.
    pub fn len(&self) -> usize {
        self.seconds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.seconds.is_empty()
    }

    /// Moves the window of the recent figures, so that it ends with `end`.
    pub fn advance(&mut self, end: i64) {
        let mut recent = std::mem::take(&mut self.recent);
        let before = recent.end();
        if (before..before + RECENT_S).contains(&end) {
            self.between(before, end).for_each(|second| recent.add(second));
            self.between(before - RECENT_S, end - RECENT_S).for_each(|second| recent.take_off(second));
            recent.move_to(end);
        } else {
            recent.begin(end);
            self.between(end - RECENT_S, end).for_each(|second| recent.add(second));
        }
        self.recent = recent;
    }

    /// What happened in the [`RECENT_S`] seconds up to where it was last advanced to.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// The seconds of `(from, to]`, oldest first.
    pub fn between(&self, from: i64, to: i64) -> impl Iterator<Item = &Second> {
        let start = self.seconds.partition_point(|second| second.at <= from);
        self.seconds.range(start..).take_while(move |second| second.at <= to)
    }

    /// Figures of several series together over the `window` seconds that end with `end`.
    pub fn summary_of(all: &[&Self], end: i64, window: i64, coverage: &Coverage) -> Summary {
        let seconds = coverage.count(end - window, end);
        let mut counts = Counts::default();
        for second in all.iter().flat_map(|series| series.between(end - window, end)) {
            counts.add(&second.counts);
        }
        if counts.total() == 0 {
            return Summary { seconds, ..Summary::default() };
        }
        let histogram = Self::histogram(all, end, window);
        let ms = |q: f64| histogram.quantile(q).map(|us| us / 1_000.0);
        let rate = if seconds > 0 { counts.total() as f64 / seconds as f64 } else { 0.0 };
        Summary { counts, seconds, rate, p50: ms(0.5), p95: ms(0.95), p99: ms(0.99) }
    }

    /// Latencies of several series together over the `window` seconds that end with `end`.
    pub fn histogram(all: &[&Self], end: i64, window: i64) -> Histogram {
        let mut histogram = Histogram::default();
        for second in all.iter().flat_map(|series| series.between(end - window, end)) {
            histogram.add_sparse(&second.latency);
        }
        histogram
    }

    /// Requests per second in `columns` equal parts of the window that ends with `end`; `None` where nothing was
    /// observed.
    pub fn rates(all: &[&Self], end: i64, window: i64, columns: usize, coverage: &Coverage) -> Vec<Option<f64>> {
        parts(end, window, columns)
            .map(|(from, to)| {
                let seconds = coverage.count(from, to);
                let total: u64 =
                    all.iter().flat_map(|series| series.between(from, to)).map(|second| second.counts.total()).sum();
                (seconds > 0).then(|| total as f64 / seconds as f64)
            })
            .collect()
    }

    /// A quantile of latency in milliseconds at the end of each of `columns` equal parts of the window, over the
    /// [`SMOOTH_S`] seconds before (or the whole part, if that is longer), or over [`RARE_S`] where these held too few
    /// requests to tell; `None` where those did too.
    pub fn quantiles(&self, end: i64, window: i64, columns: usize, q: f64) -> Vec<Option<f64>> {
        let near = self.quantiles_over(SMOOTH_S, end, window, columns, q);
        if near.iter().all(Option::is_some) {
            return near;
        }
        let far = self.quantiles_over(RARE_S, end, window, columns, q);
        near.into_iter().zip(far).map(|(near, far)| near.or(far)).collect()
    }

    fn quantiles_over(&self, span: i64, end: i64, window: i64, columns: usize, q: f64) -> Vec<Option<f64>> {
        let mut sliding = Sliding::default();
        let needed = samples_for(q);
        let (mut entering, mut leaving) = (self.seconds.iter().peekable(), self.seconds.iter().peekable());
        parts(end, window, columns)
            .map(|(from, to)| {
                let from = from.min(to - span);
                while let Some(second) = entering.next_if(|second| second.at <= to) {
                    sliding.add(second);
                }
                while let Some(second) = leaving.next_if(|second| second.at <= from) {
                    sliding.remove(second);
                }
                (sliding.count >= needed).then(|| sliding.quantile(q))
            })
            .collect()
    }
}

/// Counts of the buckets of a stretch of time that moves on.
struct Sliding {
    counts: Vec<u32>,
    count: u64,
}

impl Default for Sliding {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0 }
    }
}

impl Sliding {
    fn add(&mut self, second: &Second) {
        for (bucket, n) in &second.latency {
            if let Some(count) = self.counts.get_mut(usize::from(*bucket)) {
                *count = count.saturating_add(*n);
                self.count += u64::from(*n);
            }
        }
    }

    fn remove(&mut self, second: &Second) {
        for (bucket, n) in &second.latency {
            if let Some(count) = self.counts.get_mut(usize::from(*bucket)) {
                *count = count.saturating_sub(*n);
                self.count = self.count.saturating_sub(u64::from(*n));
            }
        }
    }

    /// In milliseconds: the middle of the bucket that holds the value.
    fn quantile(&self, q: f64) -> f64 {
        let rank = ((q * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let bucket = self.counts.iter().position(|n| {
            seen += u64::from(*n);
            seen >= rank
        });
        let bucket = bucket.unwrap_or(BUCKETS - 1) as u16;
        (lower(bucket) + upper(bucket)) as f64 / 2_000.0
    }
}

/// Equal parts `(from, to]` of a window, at least a second each, oldest first. Their edges are multiples of their
/// width, so that a chart slides instead of trembling; the last one may reach beyond `end`, into what is not observed.
fn parts(end: i64, window: i64, columns: usize) -> impl Iterator<Item = (i64, i64)> {
    let columns = columns.max(1) as i64;
    let width = (window + columns - 1) / columns;
    let width = width.max(1);
    let last = (end + width - 1).div_euclid(width) * width;
    let parts = (window / width).max(1);
    (0..parts).rev().map(move |back| (last - (back + 1) * width, last - back * width))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::histogram::bucket;

    fn second(at: i64, n: u32, us: u64) -> Second {
        Second { at, counts: Counts { ok: u64::from(n), ..Counts::default() }, latency: vec![(bucket(us), n)] }
    }

    fn covered(from: i64, to: i64) -> Coverage {
        let mut coverage = Coverage::default();
        coverage.extend(to, to - from);
        coverage
    }

    #[test]
    fn seconds_come_in_any_order_and_old_ones_go() {
        let mut series = Series::default();
        series.push(vec![second(10, 1, 5), second(12, 1, 5)], 0);
        series.push(vec![second(11, 1, 5), second(12, 3, 5)], 0);
        assert_eq!(series.between(0, 20).map(|second| second.at).collect::<Vec<_>>(), [10, 11, 12]);
        assert_eq!(
            Series::summary_of(&[&series], 12, 5, &covered(0, 12)).counts.ok,
            5,
            "a second that comes again replaces"
        );
        series.push(vec![second(900, 1, 5)], 12);
        assert_eq!(series.between(0, i64::MAX).count(), 1);
    }

    #[test]
    fn what_was_not_observed_is_a_gap_and_not_zero() {
        let mut coverage = Coverage::default();
        coverage.extend(100, 10);
        coverage.extend(101, 0);
        coverage.extend(140, 0);
        assert!(coverage.has(95) && coverage.has(101) && !coverage.has(120) && coverage.has(140));
        assert_eq!(coverage.count(90, 140), 12);
        let rates = Series::rates(&[&Series::default()], 140, 50, 50, &coverage);
        assert_eq!(rates.iter().filter(|rate| rate.is_some()).count(), 12);
    }

    #[test]
    fn the_present_second_is_in_the_last_part() {
        let mut series = Series::default();
        series.push(vec![second(101, 30, 1_000)], 0);
        let rates = Series::rates(&[&series], 101, 300, 10, &covered(0, 101));
        assert!(rates.last().copied().flatten().is_some_and(|rate| rate > 0.0), "{rates:?}");
    }

    proptest! {
        #[test]
        fn recent_figures_are_those_of_the_seconds_in_whatever_order_these_come(
            steps in proptest::collection::vec((0..90_i64, -70..8_i64, 1..40_u32, 0..5_000_u64), 1..80),
        ) {
            let (mut series, mut end) = (Series::default(), 1_000);
            for (ahead, offset, n, us) in steps {
                end += if ahead < 80 { ahead % 3 } else { ahead };
                series.push(vec![second(end + offset, n, us)], end - 300);
                series.advance(end);
                let all = covered(0, end);
                let recent = series.recent().summary(all.count(end - RECENT_S, end));
                prop_assert_eq!(&recent, &Series::summary_of(&[&series], end, RECENT_S, &all));
                let twice = Recent::together([series.recent(), series.recent()].into_iter()).summary(RECENT_S);
                prop_assert_eq!(twice, Series::summary_of(&[&series, &series], end, RECENT_S, &all));
            }
        }
    }

    #[test]
    fn percentiles_need_samples() {
        let mut series = Series::default();
        series.push((1..=60).map(|at| second(at, 4, 2_000)).collect(), 0);
        let p50 = series.quantiles(60, 60, 60, 0.5);
        assert!(p50.iter().skip(2).all(|value| value.is_some_and(|ms| (1.8..2.2).contains(&ms))), "{p50:?}");
        let p99 = series.quantiles(60, 60, 60, 0.99);
        // 80 requests in 20 seconds tell no p99; those of a minute do, once there are 100.
        assert!(p99[..24].iter().all(Option::is_none) && p99[25..].iter().all(Option::is_some), "{p99:?}");
        assert_eq!(Series::summary_of(&[&series], 60, 60, &covered(0, 60)).p99.map(f64::round), Some(2.0));
    }
}
