//! Fields: what they are called, what is in them, and what is wrong with that.

use crossterm::event::{Event as TermEvent, KeyEvent};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler as _;

/// How a field is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// A whole number.
    Number,
    /// One of a few words; ← and → go through them.
    Word(&'static [&'static str]),
    /// One of many: Enter opens the choice.
    Pick,
    /// `NAME=value`; an empty one follows the last.
    Pair,
}

/// A line of a form.
#[derive(Debug, Clone)]
pub struct Field {
    pub id: &'static str,
    pub label: &'static str,
    /// What it means, with its unit and its default.
    pub hint: &'static str,
    pub kind: Kind,
    /// Index into the form's sections.
    pub section: usize,
    /// Where a rule's complaint about it points (JSON path).
    pub path: &'static str,
    pub input: Input,
    /// Cannot be changed any more, e.g. a name.
    pub fixed: bool,
    pub problem: Option<String>,
    /// Whether the user was here: only then is an empty field complained about.
    pub visited: bool,
}

impl Field {
    /// An empty field.
    pub fn new(section: usize, id: &'static str, label: &'static str, kind: Kind, hint: &'static str) -> Self {
        Self {
            id,
            label,
            hint,
            kind,
            section,
            path: "",
            input: Input::default(),
            fixed: false,
            problem: None,
            visited: false,
        }
    }

    /// Filled in.
    pub fn with(mut self, value: impl Into<String>) -> Self {
        self.input = Input::new(value.into());
        self
    }

    /// Where the rules' complaints point.
    pub const fn at(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    /// Fixed when so.
    pub const fn fixed(mut self, fixed: bool) -> Self {
        self.fixed = fixed;
        self
    }

    pub fn value(&self) -> &str {
        self.input.value().trim()
    }

    /// Takes a key; true when the value changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        use crossterm::event::KeyCode;
        if self.fixed {
            return false;
        }
        if let Kind::Word(words) = self.kind {
            let by = match key.code {
                KeyCode::Left => words.len() - 1,
                KeyCode::Right | KeyCode::Char(' ') => 1,
                _ => return false,
            };
            let at = words.iter().position(|word| *word == self.value()).unwrap_or(0);
            self.input = Input::new(words[(at + by) % words.len()].into());
            return true;
        }
        if let (Kind::Number, KeyCode::Char(c)) = (self.kind, key.code)
            && !c.is_ascii_digit()
        {
            return false;
        }
        let before = self.input.value().to_owned();
        self.input.handle_event(&TermEvent::Key(key));
        self.input.value() != before
    }

    /// Takes pasted text: its first line, without what cannot be seen.
    pub fn paste(&mut self, text: &str) -> bool {
        if self.fixed || matches!(self.kind, Kind::Word(_)) {
            return false;
        }
        let line = text.lines().next().unwrap_or("");
        for c in line.chars().filter(|c| !c.is_control() && (self.kind != Kind::Number || c.is_ascii_digit())) {
            self.input.handle(tui_input::InputRequest::InsertChar(c));
        }
        true
    }

    /// A whole number; empty counts as `empty`.
    ///
    /// # Errors
    /// It is none.
    pub fn number<N: std::str::FromStr>(&self, empty: N) -> Result<N, String> {
        match self.value() {
            "" => Ok(empty),
            text => text.parse().map_err(|_| format!("{text} is no whole number that fits here")),
        }
    }

    /// The text, if there is any.
    pub fn text(&self) -> Option<String> {
        let value = self.value();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Name and value of a pair.
    ///
    /// # Errors
    /// There is no `=`, or nothing before it.
    pub fn pair(&self) -> Result<Option<(String, String)>, String> {
        if self.value().is_empty() {
            return Ok(None);
        }
        match self.value().split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok(Some((name.trim().into(), value.trim().into()))),
            _ => Err(format!("{} sets nothing: write NAME=value", self.value())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::KeyCode;

    #[test]
    fn words_turn_numbers_take_digits_and_pastes_take_one_line() {
        let mut word = Field::new(0, "a", "a", Kind::Word(&["key", "aml_token"]), "").with("key");
        assert!(word.key(KeyCode::Right.into()));
        assert_eq!(word.value(), "aml_token");
        assert!(!word.key(KeyCode::Char('x').into()));
        let mut number = Field::new(0, "n", "n", Kind::Number, "").with("1");
        assert!(!number.key(KeyCode::Char('x').into()) && number.key(KeyCode::Char('2').into()));
        assert_eq!(number.number(0u32), Ok(12));
        number.paste("3\n4");
        assert_eq!(number.value(), "123");
        assert!(number.clone().with("99999999999").number(0u32).is_err());
        let mut fixed = Field::new(0, "f", "f", Kind::Text, "").with("blue").fixed(true);
        fixed.paste("x");
        assert!(!fixed.key(KeyCode::Char('x').into()));
        assert_eq!(fixed.value(), "blue");
    }

    #[test]
    fn pairs_are_read_and_said_to_be_none() {
        let pair = |text: &str| Field::new(0, "v", "v", Kind::Pair, "").with(text).pair();
        assert_eq!(pair("A=b=c"), Ok(Some(("A".into(), "b=c".into()))));
        assert_eq!(pair(" "), Ok(None));
        assert!(pair("A").is_err() && pair("=b").is_err());
    }
}
