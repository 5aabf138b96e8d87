//! A list on the screen: keys in order, the cursor on one of them, sort and filter.

use super::saved::SavedList;
use crate::console::actions::Action;
use crate::console::widgets::filter::Filter;

/// Rows are known by their keys, so that the cursor stays on its row while the order changes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct List {
    /// In the order shown.
    pub keys: Vec<String>,
    pub cursor: usize,
    /// Index into the screen's columns.
    pub sort: usize,
    pub descending: bool,
    pub filter: Filter,
    /// How many there are without the filter.
    pub total: usize,
}

impl List {
    /// A list sorted by a column.
    pub fn sorted(sort: usize, descending: bool) -> Self {
        Self { sort, descending, ..Self::default() }
    }

    /// The key under the cursor.
    pub fn selected(&self) -> Option<&str> {
        self.keys.get(self.cursor).map(String::as_str)
    }

    /// New rows: the cursor stays on its key, or near its place when that is gone.
    pub fn set(&mut self, keys: Vec<String>, total: usize) {
        let kept = self.selected().and_then(|key| keys.iter().position(|other| other == key));
        self.cursor = kept.unwrap_or(self.cursor).min(keys.len().saturating_sub(1));
        self.keys = keys;
        self.total = total;
    }

    /// Puts the cursor on a key, if it is there.
    pub fn select(&mut self, key: &str) {
        if let Some(at) = self.keys.iter().position(|other| other == key) {
            self.cursor = at;
        }
    }

    /// Movement and order; false when the action is none of a list's.
    pub fn update(&mut self, action: Action, page: usize, columns: usize) -> bool {
        let last = self.keys.len().saturating_sub(1);
        match action {
            Action::Up => self.cursor = self.cursor.saturating_sub(1),
            Action::Down => self.cursor = (self.cursor + 1).min(last),
            Action::PageUp => self.cursor = self.cursor.saturating_sub(page.max(1)),
            Action::PageDown => self.cursor = (self.cursor + page.max(1)).min(last),
            Action::Top => self.cursor = 0,
            Action::Bottom => self.cursor = last,
            Action::SortNext if columns > 0 => self.sort = (self.sort + 1) % columns,
            Action::SortReverse => self.descending = !self.descending,
            Action::ClearFilter => self.filter = Filter::default(),
            _ => return false,
        }
        true
    }

    /// What is worth remembering.
    pub fn save(&self) -> SavedList {
        SavedList { sort: self.sort, descending: self.descending, filter: self.filter.text.clone() }
    }

    /// Takes up what was remembered; `columns` is how many there are now.
    pub fn restore(&mut self, saved: &SavedList, columns: usize) {
        self.sort = saved.sort.min(columns.saturating_sub(1));
        self.descending = saved.descending;
        self.filter = Filter::new(&saved.filter);
    }
}
