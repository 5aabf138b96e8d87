//! A ring of values by second, which knows what it was never told.

use std::collections::VecDeque;

/// Values that can be summed over time.
pub trait Merge {
    /// Adds `other` to this.
    fn merge(&mut self, other: &Self);
}

impl Merge for u64 {
    fn merge(&mut self, other: &Self) {
        *self = self.saturating_add(*other);
    }
}

impl Merge for f64 {
    fn merge(&mut self, other: &Self) {
        *self += other;
    }
}

impl Merge for super::Histogram {
    fn merge(&mut self, other: &Self) {
        Self::merge(self, other);
    }
}

/// One value a second for the last `capacity` seconds. A second that was never pushed is a gap, which is not the same as
/// a second in which nothing happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Series<T> {
    slots: VecDeque<Option<T>>,
    /// Unix second of the newest slot; meaningless while there is none.
    last: i64,
    capacity: usize,
}

/// Several seconds drawn as one column of a chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// Unix second the column starts at.
    pub at: i64,
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    /// Value of the newest second.
    pub last: f64,
    /// Seconds with a value.
    pub seconds: u32,
}

impl<T> Series<T> {
    /// An empty ring of `capacity` seconds (at least one).
    pub fn new(capacity: usize) -> Self {
        Self { slots: VecDeque::new(), last: 0, capacity: capacity.max(1) }
    }

    /// Sets the value of second `at`. Skipped seconds become gaps; a second older than the ring is ignored.
    pub fn push(&mut self, at: i64, value: T) {
        if self.slots.is_empty() {
            self.last = at;
            self.slots.push_back(Some(value));
            return;
        }
        let ahead = at.saturating_sub(self.last);
        if ahead <= 0 {
            let back = self.last.saturating_sub(at);
            let Some(back) = usize::try_from(back).ok().filter(|back| *back < self.capacity) else { return };
            while self.slots.len() <= back {
                self.slots.push_front(None);
            }
            let newest = self.slots.len() - 1;
            self.slots[newest - back] = Some(value);
            return;
        }
        match usize::try_from(ahead).ok().filter(|ahead| *ahead < self.capacity) {
            Some(ahead) => (1..ahead).for_each(|_| self.slots.push_back(None)),
            None => self.slots.clear(),
        }
        self.slots.push_back(Some(value));
        self.last = at;
        let excess = self.slots.len().saturating_sub(self.capacity);
        self.slots.drain(..excess);
    }

    /// The value of second `at`; `None` for a gap.
    pub fn get(&self, at: i64) -> Option<&T> {
        let back = usize::try_from(self.last.checked_sub(at)?).ok()?;
        let newest = self.slots.len().checked_sub(1)?;
        self.slots[newest.checked_sub(back)?].as_ref()
    }

    /// Like [`Series::get`], to change it in place.
    pub fn get_mut(&mut self, at: i64) -> Option<&mut T> {
        let back = usize::try_from(self.last.checked_sub(at)?).ok()?;
        let newest = self.slots.len().checked_sub(1)?;
        self.slots[newest.checked_sub(back)?].as_mut()
    }

    /// Newest second that has a value.
    pub fn last_at(&self) -> Option<i64> {
        (!self.slots.is_empty()).then_some(self.last)
    }

    /// Oldest second that has a value.
    pub fn first_at(&self) -> Option<i64> {
        let first = self.slots.iter().position(Option::is_some)?;
        Some(self.last - (self.slots.len() - 1 - first) as i64)
    }

    /// The newest value.
    pub fn latest(&self) -> Option<&T> {
        self.slots.back()?.as_ref()
    }

    /// Seconds `from` to `to` (exclusive) in order, gaps as `None`. Never longer than twice the capacity: seconds outside the ring
    /// on either side are cut beyond that.
    pub fn range(&self, from: i64, to: i64) -> impl Iterator<Item = (i64, Option<&T>)> {
        let most = i64::try_from(self.capacity.saturating_mul(2)).unwrap_or(i64::MAX);
        let to = to.max(from);
        let from = from.max(to.saturating_sub(most));
        (from..to).map(|at| (at, self.get(at)))
    }

    /// Seconds with a value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &T)> {
        let newest = self.slots.len().saturating_sub(1);
        let at = move |i: usize| self.last - (newest - i) as i64;
        self.slots.iter().enumerate().filter_map(move |(i, slot)| Some((at(i), slot.as_ref()?)))
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.slots.clear();
    }

    /// Seconds the ring can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Seconds `from` to `to` (exclusive) as `columns` equal columns, each with the least, greatest, mean and newest figure that
    /// `figure` reads off its seconds: a peak of one second is never lost. A column without any figure is a gap (`None`).
    pub fn downsample(
        &self,
        from: i64,
        to: i64,
        columns: usize,
        figure: impl Fn(&T) -> Option<f64>,
    ) -> Vec<Option<Column>> {
        // In 128 bits, so that no range of seconds overflows.
        let span = i128::from(to) - i128::from(from);
        if span <= 0 || columns == 0 {
            return Vec::new();
        }
        let mut out = vec![None; columns];
        for (at, value) in self.iter().filter(|(at, _)| (from..to).contains(at)) {
            let Some(figure) = figure(value).filter(|figure| figure.is_finite()) else { continue };
            let index = ((i128::from(at) - i128::from(from)) * columns as i128 / span) as usize;
            let start = (i128::from(from) + index as i128 * span / columns as i128) as i64;
            let column = out[index].get_or_insert(Column {
                at: start,
                min: figure,
                max: figure,
                mean: 0.0,
                last: figure,
                seconds: 0,
            });
            column.min = column.min.min(figure);
            column.max = column.max.max(figure);
            column.last = figure;
            column.seconds += 1;
            column.mean += (figure - column.mean) / f64::from(column.seconds);
        }
        out
    }
}

