//! Results on standard output: tables for people, JSON for programs.

use std::io::Write as _;

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::error::CliError;
use crate::resources::traffic::TrafficMap;

/// Writes to standard output. A reader that has gone away is no error of ours.
pub(super) fn print_bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Err(CliError::ReaderGone),
        Err(e) => Err(CliError::failed(format!("standard output cannot be written: {e}"))),
    }
}

/// A line, or several.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(b'\n');
    print_bytes(&bytes)
}

/// Pretty JSON.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| CliError::failed(format!("the result cannot be written as JSON: {e}")))?;
    print(&json_text(&text))
}

/// JSON on one line, for a stream of it.
pub(super) fn print_json_line(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string(value).map_err(|e| CliError::failed(e.to_string()))?;
    print(&json_text(&text))
}

/// JSON without characters that drive a terminal. They can only stand in texts, where their escapes mean the same.
fn json_text(json: &str) -> String {
    escaped(json, |c| c == '\n')
}

/// A remark on standard error. One that cannot be written is not worth failing for.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", many_lines(text));
}

/// Whether a character does something to a terminal instead of being shown: controls, and marks that turn the
/// direction of writing so that text reads as what it is not.
fn drives_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Writes characters that drive the terminal as JSON would, but for those to `keep`.
fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if drives_terminal(c) && !keep(c) {
            // All of them are in the basic plane, where one escape is one character.
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Text of others on one line: line ends and tabs become spaces, what could drive the terminal is written out.
pub(super) fn one_line(text: &str) -> String {
    escaped(&text.replace(['\n', '\r', '\t'], " "), |_| false)
}

/// As [`one_line`], keeping line ends and tabs.
pub(super) fn many_lines(text: &str) -> String {
    escaped(&text.replace("\r\n", "\n"), |c| matches!(c, '\n' | '\t'))
}

/// Rows under headings. A heading that starts with `>` is a column of numbers: right-aligned.
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| one_line(&cell)).collect();
        row.resize(self.headings.len(), String::new());
        self.rows.push(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Without a newline at the end.
    pub(super) fn render(&self) -> String {
        let titles: Vec<&str> = self.headings.iter().map(|h| h.trim_start_matches('>')).collect();
        let widths: Vec<usize> = (0..titles.len())
            .map(|i| self.rows.iter().map(|row| row[i].width()).chain([titles[i].width()]).max().unwrap_or(0))
            .collect();
        let mut lines = vec![self.line(&titles, &widths)];
        for row in &self.rows {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            lines.push(self.line(&cells, &widths));
        }
        lines.join("\n")
    }

    fn line(&self, cells: &[&str], widths: &[usize]) -> String {
        let mut line = String::new();
        for (i, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[i].saturating_sub(cell.width()));
            if i > 0 {
                line.push_str("  ");
            }
            if self.headings[i].starts_with('>') {
                line.push_str(&pad);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&pad);
            }
        }
        line.trim_end().to_owned()
    }

    pub(super) fn print(&self) -> Result<(), CliError> {
        print(&self.render())
    }
}

/// Names beside values; empty values are left out.
pub(super) fn facts(rows: &[(&str, String)]) -> String {
    let shown: Vec<_> = rows.iter().filter(|(_, value)| !value.is_empty()).collect();
    let width = shown.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
    let lines = shown.iter().map(|(name, value)| {
        let pad = " ".repeat(width - name.width());
        format!("{name}{pad}  {}", one_line(value))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `blue 90  green 10`, or `–` for an empty map.
pub(super) fn traffic_text(map: &TrafficMap) -> String {
    let parts: Vec<String> =
        map.iter().filter(|(_, weight)| !weight.is_zero()).map(|(name, weight)| format!("{name} {weight}")).collect();
    if parts.is_empty() { "–".into() } else { parts.join("  ") }
}

/// Three significant digits or so, in milliseconds; `–` when unknown.
pub(super) fn millis(ms: Option<f64>) -> String {
    match ms {
        None => "–".into(),
        Some(ms) if ms < 10.0 => format!("{ms:.2}"),
        Some(ms) if ms < 100.0 => format!("{ms:.1}"),
        Some(ms) => format!("{ms:.0}"),
    }
}

/// `12.3 MB`.
pub(super) fn bytes(count: u64) -> String {
    let mut value = count as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// Local time of a Unix millisecond stamp, to the second.
pub(super) fn time(unix_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(unix_ms) {
        Ok(at) => at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "–".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Weight;

    #[test]
    fn numbers_stand_on_the_right_and_names_on_the_left() {
        let mut table = Table::new(&["NAME", ">REQUESTS", "STATE"]);
        table.row(["blue".into(), "900".into(), "Succeeded".into()]);
        table.row(["größer".into(), "1000000000".into(), "x".into()]);
        assert_eq!(table.render(), "NAME      REQUESTS  STATE\nblue           900  Succeeded\ngrößer  1000000000  x");
    }

    #[test]
    fn nothing_a_name_holds_drives_the_terminal() {
        let mut table = Table::new(&["NAME"]);
        table.row(["a\u{1b}[31mb\nc".into()]);
        assert_eq!(table.render(), "NAME\na\\u001b[31mb c");
        assert_eq!(many_lines("a\u{1b}[2Jb\r\nc\t\u{9b}"), "a\\u001b[2Jb\nc\t\\u009b");
        assert_eq!(one_line("evil\u{202e}txt.exe"), "evil\\u202etxt.exe");
        let text = "\u{202e}\u{7f}\u{9b}2J\u{1b}é";
        let json = json_text(&serde_json::to_string_pretty(&serde_json::json!({"a": text})).unwrap());
        assert!(!json.chars().any(|c| c != '\n' && drives_terminal(c)), "{json:?}");
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["a"], text, "and still means the same");
    }

    #[test]
    fn small_things_are_written_the_same_everywhere() {
        assert_eq!(traffic_text(&TrafficMap::new()), "–");
        let map = TrafficMap::from([("blue".into(), Weight::percent(90)), ("green".into(), Weight::ZERO)]);
        assert_eq!(traffic_text(&map), "blue 90");
        assert_eq!(
            (millis(None), millis(Some(1.314)), millis(Some(54.25))),
            ("–".into(), "1.31".into(), "54.2".into())
        );
        assert_eq!((bytes(999), bytes(12_345_678)), ("999 B".into(), "12.3 MB".into()));
        assert_eq!(
            facts(&[("Name", "e1".into()), ("Empty", String::new()), ("St", "ok".into())]),
            "Name  e1\nSt    ok"
        );
    }
}
