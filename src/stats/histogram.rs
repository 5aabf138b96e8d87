//! Log-linear latency histograms in microseconds.
//!
//! Values under 16 µs have a bucket each; above, every power of two is split into 16 equal buckets, so a bucket is never wider
//! than 1/16 of its values. 2³² µs (71 minutes) and more share the last bucket.

/// Buckets per power of two.
const SUB: u64 = 16;
/// log2 of [`SUB`].
const SUB_BITS: u32 = SUB.trailing_zeros();
/// Values from 2^this on are counted in the last bucket.
const TOP_BITS: u32 = 32;

/// Number of buckets.
pub const BUCKETS: usize = ((TOP_BITS - SUB_BITS + 1) as usize) * (SUB as usize);

/// The bucket that counts `us` microseconds.
pub const fn bucket(us: u64) -> u16 {
    if us < SUB {
        return us as u16;
    }
    let exponent = us.ilog2();
    if exponent >= TOP_BITS {
        return (BUCKETS - 1) as u16;
    }
    let shift = exponent - SUB_BITS;
    ((shift as u64) * SUB + (us >> shift)) as u16
}

/// Smallest value of a bucket, in microseconds. Buckets beyond the last count as the last.
pub const fn lower(bucket: u16) -> u64 {
    let bucket = if bucket as usize >= BUCKETS { BUCKETS - 1 } else { bucket as usize } as u64;
    if bucket < SUB {
        return bucket;
    }
    let shift = bucket / SUB - 1;
    (bucket % SUB + SUB) << shift
}

/// First value above a bucket, in microseconds; 2³² for the last one, which counts everything above too.
pub const fn upper(bucket: u16) -> u64 {
    if bucket as usize >= BUCKETS - 1 { 1 << TOP_BITS } else { lower(bucket + 1) }
}

/// How often latencies of each size occurred. Adding two is the same as recording all of their values into one.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0 }
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram").field("count", &self.count).field("sparse", &self.sparse()).finish()
    }
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one value of `us` microseconds.
    pub fn record(&mut self, us: u64) {
        self.add(bucket(us), 1);
    }

    /// Adds everything `other` counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*theirs);
        }
        self.count = self.count.saturating_add(other.count);
    }

    /// Adds pairs of bucket and count, as they travel in live frames. Buckets beyond the last count as the last.
    pub fn add_sparse(&mut self, pairs: &[(u16, u32)]) {
        for (bucket, count) in pairs {
            self.add(*bucket, u64::from(*count));
        }
    }

    /// The buckets that counted anything, in order. A count over `u32::MAX` is given as several pairs of its bucket.
    pub fn sparse(&self) -> Vec<(u16, u32)> {
        let mut pairs = Vec::new();
        for (bucket, count) in self.filled() {
            let mut left = count;
            while left > 0 {
                let part = u32::try_from(left).unwrap_or(u32::MAX);
                pairs.push((bucket, part));
                left -= u64::from(part);
            }
        }
        pairs
    }

    /// Buckets that counted anything, with their counts, in order.
    pub fn filled(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        // BUCKETS fits u16 by far.
        let numbered = self.counts.iter().enumerate().map(|(i, count)| (i as u16, *count));
        numbered.filter(|(_, count)| *count > 0)
    }

    /// Count of every bucket.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The value below which a share `q` (0 to 1) of all values lies, in microseconds, within 1/16. `None` unless there
    /// are samples enough to speak of it: ⌈1/(1−q)⌉, so 2 for the median, 100 for p99; one for the maximum (q = 1).
    pub fn quantile(&self, q: f64) -> Option<f64> {
        quantile_of(self.filled(), self.count, q)
    }

    /// Mean in microseconds, each value counted as the middle of its bucket; `None` without values.
    pub fn mean(&self) -> Option<f64> {
        let middle = |bucket| (lower(bucket) + upper(bucket) - 1) as f64 / 2.0;
        let sum: f64 = self.filled().map(|(bucket, count)| middle(bucket) * count as f64).sum();
        (self.count > 0).then(|| sum / self.count as f64)
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.counts.fill(0);
        self.count = 0;
    }

    fn add(&mut self, bucket: u16, count: u64) {
        let slot = &mut self.counts[usize::from(bucket).min(BUCKETS - 1)];
        *slot = slot.saturating_add(count);
        self.count = self.count.saturating_add(count);
    }
}

