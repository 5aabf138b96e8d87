//! Where a request comes from, and where it can go: template, samples, what others sent, files; curl and Python.

use super::{Draft, Pane, deployments, send, template};
use crate::client::sample;
use crate::console::answer::recipe::Recipe;
use crate::console::app::call::{Answer, Call, Failure};
use crate::console::app::event::{EditTag, Effect};
use crate::console::app::model::Model;
use crate::console::app::nav::Place;
use crate::console::overlays::{Overlay, details, prompt};
use crate::console::screens::welcome;
use crate::resources::AuthMode;

/// Recent requests asked for.
const RECENT: u32 = 50;
const TEMPLATE: &str = "template: what the model takes";
const EMPTY: &str = "empty: an empty body";
const UNRECORDED: &str = "recent: bodies are not recorded; Enter says how to switch that on";
const HOW_TO_RECORD: &str = "The workspace remembers the last requests, but not their bodies: they may hold personal data.\n\n\
    To have them here as well, write into config.toml (in ~/.config/mlconsole unless you keep it elsewhere)\n\n\
    [local]\nrecord_bodies = true\n\n\
    and start the workspace anew: `mlconsole serve`, or this console where it serves the workspace itself. Bodies stay in \
    memory and go when it stops.";
const FILE: &str = "file: ";

/// The user came: the request of this endpoint as it was left, or a template.
pub fn entered(model: &mut Model, place: &Place) -> Vec<Effect> {
    let Place::Test { endpoint, deployment } = place else { return Vec::new() };
    let mut effects = Vec::new();
    if !model.test.recalled {
        model.test.recalled = true;
        effects.push(Effect::Recall);
    }
    let state = &mut model.screens.test;
    if state.endpoint != *endpoint {
        let left = std::mem::replace(&mut state.endpoint, endpoint.clone());
        let draft = state.kept.remove(endpoint).unwrap_or_default();
        let before = std::mem::replace(&mut state.draft, draft);
        if !left.is_empty() {
            state.kept.insert(left, before);
        }
        state.reading = None;
        state.failure = None;
        state.comparison = None;
        state.series = None;
        state.sample = None;
        state.recent.clear();
        state.pane = Pane::Request;
        state.face = super::Face::Body;
    }
    if deployment.is_some() {
        state.draft.target.clone_from(deployment);
    }
    send::refresh(model);
    effects.extend(ask_sample(model));
    let call = Call::Requests { endpoint: endpoint.clone(), deployment: None, limit: RECENT };
    effects.push(model.call("recent requests", call));
    effects
}

/// Asks what a deployment understands: the pinned one, or the one with most weight.
fn ask_sample(model: &mut Model) -> Vec<Effect> {
    let endpoint = model.test.endpoint.clone();
    let Some(view) = model.data.endpoints.get(&endpoint) else { return Vec::new() };
    let heaviest = view.names().into_iter().max_by_key(|name| view.weight(name));
    let Some(deployment) = model.test.draft.target.clone().or(heaviest) else { return Vec::new() };
    vec![model.call("template", Call::Sample { endpoint, deployment })]
}

/// A template came.
pub fn sampled(model: &mut Model, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
    let (Call::Sample { endpoint, .. }, Ok(Answer::Sample(sample))) = (call, outcome) else { return Vec::new() };
    if *endpoint != model.test.endpoint {
        return Vec::new();
    }
    model.test.sample = Some((**sample).clone());
    if !model.test.draft.touched && model.test.draft.name.is_none() {
        take_template(model);
    }
    Vec::new()
}

fn take_template(model: &mut Model) {
    let state = &mut model.screens.test;
    let Some(sample) = &state.sample else { return };
    state.draft.method.clone_from(&sample.method);
    state.draft.path.clone_from(&sample.path);
    state.draft.set_text(&sample.body);
    state.draft.name = Some("template".into());
    // a body that is no JSON stays as the deployment gave it
    let _ = state.draft.format();
    state.draft.touched = false;
    if !sample.content_type.is_empty() && sample.content_type != "application/json" {
        state.draft.set_header("content-type".into(), sample.content_type.clone());
    }
}

/// Everything a body can be taken from, in words.
fn all(model: &Model) -> Vec<String> {
    let mut lines = Vec::new();
    if model.test.sample.is_some() {
        lines.push(TEMPLATE.to_string());
    }
    if model.test.endpoint == sample::ENDPOINT {
        lines.extend(sample::requests().into_iter().map(|(name, _)| format!("sample: {name}")));
    }
    for recent in model.test.recent.iter().filter(|recent| recent.request_body.is_some()) {
        let at = model.clock(recent.at_ms, true);
        lines.push(format!("recent: {at} {} {}, {}", recent.deployment, recent.status, recent.id));
    }
    if unrecorded(model) {
        lines.push(UNRECORDED.into());
    }
    lines.push(EMPTY.into());
    lines
}

/// Whether others sent requests whose bodies nobody recorded.
fn unrecorded(model: &Model) -> bool {
    let recent = &model.test.recent;
    !recent.is_empty() && recent.iter().all(|recent| recent.request_body.is_none() && recent.request_bytes > 0)
}

/// Opens the choice of sources.
pub fn choose(model: &mut Model) -> Vec<Effect> {
    let hint = "template, samples, recent requests; or the path of a file";
    let state = prompt::State::choose("source", "Take the body from", hint, all(model));
    model.overlays.push(Overlay::Prompt(state));
    Vec::new()
}

/// Sources that match; files when it looks like a path.
pub fn matching(model: &Model, text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let mut lines: Vec<String> = all(model).into_iter().filter(|line| line.to_lowercase().contains(&lower)).collect();
    if !text.is_empty() {
        let path = text.strip_prefix(FILE).unwrap_or(text);
        lines.extend(welcome::complete(path).into_iter().map(|path| format!("{FILE}{path}")));
    }
    lines
}

