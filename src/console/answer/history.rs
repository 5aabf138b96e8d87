//! Requests sent from the console, kept over restarts as lines of JSON. Never holds a credential.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Entries kept; the oldest go first.
pub const MAX_ENTRIES: usize = 500;
/// Bodies longer than this are not kept: the entry can be read, not resent.
pub const MAX_BODY: usize = 64 * 1024;

/// A request and how it ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// Unix milliseconds.
    pub at_ms: i64,
    /// Context and endpoint it went to.
    pub context: String,
    pub endpoint: String,
    pub method: String,
    /// Path below the endpoint's base, e.g. `/score`.
    pub path: String,
    /// Pinned deployment; `None` = the endpoint's split.
    pub to: Option<String>,
    /// Who answered.
    pub by: Option<String>,
    /// HTTP status; `None` when no answer came.
    pub status: Option<u16>,
    pub total_ms: f64,
    pub request_bytes: u64,
    pub response_bytes: u64,
    /// Where the body came from: a file's or a recipe's name.
    pub name: Option<String>,
    /// Why it failed, in a line.
    pub note: Option<String>,
    /// The request body, if it was short enough to keep.
    pub body: Option<String>,
}

/// The newest requests, newest last.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct History {
    entries: VecDeque<Sent>,
}

impl History {
    /// Reads lines of JSON; lines that are not (a torn last line after a crash) are skipped.
    pub fn read(text: &str) -> Self {
        let mut history = Self::default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(|sent| history.push(sent));
        history
    }

    /// Adds an entry, dropping a body that is too long and the oldest entry when full.
    pub fn push(&mut self, mut sent: Sent) {
        if sent.body.as_ref().is_some_and(|body| body.len() > MAX_BODY) {
            sent.body = None;
        }
        if self.entries.len() == MAX_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(sent);
    }

    /// The line to append to the file for an entry.
    pub fn line(sent: &Sent) -> String {
        let mut line = serde_json::to_string(sent).unwrap_or_default();
        line.push('\n');
        line
    }

    /// The whole file, for rewriting it when it has grown past what is kept.
    pub fn text(&self) -> String {
        self.entries.iter().map(Self::line).collect()
    }

    /// Requests to one endpoint of one context, newest first.
    pub fn of<'a>(&'a self, context: &'a str, endpoint: &'a str) -> impl Iterator<Item = &'a Sent> {
        self.entries.iter().rev().filter(move |sent| sent.context == context && sent.endpoint == endpoint)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(n: i64) -> Sent {
        Sent {
            at_ms: n,
            context: "local".into(),
            endpoint: "restaurants".into(),
            body: Some("{}".into()),
            ..Sent::default()
        }
    }

    #[test]
    fn a_restart_finds_what_was_sent_even_after_a_torn_line() {
        let mut history = History::default();
        (0..3).for_each(|n| history.push(sent(n)));
        let torn = format!("{}{{\"at_ms\": 4, \"con", history.text());
        assert_eq!(History::read(&torn), history);
        let newest: Vec<i64> = history.of("local", "restaurants").map(|s| s.at_ms).collect();
        assert_eq!(newest, [2, 1, 0]);
        assert_eq!(history.of("other", "restaurants").count(), 0);
    }

    #[test]
    fn it_stays_bounded_in_entries_and_bodies() {
        let mut history = History::default();
        (0..MAX_ENTRIES as i64 + 20).for_each(|n| history.push(sent(n)));
        history.push(Sent { body: Some("x".repeat(MAX_BODY + 1)), ..sent(999) });
        assert_eq!(history.len(), MAX_ENTRIES);
        assert_eq!(history.of("local", "restaurants").next().and_then(|s| s.body.clone()), None);
    }
}
