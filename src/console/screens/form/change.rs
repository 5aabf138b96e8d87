//! What happens to a form: it is filled, checked with every key, submitted, and ends.

use super::{Built, Field, State, deployment, endpoint, foreign};
use crate::console::app::call::{Answer, Call, Failure};
use crate::console::app::event::Effect;
use crate::console::app::model::Model;
use crate::console::app::nav::Place;
use crate::console::app::options::Reach;
use crate::resources::deployment::is_noted;
use crate::resources::{ArmError, StringMap, rules, yaml};

/// So often a submission that was overtaken by what does not concern it is made again by itself.
const MOST_OVERTAKEN: u8 = 5;
/// Lines of the log shown when something failed.
const LOG_LINES: u32 = 12;

/// The user came: a fresh form, or the one that was left.
pub fn entered(model: &mut Model, place: &Place) -> Vec<Effect> {
    let same = model.form.place.as_ref() == Some(place);
    if !same || !model.form.touched {
        fill(model, place);
    }
    if !matches!(place, Place::DeploymentForm { .. }) {
        return Vec::new();
    }
    let mut effects =
        vec![model.call("read the models", Call::Models), model.call("read the environments", Call::Environments)];
    if model.workspace.info.is_none() && model.data.link.is_live() {
        effects.push(model.call("read the workspace", Call::Info));
    }
    effects
}

fn fill(model: &mut Model, place: &Place) {
    let before = std::mem::take(&mut model.screens.form);
    let mut state = State {
        place: Some(place.clone()),
        models: before.models,
        models_known: before.models_known,
        environments: before.environments,
        ..State::default()
    };
    state.kubernetes = match place {
        Place::DeploymentForm { endpoint, .. } => {
            let resource = model.data.endpoints.get(endpoint).and_then(|view| view.resource.as_ref());
            resource.is_some_and(|resource| resource.properties.compute.is_some())
        }
        _ => false,
    };
    state.folded = state.sections().iter().enumerate().filter(|(_, (_, folded))| *folded).map(|(at, _)| at).collect();
    match place {
        Place::EndpointForm { name } => {
            let view = name.as_ref().and_then(|name| model.data.endpoints.get(name));
            state.endpoint = view.and_then(|view| view.resource.clone());
            state.endpoint.iter_mut().for_each(|endpoint| own(&mut endpoint.properties.properties));
            state.fields = endpoint::fields(state.endpoint.as_ref());
        }
        Place::DeploymentForm { endpoint, name, model: chosen } => {
            let view = model.data.endpoints.get(endpoint);
            let known = |name: &str| view.is_some_and(|view| view.deployments.contains_key(name));
            let existing = name.as_ref().and_then(|name| view?.deployments.get(name)?.resource.clone());
            // the usual pair first
            let free = ["blue", "green"].into_iter().find(|name| !known(name)).unwrap_or_default();
            let chosen = chosen.as_deref().unwrap_or_default();
            state.deployment = existing;
            state.deployment.iter_mut().for_each(|deployment| own(&mut deployment.properties.properties));
            state.fields = deployment::fields(state.deployment.as_ref(), free, chosen, state.kubernetes);
        }
        _ => {}
    }
    let first = state.fields.iter().position(|field| !field.fixed).unwrap_or(0);
    model.screens.form = state;
    model.form.go_to(first);
    check(model);
}

/// Leaves out what the service notes about a resource: it is nobody's wish and belongs in no file.
pub fn own(properties: &mut StringMap) {
    properties.retain(|name, _| !is_noted(name));
}

/// The resource that is edited came, or is still on its way.
pub fn refreshed(model: &mut Model) -> Vec<Effect> {
    let missing = match &model.form.place {
        Some(Place::EndpointForm { name: Some(_) }) => model.form.endpoint.is_none(),
        Some(Place::DeploymentForm { name: Some(_), .. }) => model.form.deployment.is_none(),
        _ => false,
    };
    let here = model.form.place.as_ref() == Some(model.nav.here());
    if missing && here && !model.form.touched {
        let place = model.nav.here().clone();
        fill(model, &place);
    }
    foreign::observe(model);
    let state = &mut model.screens.form;
    if state.again && state.foreign.is_some() {
        state.again = false;
    }
    // it was read again, and what changed does not concern the form
    let ready = state.again && state.asked_at != version(state);
    if ready {
        model.form.again = false;
        return submit(model);
    }
    Vec::new()
}

