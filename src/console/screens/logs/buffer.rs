//! The newest lines of a log, those of them that are shown, and moving among these.

use std::collections::{BTreeSet, VecDeque};

use super::Level;
use super::trace::{Mark, Reader};
use crate::console::widgets::filter::Filter;
use crate::resources::LogLine;

/// Lines kept.
pub const KEPT: usize = 10_000;

/// Lines have numbers that never change while they are kept.
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    lines: VecDeque<LogLine>,
    /// What is known of each kept line.
    marks: VecDeque<Mark>,
    reader: Reader,
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

/// Which lines are shown.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// Least level.
    pub level: Level,
    pub instance: Option<u32>,
    pub filter: &'a Filter,
    /// Frames of libraries too.
    pub unfolded: bool,
}

impl Wish<'_> {
    fn fits(&self, line: &LogLine, mark: Mark) -> bool {
        let of_instance = match (self.instance, line.instance) {
            (Some(wanted), Some(instance)) => wanted == instance,
            _ => true,
        };
        of_instance && Level::of(&line.level) >= self.level && (self.unfolded || !mark.folded)
    }
}

impl Buffer {
    /// Takes in lines; those that were there before a reconnection are passed over.
    pub fn push(&mut self, lines: &[LogLine], wish: &Wish) {
        let last = self.lines.back().map(|line| (line.at_ms, line.seq));
        let new: Vec<&LogLine> = lines.iter().filter(|line| last.is_none_or(|l| (line.at_ms, line.seq) > l)).collect();
        let from = self.lines.len();
        for line in &new {
            self.dropped += line.dropped;
            self.instances.extend(line.instance);
            self.marks.push_back(self.reader.next(line.instance, &line.text));
        }
        self.lines.extend(new.into_iter().cloned());
        if self.shown.is_none() && !wish.unfolded && self.marks.iter().skip(from).any(|mark| mark.folded) {
            self.narrow(wish);
        } else if self.shown.is_some() {
            let hits = self.hits(from, wish);
            self.shown.get_or_insert_default().extend(hits);
        }
        let over = self.lines.len().saturating_sub(KEPT);
        self.lines.drain(..over);
        self.marks.drain(..over);
        self.first += over as u64;
        self.let_go += over as u64;
        if let Some(shown) = &mut self.shown {
            while shown.front().is_some_and(|at| *at < self.first) {
                shown.pop_front();
            }
        }
    }

    /// Chooses anew which lines are shown.
    pub fn narrow(&mut self, wish: &Wish) {
        let folds = !wish.unfolded && self.marks.iter().any(|mark| mark.folded);
        let all = wish.level == Level::Debug && wish.instance.is_none() && wish.filter.is_empty() && !folds;
        self.shown = (!all).then(|| self.hits(0, wish));
    }

    /// Numbers of the lines wished for, from an index on.
    fn hits(&self, from: usize, wish: &Wish) -> VecDeque<u64> {
        let mut hits = wish.filter.select(self.lines.iter().skip(from).map(|line| line.text.as_str()));
        hits.sort_unstable();
        let hits = hits.into_iter().map(|at| from + at).filter(|at| wish.fits(&self.lines[*at], self.marks[*at]));
        hits.map(|at| self.first + at as u64).collect()
    }

    /// Whether frames of libraries are kept.
    pub fn has_frames(&self) -> bool {
        self.marks.iter().any(|mark| mark.folded)
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
        self.marked(at).map(|(line, _)| line)
    }

    /// The same, with what is known of each.
    pub fn marked(&self, at: Option<u64>) -> impl Iterator<Item = (&LogLine, Mark)> {
        let end = match at {
            Some(at) => (self.index(at) + 1).min(self.count()),
            None => self.count(),
        };
        (0..end).rev().filter_map(|index| {
            let number = self.number(index)?;
            let at = usize::try_from(number - self.first).ok()?;
            Some((self.lines.get(at)?, *self.marks.get(at)?))
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
                format!("{time} {}{instance} {}\n", line.level, line.message())
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

    fn push(buffer: &mut Buffer, lines: &[LogLine], filter: &str) {
        buffer
            .push(lines, &Wish { level: Level::Debug, instance: None, filter: &Filter::new(filter), unfolded: false });
    }

    fn narrow(buffer: &mut Buffer, level: Level, instance: Option<u32>, filter: &str) {
        buffer.narrow(&Wish { level, instance, filter: &Filter::new(filter), unfolded: false });
    }

    #[test]
    fn frames_of_libraries_are_shown_on_demand() {
        let texts = ["Traceback (most recent call last):", "  File \"/e/site-packages/x.py\", line 1, in f", "    f()"];
        let line = |(n, text): (usize, &str)| LogLine { text: text.into(), instance: None, ..line(n as u64 + 1) };
        let lines: Vec<LogLine> = texts.into_iter().chain(["KeyError: 'data'"]).enumerate().map(line).collect();
        let mut buffer = Buffer::default();
        push(&mut buffer, &lines[..2], "");
        push(&mut buffer, &lines[2..], "");
        assert_eq!((buffer.count(), buffer.len(), buffer.has_frames()), (2, 4, true));
        assert_eq!(buffer.marked(None).next().map(|(_, mark)| mark.after), Some(1));
        buffer.narrow(&Wish { level: Level::Debug, instance: None, filter: &Filter::default(), unfolded: true });
        assert_eq!(buffer.count(), 4);
    }

    fn filled(n: u64) -> Buffer {
        let mut buffer = Buffer::default();
        let lines: Vec<_> = (0..n).map(line).collect();
        push(&mut buffer, &lines, "");
        buffer
    }

    #[test]
    fn it_keeps_the_newest_lines_and_passes_over_those_it_has() {
        let mut buffer = filled(KEPT as u64 + 500);
        assert_eq!((buffer.len(), buffer.let_go), (KEPT, 500));
        let again: Vec<_> = (KEPT as u64..KEPT as u64 + 510).map(line).collect();
        push(&mut buffer, &again, "");
        assert_eq!(buffer.line(None).map(|line| line.seq), Some(KEPT as u64 + 509));
        assert_eq!(buffer.upwards(None).nth(1).map(|line| line.seq), Some(KEPT as u64 + 508));
    }

    #[test]
    fn level_instance_and_filter_narrow_what_is_shown() {
        let mut buffer = filled(100);
        narrow(&mut buffer, Level::Error, None, "");
        assert_eq!(buffer.count(), 10);
        narrow(&mut buffer, Level::Debug, Some(1), "");
        assert_eq!(buffer.count(), 50);
        narrow(&mut buffer, Level::Debug, None, "~line 4\\d$");
        assert_eq!(buffer.count(), 10);
        push(&mut buffer, &[line(142), line(200)], "~line 1?4\\d$");
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
                        push(&mut buffer, &lines, "");
                        at = at.and_then(|at| buffer.nearest(at));
                    }
                    1 => at = buffer.moved(at, -(n as i64), 20),
                    2 => at = buffer.moved(at, n as i64, 20),
                    _ => {
                        let level = if n.is_multiple_of(2) { Level::Error } else { Level::Debug };
                        narrow(&mut buffer, level, None, "");
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
