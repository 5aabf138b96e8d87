//! The workspace itself: addresses, process, instances, disk, environments; and the contexts to change to.

mod view;

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Scope};
use crate::console::app::call::{Answer, Call, Failure};
use crate::console::app::event::{Effect, Hit, Mouse};
use crate::console::app::list::List;
use crate::console::app::model::Model;
use crate::console::app::nav::Place;
use crate::console::data::Disk;
use crate::console::look::Ui;
use crate::console::overlays::palette;
use crate::resources::live::WorkspaceInfo;

/// How often the figures are asked for while they are on the screen.
const EVERY_MS: i64 = 2_000;

/// What is known of the workspace, and since when.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub info: Option<Box<WorkspaceInfo>>,
    pub at_ms: i64,
    pub failure: Option<String>,
    /// Contexts, by name.
    pub list: List,
}

/// The screen.
pub struct WorkspaceScreen;

impl WorkspaceScreen {
    fn arrange(model: &mut Model) {
        let names: Vec<String> = model.contexts.iter().map(|context| context.name.clone()).collect();
        let list = &mut model.screens.workspace.list;
        let mut found = list.filter.select(names.iter().map(String::as_str));
        found.sort_unstable();
        let keys = found.into_iter().map(|at| names[at].clone()).collect();
        list.set(keys, names.len());
    }

    fn ask(model: &mut Model) -> Vec<Effect> {
        if model.tasks.in_flight(|call| matches!(call, Call::Info)) || !model.data.link.is_live() {
            return Vec::new();
        }
        model.workspace.at_ms = model.now;
        vec![model.call("read the workspace", Call::Info)]
    }
}

/// Why the context cannot be changed to.
pub fn cannot_switch(model: &Model) -> Option<String> {
    match model.workspace.list.selected() {
        None => Some("there is no other context; config.toml can name more".into()),
        Some(name) if name == model.context.name => Some(format!("{name} is in use already")),
        Some(_) => None,
    }
}

impl Screen for WorkspaceScreen {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        vec![Scope::Workspace, Scope::List]
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        match (action, model.workspace.list.selected().map(String::from)) {
            (Action::SwitchContext, Some(name)) => palette::switch(model, &name),
            (Action::OpenEnvironments, _) => model.open(Place::Environments),
            _ => Vec::new(),
        }
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        if let Mouse::Press(Hit::Row { index, .. }) = mouse {
            model.workspace.list.cursor = *index;
        }
        Vec::new()
    }

    fn list<'m>(&self, model: &'m mut Model) -> Option<&'m mut List> {
        Some(&mut model.screens.workspace.list)
    }

    fn resorted(&self, model: &mut Model) -> Vec<Effect> {
        Self::arrange(model);
        Vec::new()
    }

    fn entered(&self, model: &mut Model, _: &Place) -> Vec<Effect> {
        Self::arrange(model);
        Self::ask(model)
    }

    fn refreshed(&self, model: &mut Model) -> Vec<Effect> {
        let here = *model.nav.here() == Place::Workspace;
        if here && model.now - model.workspace.at_ms >= EVERY_MS { Self::ask(model) } else { Vec::new() }
    }

    fn answered(&self, model: &mut Model, _: u64, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
        if matches!(call, Call::Info) {
            match outcome {
                Ok(Answer::Info(info)) => {
                    model.data.disk = Disk::of(info);
                    model.workspace.info = Some(info.clone());
                    model.workspace.failure = None;
                }
                Ok(_) => {}
                Err(failure) => model.workspace.failure = Some(failure.message.clone()),
            }
        }
        Vec::new()
    }

    fn copied(&self, model: &Model) -> Option<(String, String)> {
        let info = model.workspace.info.as_ref()?;
        Some(("the data folder".into(), info.data_dir.clone()))
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}
