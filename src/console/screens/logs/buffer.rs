//! The newest lines of a log, those of them that are shown, and moving among these.

use std::collections::{BTreeSet, VecDeque};

use super::Level;
use crate::console::widgets::filter::Filter;
use crate::resources::LogLine;

/// Lines kept.
pub const KEPT: usize = 10_000;

/// Lines have numbers that never change while they are kept.
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    lines: VecDeque<LogLine>,
    /// Number of the first kept line.
    first: u64,
    /// Numbers of the lines shown; `None` = all.
    shown: Option<VecDeque<u64>>,
    /// Lines the workspace could not hand over.
    pub dropped: u64,
    /// Older lines that made room for newer ones.
    pub let_go: u64,
    instances: BTreeSet<u32>,
}

fn wanted(line: &LogLine, level: Level, instance: Option<u32>) -> bool {
    let of_instance = match (instance, line.instance) {
        (Some(wanted), Some(instance)) => wanted == instance,
        _ => true,
    };
    of_instance && Level::of(&line.level) >= level
}

impl Buffer {
    /// Takes in lines; those that were there before a reconnection are passed over.
    pub fn push(&mut self, lines: &[LogLine], level: Level, instance: Option<u32>, filter: &Filter) {
        let last = self.lines.back().map(|line| (line.at_ms, line.seq));
        let new: Vec<&LogLine> = lines.iter().filter(|line| last.is_none_or(|l| (line.at_ms, line.seq) > l)).collect();
        let from = self.first + self.lines.len() as u64;
        for line in &new {
            self.dropped += line.dropped;
            self.instances.extend(line.instance);
        }
        if let Some(shown) = &mut self.shown {
            let mut hits = filter.select(new.iter().map(|line| line.text.as_str()));
            hits.sort_unstable();
            let hits = hits.into_iter().filter(|at| wanted(new[*at], level, instance));
            shown.extend(hits.map(|at| from + at as u64));
        }
        self.lines.extend(new.into_iter().cloned());
        let over = self.lines.len().saturating_sub(KEPT);
        self.lines.drain(..over);
        self.first += over as u64;
        self.let_go += over as u64;
        if let Some(shown) = &mut self.shown {
            while shown.front().is_some_and(|at| *at < self.first) {
                shown.pop_front();
            }
        }
    }

    /// Chooses anew which lines are shown.
    pub fn narrow(&mut self, level: Level, instance: Option<u32>, filter: &Filter) {
        self.shown = None;
        if level == Level::Debug && instance.is_none() && filter.is_empty() {
            return;
        }
        let mut hits = filter.select(self.lines.iter().map(|line| line.text.as_str()));
        hits.sort_unstable();
        let hits = hits.into_iter().filter(|at| wanted(&self.lines[*at], level, instance));
        self.shown = Some(hits.map(|at| self.first + at as u64).collect());
    }

    /// Lines kept.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Lines shown.
    pub fn count(&self) -> usize {
        self.shown.as_ref().map_or(self.lines.len(), VecDeque::len)
    }

    /// Numbers of the instances seen.
    pub fn instances(&self) -> Vec<u32> {
        self.instances.iter().copied().collect()
    }

    fn number(&self, index: usize) -> Option<u64> {
        match &self.shown {
            Some(shown) => shown.get(index).copied(),
            None => (index < self.lines.len()).then_some(self.first + index as u64),
        }
    }