impl<T: Merge + Clone> Series<T> {
    /// Sum of the seconds `from` to `to` (exclusive) and how many of them have a value; `None` when none has.
    pub fn window(&self, from: i64, to: i64) -> Option<(T, u32)> {
        let mut values = self.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, value)| value);
        let mut sum = values.next()?.clone();
        let mut seconds = 1;
        for value in values {
            sum.merge(value);
            seconds += 1;
        }
        Some((sum, seconds))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_skipped_second_is_a_gap_and_not_a_zero() {
        let mut series = Series::new(10);
        series.push(100, 5_u64);
        series.push(102, 0);
        let seen: Vec<_> = series.range(99, 104).map(|(at, value)| (at, value.copied())).collect();
        assert_eq!(seen, [(99, None), (100, Some(5)), (101, None), (102, Some(0)), (103, None)]);
        assert_eq!(series.window(100, 103), Some((5, 2)));
        assert_eq!(series.window(101, 102), None);
        assert_eq!((series.first_at(), series.last_at()), (Some(100), Some(102)));
    }

    #[test]
    fn history_that_comes_late_finds_its_place() {
        let mut series = Series::new(5);
        series.push(10, 1_u64);
        series.push(8, 2);
        series.push(5, 9);
        series.push(10, 3);
        assert_eq!(series.iter().map(|(at, v)| (at, *v)).collect::<Vec<_>>(), [(8, 2), (10, 3)]);
    }

    #[test]
    fn a_peak_of_one_second_survives_downsampling() {
        let mut series = Series::new(1_000);
        (0..600)
            .filter(|at| !(200..300).contains(at))
            .for_each(|at| series.push(at, if at == 450 { 99.0 } else { 1.0 }));
        let columns = series.downsample(0, 600, 6, |value| Some(*value));
        assert_eq!(columns[2], None, "the gap stays a gap");
        let peak = columns[4].unwrap();
        assert_eq!((peak.at, peak.min, peak.max, peak.last, peak.seconds), (400, 1.0, 99.0, 1.0, 100));
    }

    proptest! {
        #[test]
        fn behaves_as_a_map_of_the_newest_seconds(
            capacity in 1..20_usize, pushes in proptest::collection::vec((-50..50_i64, 0..100_u64), 0..60),
            from in -60..60_i64, len in 0..120_i64, columns in 0..15_usize,
        ) {
            let mut series = Series::new(capacity);
            let mut map: BTreeMap<i64, u64> = BTreeMap::new();
            for (at, value) in pushes {
                let newest = map.keys().next_back().copied().unwrap_or(at).max(at);
                if newest - at < capacity as i64 {
                    map.insert(at, value);
                }
                map.retain(|at, _| newest - at < capacity as i64);
                series.push(at, value);
            }
            prop_assert!(series.iter().map(|(at, v)| (at, *v)).eq(map.iter().map(|(at, v)| (*at, *v))));
            for at in -60..60 {
                prop_assert_eq!(series.get(at), map.get(&at));
            }
            let inside: Vec<u64> = map.range(from..from + len).map(|(_, v)| *v).collect();
            let window = series.window(from, from + len);
            prop_assert_eq!(window, (!inside.is_empty()).then(|| (inside.iter().sum(), inside.len() as u32)));
            let drawn = series.downsample(from, from + len, columns, |v| Some(*v as f64));
            if columns > 0 && len > 0 {
                prop_assert_eq!(drawn.len(), columns);
                let seconds: u32 = drawn.iter().flatten().map(|c| c.seconds).sum();
                prop_assert_eq!(seconds as usize, inside.len());
                let max = drawn.iter().flatten().map(|c| c.max).fold(f64::MIN, f64::max);
                prop_assert!(inside.is_empty() || max == inside.iter().copied().max().unwrap_or(0) as f64);
            }
        }

        #[test]
        fn no_time_panics(pushes in proptest::collection::vec(any::<i64>(), 0..20), from: i64, to: i64) {
            let mut series = Series::new(60);
            pushes.iter().for_each(|at| series.push(*at, 1_u64));
            let _ = (series.window(from, to), series.downsample(from, to, 10, |_| Some(1.0)), series.get(from));
            let _ = (series.range(from, to).count(), series.first_at());
        }
    }
}
