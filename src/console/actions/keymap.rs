//! Keys to actions, with the user's own keys put in and conflicts named.

use std::collections::{BTreeMap, HashMap};

use crokey::KeyCombination;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::rows;
use super::table::{Row, Scope};

/// The keys in force.
#[derive(Debug, Clone)]
pub struct Keymap {
    by_key: HashMap<(Scope, KeyCombination), &'static Row>,
    by_id: HashMap<&'static str, Vec<KeyCombination>>,
}

/// Why the keys of the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyConflict {
    /// Two actions of one scope on one key.
    #[error(
        "key {key} is bound to both {first} ({first_title}) and {second} ({second_title}); give one of them another key in [keys]"
    )]
    Both { key: String, first: String, first_title: String, second: String, second_title: String },
    /// No such action.
    #[error("[keys] names {id}, which is no action{hint}")]
    NoAction { id: String, hint: String },
    /// No such key.
    #[error("[keys] {id} = {key:?} is not a key; write for example \"x\", \"ctrl-s\", \"shift-left\", \"f5\"")]
    NoKey { id: String, key: String },
}

impl Keymap {
    /// The default keys, with `own` (action id → keys) in their place; an empty list unbinds.
    ///
    /// # Errors
    /// An unknown action or key, or two actions of a scope on one key.
    pub fn new(own: &BTreeMap<String, Vec<String>>) -> Result<Self, KeyConflict> {
        if let Some(id) = own.keys().find(|id| !rows().any(|row| row.id == id.as_str())) {
            let near = rows().map(|row| row.id).find(|known| known.contains(id.as_str()) || id.contains(known));
            let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
            return Err(KeyConflict::NoAction { id: id.clone(), hint });
        }
        let mut map = Self { by_key: HashMap::new(), by_id: HashMap::new() };
        for row in rows() {
            let keys: Vec<&str> = match own.get(row.id) {
                Some(keys) => keys.iter().map(String::as_str).collect(),
                None => row.keys.to_vec(),
            };
            for key in keys {
                let no_key = || KeyConflict::NoKey { id: row.id.into(), key: key.into() };
                let combination = crokey::parse(key).map_err(|_| no_key())?.normalized();
                if let Some(other) = map.by_key.insert((row.scope, combination), row) {
                    return Err(KeyConflict::Both {
                        key: show(combination),
                        first: other.id.into(),
                        first_title: other.title.into(),
                        second: row.id.into(),
                        second_title: row.title.into(),
                    });
                }
                map.by_id.entry(row.id).or_default().push(combination);
            }
        }
        Ok(map)
    }

    /// What a key does, the innermost scope first.
    pub fn resolve(&self, key: KeyEvent, scopes: &[Scope]) -> Option<&'static Row> {
        let combination = KeyCombination::from(key).normalized();
        scopes.iter().find_map(|scope| self.by_key.get(&(*scope, combination)).copied())
    }

    /// The first key of an action, as shown; empty when it has none.
    pub fn first(&self, row: &Row) -> String {
        self.by_id.get(row.id).and_then(|keys| keys.first()).map_or(String::new(), |key| show(*key))
    }

    /// All keys of an action, as shown.
    pub fn all(&self, row: &Row) -> Vec<String> {
        self.by_id.get(row.id).map_or(Vec::new(), |keys| keys.iter().map(|key| show(*key)).collect())
    }
}

/// Whether a key writes a character when text is being typed.
pub fn typed(key: &KeyEvent) -> Option<char> {
    match key.code {
        KeyCode::Char(c) if !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => Some(c),
        _ => None,
    }
}

/// A key in words: `Enter`, `ctrl-s`, `⇧←`.
pub fn show(key: KeyCombination) -> String {
    let mut text = String::new();
    let code = *key.codes.first();
    let letter = matches!(code, KeyCode::Char(c) if c.is_alphabetic());
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        text.push_str("ctrl-");
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        text.push_str("alt-");
    }
    if key.modifiers.contains(KeyModifiers::SHIFT) && !letter && code != KeyCode::BackTab {
        text.push('⇧');
    }
    match code {
        KeyCode::Char(' ') => text.push_str("Space"),
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::CONTROL) => text.push(c.to_ascii_lowercase()),
        KeyCode::Char(c) if key.modifiers.contains(KeyModifiers::SHIFT) => text.extend(c.to_uppercase()),
        KeyCode::Char(c) => text.push(c),
        KeyCode::Enter => text.push_str("Enter"),
        KeyCode::Esc => text.push_str("Esc"),
        KeyCode::Tab => text.push_str("Tab"),
        KeyCode::BackTab => text.push_str("⇧Tab"),
        KeyCode::Left => text.push('←'),
        KeyCode::Right => text.push('→'),
        KeyCode::Up => text.push('↑'),
        KeyCode::Down => text.push('↓'),
        KeyCode::PageUp => text.push_str("PgUp"),
        KeyCode::PageDown => text.push_str("PgDn"),
        KeyCode::Home => text.push_str("Home"),
        KeyCode::End => text.push_str("End"),
        KeyCode::Delete => text.push_str("Del"),
        KeyCode::Insert => text.push_str("Ins"),
        KeyCode::Backspace => text.push_str("Backspace"),
        KeyCode::F(n) => text.push_str(&format!("F{n}")),
        _ => text.push('?'),
    }
    text
}