/// The version the form is made from.
fn version(state: &State) -> Option<String> {
    let endpoint = state.endpoint.as_ref().and_then(|resource| resource.etag.clone());
    endpoint.or_else(|| state.deployment.as_ref().and_then(|resource| resource.etag.clone()))
}

/// A value changed.
pub fn changed(model: &mut Model) {
    let state = &mut model.screens.form;
    state.touched = true;
    if let Some(at) = state.focused() {
        state.fields[at].visited = true;
    }
    // there is always one empty line more for pairs
    for id in ["variable", "tag"] {
        if let Some(last) = state.fields.iter().rposition(|field| field.id == id)
            && !state.fields[last].value().is_empty()
        {
            let section = state.fields[last].section;
            let fresh = if id == "tag" { endpoint::tag(section) } else { deployment::variable() };
            state.fields.insert(last + 1, fresh);
        }
    }
    check(model);
}

/// Builds the resource anew and notes every problem where it belongs.
pub fn check(model: &mut Model) {
    let Some(place) = model.form.place.clone() else { return };
    let workspace_id = model.reach.as_ref().map(Reach::workspace_id).unwrap_or_default();
    let state = &mut model.screens.form;
    state.problems.clear();
    state.fields.iter_mut().for_each(|field| field.problem = None);
    let flags = if model.flags.is_empty() { String::new() } else { format!(" {}", model.flags) };
    match &place {
        Place::EndpointForm { name } => {
            let built = endpoint::build(state.endpoint.as_ref(), &mut state.fields, &workspace_id);
            let view = model.data.endpoints.get(&built.name);
            if name.is_none() && view.is_some() && state.asked.as_ref() != Some(&built.name) {
                note(state, "name", format!("there is an endpoint {} already", built.name));
            }
            let deployments = view.map(|view| view.names()).unwrap_or_default();
            take(state, rules::check_endpoint(&built, &deployments));
            let verb = if name.is_some() { "update" } else { "create" };
            state.command = format!("mlconsole endpoint {verb} -f {}.yml{flags}", file(&built.name, "endpoint"));
            state.yaml = yaml::to_yaml(&built);
            state.built = Some(Built::Endpoint(Box::new(built)));
        }
        Place::DeploymentForm { endpoint, name, .. } => {
            let kubernetes = state.kubernetes;
            let mut built = deployment::build(
                state.deployment.as_ref(),
                &mut state.fields,
                &state.models,
                &state.environments,
                kubernetes,
            );
            let view = model.data.endpoints.get(endpoint);
            let taken = view.is_some_and(|view| view.deployments.contains_key(&built.name));
            if name.is_none() && taken && state.asked.as_ref() != Some(&built.name) {
                note(
                    state,
                    "name",
                    format!(
                        "{endpoint} has a deployment {} already: edit that one, or choose another name",
                        built.name
                    ),
                );
            }
            take(state, rules::check_deployment_name(&built.name));
            take(state, rules::check_deployment(&built, kubernetes));
            registered(state);
            let verb = if name.is_some() { "update" } else { "create" };
            state.command = format!("mlconsole deployment {verb} -f {}.yml{flags}", file(&built.name, "deployment"));
            let id = built.id.clone();
            built.id = format!("/onlineEndpoints/{endpoint}/deployments/{}", built.name);
            state.yaml = yaml::deployment_to_yaml(&built);
            built.id = id;
            state.built = Some(Built::Deployment(endpoint.clone(), Box::new(built)));
        }
        _ => {}
    }
}

fn file<'a>(name: &'a str, otherwise: &'a str) -> &'a str {
    if rules::check_endpoint_name(name).is_ok() { name } else { otherwise }
}

fn note(state: &mut State, id: &str, problem: String) {
    if let Some(field) = state.fields.iter_mut().find(|field| field.id == id) {
        field.problem.get_or_insert(problem);
    }
}

