//! Registered models and their versions: signature, operators, and whether they run here.

mod view;

use std::collections::BTreeMap;

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Question, Scope};
use crate::console::app::call::{Answer, Call, Failure};
use crate::console::app::event::{Effect, Hit, Mouse};
use crate::console::app::list::List;
use crate::console::app::model::Model;
use crate::console::app::nav::Place;
use crate::console::look::Ui;
use crate::console::overlays::{Overlay, prompt};
use crate::console::widgets::table::Column;
use crate::resources::asset::{CONVERSION, CONVERTING};
use crate::resources::{AssetContainer, ModelReport, ModelVersion};

/// Columns of the models.
pub const COLUMNS: [Column; 3] =
    [Column::left("NAME", 24, 0).grow(1), Column::right("LATEST", 7, 0), Column::left("DESCRIPTION", 12, 1).grow(2)];

/// A version, by model and version.
pub type Of = (String, String);

/// What was answered so far.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub models: Option<Vec<AssetContainer>>,
    /// When they were read, Unix milliseconds.
    pub at_ms: i64,
    /// When versions were read last, Unix milliseconds.
    looked_ms: i64,
    /// The newest change of a model in the journal then.
    seen: u64,
    pub failure: Option<String>,
    pub versions: BTreeMap<String, Vec<ModelVersion>>,
    pub reports: BTreeMap<Of, Result<Box<ModelReport>, String>>,
    pub list: List,
    /// Versions of the selected model, newest first.
    pub version_list: List,
    pub in_versions: bool,
}

/// Between two looks at a conversion.
const LOOK_MS: i64 = 1_000;

/// What has become of a version's conversion, if one was asked for.
fn conversion(version: &ModelVersion) -> Option<&str> {
    version.properties.properties.get(CONVERSION).map(String::as_str)
}

/// The screen.
pub struct Models;

/// Name of the selected model.
pub fn selected(model: &Model) -> Option<&str> {
    model.models.list.selected()
}

/// Model and version under the cursor.
pub fn version(model: &Model) -> Option<Of> {
    Some((selected(model)?.to_owned(), model.models.version_list.selected()?.to_owned()))
}

/// Actions on a version need one.
pub fn no_version(model: &Model) -> Option<String> {
    version(model).is_none().then(|| "no version is selected".into())
}

/// A version is deployed to an endpoint.
pub fn cannot_deploy(model: &Model) -> Option<String> {
    if model.data.endpoints.is_empty() {
        return Some("there is no endpoint to deploy to: n on the dashboard makes one".into());
    }
    no_version(model)
}

/// Archive this version?
pub fn ask_archive(model: &Model) -> Question {
    let Some((name, version)) = version(model) else { return Question::default() };
    let used: Vec<String> = model
        .data
        .endpoints
        .values()
        .flat_map(|endpoint| endpoint.deployments.values().map(move |deployment| (endpoint, deployment)))
        .filter(|(_, deployment)| deployment.model().as_deref() == Some(&format!("{name}:{version}")))
        .map(|(endpoint, deployment)| format!("{}/{}", endpoint.name, deployment.name))
        .collect();
    let mut lines = vec!["It goes out of lists; its files stay, and so do deployments that use it.".to_owned()];
    if !used.is_empty() {
        lines.push(format!("In use by {}.", used.join(", ")));
    }
    Question { title: format!("Archive {name}:{version}?"), lines, typed: None }
}

impl Models {
    fn arrange(model: &mut Model) -> Vec<Effect> {
        let state = &mut model.screens.models;
        let mut models: Vec<&AssetContainer> = state.models.iter().flatten().collect();
        let total = models.len();
        if !state.list.filter.is_empty() {
            let found = state.list.filter.select(models.iter().map(|model| model.name.as_str()));
            models = found.into_iter().map(|at| models[at]).collect();
        }
        match state.list.sort {
            1 => models.sort_by_key(|m| m.properties.latest_version.as_ref().and_then(|v| v.parse::<u64>().ok())),
            2 => models.sort_by(|a, b| a.properties.description.cmp(&b.properties.description)),
            _ => models.sort_by(|a, b| a.name.cmp(&b.name)),
        }
        if state.list.descending {
            models.reverse();
        }
        let keys = models.into_iter().map(|model| model.name.clone()).collect();
        state.list.set(keys, total);
        Self::look_closer(model)
    }