    /// Index among the lines shown of a number, or of the one before it.
    fn index(&self, number: u64) -> usize {
        match &self.shown {
            Some(shown) => shown.partition_point(|at| *at <= number).saturating_sub(1),
            None => usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX),
        }
    }

    /// The shown line nearest to a number that may be gone; `None` when it is the newest one.
    pub fn nearest(&self, number: u64) -> Option<u64> {
        let index = self.index(number);
        if index + 1 >= self.count() { None } else { self.number(index) }
    }

    /// From the lowest line shown (`None` = the newest), so many lines down; up stops when a page is full.
    pub fn moved(&self, at: Option<u64>, by: i64, page: usize) -> Option<u64> {
        let last = self.count().saturating_sub(1);
        let now = at.map_or(last, |at| self.index(at).min(last));
        let least = page.saturating_sub(1).min(last);
        let steps = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX);
        let next = if by < 0 { now.saturating_sub(steps).max(least) } else { now.saturating_add(steps).min(last) };
        if next >= last { None } else { self.number(next) }
    }

    /// The line at the lower edge.
    pub fn line(&self, at: Option<u64>) -> Option<&LogLine> {
        self.upwards(at).next()
    }

    /// Shown lines from the lower edge upwards.
    pub fn upwards(&self, at: Option<u64>) -> impl Iterator<Item = &LogLine> {
        let end = match at {
            Some(at) => (self.index(at) + 1).min(self.count()),
            None => self.count(),
        };
        (0..end).rev().filter_map(|index| {
            let number = self.number(index)?;
            self.lines.get(usize::try_from(number - self.first).ok()?)
        })
    }

    /// Shown lines below the lower edge.
    pub fn below(&self, at: Option<u64>) -> usize {
        at.map_or(0, |at| self.count().saturating_sub(self.index(at) + 1))
    }

    /// All shown lines as text, for a pager.
    pub fn text(&self) -> String {
        let mut lines: Vec<String> = self
            .upwards(None)
            .map(|line| {
                let time = jiff::Timestamp::from_millisecond(line.at_ms).map(|at| at.to_string()).unwrap_or_default();
                let instance = line.instance.map_or(String::new(), |instance| format!(" #{instance}"));
                format!("{time} {}{instance} {}\n", line.level, line.text)
            })
            .collect();
        lines.reverse();
        lines.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(n: u64) -> LogLine {
        let level = if n.is_multiple_of(10) { "error" } else { "info" };
        let text = format!("POST /score 200 line {n}");
        LogLine {
            seq: n,
            at_ms: n as i64,
            level: level.into(),
            instance: Some(n as u32 % 2),
            text,
            ..LogLine::default()
        }
    }

    fn filled(n: u64) -> Buffer {
        let mut buffer = Buffer::default();
        let lines: Vec<_> = (0..n).map(line).collect();
        buffer.push(&lines, Level::Debug, None, &Filter::default());
        buffer
    }

    #[test]
    fn it_keeps_the_newest_lines_and_passes_over_those_it_has() {
        let mut buffer = filled(KEPT as u64 + 500);
        assert_eq!((buffer.len(), buffer.let_go), (KEPT, 500));
        let again: Vec<_> = (KEPT as u64..KEPT as u64 + 510).map(line).collect();
        buffer.push(&again, Level::Debug, None, &Filter::default());
        assert_eq!(buffer.line(None).map(|line| line.seq), Some(KEPT as u64 + 509));
        assert_eq!(buffer.upwards(None).nth(1).map(|line| line.seq), Some(KEPT as u64 + 508));
    }

    #[test]
    fn level_instance_and_filter_narrow_what_is_shown() {
        let mut buffer = filled(100);
        buffer.narrow(Level::Error, None, &Filter::default());
        assert_eq!(buffer.count(), 10);
        buffer.narrow(Level::Debug, Some(1), &Filter::default());
        assert_eq!(buffer.count(), 50);
        buffer.narrow(Level::Debug, None, &Filter::new("~line 4\\d$"));
        assert_eq!(buffer.count(), 10);
        buffer.push(&[line(142), line(200)], Level::Debug, None, &Filter::new("~line 1?4\\d$"));
        assert_eq!(buffer.line(None).map(|line| line.seq), Some(142));
    }

    #[test]
    fn scrolling_up_pauses_and_down_to_the_end_follows_again() {
        let buffer = filled(100);
        let up = buffer.moved(None, -10, 20);
        assert_eq!((up, buffer.below(up)), (Some(89), 10));
        assert_eq!(buffer.moved(up, 10, 20), None);
        assert_eq!(buffer.moved(None, i64::MIN, 20), Some(19));
        assert_eq!(filled(5).moved(None, -3, 20), None);
    }

    proptest! {
        #[test]
        fn any_order_of_moves_and_lines_stays_within_the_log(steps in proptest::collection::vec((0..4u8, 0..300u64), 1..60)) {
            let mut buffer = Buffer::default();
            let (mut next, mut at) = (0, None);
            for (kind, n) in steps {
                match kind {
                    0 => {
                        let lines: Vec<_> = (next..next + n).map(line).collect();
                        next += n;
                        buffer.push(&lines, Level::Debug, None, &Filter::default());
                        at = at.and_then(|at| buffer.nearest(at));
                    }
                    1 => at = buffer.moved(at, -(n as i64), 20),
                    2 => at = buffer.moved(at, n as i64, 20),
                    _ => {
                        let level = if n.is_multiple_of(2) { Level::Error } else { Level::Debug };
                        buffer.narrow(level, None, &Filter::default());
                        at = at.and_then(|at| buffer.nearest(at));
                    }
                }
                prop_assert!(buffer.below(at) < buffer.count().max(1));
                let above = buffer.upwards(at).count();
                prop_assert_eq!(above + buffer.below(at), buffer.count());
            }
        }
    }
}