/// Notes what the rules say at the fields they point to.
fn take(state: &mut State, verdict: Result<(), ArmError>) {
    let Err(error) = verdict else { return };
    let all = if error.details.is_empty() { vec![error] } else { error.details };
    for error in all {
        let target = error.target.clone().unwrap_or_default();
        let fits = |field: &&mut Field| !field.path.is_empty() && target.starts_with(field.path);
        match state.fields.iter_mut().find(fits) {
            Some(field) => {
                field.problem.get_or_insert(error.message);
            }
            None => state.problems.push(error.message),
        }
    }
}

/// Whether what is named is there.
fn registered(state: &mut State) {
    let model = state.value("model").to_owned();
    let script = state.value("script").to_owned();
    if model.is_empty() && script.is_empty() {
        note(state, "model", "choose a model (Enter), or name a scoring script below".into());
    }
    let by_name = |text: &str| !text.is_empty() && !text.starts_with('/') && !text.contains('@');
    if state.models_known && by_name(&model) && !state.models.contains_key(&model) {
        note(state, "model", format!("no model {model} is registered: Enter shows those that are"));
    }
}

/// Asks the workspace for what the fields describe, if nothing is wrong with it.
pub fn submit(model: &mut Model) -> Vec<Effect> {
    model.form.tried = true;
    check(model);
    let state = &mut model.screens.form;
    if let Some(at) = state.fields.iter().position(|field| field.problem.is_some()) {
        let text = state.fields[at].problem.clone().unwrap_or_default();
        state.go_to(at);
        model.toasts.bad(model.now, text);
        return Vec::new();
    }
    if let Some(problem) = state.problems.first().cloned() {
        model.toasts.bad(model.now, problem);
        return Vec::new();
    }
    let edit = state.endpoint.is_some() || state.deployment.is_some();
    let verb = if edit { "update" } else { "create" };
    let (title, call) = match state.built.clone() {
        Some(Built::Endpoint(endpoint)) => {
            let if_match = endpoint.etag.clone();
            (format!("{verb} endpoint {}", endpoint.name), Call::PutEndpoint { endpoint, if_match })
        }
        Some(Built::Deployment(endpoint, deployment)) => {
            let if_match = deployment.etag.clone();
            let title = format!("{verb} deployment {} of {endpoint}", deployment.name);
            (title, Call::PutDeployment { endpoint, deployment, if_match })
        }
        None => return Vec::new(),
    };
    state.failure = None;
    state.log.clear();
    state.asked = Some(state.value("name").to_owned());
    state.asked_at = version(state);
    state.again = false;
    let effect = model.call(title, call);
    if let Effect::Call { task, .. } = &effect {
        model.form.task = Some(*task);
    }
    vec![effect]
}

/// The work ended: on to what was made, or why there is nothing.
pub fn ended(model: &mut Model, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
    let here = model.form.place.as_ref() == Some(model.nav.here());
    model.form.task = None;
    match outcome {
        Ok(_) => {
            let to = match model.form.built.clone() {
                Some(Built::Endpoint(endpoint)) => endpoint.name,
                Some(Built::Deployment(endpoint, deployment)) => {
                    if model.form.deployment.is_none() {
                        let text = format!("{} is ready: t gives it traffic", deployment.name);
                        model.toasts.good(model.now, text);
                    }
                    model.screens.endpoint.deployment = Some(deployment.name);
                    endpoint
                }
                None => return Vec::new(),
            };
            model.form.touched = false;
            if !here {
                return Vec::new();
            }
            model.form.place = None;
            model.jump(Place::Endpoint(to))
        }
        Err(failure) => {
            if failure.changed && model.form.overtaken < MOST_OVERTAKEN {
                // what it is now is asked for already: it is shown, or does not matter here
                model.form.overtaken += 1;
                model.form.again = true;
                return Vec::new();
            }
            model.form.failure = Some(failure.message.clone());
            if failure.changed {
                return Vec::new();
            }
            let Some(Built::Deployment(endpoint, deployment)) = model.form.built.clone() else { return Vec::new() };
            if !here {
                return Vec::new();
            }
            let call = Call::FollowLogs {
                endpoint,
                deployment: deployment.name,
                container: "inference-server".into(),
                tail: LOG_LINES,
            };
            let effect = model.call("the last lines of its log", call);
            if let Effect::Call { task, .. } = &effect {
                model.form.log_task = Some(*task);
            }
            vec![effect]
        }
    }
}
