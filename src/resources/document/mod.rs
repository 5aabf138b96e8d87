//! Files people write (YAML, TOML) as a tree that remembers where everything stood, and readers that turn it into types
//! while naming file, line, column and the nearest valid key of whatever is wrong.

mod fields;
mod set;
mod toml;
mod write;
mod yaml;

use std::fmt;
use std::io::Read as _;

pub use fields::Fields;
pub use set::apply_set;
pub use toml::parse_toml;
pub use write::Out;
pub use yaml::parse_yaml;

/// Nobody writes a larger file by hand.
pub const MAX_BYTES: usize = 4 << 20;
/// Nesting beyond this is refused: it is never meant, and keeps the stack shallow.
pub const MAX_DEPTH: usize = 64;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// In the file; both count from 1.
    File { line: u64, column: u64 },
    /// On the command line: the text after `--set`.
    Set(String),
    /// Nowhere in particular: the file as a whole.
    #[default]
    Unknown,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Node {
    pub value: Value,
    pub place: Place,
}

/// A value; scalars that are not text keep how they were written.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool, String),
    Int(i128, String),
    Float(f64, String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map with its value, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

impl Node {
    /// What it is, in words for a message: `the text "three"`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "empty".into(),
            Value::Bool(_, text) | Value::Int(_, text) | Value::Float(_, text) => super::ids::shorten(text),
            Value::Text(text) => format!("the text \"{}\"", super::ids::shorten(text)),
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a map".into(),
        }
    }

    /// The scalar as it was written; `None` for null, lists and maps.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Bool(_, text) | Value::Int(_, text) | Value::Float(_, text) | Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// What is wrong with a file, and where. Shows as `FILE:LINE:COLUMN: what is wrong and what to do`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FileError {
    /// As the user named it.
    pub file: String,
    pub place: Place,
    pub message: String,
}

impl FileError {
    /// An error about the file as a whole.
    pub fn new(file: &str, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: Place::Unknown, message: message.into() }
    }

    pub(super) fn at(file: &str, place: &Place, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), place: place.clone(), message: message.into() }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, message } = self;
        match place {
            Place::File { line, column } => write!(f, "{file}:{line}:{column}: {message}"),
            Place::Set(text) => write!(f, "--set {text} (on {file}): {message}"),
            Place::Unknown => write!(f, "{file}: {message}"),
        }
    }
}

/// Reads a file as text. Of what never ends, such as a device, no more than it takes to tell that it is too large.
pub fn read_text(path: &std::path::Path) -> Result<String, FileError> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|error| {
        let next = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => "check who may read it",
            _ => "check that it is a readable file",
        };
        FileError::new(&name, format!("cannot be read: {error}; {next}"))
    })?;
    if bytes.len() > MAX_BYTES {
        return Err(FileError::new(&name, "is larger than 4 MiB: is it the right file?"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        FileError::new(&name, format!("is not UTF-8 text (first wrong byte in line {line}): save it as UTF-8"))
    })
}

#[cfg(test)]
mod tests;
