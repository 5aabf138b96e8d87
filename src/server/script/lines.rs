//! Lines out of a script's output: cut at 64 kB, put into UTF-8, with the severity they seem to have.

use std::time::{Duration, Instant};

use crate::resources::brief::cut;
use crate::resources::live::server_stamp;
use crate::server::telemetry::Level;

/// Longest line kept in one piece, in bytes.
const LONGEST: usize = 64 * 1024;
/// From the last words of a process to its end at most.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// What the server says of any exception.
const WRAPPER: &str = "UserScriptException: Caught an unhandled exception";
/// Longest reason quoted, in characters.
const REASON: usize = 400;

/// What a script says of its failure, as it stands in a reason: an exception may hold its whole input, which the log
/// keeps.
pub fn quoted(text: &str) -> String {
    cut(text, REASON)
}

/// One stream of a process.
pub struct Lines {
    partial: Vec<u8>,
    is_error: bool,
    /// Severity of the record that a traceback belongs to.
    level: Level,
    /// The last line of the traceback that came last, or what the interpreter said in dying.
    reason: Option<(Instant, String)>,
    in_traceback: bool,
}

impl Lines {
    /// Of standard error, or of standard output.
    pub fn new(is_error: bool) -> Self {
        let level = if is_error { Level::Warning } else { Level::Info };
        Self { partial: Vec::new(), is_error, level, reason: None, in_traceback: false }
    }

    /// Takes what has come; `emit` gets the lines it completes.
    pub fn feed(&mut self, bytes: &[u8], emit: &mut impl FnMut(Level, &str)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            self.partial.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            self.flush(true, emit);
        }
        self.partial.extend_from_slice(rest);
        if self.partial.len() > LONGEST {
            self.flush(false, emit);
        }
    }

    /// What is left without a final newline.
    pub fn finish(&mut self, emit: &mut impl FnMut(Level, &str)) {
        if !self.partial.is_empty() {
            self.flush(true, emit);
        }
    }

    /// The last words before an end: what was said long before had nothing to do with it.
    pub fn reason(&self) -> Option<String> {
        self.reason.as_ref().filter(|(at, _)| at.elapsed() < LAST_WORDS).map(|(_, text)| text.clone())
    }

    /// Emits pieces of at most 64 kB; without `all` the last piece, which may go on, stays.
    fn flush(&mut self, all: bool, emit: &mut impl FnMut(Level, &str)) {
        let line = std::mem::take(&mut self.partial);
        let mut rest = line.as_slice();
        while rest.len() > LONGEST {
            // Not in the middle of a character.
            let cut = (LONGEST - 3..=LONGEST).rev().find(|at| rest[*at] & 0xc0 != 0x80).unwrap_or(LONGEST);
            let (head, tail) = rest.split_at(cut);
            self.say(&String::from_utf8_lossy(head), emit);
            rest = tail;
        }
        if all {
            self.say(&String::from_utf8_lossy(rest), emit);
        } else {
            self.partial = rest.to_vec();
        }
    }

    fn say(&mut self, line: &str, emit: &mut impl FnMut(Level, &str)) {
        if let Some(level) = level_of(line) {
            self.level = level;
            self.in_traceback = line.contains("Traceback (most recent call last)");
            return emit(level, line);
        }
        if line.starts_with("Traceback (most recent call last)") {
            self.in_traceback = true;
            self.level = Level::Error;
        } else if self.in_traceback && !line.starts_with([' ', '\t']) && !line.is_empty() {
            self.in_traceback = false;
            // Around every exception of a script the server puts one of its own.
            if !line.contains(WRAPPER) {
                self.reason = Some((Instant::now(), quoted(line)));
            }
            return emit(Level::Error, line);
        } else if line.starts_with("Fatal Python error") {
            self.reason = Some((Instant::now(), quoted(line)));
            return emit(Level::Error, line);
        } else if !self.in_traceback {
            self.level = match () {
                () if line.starts_with("ERROR:") || line.starts_with("CRITICAL:") => Level::Error,
                () if self.is_error => Level::Warning,
                () => Level::Info,
            };
        }
        emit(self.level, line);
    }
}

/// Severity of a record of the server's.
fn level_of(line: &str) -> Option<Level> {
    Some(match server_stamp(line)?.0 {
        'D' => Level::Debug,
        'I' => Level::Info,
        'W' => Level::Warning,
        _ => Level::Error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(is_error: bool, chunks: &[&[u8]]) -> (Vec<(Level, String)>, Option<String>) {
        let (mut lines, mut out) = (Lines::new(is_error), Vec::new());
        for chunk in chunks {
            lines.feed(chunk, &mut |level, line| out.push((level, line.to_owned())));
        }
        lines.finish(&mut |level, line| out.push((level, line.to_owned())));
        (out, lines.reason())
    }

    #[test]
    fn lines_come_whole_whatever_the_pieces_they_are_read_in() {
        let (lines, _) = all(false, &[b"on", b"e\ntwo\nth", b"", b"ree"]);
        let texts: Vec<&str> = lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, ["one", "two", "three"]);
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters_and_broken_text_is_replaced() {
        let long = "é".repeat(LONGEST);
        let (lines, _) = all(true, &[long.as_bytes(), b"\xff\xfe!\n"]);
        assert!(lines.iter().all(|(_, text)| text.len() <= LONGEST + 8));
        let joined: String = lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(joined, format!("{long}\u{fffd}\u{fffd}!"));
    }

    #[test]
    fn records_say_their_severity_and_tracebacks_share_it() {
        let text = b"2026-01-31 10:00:00,123 E [42] azmlinfsrv - Encountered Exception: Traceback (most recent call last):\n  \
                     File \"score.py\", line 3, in run\n    boom()\nValueError: no\n2026-01-31 10:00:00,124 I [42] azmlinfsrv - POST /score 500\nplain\n";
        let (lines, reason) = all(false, &[text]);
        let levels: Vec<Level> = lines.iter().map(|(level, _)| *level).collect();
        use Level::{Error, Info};
        assert_eq!(levels, [Error, Error, Error, Error, Info, Info]);
        assert_eq!(reason.as_deref(), Some("ValueError: no"));
        assert_eq!(all(true, &[b"hello"]).0[0].0, Level::Warning);
        let fatal = all(true, &[b"Fatal Python error: Segmentation fault\n\nCurrent thread\n"]);
        assert_eq!(fatal.1.as_deref(), Some("Fatal Python error: Segmentation fault"));
    }
}
