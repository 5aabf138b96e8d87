//! What is remembered from one run to the next, per context, written as it changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::Model;
use crate::console::look::theme::ThemeName;

/// The state file. Unknown members are ignored, so that an older program reads a newer file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    pub theme: Option<ThemeName>,
    pub mouse: Option<bool>,
    pub contexts: BTreeMap<String, SavedContext>,
}

/// View, sort and filters of one context.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedContext {
    pub lists: BTreeMap<String, SavedList>,
    /// Window of the charts in seconds; 0 = as much as there is.
    pub window: u32,
    /// The endpoint that was selected.
    pub endpoint: Option<String>,
    pub problems_only: bool,
}

/// Sort and filter of one list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedList {
    pub sort: usize,
    pub descending: bool,
    pub filter: String,
}

impl Saved {
    /// From the text of the state file; anything unreadable counts as nothing remembered.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// The state file's text for the model as it is now.
pub fn text(model: &Model) -> String {
    let mut saved = model.saved.clone();
    saved.theme = Some(model.settings.theme);
    saved.mouse = Some(model.settings.mouse);
    let context = saved.contexts.entry(model.context.name.clone()).or_default();
    context.window = model.chart.chosen.unwrap_or(0);
    context.endpoint = model.dashboard.list.selected().map(String::from);
    context.problems_only = model.dashboard.problems_only;
    context.lists.insert("endpoints".into(), model.dashboard.list.save());
    serde_json::to_string_pretty(&saved).unwrap_or_default()
}

/// Puts the remembered view of the present context into the model.
pub fn restore(model: &mut Model) {
    let Some(context) = model.saved.contexts.get(&model.context.name).cloned() else { return };
    if let Some(list) = context.lists.get("endpoints") {
        model.dashboard.list.restore(list, crate::console::screens::dashboard::COLUMNS.len());
    }
    if context.window > 0 {
        model.chart.chosen = Some(context.window.clamp(60, 900));
    }
    model.dashboard.problems_only = context.problems_only;
    model.dashboard.wanted = context.endpoint;
}
