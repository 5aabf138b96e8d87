//! Regular expressions as the text operators define them (RE2's syntax), on the `regex` crate.

use regex::Regex;
use tract_onnx::tract_hir::internal::*;

/// A compiled pattern of RE2's syntax.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// For matching whole texts.
    pub fn whole(pattern: &str) -> TractResult<Self> {
        compile(pattern, &format!("\\A(?:{})\\z", translated(pattern)?.0))
    }

    /// For finding pieces. The operators want the longest match at the leftmost place; where the crate could find a
    /// shorter one first, the pattern is refused.
    pub fn piece(pattern: &str) -> TractResult<Self> {
        let (text, ambiguous) = translated(pattern)?;
        ensure!(
            !ambiguous,
            "the longest match of pattern '{pattern}' cannot be told; use one without '|', lazy repetition and repeated groups"
        );
        compile(pattern, &text)
    }

    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Start and end of the first match at or behind `from`, a place between two characters.
    pub fn find(&self, text: &str, from: usize) -> Option<(usize, usize)> {
        self.0.find_at(text, from).map(|found| (found.start(), found.end()))
    }
}

fn compile(pattern: &str, text: &str) -> TractResult<Pattern> {
    Regex::new(text).map(Pattern).map_err(|error| {
        let last = error.to_string().lines().last().unwrap_or_default().to_owned();
        format_err!("pattern '{pattern}' is not taken here: {last}")
    })
}

/// RE2's classes know ASCII alone, the crate's all of Unicode; and brackets, `&&`, `--` and `~~` mean nothing special in
/// a set of RE2's. The second answer tells whether the longest match may differ from the first.
fn translated(pattern: &str) -> TractResult<(String, bool)> {
    let refuse = |what: &str| format_err!("pattern '{pattern}' uses {what}, which cannot be followed here");
    let (mut out, mut ambiguous) = (String::with_capacity(pattern.len() + 16), false);
    let mut set = false;
    let mut before = ' ';
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match c {
            '\\' => {
                let escaped = chars.next().ok_or_else(|| refuse("a lone '\\' at its end"))?;
                match escaped {
                    'w' => out.push_str("[0-9A-Za-z_]"),
                    'W' => out.push_str("[^0-9A-Za-z_]"),
                    'd' => out.push_str("[0-9]"),
                    'D' => out.push_str("[^0-9]"),
                    's' => out.push_str("[\\t\\n\\f\\r ]"),
                    'S' => out.push_str("[^\\t\\n\\f\\r ]"),
                    'b' if !set => out.push_str("(?-u:\\b)"),
                    'b' | 'B' | 'C' | 'Q' | 'E' => return Err(refuse(&format!("\\{escaped}"))),
                    other => out.extend(['\\', other]),
                }
                before = ' ';
                continue;
            }
            '[' if set && next == Some(':') => out.push(c),
            '[' if set => out.push_str("\\["),
            '&' | '~' if set => out.extend(['\\', c]),
            '-' if set && next == Some('-') => return Err(refuse("'--' in a set")),
            '[' => {
                set = true;
                out.push(c);
                if next == Some('^') {
                    out.extend(chars.next());
                }
                // A bracket in the first place stands for itself.
                if chars.peek() == Some(&']') {
                    chars.next();
                    out.push_str("\\]");
                }
            }
            ']' if set => {
                // The end of a named class is not that of the set.
                set = before == ':' && out.rfind("[:").is_some_and(|at| !out[at..].contains(']'));
                out.push(c);
            }
            '(' if !set && next == Some('?') => {
                let flags = pattern_flags(chars.clone());
                if flags.contains(['u', 'x', 'R']) {
                    return Err(refuse("a flag that RE2 does not have"));
                }
                ambiguous |= flags.contains('U');
                out.push_str("(?");
                chars.next();
                before = ' ';
                continue;
            }
            '|' if !set => {
                ambiguous = true;
                out.push(c);
            }
            '?' | '*' | '+' | '{' if !set && before == ')' => {
                ambiguous = true;
                out.push(c);
            }
            '?' if !set && matches!(before, '?' | '*' | '+' | '}') => {
                ambiguous = true;
                out.push(c);
            }
            other => out.push(other),
        }
        before = c;
    }
    Ok((out, ambiguous))
}

/// The flags behind `(?`; nothing for a named group.
fn pattern_flags(rest: impl Iterator<Item = char>) -> String {
    let flags: String = rest.skip(1).take_while(|c| c.is_ascii_alphabetic() || *c == '-').collect();
    if flags.starts_with('P') { String::new() } else { flags }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(pattern: &str, text: &str) -> Vec<String> {
        let pattern = Pattern::piece(pattern).unwrap();
        let (mut at, mut found) = (0, Vec::new());
        while let Some((start, end)) = pattern.find(text, at).filter(|(start, end)| end > start) {
            found.push(text[start..end].to_owned());
            at = end;
        }
        found
    }

    #[test]
    fn classes_know_ascii_alone_and_the_point_every_character() {
        assert_eq!(pieces(r"\w+", "é ü-ß x1"), ["x1"]);
        assert_eq!(pieces(r"[\w-]+", "big-world é"), ["big-world"]);
        assert_eq!(pieces(r"\b\w\w+\b", "a bb ccc"), ["bb", "ccc"]);
        assert_eq!(pieces(".", "aé"), ["a", "é"]);
        assert_eq!(pieces("[[&&a]+", "x[&a"), ["[&a"]);
        assert_eq!(pieces("[]a]+", "x]a"), ["]a"]);
        assert_eq!(pieces("[[:alpha:]_]+", "ab_1é"), ["ab_"]);
        assert_eq!(pieces("(?i)É+", "éé"), ["éé"]);
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        for pattern in ["a|ab", "a+?", "(ab)?", "(?u)a", r"\B", r"\Qa\E", "[a--b]", "(", r"\", "(?P<n>a){2}"] {
            let error = Pattern::piece(pattern).unwrap_err().to_string();
            assert!(error.contains(pattern), "{error}");
        }
        assert!(Pattern::whole("a|ab").unwrap().is_match("ab"));
        assert!(!Pattern::whole("(?P<x>a)+").unwrap().is_match("aab"));
    }
}
