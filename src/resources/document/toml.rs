//! TOML into the tree.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Entry, FileError, MAX_BYTES, Node, Place, Value};

/// Reads a TOML file. `file` is its name in messages.
pub fn parse_toml(file: &str, text: &str) -> Result<Node, FileError> {
    if text.len() > MAX_BYTES {
        return Err(FileError::new(file, "is larger than 4 MiB: is it the right file?"));
    }
    match DeTable::parse(text) {
        Ok(table) => Ok(map(text, table)),
        Err(error) => {
            let place = error.span().map_or(Place::Unknown, |span| place(text, span.start));
            let message = error.message().trim().replace('\n', "; ");
            Err(FileError::at(file, &place, format!("this is not valid TOML: {message}")))
        }
    }
}

fn map(source: &str, table: Spanned<DeTable<'_>>) -> Node {
    let here = place(source, table.span().start);
    let mut entries: Vec<(usize, Entry)> = table
        .into_inner()
        .into_iter()
        .map(|(key, value)| {
            let start = key.span().start;
            (
                start,
                Entry { key: key.into_inner().into_owned(), place: place(source, start), node: node(source, value) },
            )
        })
        .collect();
    entries.sort_by_key(|(start, _)| *start);
    Node { value: Value::Map(entries.into_iter().map(|(_, entry)| entry).collect()), place: here }
}

fn node(source: &str, spanned: Spanned<DeValue<'_>>) -> Node {
    let span = spanned.span();
    let written = source.get(span.clone()).unwrap_or_default().trim().to_owned();
    let value = match spanned.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) => Value::Int(value, written),
            Err(_) => Value::Text(written),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(value) => Value::Float(value, written),
            Err(_) => Value::Text(written),
        },
        DeValue::Boolean(value) => Value::Bool(value, written),
        DeValue::Datetime(_) => Value::Text(written),
        DeValue::Array(items) => Value::List(items.into_iter().map(|item| node(source, item)).collect()),
        DeValue::Table(table) => return map(source, Spanned::new(span, table)),
    };
    Node { value, place: place(source, span.start) }
}

fn place(source: &str, offset: usize) -> Place {
    let before = source.get(..offset).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place::File {
        line: 1 + before.matches('\n').count() as u64,
        column: 1 + before[line_start..].chars().count() as u64,
    }
}
