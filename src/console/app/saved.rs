//! What is remembered from one run to the next, per context, written as it changes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::Model;
use crate::console::look::theme::ThemeName;
use crate::console::screens::States;

/// The state file. Unknown members are ignored, so that an older program reads a newer file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    pub theme: Option<ThemeName>,
    pub mouse: Option<bool>,
    /// Numbers of two answers count as equal within this share of their size.
    pub tolerance: Option<f64>,
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
    /// Endpoint → when the token ends that was last taken here, Unix milliseconds. Never the token.
    pub tokens: BTreeMap<String, i64>,
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
    // only what was chosen here: for the rest the configuration goes on to have the word
    if !model.limits.colourless {
        saved.theme = (model.settings.theme != model.configured.theme).then_some(model.settings.theme);
    }
    saved.mouse = (model.settings.mouse != model.configured.mouse).then_some(model.settings.mouse);
    saved.tolerance = Some(model.test.tolerance.relative);
    let context = saved.contexts.entry(model.context.name.clone()).or_default();
    context.window = model.chart.chosen.unwrap_or(0);
    context.endpoint = model.dashboard.list.selected().map(String::from);
    context.problems_only = model.dashboard.problems_only;
    for (name, list) in [
        ("endpoints", &model.dashboard.list),
        ("operations", &model.activity.operations),
        ("journal", &model.activity.journal),
        ("models", &model.models.list),
    ] {
        context.lists.insert(name.into(), list.save());
    }
    context.tokens.clone_from(&model.data.tokens);
    serde_json::to_string_pretty(&saved).unwrap_or_default()
}

/// Puts the remembered view of the present context into the model.
pub fn restore(model: &mut Model) {
    if let Some(relative) = model.saved.tolerance.filter(|relative| relative.is_finite()) {
        model.test.tolerance.relative = relative.clamp(1e-9, 1.0);
    }
    let Some(context) = model.saved.contexts.get(&model.context.name).cloned() else { return };
    use crate::console::screens::{activity, dashboard, models};
    let States { dashboard, activity, models, .. } = &mut model.screens;
    for (name, list, columns) in [
        ("endpoints", &mut dashboard.list, dashboard::COLUMNS.len()),
        ("operations", &mut activity.operations, activity::OPERATIONS.len()),
        ("journal", &mut activity.journal, activity::JOURNAL.len()),
        ("models", &mut models.list, models::COLUMNS.len()),
    ] {
        if let Some(saved) = context.lists.get(name) {
            list.restore(saved, columns);
        }
    }
    if context.window > 0 {
        model.chart.chosen = Some(context.window.clamp(60, 900));
    }
    model.dashboard.problems_only = context.problems_only;
    model.dashboard.wanted = context.endpoint;
    model.data.tokens = context.tokens;
}
