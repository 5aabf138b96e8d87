//! Seconds of a deployment, and figures over windows of them.

use std::collections::VecDeque;

use super::KEPT_S;
use crate::resources::{Counts, Second};
use crate::stats::histogram::Histogram;

/// What a deployment did, second by second; seconds without requests are not kept.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    seconds: VecDeque<Second>,
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
        while self.spans.front().is_some_and(|span| span.1 < second - KEPT_S) {
            self.spans.pop_front();
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
    /// Takes in seconds, in any order, and forgets those older than [`KEPT_S`] before `now`.
    pub fn push(&mut self, seconds: Vec<Second>, now: i64) {
        for second in seconds {
            if second.counts.total() == 0 && second.latency.is_empty() {
                continue;
            }
            match self.seconds.back() {
                Some(last) if last.at >= second.at => {
                    match self.seconds.binary_search_by_key(&second.at, |kept| kept.at) {
                        Ok(at) => self.seconds[at] = second,
                        Err(at) => self.seconds.insert(at, second),
                    }
                }
                _ => self.seconds.push_back(second),
            }
        }
        while self.seconds.front().is_some_and(|second| second.at <= now - KEPT_S) {
            self.seconds.pop_front();
        }
    }

    /// The seconds of `(from, to]`, oldest first.
    pub fn between(&self, from: i64, to: i64) -> impl Iterator<Item = &Second> {
        let start = self.seconds.partition_point(|second| second.at <= from);
        self.seconds.range(start..).take_while(move |second| second.at <= to)
    }

    /// Figures over the `window` seconds that end with `end`.
    pub fn summary(&self, end: i64, window: i64, coverage: &Coverage) -> Summary {
        Self::summary_of(&[self], end, window, coverage)
    }

    /// Figures of several series together.
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

    /// A quantile of latency in milliseconds in `columns` equal parts of the window; `None` where there were too few
    /// requests to tell.
    pub fn quantiles(&self, end: i64, window: i64, columns: usize, q: f64) -> Vec<Option<f64>> {
        parts(end, window, columns)
            .map(|(from, to)| {
                let mut sparse: Vec<(u16, u32)> =
                    self.between(from, to).flat_map(|second| second.latency.iter().copied()).collect();
                if sparse.is_empty() {
                    return None;
                }
                sparse.sort_unstable();
                let count: u64 = sparse.iter().map(|(_, n)| u64::from(*n)).sum();
                let rank = ((q * count as f64).ceil() as u64).max(1);
                let mut seen = 0;
                let bucket = sparse.iter().find(|(_, n)| {
                    seen += u64::from(*n);
                    seen >= rank
                })?;
                let us = (crate::stats::histogram::lower(bucket.0) + crate::stats::histogram::upper(bucket.0)) as f64;
                Some(us / 2_000.0)
            })
            .collect()
    }
}

/// Equal parts `(from, to]` of a window, at least a second each, oldest first. Their edges are multiples of their
/// width, so that a chart slides instead of trembling.
fn parts(end: i64, window: i64, columns: usize) -> impl Iterator<Item = (i64, i64)> {
    let columns = columns.max(1) as i64;
    let width = (window + columns - 1) / columns;
    let width = width.max(1);
    let last = end.div_euclid(width) * width;
    let parts = (window / width).max(1);
    (0..parts).rev().map(move |back| (last - (back + 1) * width, last - back * width))
}
