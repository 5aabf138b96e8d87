//! Seconds and minutes of one deployment.
//!
//! Writers add to the slot of the current second; whoever first meets a finished slot folds it into the history. A
//! request is never lost by a fold: slots are emptied by swapping, late arrivals start the slot's next fold.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use super::counters::{OUTCOMES, Outcome, counts};
use super::lock;
use crate::resources::{Counts, Second};
use crate::stats::histogram::{BUCKETS, Histogram, bucket};

/// Seconds kept: 15 minutes.
pub const SECONDS: usize = 900;
/// Minutes kept: a day.
pub const MINUTES: usize = 1_440;
/// A second is finished this long after its end: a writer may have read the clock just before the turn.
const GRACE_MS: i64 = 50;
/// Current, previous and two spare seconds, so that a fold never meets a slot in use.
const SLOTS: usize = 4;
const EMPTY: i64 = i64::MIN;

/// One minute of one deployment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Minute {
    /// Unix seconds of its beginning, a multiple of 60.
    pub at: i64,
    pub counts: Counts,
    /// Request and response bodies.
    pub bytes: u64,
    /// Sparse latency histogram: (bucket of `stats::histogram`, count).
    pub latency: Vec<(u16, u32)>,
    /// Errors of callers and of the service by status, as far as known.
    pub codes: Vec<(u16, u64)>,
}

#[derive(Debug)]
struct Slot {
    second: AtomicI64,
    counts: [AtomicU32; OUTCOMES],
    bytes: AtomicU64,
    latency: Box<[AtomicU32]>,
}

