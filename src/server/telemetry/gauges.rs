//! What was measured now and then instead of counted: utilisation, capacity, connections. A minute at a time, for a day.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;

use super::lock;
use super::series::MINUTES;

/// Something measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gauge {
    /// CPU time of the instances over what they may use here, percent.
    Cpu,
    /// The largest memory an instance has needed so far over its limit, percent.
    Memory,
    /// Instances that take work.
    Ready,
    /// Open connections.
    Connections,
    /// Connections accepted a second.
    NewConnections,
}

const KINDS: usize = 5;

/// The measurements of a minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Unix seconds of the minute's beginning.
    pub at: i64,
    pub count: u32,
    pub sum: f64,
    pub least: f64,
    pub most: f64,
}

/// The series of all gauges of one thing.
#[derive(Debug, Default)]
pub struct Gauges([Mutex<VecDeque<Spread>>; KINDS]);

impl Gauges {
    /// A measurement at `now_s` (Unix seconds). One that is not a number is none.
    pub fn note(&self, gauge: Gauge, now_s: i64, value: f64) {
        if !value.is_finite() {
            return;
        }
        let at = now_s - now_s.rem_euclid(60);
        let mut minutes = lock(&self.0[gauge as usize]);
        match minutes.back_mut().filter(|m| m.at == at) {
            Some(minute) => {
                minute.count += 1;
                minute.sum += value;
                minute.least = minute.least.min(value);
                minute.most = minute.most.max(value);
            }
            None => minutes.push_back(Spread { at, count: 1, sum: value, least: value, most: value }),
        }
        while minutes.len() > MINUTES {
            minutes.pop_front();
        }
    }

    /// All measurements of minutes that begin in `range`; `None` when there is none.
    pub fn within(&self, gauge: Gauge, range: &Range<i64>) -> Option<Spread> {
        let minutes = lock(&self.0[gauge as usize]);
        minutes.iter().filter(|m| range.contains(&m.at)).copied().reduce(|a, b| Spread {
            at: a.at,
            count: a.count + b.count,
            sum: a.sum + b.sum,
            least: a.least.min(b.least),
            most: a.most.max(b.most),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_holds_its_measurements_and_a_gap_stays_a_gap() {
        let gauges = Gauges::default();
        for (at, value) in [(60, 1.0), (70, 4.0), (119, 1.0), (120, 9.0), (121, f64::NAN), (300, 5.0)] {
            gauges.note(Gauge::Cpu, at, value);
        }
        let of = |range: Range<i64>| gauges.within(Gauge::Cpu, &range).map(|s| (s.count, s.sum, s.least, s.most));
        assert_eq!(of(60..120), Some((3, 6.0, 1.0, 4.0)));
        assert_eq!(of(60..180), Some((4, 15.0, 1.0, 9.0)));
        assert_eq!((of(180..300), gauges.within(Gauge::Memory, &(0..900))), (None, None));
    }

    #[test]
    fn a_day_is_kept() {
        let gauges = Gauges::default();
        for minute in 0..3_000 {
            gauges.note(Gauge::Ready, minute * 60, 1.0);
        }
        assert_eq!(gauges.within(Gauge::Ready, &(0..i64::MAX)).map(|s| s.count), Some(1_440));
    }
}
