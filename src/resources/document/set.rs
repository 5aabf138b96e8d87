//! `--set path=value`: changes to a file, given on the command line.

use super::{Entry, FileError, MAX_DEPTH, Node, Place, Value, parse_yaml};
use crate::resources::ids::shorten;

/// Changes one value of the tree: `instance_count=3`, `traffic.blue=10`, `identity.user_assigned_identities[0].resource_id=…`,
/// `resources.limits."nvidia.com/gpu"=1`. Maps on the way are made. The value is read as YAML when it is a scalar, or a
/// list or map in brackets; otherwise it is the text itself. An empty value removes what was there.
pub fn apply_set(file: &str, root: &mut Node, assignment: &str) -> Result<(), FileError> {
    let place = Place::Set(shorten(assignment));
    let wrong = |message: &str| FileError::at(file, &place, message);
    let (path, value) = assignment
        .split_once('=')
        .ok_or_else(|| wrong("there is no `=`: write --set PATH=VALUE, such as instance_count=2"))?;
    let steps = steps(path).map_err(|message| wrong(&message))?;
    let mut at = root;
    for (i, step) in steps.iter().enumerate() {
        if at.value == Value::Null {
            *at = Node { value: Value::Map(Vec::new()), place: place.clone() };
        }
        let described = at.describe();
        at = match (step, &mut at.value) {
            (Step::Key(key), Value::Map(entries)) => {
                let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
                    entries.push(Entry { key: key.clone(), place: place.clone(), node: Node::default() });
                    entries.len() - 1
                });
                // Whatever is wrong with this key from here on came from the command line.
                if i + 1 == steps.len() {
                    entries[index].place = place.clone();
                }
                &mut entries[index].node
            }
            (Step::Index(index), Value::List(items)) => {
                let length = items.len();
                items.get_mut(*index).ok_or_else(|| {
                    wrong(&format!("there is no item [{index}]: the list has {length}, counted from 0"))
                })?
            }
            (Step::Key(key), _) => {
                return Err(wrong(&format!("`{}` cannot be set: what holds it is {described}", shorten(key))));
            }
            (Step::Index(index), _) => {
                return Err(wrong(&format!("[{index}] cannot be set: what holds it is {described}, not a list")));
            }
        };
    }
    let mut node = read(value);
    relocate(&mut node, &place);
    *at = node;
    Ok(())
}

enum Step {
    Key(String),
    Index(usize),
}

fn steps(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        if let Some(quote @ ('"' | '\'')) = rest.chars().next() {
            let (key, tail) = rest[1..].split_once(quote).ok_or("a quote in the path is not closed")?;
            steps.push(Step::Key(key.to_owned()));
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('[') {
            let (index, tail) = tail.split_once(']').ok_or("a `[` in the path is not closed")?;
            let index = index.trim().parse().map_err(|_| "between `[` and `]` stands no number".to_owned())?;
            steps.push(Step::Index(index));
            rest = tail;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (key, tail) = rest.split_at(end);
            if key.is_empty() {
                return Err("a key in the path is empty: separate keys by single dots".into());
            }
            steps.push(Step::Key(key.to_owned()));
            rest = tail;
        }
        if let Some(tail) = rest.strip_prefix('.') {
            if tail.is_empty() {
                return Err("the path ends with a dot".into());
            }
            rest = tail;
        } else if !rest.is_empty() && !rest.starts_with('[') {
            return Err("a quoted key must be followed by a dot".into());
        }
    }
    match steps.len() {
        0 => Err("the path is empty: write --set PATH=VALUE, such as instance_count=2".into()),
        n if n > MAX_DEPTH => Err("the path is too deep".into()),
        _ => Ok(steps),
    }
}

fn read(value: &str) -> Node {
    let text = || Node { value: Value::Text(value.to_owned()), place: Place::Unknown };
    if value.trim().is_empty() {
        return Node::default();
    }
    let brackets = value.trim_start().starts_with(['{', '[']);
    match parse_yaml("", value) {
        Ok(node) if brackets || !matches!(node.value, Value::Map(_) | Value::List(_)) => node,
        _ => text(),
    }
}

fn relocate(node: &mut Node, place: &Place) {
    node.place = place.clone();
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| relocate(item, place)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| {
            entry.place = place.clone();
            relocate(&mut entry.node, place);
        }),
        _ => {}
    }
}