impl Slot {
    fn new() -> Self {
        Self {
            second: AtomicI64::new(EMPTY),
            counts: Default::default(),
            bytes: AtomicU64::new(0),
            latency: (0..BUCKETS).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    fn take(&self) -> (Counts, u64, Vec<(u16, u32)>) {
        let counts = counts(std::array::from_fn(|i| u64::from(self.counts[i].swap(0, Ordering::Relaxed))));
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        let mut sparse = Vec::new();
        for (i, cell) in self.latency.iter().enumerate() {
            // A plain load first: nearly all buckets are empty, and a swap locks the bus.
            if cell.load(Ordering::Relaxed) != 0 {
                sparse.push((u16::try_from(i).unwrap_or(u16::MAX), cell.swap(0, Ordering::Relaxed)));
            }
        }
        (counts, bytes, sparse)
    }
}

#[derive(Debug, Default)]
struct History {
    seconds: VecDeque<Second>,
    minutes: VecDeque<Minute>,
    total: Histogram,
}

/// The series; see the module.
#[derive(Debug)]
pub struct Series {
    slots: [Slot; SLOTS],
    history: Mutex<History>,
}

impl Series {
    pub fn new() -> Self {
        Self { slots: std::array::from_fn(|_| Slot::new()), history: Mutex::new(History::default()) }
    }

    /// One request that ended at `now_ms` after `latency_us`, moving `bytes`.
    pub fn record(&self, now_ms: i64, outcome: Outcome, latency_us: u64, bytes: u64) {
        let second = now_ms.div_euclid(1_000);
        let slot = &self.slots[second.rem_euclid(SLOTS as i64) as usize];
        if slot.second.load(Ordering::Acquire) != second {
            let mut history = lock(&self.history);
            fold(slot, &mut history);
            slot.second.store(second, Ordering::Release);
        }
        slot.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        slot.bytes.fetch_add(bytes, Ordering::Relaxed);
        if outcome.is_answer() {
            slot.latency[usize::from(bucket(latency_us))].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The exact status of a failure: rare enough for a lock.
    pub fn code(&self, now_ms: i64, status: u16) {
        let second = now_ms.div_euclid(1_000);
        let mut history = lock(&self.history);
        add_minute(&mut history.minutes, second - second.rem_euclid(60), &Counts::default(), 0, &[], &[(status, 1)]);
    }

    /// Folds what is finished at `now_ms`, or everything (`now_ms` = `i64::MAX`), and shows the history.
    fn folded<T>(&self, now_ms: i64, read: impl FnOnce(&mut History) -> T) -> T {
        let mut history = lock(&self.history);
        let finished = finished_before(now_ms);
        let mut old: Vec<&Slot> =
            self.slots.iter().filter(|s| (EMPTY + 1..finished).contains(&s.second.load(Ordering::Acquire))).collect();
        old.sort_by_key(|s| s.second.load(Ordering::Acquire));
        for slot in old {
            fold(slot, &mut history);
        }
        read(&mut history)
    }

    /// Finished seconds in `range`, with zeros for the quiet ones between and after the busy ones of the last 15
    /// minutes; nothing at all for a deployment that had no request in that time.
    pub fn seconds(&self, range: Range<i64>, now_ms: i64) -> Vec<Second> {
        let end = range.end.min(finished_before(now_ms));
        self.folded(now_ms, |history| {
            let oldest = end - SECONDS as i64;
            let Some(first) = history.seconds.iter().map(|s| s.at).find(|at| *at >= oldest) else { return Vec::new() };
            let start = range.start.max(first);
            let skip = history.seconds.partition_point(|s| s.at < start);
            let mut busy = history.seconds.iter().skip(skip).peekable();
            let one = |at| match busy.next_if(|s| s.at == at) {
                Some(second) => second.clone(),
                None => Second { at, ..Second::default() },
            };
            (start..end).map(one).collect()
        })
    }

    /// Minutes that begin in `range`, oldest first, the running one included as far as its seconds are finished.
    pub fn minutes(&self, range: &Range<i64>, now_ms: i64) -> Vec<Minute> {
        self.folded(now_ms, |history| history.minutes.iter().filter(|m| range.contains(&m.at)).cloned().collect())
    }

    /// Puts back minutes of an earlier process.
    pub fn import(&self, minutes: Vec<Minute>) {
        let mut history = lock(&self.history);
        for minute in minutes {
            let Minute { at, counts, bytes, latency, codes } = &minute;
            add_minute(&mut history.minutes, *at, counts, *bytes, latency, codes);
        }
    }

    /// Latency of all answers since the process started, up to the last finished second.
    pub fn total(&self, now_ms: i64) -> Histogram {
        self.folded(now_ms, |history| history.total.clone())
    }
}

pub(super) fn finished_before(now_ms: i64) -> i64 {
    now_ms.saturating_sub(GRACE_MS).div_euclid(1_000)
}

fn fold(slot: &Slot, history: &mut History) {
    // The slot keeps its second: what a slow writer still adds to it is found by the next fold.
    let at = slot.second.load(Ordering::Acquire);
    if at == EMPTY {
        return;
    }
    let (counts, bytes, latency) = slot.take();
    if counts.total() == 0 && bytes == 0 && latency.is_empty() {
        return;
    }
    history.total.add_sparse(&latency);
    add_minute(&mut history.minutes, at - at.rem_euclid(60), &counts, bytes, &latency, &[]);
    let seconds = &mut history.seconds;
    let place = seconds.partition_point(|s| s.at < at);
    match seconds.get_mut(place).filter(|s| s.at == at) {
        Some(second) => {
            second.counts.add(&counts);
            second.latency = merged(&second.latency, &latency);
        }
        None => seconds.insert(place, Second { at, counts, latency }),
    }
    while seconds.len() > SECONDS || seconds.front().is_some_and(|s| s.at + SECONDS as i64 <= at) {
        seconds.pop_front();
    }
}

fn add_minute(
    minutes: &mut VecDeque<Minute>,
    at: i64,
    counts: &Counts,
    bytes: u64,
    latency: &[(u16, u32)],
    codes: &[(u16, u64)],
) {
    let place = minutes.partition_point(|m| m.at < at);
    match minutes.get_mut(place).filter(|m| m.at == at) {
        Some(minute) => {
            minute.counts.add(counts);
            minute.bytes += bytes;
            if !latency.is_empty() {
                minute.latency = merged(&minute.latency, latency);
            }
            for (code, n) in codes {
                match minute.codes.iter_mut().find(|(c, _)| c == code) {
                    Some((_, count)) => *count += n,
                    None => minute.codes.push((*code, *n)),
                }
            }
        }
        None => {
            let minute = Minute { at, counts: *counts, bytes, latency: latency.to_vec(), codes: codes.to_vec() };
            minutes.insert(place, minute);
        }
    }
    while minutes.len() > MINUTES {
        minutes.pop_front();
    }
}

/// The sum of two sparse histograms, in bucket order.
fn merged(a: &[(u16, u32)], b: &[(u16, u32)]) -> Vec<(u16, u32)> {
    let mut sum = Vec::with_capacity(a.len() + b.len());
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    loop {
        let next = match (a.peek(), b.peek()) {
            (None, None) => return sum,
            (Some(_), None) => a.next(),
            (None, Some(_)) => b.next(),
            (Some(x), Some(y)) if x.0 < y.0 => a.next(),
            (Some(x), Some(y)) if x.0 > y.0 => b.next(),
            (Some(_), Some(_)) => a.next().zip(b.next()).map(|(x, y)| (x.0, x.1.saturating_add(y.1))),
        };
        sum.extend(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const T: i64 = 1_700_000_040_000;

    #[test]
    fn a_second_shows_once_it_is_finished_with_zeros_in_between() {
        let series = Series::new();
        series.record(T + 100, Outcome::Ok, 500, 10);
        series.record(T + 200, Outcome::ModelError, 700, 10);
        let second = T / 1_000;
        assert_eq!(series.seconds(0..i64::MAX, T + 900), []);
        assert_eq!(series.seconds(0..i64::MAX, T + 1_010), [], "inside the grace period");
        series.record(T + 2_500, Outcome::Refused, 0, 0);
        let seconds = series.seconds(0..i64::MAX, T + 4_100);
        let totals: Vec<(i64, u64)> = seconds.iter().map(|s| (s.at - second, s.counts.total())).collect();
        assert_eq!(totals, [(0, 2), (1, 0), (2, 1), (3, 0)]);
        assert_eq!((seconds[0].counts.ok, seconds[0].counts.model_error), (1, 1));
        assert_eq!(seconds[0].latency.iter().map(|(_, n)| n).sum::<u32>(), 2);
        assert!(seconds[2].latency.is_empty(), "a refusal says nothing of the model's latency");
        assert_eq!(series.seconds(second + 2..second + 3, T + 9_000).len(), 1);
    }

    #[test]
    fn old_seconds_leave_and_minutes_stay() {
        let series = Series::new();
        for second in 0..2_000 {
            series.record(T + second * 1_000, Outcome::Ok, 1, 1);
        }
        let now = T + 2_000_000 + GRACE_MS;
        let seconds = series.seconds(0..i64::MAX, now);
        assert_eq!(seconds.len(), SECONDS);
        assert_eq!(seconds.last().map(|s| s.at), Some(T / 1_000 + 1_999));
        let minutes = series.minutes(&(0..i64::MAX), now);
        assert_eq!(minutes.iter().map(|m| m.counts.ok).sum::<u64>(), 2_000);
        assert_eq!(minutes[1].counts.ok, 60);
        assert_eq!(minutes[1].bytes, 60);
        assert!(minutes.iter().all(|m| m.at % 60 == 0));
    }

    #[test]
    fn minutes_survive_a_restart() {
        let before = Series::new();
        before.record(T, Outcome::Timeout, 9, 0);
        let saved = before.minutes(&(0..i64::MAX), T + 5_000);
        let after = Series::new();
        after.import(saved);
        after.record(T + 6_000, Outcome::Ok, 9, 0);
        let minutes = after.minutes(&(0..i64::MAX), T + 9_000);
        assert_eq!(minutes.len(), 1);
        assert_eq!((minutes[0].counts.timeout, minutes[0].counts.ok), (1, 1));
        assert_eq!(minutes[0].latency.iter().map(|(_, n)| n).sum::<u32>(), 2);
    }

    #[test]
    fn many_writers_and_a_curious_reader_lose_nothing() {
        let series = Series::new();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let series = &series;
                scope.spawn(move || {
                    for n in 0..20_000_i64 {
                        series.record(T + n + writer * 3, Outcome::Ok, n as u64, 1);
                    }
                });
            }
            scope.spawn(|| {
                for n in 0..200 {
                    series.seconds(0..i64::MAX, T + n * 100);
                }
            });
        });
        let minutes = series.minutes(&(0..i64::MAX), i64::MAX);
        assert_eq!(minutes.iter().map(|m| m.counts.ok).sum::<u64>(), 80_000);
        assert_eq!(series.total(i64::MAX).count(), 80_000);
    }

    proptest! {
        #[test]
        fn merging_adds(a in prop::collection::btree_map(0u16..50, 1u32..9, 0..20), b in prop::collection::btree_map(0u16..50, 1u32..9, 0..20)) {
            let flat = |m: &std::collections::BTreeMap<u16, u32>| m.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>();
            let mut sum = a.clone();
            for (k, v) in &b {
                *sum.entry(*k).or_default() += v;
            }
            prop_assert_eq!(merged(&flat(&a), &flat(&b)), flat(&sum));
        }
    }
}