/// [`Histogram::quantile`] of buckets that counted anything, with their counts, in order; `all` is the sum of these.
pub fn quantile_of(filled: impl Iterator<Item = (u16, u64)>, all: u64, q: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&q) || all < samples_for(q) {
        return None;
    }
    let rank = q * all as f64;
    let mut below = 0_u64;
    let mut last = None;
    for (bucket, count) in filled {
        let (low, high) = (lower(bucket) as f64, upper(bucket) as f64);
        if (below + count) as f64 >= rank {
            // Values count as spread evenly over their bucket. A bucket one wide holds one value only.
            let share = ((rank - below as f64) / count as f64).clamp(0.0, 1.0);
            return Some(if high - low <= 1.0 { low } else { low + (high - low) * share });
        }
        below += count;
        last = Some(high);
    }
    last
}

/// Samples without which a quantile says nothing: ⌈1/(1−q)⌉, at least one.
pub fn samples_for(q: f64) -> u64 {
    // The small amount taken off keeps p90 at 10 although 1/(1−0.9) comes out a hair above.
    if q >= 1.0 { 1 } else { ((1.0 / (1.0 - q) - 1e-6).ceil() as u64).max(1) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|us| histogram.record(*us));
        histogram
    }

    #[test]
    fn small_values_are_exact_and_large_ones_saturate() {
        for us in 0..32 {
            assert_eq!((lower(bucket(us)), upper(bucket(us))), (us, us + 1));
        }
        assert_eq!((lower(bucket(32)), upper(bucket(33))), (32, 34));
        assert_eq!(usize::from(bucket(u64::MAX)), BUCKETS - 1);
        assert!(usize::from(bucket(3_600_000_000)) < BUCKETS - 1, "an hour is not saturated yet");
        assert_eq!(upper(u16::MAX), 1 << 32);
    }

    #[test]
    fn buckets_join_without_gap_or_overlap() {
        for bucket in 0..BUCKETS as u16 - 1 {
            assert_eq!(upper(bucket), lower(bucket + 1));
            assert!(lower(bucket) < upper(bucket));
        }
    }

    #[test]
    fn a_percentile_needs_samples() {
        assert_eq!([0.5, 0.9, 0.95, 0.99, 0.999, 1.0].map(samples_for), [2, 10, 20, 100, 1_000, 1]);
        assert_eq!(of(&[5]).quantile(0.5), None);
        assert_eq!(of(&[5, 7]).quantile(0.5), Some(5.0));
        assert_eq!(of(&[5; 99]).quantile(0.99), None);
        assert_eq!(of(&[5; 100]).quantile(0.99), Some(5.0));
        assert_eq!(of(&[]).quantile(1.0), None);
        assert_eq!(of(&[5]).quantile(f64::NAN), None);
        assert_eq!(of(&[5]).quantile(1.5), None);
    }

    #[test]
    fn the_mean_is_that_of_the_values() {
        assert_eq!(of(&[]).mean(), None);
        assert_eq!(of(&[4, 8]).mean(), Some(6.0));
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_values_within_a_sixteenth(us in prop_oneof![0..1_u64 << 32, 0..100_000_u64]) {
            let (low, high) = (lower(bucket(us)), upper(bucket(us)));
            prop_assert!(low <= us && us < high);
            prop_assert!(high - low <= (low / 16).max(1), "{low}..{high}");
        }

        #[test]
        fn larger_values_never_have_smaller_buckets(a: u64, b: u64) {
            prop_assert_eq!(bucket(a.min(b)) <= bucket(a.max(b)), true);
        }

        #[test]
        fn merging_is_recording_everything(
            a in proptest::collection::vec(0..10_000_000_u64, 0..200), b in proptest::collection::vec(any::<u64>(), 0..200),
        ) {
            let all: Vec<u64> = a.iter().chain(&b).copied().collect();
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(&merged, &of(&all));
            let mut sparse = of(&a);
            sparse.add_sparse(&of(&b).sparse());
            prop_assert_eq!(&sparse, &merged);
        }

        #[test]
        fn quantiles_rise_with_q_and_are_near_the_true_ones(
            mut values in proptest::collection::vec(0..100_000_000_u64, 100..400), a in 0.0..0.99_f64, b in 0.0..0.99_f64,
        ) {
            let histogram = of(&values);
            let at = |q| histogram.quantile(q).unwrap();
            prop_assert!(at(a.min(b)) <= at(a.max(b)));
            prop_assert!(at(a) <= histogram.quantile(1.0).unwrap());
            values.sort_unstable();
            let rank = ((a * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let truth = values[rank - 1] as f64;
            prop_assert!((at(a) - truth).abs() <= truth / 16.0 + 1.0, "{} for {}", at(a), truth);
        }

        #[test]
        fn any_pairs_are_taken(pairs in proptest::collection::vec(any::<(u16, u32)>(), 0..50)) {
            let mut histogram = Histogram::new();
            histogram.add_sparse(&pairs);
            prop_assert_eq!(histogram.count(), pairs.iter().map(|(_, n)| u64::from(*n)).sum::<u64>());
            let _ = (histogram.quantile(0.5), histogram.mean());
        }
    }
}
