//! The Python environments of this machine: those that were built, and those that are registered and not built yet.

mod view;

use std::collections::BTreeMap;
use std::path::Path;

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Question, Scope};
use crate::console::app::call::{Answer, Call, Failure};
use crate::console::app::event::{Effect, Hit, Mouse};
use crate::console::app::list::List;
use crate::console::app::model::Model;
use crate::console::app::nav::Place;
use crate::console::look::{Ui, numbers};
use crate::console::overlays::{Overlay, prompt};
use crate::console::widgets::table::Column;
use crate::resources::EnvironmentVersion;
use crate::resources::python::{BuildRequest, CleanRequest, HeldEnvironment, HeldEnvironments};

/// Columns of the environments.
pub const COLUMNS: [Column; 7] = [
    Column::left("FOR", 18, 0).grow(2),
    Column::left("STATE", 9, 0),
    Column::left("PYTHON", 8, 2),
    Column::right("PACKAGES", 8, 3),
    Column::right("SIZE", 9, 1),
    Column::left("LAST USED", 10, 4),
    Column::left("USED BY", 12, 5).grow(1),
];

/// How often they are asked for while they are on the screen.
const EVERY_MS: i64 = 3_000;

/// What was answered so far.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub held: Option<Box<HeldEnvironments>>,
    /// Registered environments and their versions.
    pub registered: BTreeMap<String, Vec<EnvironmentVersion>>,
    pub at_ms: i64,
    pub failure: Option<String>,
    /// Keys of environments on disk, `name:version` of those that are not built.
    pub list: List,
}

impl State {
    /// The environment on disk that a row stands for.
    pub fn on_disk(&self, key: &str) -> Option<&HeldEnvironment> {
        self.held.iter().flat_map(|held| &held.value).find(|held| held.key == key)
    }

    fn selected(&self) -> Option<&HeldEnvironment> {
        self.on_disk(self.list.selected()?)
    }

    fn unused(&self) -> impl Iterator<Item = &HeldEnvironment> {
        let all = self.held.iter().flat_map(|held| &held.value);
        all.filter(|held| held.used_by.is_empty() && held.state != "building")
    }
}

/// The screen.
pub struct Environments;

fn is_building(model: &Model) -> bool {
    model.tasks.in_flight(|call| matches!(call, Call::BuildEnvironment(_)))
}

/// The selected one is not built yet.
pub fn cannot_build(model: &Model) -> Option<String> {
    let state = &model.environments;
    match (state.list.selected(), state.selected()) {
        (None, _) => Some("nothing is selected: n builds one from a conda file".into()),
        (Some(_), Some(_)) => Some("it is built already".into()),
        (Some(_), None) => cannot_ask(model),
    }
}

/// One at a time: two would only wait for each other.
pub fn cannot_ask(model: &Model) -> Option<String> {
    is_building(model).then(|| "another one is being built; shift-t shows it, and ctrl-x there cancels it".into())
}

/// What nobody uses can be removed.
pub fn cannot_remove(model: &Model) -> Option<String> {
    match model.environments.selected() {
        None => Some("no built environment is selected".into()),
        Some(held) if !held.used_by.is_empty() => Some(format!("it is in use by {}", held.used_by.join(", "))),
        Some(held) if held.state == "building" => Some("it is being built".into()),
        Some(_) => None,
    }
}

/// There is something that nobody uses.
pub fn nothing_to_clean(model: &Model) -> Option<String> {
    model.environments.unused().next().is_none().then(|| "all built environments are in use, if there are any".into())
}

/// uv is there already.
pub fn no_uv_needed(model: &Model) -> Option<String> {
    match &model.environments.held {
        None => Some("the environments are not read yet".into()),
        Some(held) => held.uv.as_ref().map(|path| format!("uv is there: {path}")),
    }
}

/// Remove this one?
pub fn ask_remove(model: &Model) -> Question {
    let Some(held) = model.environments.selected() else { return Question::default() };
    let title = format!("Remove the environment of {}?", view::called(held));
    let size = numbers::bytes(held.size_bytes);
    let lines = vec![format!("{size} will be free. A deployment that needs it again builds it again.")];
    Question { title, lines, typed: None }
}

/// Remove all that nobody uses?
pub fn ask_clean(model: &Model) -> Question {
    let unused: Vec<&HeldEnvironment> = model.environments.unused().collect();
    let size = numbers::bytes(unused.iter().map(|held| held.size_bytes).sum());
    let title = match unused.len() {
        1 => "Remove the environment that nobody uses?".to_owned(),
        n => format!("Remove the {n} environments that nobody uses?"),
    };
    let lines = vec![format!("{size} will be free. A deployment that needs one again builds it again.")];
    Question { title, lines, typed: None }
}

/// Install uv?
pub fn ask_uv(_: &Model) -> Question {
    let lines = vec![
        "About 20 MB from the package index, into the workspace's folder.".to_owned(),
        "It builds environments many times faster than pip. Nothing else on this machine changes.".to_owned(),
    ];
    Question { title: "Install uv?".to_owned(), lines, typed: None }
}