/// A source was chosen.
pub fn chosen(model: &mut Model, line: &str) -> Vec<Effect> {
    if line.is_empty() {
        return Vec::new();
    }
    if line == UNRECORDED {
        let how = details::State::text("Bodies of recent requests", HOW_TO_RECORD);
        model.overlays.push(Overlay::Details(how));
        return Vec::new();
    }
    model.test.pane = Pane::Request;
    if line == TEMPLATE {
        take_template(model);
    } else if line == EMPTY {
        take(model, "", "empty");
    } else if let Some(name) = line.strip_prefix("sample: ") {
        let found = sample::requests().into_iter().find(|(known, _)| known == name);
        if let Some((name, body)) = found {
            take(model, &String::from_utf8_lossy(&body), &name);
            let _ = model.test.draft.format();
        }
    } else if let Some((_, id)) = line.strip_prefix("recent: ").and_then(|rest| rest.rsplit_once(", ")) {
        let found = model.test.recent.iter().find(|recent| recent.id == id);
        if let Some(body) = found.and_then(|recent| recent.request_body.clone()) {
            take(model, &body, &format!("request {id}"));
            let _ = model.test.draft.format();
        }
    } else {
        let path = line.strip_prefix(FILE).unwrap_or(line).to_string();
        let name = path.rsplit('/').next().unwrap_or(&path).to_string();
        model.test.draft.name = Some(name);
        return vec![Effect::Open { tag: EditTag::Body, path }];
    }
    Vec::new()
}

fn take(model: &mut Model, body: &str, name: &str) {
    let draft: &mut Draft = &mut model.test.draft;
    draft.set_text(body);
    draft.name = Some(name.into());
    draft.touched = true;
}

/// Takes the chosen request of the history into the editor.
pub fn take_back(model: &mut Model) -> Vec<Effect> {
    let sent = send::entries(model).nth(model.test.list.cursor).cloned();
    if let Some(sent) = sent {
        model.test.draft.take(&sent);
        model.test.pane = Pane::Request;
    }
    Vec::new()
}

/// Paths that make sense here.
pub fn routes(model: &Model) -> Vec<String> {
    let mut routes = vec!["POST /score".to_string()];
    let view = model.data.endpoints.get(&model.test.endpoint);
    let models =
        view.into_iter().flat_map(|view| view.deployments.values()).filter_map(|deployment| deployment.model());
    let mut names: Vec<String> = models.filter_map(|model| Some(model.split(':').next()?.to_string())).collect();
    names.dedup();
    for name in names {
        routes.push(format!("POST /v2/models/{name}/infer"));
        routes.push(format!("GET /v2/models/{name}"));
    }
    routes.extend(["GET /v2/health/ready", "GET /v2", "GET /swagger.json"].map(String::from));
    routes
}

/// Opens the choice of method and path.
pub fn choose_route(model: &mut Model) -> Vec<Effect> {
    let now = format!("{} {}", model.test.draft.method(), model.test.draft.path());
    let mut state = prompt::State::line(
        prompt::Purpose::Screen { tag: "route" },
        "Method and path",
        "Tab takes the marked line; Enter takes what is typed",
        &now,
    );
    state.choices = routes(model);
    model.overlays.push(Overlay::Prompt(state));
    Vec::new()
}

/// Variables and what they stand for.
pub fn variables(model: &Model) -> Vec<String> {
    let own = model.test.vars.iter().map(|(name, value)| format!("{name}={value}"));
    let ready = template::BUILT_IN.iter().filter(|(name, _)| !model.test.vars.contains_key(*name));
    own.chain(ready.map(|(name, what)| format!("{name}   {what}"))).collect()
}

/// Opens the choice of variables.
pub fn choose_variable(model: &mut Model) -> Vec<Effect> {
    let mut state = prompt::State::line(
        prompt::Purpose::Screen { tag: "variable" },
        "Variables",
        "name=value sets, name= removes; use as {{name}} or ${name}",
        "",
    );
    state.choices = variables(model);
    model.overlays.push(Overlay::Prompt(state));
    Vec::new()
}

/// Copies the request as it would be sent, for a shell or for Python; never with the key.
pub fn copy_recipe(model: &mut Model, python: bool) -> Vec<Effect> {
    let score = match send::request(&model.test, model.now) {
        Ok(score) => score,
        Err(why) => {
            model.toasts.bad(model.now, why);
            return Vec::new();
        }
    };
    let resource = model.data.endpoints.get(&score.endpoint).and_then(|view| view.resource.as_ref());
    let Some(resource) = resource else { return Vec::new() };
    let uri = resource.properties.scoring_uri.clone().unwrap_or_default();
    let uri = match score.path.as_str() {
        "/score" => uri,
        path => format!("{}{path}", uri.strip_suffix("/score").unwrap_or(&uri)),
    };
    let recipe = Recipe {
        endpoint: score.endpoint.clone(),
        uri,
        method: score.method,
        content_type: model.test.draft.content_type().to_owned(),
        deployment: score.deployment,
        body: score.body,
        ca_file: model.reach.as_ref().and_then(|reach| reach.ca_file.clone()),
        credential: if resource.properties.auth_mode == AuthMode::Key { "keys" } else { "token" },
        flags: model.flags.clone(),
    };
    let (what, text) = if python { ("Python", recipe.python()) } else { ("a curl command", recipe.curl()) };
    model.toasts.good(model.now, format!("copied the request as {what}: it fetches the key by itself"));
    vec![Effect::Copy(text)]
}

/// Whether the endpoint has deployments at all.
pub fn is_bare(model: &Model) -> bool {
    deployments(model).is_empty()
}
