//! Reading the keys of a map one by one, and refusing those nobody asked for.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{Entry, FileError, Node, Place, Value};
use crate::resources::ids::shorten;
use crate::resources::nearest::{nearest, one_of};

/// A map being read. Every key that is asked for is a valid key; [`Fields::finish`] refuses all others, naming the
/// nearest valid one. Null counts as absent.
#[derive(Debug)]
pub struct Fields<'a> {
    file: &'a str,
    /// Keys that lead here, with a dot at the end; empty at the top.
    path: String,
    place: &'a Place,
    entries: &'a [Entry],
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The keys at the top of a file. An empty file has none.
    pub fn top(file: &'a str, node: &'a Node) -> Result<Self, FileError> {
        Self::of(file, String::new(), node)
    }

    fn of(file: &'a str, path: String, node: &'a Node) -> Result<Self, FileError> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                let what =
                    if path.is_empty() { "the file".into() } else { format!("`{}`", path.trim_end_matches('.')) };
                let message = format!("{what} is {}: write keys with values, such as `name: value`", node.describe());
                return Err(FileError::at(file, &node.place, message));
            }
        };
        Ok(Self { file, path, place: &node.place, entries, asked: Vec::new() })
    }

    /// The value of `key`, if it is there and not null.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        (entry.node.value != Value::Null).then_some(&entry.node)
    }

    /// A scalar as text, however it is written.
    pub fn text(&mut self, key: &'static str) -> Result<Option<String>, FileError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        match node.as_text() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(self.wrong(key, node, "give a text")),
        }
    }

    /// Like [`Fields::text`], for a key that must be there.
    pub fn required(&mut self, key: &'static str) -> Result<String, FileError> {
        let text = self.text(key)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.missing(key))
    }

    /// The error that `key` is missing.
    pub fn missing(&self, key: &str) -> FileError {
        let message = format!("`{}{key}` is missing: add it", self.path);
        // Pointing at the first line of a whole file would only mislead.
        let place = if self.path.is_empty() { &Place::Unknown } else { self.place };
        let near = self
            .entries
            .iter()
            .find(|entry| !self.asked.contains(&entry.key.as_str()) && nearest(&entry.key, [key]).is_some());
        match near {
            Some(entry) => {
                let message = format!("`{}{key}` is missing; did you mean it by `{}`?", self.path, shorten(&entry.key));
                FileError::at(self.file, &entry.place, message)
            }
            None => FileError::at(self.file, place, message),
        }
    }

    /// `true` or `false`.
    pub fn bool(&mut self, key: &'static str) -> Result<Option<bool>, FileError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        match (&node.value, node.as_text().map(str::to_ascii_lowercase).as_deref()) {
            (Value::Bool(value, _), _) => Ok(Some(*value)),
            // Azure's own examples quote them.
            (Value::Text(_), Some("true")) => Ok(Some(true)),
            (Value::Text(_), Some("false")) => Ok(Some(false)),
            _ => Err(self.wrong(key, node, "give true or false")),
        }
    }

    /// A whole number from `min` to `max`.
    pub fn whole(&mut self, key: &'static str, min: u64, max: u64) -> Result<Option<u64>, FileError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        let value = match &node.value {
            Value::Int(value, _) => u64::try_from(*value).ok(),
            Value::Float(value, _) if value.fract() == 0.0 && *value >= 0.0 && *value < 1e15 => Some(*value as u64),
            // `"3"`, as the command line and careful quoting give it.
            Value::Text(text) => text.parse().ok(),
            _ => None,
        };
        match value.filter(|value| (min..=max).contains(value)) {
            Some(value) => Ok(Some(value)),
            None if max == u64::MAX || max == u64::from(u32::MAX) => {
                Err(self.wrong(key, node, &format!("give a whole number, {min} or more")))
            }
            None => Err(self.wrong(key, node, &format!("give a whole number from {min} to {max}"))),
        }
    }

    /// A whole number that fits 32 bits.
    pub fn count(&mut self, key: &'static str) -> Result<Option<u32>, FileError> {
        let value = self.whole(key, 0, u64::from(u32::MAX))?;
        Ok(value.and_then(|value| u32::try_from(value).ok()))
    }

    /// Any finite number.
    pub fn number(&mut self, key: &'static str) -> Result<Option<f64>, FileError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        number(node).map(Some).ok_or_else(|| self.wrong(key, node, "give a number"))
    }

    /// One of a few words, in any case.
    pub fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Result<Option<T>, FileError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        let text = node.as_text().unwrap_or_default();
        match words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let all = || words.iter().map(|(word, _)| *word);
                let hint = match nearest(text, all()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => format!("use {}", one_of(all())),
                };
                Err(self.wrong(key, node, &hint))
            }
        }
    }

    /// Text that must read as a `T`; `example` is a right one.
    pub fn parsed<T: FromStr>(&mut self, key: &'static str, example: &str) -> Result<Option<T>, FileError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        let value = node.as_text().and_then(|text| text.parse().ok());
        value.map(Some).ok_or_else(|| self.wrong(key, node, &format!("write it like {example}")))
    }

    /// A map of scalars as texts.
    pub fn texts(&mut self, key: &'static str) -> Result<BTreeMap<String, String>, FileError> {
        self.each(key, "give a text", |node| {
            node.as_text().map(str::to_owned).or(match node.value {
                Value::Null => Some(String::new()),
                _ => None,
            })
        })
    }

    /// A map with free keys, every value read by `read`; `expected` says what to give where it answers `None`.
    pub fn each<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&Node) -> Option<T>,
    ) -> Result<BTreeMap<String, T>, FileError> {
        let Some(node) = self.node(key) else { return Ok(BTreeMap::new()) };
        let inner = Self::of(self.file, format!("{}{key}.", self.path), node)?;
        let read = |entry: &Entry| match read(&entry.node) {
            Some(value) => Ok((entry.key.clone(), value)),
            None => Err(inner.wrong(&shorten(&entry.key), &entry.node, expected)),
        };
        inner.entries.iter().map(read).collect()
    }

    /// A map with keys of its own.
    pub fn map(&mut self, key: &'static str) -> Result<Option<Self>, FileError> {
        let Some(node) = self.node(key) else { return Ok(None) };
        Self::of(self.file, format!("{}{key}.", self.path), node).map(Some)
    }

    /// A map with free keys whose values are maps with keys of their own.
    pub fn maps(&mut self, key: &'static str) -> Result<Vec<(&'a Entry, Self)>, FileError> {
        let Some(node) = self.node(key) else { return Ok(Vec::new()) };
        let inner = Self::of(self.file, format!("{}{key}.", self.path), node)?;
        let read = |entry: &'a Entry| {
            let path = format!("{}{}.", inner.path, shorten(&entry.key));
            Ok((entry, Self::of(self.file, path, &entry.node)?))
        };
        inner.entries.iter().map(read).collect()
    }

    /// The items of a list; a single value counts as a list of one.
    pub fn list(&mut self, key: &'static str) -> Vec<&'a Node> {
        match self.node(key) {
            None => Vec::new(),
            Some(Node { value: Value::List(items), .. }) => items.iter().collect(),
            Some(single) => vec![single],
        }
    }

    /// Keys of one item of the list `key`.
    pub fn item(&self, key: &str, index: usize, node: &'a Node) -> Result<Self, FileError> {
        Self::of(self.file, format!("{}{key}[{index}].", self.path), node)
    }

    /// The error that the value of `key` is not what it should be.
    pub fn wrong(&self, key: &str, node: &Node, next: &str) -> FileError {
        FileError::at(self.file, &node.place, format!("`{}{key}` is {}: {next}", self.path, node.describe()))
    }

    /// Refuses the first key nobody asked for.
    pub fn finish(self) -> Result<(), FileError> {
        let Some(entry) = self.entries.iter().find(|entry| !self.asked.contains(&entry.key.as_str())) else {
            return Ok(());
        };
        let inside = match self.path.trim_end_matches('.') {
            "" => String::new(),
            path => format!(" in `{path}`"),
        };
        let hint = match nearest(&entry.key, self.asked.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.asked.is_empty() => "nothing can stand here".into(),
            None => format!("valid keys are {}", self.asked.join(", ")),
        };
        let message = format!("unknown key `{}`{inside}: {hint}", shorten(&entry.key));
        Err(FileError::at(self.file, &entry.place, message))
    }
}

pub(super) fn number(node: &Node) -> Option<f64> {
    let value = match &node.value {
        Value::Int(value, _) => Some(*value as f64),
        Value::Float(value, _) => Some(*value),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    };
    value.filter(|value| value.is_finite())
}