    /// Asks for what the selection needs and nobody has asked for yet.
    fn look_closer(model: &mut Model) -> Vec<Effect> {
        let Some(name) = selected(model).map(String::from) else {
            model.models.version_list.set(Vec::new(), 0);
            return Vec::new();
        };
        let Some(versions) = model.models.versions.get(&name) else {
            model.models.version_list.set(Vec::new(), 0);
            let asked = model.tasks.in_flight(|call| matches!(call, Call::ModelVersions { model } if *model == name));
            if asked {
                return Vec::new();
            }
            return vec![model.call(format!("read the versions of {name}"), Call::ModelVersions { model: name })];
        };
        let keys: Vec<String> = versions.iter().map(|version| version.name.clone()).collect();
        let total = keys.len();
        model.models.version_list.set(keys, total);
        Self::inspect(model)
    }

    fn inspect(model: &mut Model) -> Vec<Effect> {
        let Some(of) = version(model) else { return Vec::new() };
        let asked = model
            .tasks
            .in_flight(|call| matches!(call, Call::Inspect { model, version } if (model, version) == (&of.0, &of.1)));
        if asked || model.models.reports.contains_key(&of) {
            return Vec::new();
        }
        let title = format!("inspect {}:{}", of.0, of.1);
        vec![model.call(title, Call::Inspect { model: of.0, version: of.1 })]
    }

    /// A conversion of the selected version that is under way is looked at again and again.
    fn follow_conversion(model: &mut Model) -> Vec<Effect> {
        let Some((name, version)) = version(model) else { return Vec::new() };
        let versions = model.models.versions.get(&name).map(Vec::as_slice).unwrap_or_default();
        let converts = versions.iter().any(|of| of.name == version && conversion(of) == Some(CONVERTING));
        let asked = model.tasks.in_flight(|call| matches!(call, Call::ModelVersions { .. }));
        if !converts || asked || model.now - model.models.looked_ms < LOOK_MS {
            return Vec::new();
        }
        vec![model.call(format!("how far the conversion of {name} is"), Call::ModelVersions { model: name })]
    }

    /// The newest change of a model, by whomever.
    fn newest(model: &Model) -> u64 {
        let of_models = model.data.journal.iter().filter(|entry| entry.action.starts_with("model."));
        of_models.map(|entry| entry.seq).max().unwrap_or(0)
    }

    fn ask(model: &mut Model) -> Vec<Effect> {
        model.models.seen = Self::newest(model);
        model.models.versions.clear();
        vec![model.call("read the models", Call::Models)]
    }

    fn deploy(model: &mut Model, endpoint: &str) -> Vec<Effect> {
        let Some((name, version)) = version(model) else { return Vec::new() };
        if !model.data.endpoints.contains_key(endpoint) {
            let names: Vec<&str> = model.data.endpoints.keys().map(String::as_str).collect();
            let text = format!("there is no endpoint {endpoint:?}; there are: {}", names.join(", "));
            model.toasts.bad(model.now, text);
            return Vec::new();
        }
        let model_ref = Some(format!("{name}:{version}"));
        model.open(Place::DeploymentForm { endpoint: endpoint.to_owned(), name: None, model: model_ref })
    }
}