impl Environments {
    fn arrange(model: &mut Model) {
        let state = &mut model.screens.environments;
        let held: Vec<&HeldEnvironment> = state.held.iter().flat_map(|held| &held.value).collect();
        let built = |name: &str| held.iter().any(|held| held.names.iter().any(|known| known == name));
        let mut rows: Vec<(String, String)> =
            held.iter().map(|held| (held.key.clone(), held.names.join(" "))).collect();
        for (name, versions) in &state.registered {
            let all = versions.iter().filter(|version| !version.properties.is_archived);
            let all = all.map(|version| format!("{name}:{}", version.name)).filter(|name| !built(name));
            rows.extend(all.map(|name| (name.clone(), name)));
        }
        let total = rows.len();
        if !state.list.filter.is_empty() {
            let found = state.list.filter.select(rows.iter().map(|(_, names)| names.as_str()));
            rows = found.into_iter().map(|at| rows[at].clone()).collect();
        }
        let of = |key: &str| held.iter().find(|held| held.key == key).copied();
        match state.list.sort {
            0 => rows.sort_by(|a, b| a.1.cmp(&b.1)),
            1 => rows.sort_by_key(|(key, _)| of(key).map(|held| held.state.clone())),
            2 => rows.sort_by_key(|(key, _)| of(key).map(|held| held.python.clone())),
            3 => rows.sort_by_key(|(key, _)| of(key).map(|held| held.packages.len())),
            4 => rows.sort_by_key(|(key, _)| of(key).map(|held| held.size_bytes)),
            5 => rows.sort_by_key(|(key, _)| of(key).map(|held| held.last_used_ms)),
            _ => rows.sort_by_key(|(key, _)| of(key).map(|held| held.used_by.clone())),
        }
        if state.list.descending {
            rows.reverse();
        }
        let keys = rows.into_iter().map(|(key, _)| key).collect();
        state.list.set(keys, total);
    }

    fn ask(model: &mut Model) -> Vec<Effect> {
        if !model.data.link.is_live() || model.tasks.in_flight(|call| matches!(call, Call::HeldEnvironments)) {
            return Vec::new();
        }
        model.environments.at_ms = model.now;
        let held = model.call("read the environments on disk", Call::HeldEnvironments);
        vec![held, model.call("read the environments", Call::Environments)]
    }

    fn build(model: &mut Model, request: BuildRequest) -> Vec<Effect> {
        let file = request.file.as_ref().map(|file| file.display().to_string());
        let name = request.environment.clone().or(file).unwrap_or_default();
        vec![model.call(format!("build the environment {name}"), Call::BuildEnvironment(request))]
    }
}

impl Screen for Environments {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        vec![Scope::Environments, Scope::List]
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        let selected = model.environments.list.selected().map(String::from);
        match (action, selected) {
            (Action::BuildEnvironment, environment @ Some(_)) => {
                return Self::build(model, BuildRequest { environment, file: None });
            }
            (Action::BuildOther, _) => {
                let hint = "conda file, requirements.txt, NAME:VERSION or curated name (sklearn-1.5)";
                let purpose = prompt::Purpose::Screen { tag: "build" };
                model.overlays.push(Overlay::Prompt(prompt::State::line(purpose, "Build an environment", hint, "")));
            }
            (Action::RemoveEnvironment, Some(key)) => {
                let request = CleanRequest { keys: vec![key], unused_for_s: 0 };
                return vec![model.call("remove the environment", Call::CleanEnvironments(request))];
            }
            (Action::CleanEnvironments, _) => {
                let call = Call::CleanEnvironments(CleanRequest::default());
                return vec![model.call("clean up environments", call)];
            }
            (Action::InstallUv, _) => return vec![model.call("install uv", Call::InstallUv)],
            _ => {}
        }
        Vec::new()
    }

    fn prompted(&self, model: &mut Model, _: &str, text: &str) -> Vec<Effect> {
        let text = text.trim();
        if text.is_empty() {
            return Vec::new();
        }
        let looks_like_a_file = text.contains('/') || [".yml", ".yaml", ".txt"].iter().any(|end| text.ends_with(end));
        let reference = text.starts_with("azureml:") || text.starts_with("/subscriptions/");
        let request = match looks_like_a_file && !reference {
            true => BuildRequest { file: std::path::absolute(Path::new(text)).ok(), environment: None },
            false => BuildRequest { environment: Some(text.to_owned()), file: None },
        };
        Self::build(model, request)
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        if let Mouse::Press(Hit::Row { index, .. }) = mouse {
            model.environments.list.cursor = *index;
        }
        Vec::new()
    }

    fn list<'m>(&self, model: &'m mut Model) -> Option<&'m mut List> {
        Some(&mut model.screens.environments.list)
    }

    fn columns(&self, _: &Model) -> usize {
        COLUMNS.len()
    }

    fn resorted(&self, model: &mut Model) -> Vec<Effect> {
        Self::arrange(model);
        Vec::new()
    }

    fn entered(&self, model: &mut Model, _: &Place) -> Vec<Effect> {
        Self::ask(model)
    }

    fn refreshed(&self, model: &mut Model) -> Vec<Effect> {
        let here = *model.nav.here() == Place::Environments;
        if here && model.now - model.environments.at_ms >= EVERY_MS { Self::ask(model) } else { Vec::new() }
    }

    fn answered(&self, model: &mut Model, _: u64, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
        match (call, outcome) {
            (Call::HeldEnvironments, Ok(Answer::Held(held))) => {
                model.environments.held = Some(held.clone());
                model.environments.failure = None;
                Self::arrange(model);
            }
            (Call::HeldEnvironments, Err(failure)) => model.environments.failure = Some(failure.message.clone()),
            (Call::Environments, Ok(Answer::Environments(all))) => {
                model.environments.registered.clone_from(all);
                Self::arrange(model);
            }
            (Call::BuildEnvironment(_) | Call::CleanEnvironments(_) | Call::InstallUv, _)
                if *model.nav.here() == Place::Environments =>
            {
                return Self::ask(model);
            }
            _ => {}
        }
        Vec::new()
    }

    fn copied(&self, model: &Model) -> Option<(String, String)> {
        let held = model.environments.selected()?;
        Some(("the packages".into(), held.packages.join("\n")))
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}
