//! What a draft would do, in words and numbers.

use super::Draft;
use crate::console::actions::{self, Action};
use crate::console::app::model::{Model, weights};
use crate::console::data::EndpointView;
use crate::console::look::numbers;

/// Sentences, each with whether it is a warning.
pub fn preview(model: &Model, view: &EndpointView, draft: &Draft) -> Vec<(String, bool)> {
    let undo = model.keymap.first(actions::row(Action::UndoTraffic));
    if let Some(foreign) = &draft.foreign {
        let text = format!(
            "Somebody else set {} meanwhile; your draft was drawn from {}. Nothing will be overwritten: Esc takes up what is in force.",
            weights(foreign),
            weights(&draft.base)
        );
        return vec![(text, true)];
    }
    if draft.overtaken {
        return vec![(
            "The endpoint was changed meanwhile: Esc draws a fresh draft from what is in force now.".into(),
            true,
        )];
    }
    if !draft.is_changed() {
        let text = "Nothing moves: the draft is what is in force. ←→ move the chosen slider, the others make room.";
        return vec![(text.into(), false)];
    }
    let mut lines = moves(view, draft);
    lines.extend(capacity(view, draft));
    lines.extend(record(view, draft));
    if draft.mirror_changed()
        && let Some((target, hundredths)) = &draft.mirror
    {
        let copies = view.rate() * f64::from(*hundredths) / 10_000.0;
        lines.push(match hundredths {
            0 => ("No more copies are sent; callers notice nothing.".into(), false),
            _ => (
                format!("{target} gets copies of {} req/s besides; callers only see the live answer, side effects happen twice.", numbers::rate(copies)),
                false,
            ),
        });
    }
    if draft.weights.is_changed() {
        lines.push((format!("{undo} afterwards brings {} back.", weights(&draft.base).replace('=', " ")), false));
    }
    lines
}

fn moves(view: &EndpointView, draft: &Draft) -> Vec<(String, bool)> {
    let rate = view.rate();
    let changes: Vec<(&str, i32)> = draft
        .weights
        .entries()
        .iter()
        .map(|entry| (entry.name.as_str(), i32::from(entry.weight.hundredths()) - i32::from(entry.base.hundredths())))
        .collect();
    let losers: Vec<&(&str, i32)> = changes.iter().filter(|(_, by)| *by < 0).collect();
    let gainers: Vec<&(&str, i32)> = changes.iter().filter(|(_, by)| *by > 0).collect();
    if draft.weights.sum() == 0 {
        return vec![("All callers get 404: no weight is left.".into(), true)];
    }
    let names = |all: &[&(&str, i32)]| all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" and ");
    let moved: i32 = gainers.iter().map(|(_, by)| by).sum();
    if losers.is_empty() && !gainers.is_empty() {
        return vec![(format!("{} starts to answer: so far callers get 404.", names(&gainers)), false)];
    }
    if gainers.is_empty() {
        return Vec::new();
    }
    let share = rate * f64::from(moved) / 10_000.0;
    let text = if rate > 0.0 {
        format!(
            "{} of {} req/s move from {} to {}.",
            numbers::rate(share),
            numbers::rate(rate),
            names(&losers),
            names(&gainers)
        )
    } else {
        let percent = f64::from(moved) / 100.0;
        format!(
            "{percent} % of requests move from {} to {}; there are none at present.",
            names(&losers),
            names(&gainers)
        )
    };
    vec![(text, false)]
}

/// Whether those that get more can carry it: busy slots by Little's law, rate × time in the model.
fn capacity(view: &EndpointView, draft: &Draft) -> Vec<(String, bool)> {
    let rate = view.rate();
    let mut lines = Vec::new();
    for entry in draft.weights.entries().iter().filter(|entry| entry.weight > entry.base) {
        let Some(deployment) = view.deployments.get(&entry.name) else { continue };
        let (ready, wanted) = (deployment.ready(), deployment.wanted());
        if ready == 0 {
            lines.push((format!("{} has no ready instance: its weight cannot be raised.", entry.name), true));
            continue;
        }
        let instances = format!("{} has {ready} of {wanted} instances ready", entry.name);
        let slots = deployment.live.as_ref().map_or(0, |live| live.slots);
        let like = deployment
            .recent
            .p50
            .or_else(|| view.deployments.values().filter_map(|other| other.recent.p50).reduce(f64::max));
        match like {
            Some(ms) if slots > 0 && rate > 0.0 => {
                let busy = rate * entry.weight.as_percent() / 100.0 * ms / 1_000.0 / f64::from(slots) * 100.0;
                let share = if busy < 1.0 { "<1".into() } else { format!("{busy:.0}") };
                lines.push((format!("{instances} and would run at {share} % of its {slots} slots."), busy > 80.0));
            }
            _ => lines.push((format!("{instances}."), ready < wanted)),
        }
    }
    lines
}

/// How those that get more have done so far, beside those that give.
fn record(view: &EndpointView, draft: &Draft) -> Vec<(String, bool)> {
    let giver = draft.weights.entries().iter().filter(|entry| entry.weight < entry.base).max_by_key(|entry| entry.base);
    let giver = giver.and_then(|entry| view.deployments.get(&entry.name));
    let mut lines = Vec::new();
    for entry in draft.weights.entries().iter().filter(|entry| entry.weight > entry.base) {
        let Some(deployment) = view.deployments.get(&entry.name) else { continue };
        let total = deployment.live.as_ref().map_or(0, |live| live.totals.total());
        if total == 0 {
            lines.push((format!("{} has answered no request yet: try it first (Esc, x).", entry.name), true));
            continue;
        }
        let totals = |deployment: &crate::console::data::DeploymentView| {
            let counts = deployment.live.as_ref().map(|live| live.totals).unwrap_or_default();
            (counts.total() > 0).then(|| counts.errors() as f64 * 100.0 / counts.total() as f64)
        };
        let mut text = format!(
            "{} so far: {} requests, {} % errors",
            entry.name,
            numbers::count(total),
            numbers::percent(totals(deployment))
        );
        if let Some(giver) = giver {
            text.push_str(&format!(" ({} {})", giver.name, numbers::percent(totals(giver))));
            let figures = (deployment.recent.p99, giver.recent.p99);
            if let (Some(mine), Some(theirs)) = figures {
                let (mine, theirs) = (numbers::figure(mine), numbers::figure(theirs));
                text.push_str(&format!(", p99 {mine} ms ({theirs})"));
            }
        }
        text.push('.');
        let worse = matches!((totals(deployment), giver.and_then(totals)), (Some(mine), theirs) if mine > theirs.unwrap_or(0.0) + 1.0);
        lines.push((text, worse));
    }
    lines
}