impl Screen for Models {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        vec![Scope::Models, Scope::List]
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        match action {
            Action::RegisterModel => {
                let hint = "a model file, or a folder with one";
                let purpose = prompt::Purpose::Screen { tag: "register" };
                model.overlays.push(Overlay::Prompt(prompt::State::line(purpose, "Register a model", hint, "")));
            }
            Action::DeployModel => {
                let endpoints: Vec<String> = model.data.endpoints.keys().cloned().collect();
                if let [only] = &endpoints[..] {
                    return Self::deploy(model, only);
                }
                let first = model.dashboard.list.selected().unwrap_or_default().to_owned();
                let hint = format!("to which endpoint? {}", endpoints.join(", "));
                let purpose = prompt::Purpose::Screen { tag: "deploy" };
                model.overlays.push(Overlay::Prompt(prompt::State::line(purpose, "Deploy", &hint, &first)));
            }
            Action::OpenEnvironments => return model.open(Place::Environments),
            Action::ArchiveModel => {
                if let Some((name, version)) = version(model) {
                    let title = format!("archive {name}:{version}");
                    return vec![model.call(title, Call::ArchiveModel { model: name, version })];
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn prompted(&self, model: &mut Model, tag: &str, text: &str) -> Vec<Effect> {
        if text.is_empty() {
            return Vec::new();
        }
        if tag == "deploy" {
            return Self::deploy(model, text);
        }
        let path = std::path::Path::new(text);
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name: String =
            stem.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
        let model_type = if path.join("MLmodel").is_file() { "mlflow_model" } else { "custom_model" };
        let call =
            Call::RegisterModel { name: name.clone(), version: None, model_type: model_type.into(), path: text.into() };
        vec![model.call(format!("register {name}"), call)]
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        match mouse {
            Mouse::Press(Hit::Row { pane, index }) => {
                let state = &mut model.screens.models;
                state.in_versions = *pane == 1;
                let list = if state.in_versions { &mut state.version_list } else { &mut state.list };
                list.cursor = *index;
                return self.selected(model);
            }
            Mouse::Press(Hit::Column { pane: 0, column }) => {
                let list = &mut model.screens.models.list;
                list.descending = list.sort == *column && !list.descending;
                list.sort = *column;
                return Self::arrange(model);
            }
            Mouse::Wheel { down, .. } => {
                let action = if *down { Action::Down } else { Action::Up };
                if let Some(list) = self.list(model) {
                    list.update(action, 1, 0);
                }
                return self.selected(model);
            }
            _ => {}
        }
        Vec::new()
    }

    fn list<'m>(&self, model: &'m mut Model) -> Option<&'m mut List> {
        let state = &mut model.screens.models;
        Some(if state.in_versions { &mut state.version_list } else { &mut state.list })
    }

    fn columns(&self, model: &Model) -> usize {
        if model.models.in_versions { 0 } else { COLUMNS.len() }
    }

    fn resorted(&self, model: &mut Model) -> Vec<Effect> {
        Self::arrange(model)
    }

    fn selected(&self, model: &mut Model) -> Vec<Effect> {
        if model.models.in_versions { Self::inspect(model) } else { Self::look_closer(model) }
    }

    fn pane(&self, model: &mut Model, _: bool) -> Vec<Effect> {
        let some = !model.models.version_list.keys.is_empty();
        model.models.in_versions = !model.models.in_versions && some;
        Vec::new()
    }

    fn back(&self, model: &mut Model) -> Option<Vec<Effect>> {
        std::mem::take(&mut model.models.in_versions).then(Vec::new)
    }

    fn entered(&self, model: &mut Model, _: &Place) -> Vec<Effect> {
        Self::ask(model)
    }

    /// Somebody registered or archived a model: the list is read again.
    fn refreshed(&self, model: &mut Model) -> Vec<Effect> {
        let here = *model.nav.here() == Place::Models;
        let news = here && Self::newest(model) > model.models.seen;
        match news && !model.tasks.in_flight(|call| matches!(call, Call::Models)) {
            true => Self::ask(model),
            false if here => Self::follow_conversion(model),
            false => Vec::new(),
        }
    }

    fn answered(&self, model: &mut Model, _: u64, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
        match (call, outcome) {
            (Call::Models, Ok(Answer::Models(models))) => {
                model.models.at_ms = model.now;
                model.models.models = Some(models.clone());
                model.models.failure = None;
                Self::arrange(model)
            }
            (Call::Models, Err(failure)) => {
                model.models.failure = Some(failure.message.clone());
                Vec::new()
            }
            (Call::ModelVersions { model: name }, Ok(Answer::ModelVersions(versions))) => {
                let mut versions = versions.clone();
                versions.retain(|version| !version.properties.is_archived);
                versions
                    .sort_by_key(|version| std::cmp::Reverse((version.name.parse::<u64>().ok(), version.name.clone())));
                model.models.looked_ms = model.now;
                for version in &versions {
                    let before = model.models.versions.get(name).into_iter().flatten();
                    let before = before.filter(|of| of.name == version.name).find_map(conversion);
                    if before.is_some() && before != conversion(version) {
                        // What was read of it is not true any more.
                        model.models.reports.remove(&(name.clone(), version.name.clone()));
                    }
                }
                model.models.versions.insert(name.clone(), versions);
                Self::arrange(model)
            }
            (Call::ModelVersions { model: name }, Err(_)) => {
                model.models.versions.insert(name.clone(), Vec::new());
                Vec::new()
            }
            (Call::Inspect { model: name, version }, outcome) => {
                let report = match outcome {
                    Ok(Answer::Report(report)) => Ok(report.clone()),
                    Ok(_) => return Vec::new(),
                    Err(failure) => Err(failure.message.clone()),
                };
                model.models.reports.insert((name.clone(), version.clone()), report);
                Vec::new()
            }
            (Call::RegisterModel { .. } | Call::ArchiveModel { .. } | Call::InstallSample, Ok(_))
                if *model.nav.here() == Place::Models =>
            {
                Self::ask(model)
            }
            _ => Vec::new(),
        }
    }

    fn copied(&self, model: &Model) -> Option<(String, String)> {
        let (name, version) = version(model)?;
        Some(("the model's reference".into(), format!("azureml:{name}:{version}")))
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}
