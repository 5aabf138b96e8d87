//! The first screen of an empty workspace: three ways to something that answers.

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{self, Action, Scope};
use crate::console::app::call::{Answer, Call, Failure};
use crate::console::app::event::Effect;
use crate::console::app::model::Model;
use crate::console::app::nav::Place;
use crate::console::look::{Ui, layout};
use crate::console::overlays::{Overlay, prompt};

/// Nothing to remember.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State;

/// The screen.
pub struct Welcome;

/// Whether the workspace is known to be empty.
pub fn applies(model: &Model) -> bool {
    model.data.known && model.data.endpoints.is_empty()
}

/// Paths that begin like this: files and folders, folders with a slash.
pub fn complete(text: &str) -> Vec<String> {
    let (folder, start) = match text.rfind('/') {
        Some(at) => text.split_at(at + 1),
        None => ("", text),
    };
    let place = match folder.strip_prefix("~/") {
        Some(rest) => std::env::var("HOME").map(|home| format!("{home}/{rest}")).unwrap_or_default(),
        None if folder.is_empty() => ".".into(),
        None => folder.into(),
    };
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let mut found: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let slash = if entry.file_type().ok()?.is_dir() { "/" } else { "" };
            let hidden = name.starts_with('.') && !start.starts_with('.');
            (!hidden && name.starts_with(start)).then(|| format!("{folder}{name}{slash}"))
        })
        .take(200)
        .collect();
    found.sort();
    found
}

fn path(text: &str) -> String {
    match text.strip_prefix("~/") {
        Some(rest) => std::env::var("HOME").map_or_else(|_| text.to_string(), |home| format!("{home}/{rest}")),
        None => text.to_string(),
    }
}

/// Serves a model file.
pub fn serve(model: &mut Model, text: &str) -> Vec<Effect> {
    if text.is_empty() {
        return Vec::new();
    }
    vec![model.call(format!("serve {text}"), Call::ServeFile { path: path(text) })]
}

/// Creates from a YAML file.
pub fn apply(model: &mut Model, text: &str) -> Vec<Effect> {
    if text.is_empty() {
        return Vec::new();
    }
    vec![model.call(format!("create from {text}"), Call::ApplyYaml { path: path(text) })]
}

impl Screen for Welcome {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        vec![Scope::Welcome]
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        let ask = |purpose, title: &str, hint: &str| {
            let mut state = prompt::State::line(purpose, title, hint, "");
            state.choices = complete("");
            Overlay::Prompt(state)
        };
        match action {
            Action::InstallSample if model.tasks.in_flight(|call| *call == Call::InstallSample) => Vec::new(),
            Action::InstallSample => vec![model.call("install the sample", Call::InstallSample)],
            Action::NewEndpoint => model.open(Place::EndpointForm { name: None }),
            Action::ServeFile => {
                let hint = "path of an .onnx file or a model folder; Tab completes";
                model.overlays.push(ask(prompt::Purpose::ServeFile, "Serve a model", hint));
                Vec::new()
            }
            Action::ApplyYaml => {
                let hint = "path of an endpoint or deployment YAML (CLI v2); Tab completes";
                model.overlays.push(ask(prompt::Purpose::ApplyYaml, "Create from YAML", hint));
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn answered(&self, model: &mut Model, _: u64, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
        match (call, outcome) {
            (Call::ServeFile { .. } | Call::ApplyYaml { .. }, Ok(Answer::Made { endpoint, .. }))
                if !endpoint.is_empty() =>
            {
                model.jump(Place::Endpoint(endpoint.clone()))
            }
            _ => Vec::new(),
        }
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        let theme = &model.theme;
        // air between the offers where there is room for it
        let step = if area.height >= 18 { 3 } else { 2 };
        let place = layout::middle(area, 72, 4 + 4 * step);
        let (x, mut y) = (place.x, place.y);
        ui.text(x, y, 66, "Nothing is served here yet.", theme.strong);
        y += 1;
        ui.text(x, y, 66, "An endpoint gives a model an address, keys and a traffic split.", theme.dim);
        y += 2;
        let offers = [
            (Action::InstallSample, "the restaurant recommender: blue 90 %, green 10 %, ready to try"),
            (Action::ServeFile, "from an .onnx file to the first answer in seconds"),
            (Action::ApplyYaml, "an endpoint or deployment file of the Azure CLI, unchanged"),
            (Action::NewEndpoint, "by a form, step by step: name and keys first, then a deployment"),
        ];
        for (action, what) in offers {
            let mut rows = actions::rows().filter(|row| row.scope == Scope::Welcome);
            let Some(row) = rows.find(|row| row.action == action) else { continue };
            ui.text(x, y, 4, &model.keymap.first(row), theme.key);
            ui.text(x + 5, y, 60, row.title, theme.strong);
            ui.text(x + 5, y + 1, 67, what, theme.dim);
            y += step;
        }
        if let Some(task) = model.tasks.running().last() {
            let turn = (model.now / 500).rem_euclid(4) as usize;
            let text = format!("{} {}: {}", theme.glyphs.spinner[turn], task.title, task.progress);
            ui.text(x, y, 66, &text, theme.accent);
        }
    }
}
