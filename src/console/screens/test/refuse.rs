//! When an action cannot run, and why.

use super::deployments;
use crate::console::app::model::Model;

/// Nothing can be given up when nothing is under way.
pub fn nothing_in_flight(model: &Model) -> Option<String> {
    let state = &model.test;
    let running = state.load.as_ref().is_some_and(|load| load.task.is_some());
    (state.flights.is_empty() && !running).then(|| "nothing is under way".into())
}

/// One request at a time.
pub fn cannot_send(model: &Model) -> Option<String> {
    if !model.data.link.is_live() {
        return Some("the workspace does not answer".into());
    }
    let running = model.test.load.as_ref().is_some_and(|load| load.task.is_some());
    (!model.test.flights.is_empty() || running).then(|| "the last one is still under way; ctrl-x gives it up".into())
}

/// A target has to exist.
pub fn no_blue(model: &Model) -> Option<String> {
    missing(model, "blue")
}

/// A target has to exist.
pub fn no_green(model: &Model) -> Option<String> {
    missing(model, "green")
}

fn missing(model: &Model, name: &str) -> Option<String> {
    (!deployments(model).iter().any(|known| known == name))
        .then(|| format!("there is no deployment {name}; t chooses another"))
}

/// Two answers can be compared where two deployments are.
pub fn cannot_compare(model: &Model) -> Option<String> {
    if deployments(model).len() < 2 {
        return Some("there is only one deployment: nothing to compare with".into());
    }
    cannot_send(model)
}

/// Searching needs an answer.
pub fn no_answer(model: &Model) -> Option<String> {
    model.test.reading.is_none().then(|| "there is no answer yet: Enter sends".into())
}

/// Steps of a search need something to find.
pub fn no_find(model: &Model) -> Option<String> {
    let reading = model.test.reading.as_ref();
    reading.is_none_or(|reading| reading.find.is_empty()).then(|| "nothing is searched for: / does".into())
}

/// Sending again needs something that was sent.
pub fn nothing_sent(model: &Model) -> Option<String> {
    if model.test.list.keys.is_empty() {
        return Some("nothing was sent from here yet".into());
    }
    cannot_send(model)
}

/// The tolerance belongs to a comparison.
pub fn no_comparison(model: &Model) -> Option<String> {
    model.test.comparison.is_none().then(|| "nothing is compared yet: d does".into())
}
