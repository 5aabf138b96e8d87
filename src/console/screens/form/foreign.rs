//! What somebody else changes while a form is open: it is shown, and nothing is overwritten.

use std::collections::BTreeMap;

use tui_input::Input;

use super::{Field, Kind, State, change, deployment, endpoint};
use crate::console::app::model::Model;
use crate::console::app::nav::Place;
use crate::resources::{Deployment, Endpoint};

/// A change by somebody else that concerns what the form shows.
#[derive(Debug, Clone, PartialEq)]
pub enum Foreign {
    /// What it is now, and the difference in words: `instances 1 → 3`.
    Changed { now: Resource, words: String },
    /// It was deleted.
    Gone,
}

/// Taking up needs a change by somebody else.
pub fn nothing_foreign(model: &Model) -> Option<String> {
    let changed = matches!(model.form.foreign, Some(Foreign::Changed { .. }));
    (!changed).then(|| "nobody else changed it".into())
}

/// What a form edits, as it is in the workspace.
#[derive(Debug, Clone, PartialEq)]
pub enum Resource {
    Endpoint(Box<Endpoint>),
    Deployment(Box<Deployment>),
}

impl Resource {
    fn fields(&self, kubernetes: bool) -> Vec<Field> {
        match self {
            Self::Endpoint(resource) => endpoint::fields(Some(resource)),
            Self::Deployment(resource) => deployment::fields(Some(resource), "", "", kubernetes),
        }
    }

    fn etag(&self) -> Option<&String> {
        match self {
            Self::Endpoint(resource) => resource.etag.as_ref(),
            Self::Deployment(resource) => resource.etag.as_ref(),
        }
    }
}

impl State {
    /// What the form was filled from; `None` when it makes something new.
    fn base(&self) -> Option<Resource> {
        let endpoint = self.endpoint.clone().map(|resource| Resource::Endpoint(Box::new(resource)));
        endpoint.or_else(|| self.deployment.clone().map(|resource| Resource::Deployment(Box::new(resource))))
    }

    fn set_base(&mut self, resource: Resource) {
        match resource {
            Resource::Endpoint(resource) => self.endpoint = Some(*resource),
            Resource::Deployment(resource) => self.deployment = Some(*resource),
        }
    }
}

/// The resource under the form as it is now; `None` when it is not there.
fn present(model: &Model) -> Option<Resource> {
    match model.form.place.as_ref()? {
        Place::EndpointForm { name: Some(name) } => {
            let mut resource = model.data.endpoints.get(name)?.resource.clone()?;
            change::own(&mut resource.properties.properties);
            Some(Resource::Endpoint(Box::new(resource)))
        }
        Place::DeploymentForm { endpoint, name: Some(name), .. } => {
            let view = model.data.endpoints.get(endpoint)?;
            let mut resource = view.deployments.get(name)?.resource.clone()?;
            change::own(&mut resource.properties.properties);
            Some(Resource::Deployment(Box::new(resource)))
        }
        _ => None,
    }
}

/// Looks at what is in force: what does not concern the form is taken up silently, everything else is shown.
pub fn observe(model: &mut Model) {
    let Some(base) = model.form.base() else { return };
    if !model.data.known || super::is_busy(model) {
        return;
    }
    let Some(now) = present(model) else {
        model.form.foreign = Some(Foreign::Gone);
        return;
    };
    if now.etag() == base.etag() {
        model.form.foreign = None;
        return;
    }
    let words = difference(&model.form, &base, &now);
    if words.is_empty() || !model.form.touched {
        take(model, now);
    } else {
        model.form.foreign = Some(Foreign::Changed { now, words });
    }
}

/// The user takes up what somebody else changed.
pub fn take_up(model: &mut Model) {
    if let Some(Foreign::Changed { now, .. }) = model.form.foreign.take() {
        take(model, now);
        model.form.failure = None;
    }
}

fn take(model: &mut Model, now: Resource) {
    let state = &mut model.screens.form;
    state.foreign = None;
    let Some(base) = state.base() else { return };
    let at = state.focused().map(|at| state.fields[at].id);
    state.fields = merged(&state.fields, &base.fields(state.kubernetes), &now.fields(state.kubernetes));
    state.set_base(now);
    if let Some(at) = at.and_then(|id| state.fields.iter().position(|field| field.id == id)) {
        state.go_to(at);
    }
    change::check(model);
}

/// What differs between the version the form was made from and the present one, unless it was typed here as well.
fn difference(state: &State, base: &Resource, now: &Resource) -> String {
    let (base, now) = (base.fields(state.kubernetes), now.fields(state.kubernetes));
    let mut words = Vec::new();
    for field in now.iter().filter(|field| field.kind != Kind::Pair) {
        let (before, mine) = (value(&base, field.id), value(&state.fields, field.id));
        if field.value() != before && field.value() != mine {
            words.push(told(field.label, before, field.value()));
        }
    }
    for id in PAIRS {
        let (base, mine, now) = (pairs(&base, id), pairs(&state.fields, id), pairs(&now, id));
        let names: std::collections::BTreeSet<&String> = base.keys().chain(now.keys()).collect();
        for name in names {
            let theirs = now.get(name);
            if theirs != base.get(name) && theirs != mine.get(name) {
                let text = |value: Option<&String>| value.cloned().unwrap_or_default();
                words.push(told(&format!("{id} {name}"), &text(base.get(name)), &text(theirs)));
            }
        }
    }
    words.join(", ")
}

fn told(label: &str, before: &str, now: &str) -> String {
    let word = |value: &str| if value.is_empty() { "nothing".to_owned() } else { value.to_owned() };
    format!("{label} {} → {}", word(before), word(now))
}

const PAIRS: [&str; 2] = ["variable", "tag"];

fn value<'f>(fields: &'f [Field], id: &str) -> &'f str {
    fields.iter().find(|field| field.id == id).map_or("", Field::value)
}

fn pairs(fields: &[Field], id: &str) -> BTreeMap<String, String> {
    fields.iter().filter(|field| field.id == id).filter_map(|field| field.pair().ok().flatten()).collect()
}

/// The present fields, with what was typed in their place.
fn merged(mine: &[Field], base: &[Field], now: &[Field]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for field in now {
        if field.kind != Kind::Pair {
            let mut field = field.clone();
            if let Some(own) = mine.iter().find(|own| own.id == field.id) {
                if own.value() != value(base, field.id) {
                    field.input = own.input.clone();
                }
                field.visited = own.visited;
            }
            fields.push(field);
        } else if !fields.iter().any(|other| other.id == field.id) {
            // all pairs of a kind at once; then lines that are no pair yet, and an empty one for more
            let line = |text: String| Field { input: Input::new(text), ..field.clone() };
            let (before, typed) = (pairs(base, field.id), pairs(mine, field.id));
            let mut all = pairs(now, field.id);
            all.retain(|name, _| typed.contains_key(name) || !before.contains_key(name));
            all.extend(typed.into_iter().filter(|(name, value)| before.get(name) != Some(value)));
            fields.extend(all.into_iter().map(|(name, value)| line(format!("{name}={value}"))));
            fields.extend(mine.iter().filter(|own| own.id == field.id && own.pair().is_err()).cloned());
            fields.push(line(String::new()));
        }
    }
    fields
}
