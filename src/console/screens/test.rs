//! The request pane: a request, its answer, and what was sent before.

mod answer;
mod burst;
mod draft;
mod find;
mod refuse;
mod send;
mod sources;
mod template;
mod view;
mod words;

use std::collections::BTreeMap;

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Scope};
use crate::console::answer::diff::Tolerance;
use crate::console::answer::history::History;
use crate::console::app::call::{Answer, Call, Failure, Item};
use crate::console::app::event::{EditTag, Effect, Hit, Mouse};
use crate::console::app::list::List;
use crate::console::app::model::{Model, Subject};
use crate::console::app::nav::Place;
use crate::console::look::Ui;
use crate::resources::{RequestSample, live::SampleRequest};

pub use answer::Reading;
pub use burst::Load;
pub use draft::Draft;
pub use refuse::*;
pub use send::{Comparison, Flight, Series};

/// What has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pane {
    #[default]
    Request,
    Answer,
    History,
}

/// What the answer's place shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Face {
    #[default]
    Body,
    Headers,
    Diff,
    Load,
}

/// The request being made, the answers that came, and what was sent before.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub endpoint: String,
    pub draft: Draft,
    /// Requests of other endpoints, as they were left.
    kept: BTreeMap<String, Draft>,
    pub editing: bool,
    pub pane: Pane,
    pub face: Face,
    pub reading: Option<Reading>,
    /// Why the last request got no answer at all.
    pub failure: Option<String>,
    pub flights: Vec<Flight>,
    pub series: Option<Series>,
    pub comparison: Option<Comparison>,
    pub tolerance: Tolerance,
    pub load: Option<Load>,
    pub vars: BTreeMap<String, String>,
    pub counter: u64,
    pub history: History,
    recalled: bool,
    /// Rows of the history: places in it, newest first.
    pub list: List,
    /// What a deployment understands.
    pub sample: Option<SampleRequest>,
    /// Requests that others sent lately, with their bodies where these are recorded.
    pub recent: Vec<RequestSample>,
    /// The filter of the answer before it was opened for typing.
    before: String,
}

/// The requests of earlier runs came.
pub fn recalled(model: &mut Model, text: &str) {
    model.test.history = History::read(text);
    send::refresh(model);
}

/// The screen.
pub struct Test;

/// Deployments of the endpoint, by name.
fn deployments(model: &Model) -> Vec<String> {
    model.data.endpoints.get(&model.test.endpoint).map(super::super::data::EndpointView::names).unwrap_or_default()
}

impl Test {
    fn target(model: &mut Model, target: Option<&str>) -> Vec<Effect> {
        let state = &mut model.screens.test;
        state.draft.target = target.map(String::from);
        Vec::new()
    }

    fn next_target(model: &mut Model) -> Vec<Effect> {
        let names = deployments(model);
        let at = model.test.draft.target.as_ref().and_then(|now| names.iter().position(|name| name == now));
        let next = match at {
            None => names.first(),
            Some(at) => names.get(at + 1),
        };
        Self::target(model, next.map(String::as_str))
    }

    /// Fold, unfold, or take a request out of the history.
    fn fold(model: &mut Model, want: Option<bool>) -> Vec<Effect> {
        if model.test.pane == Pane::History {
            return if want.is_none() { sources::take_back(model) } else { Vec::new() };
        }
        if let (Face::Body, Some(reading)) = (model.test.face, &mut model.screens.test.reading) {
            reading.fold(want);
        }
        Vec::new()
    }

    fn tolerance(model: &mut Model, factor: f64) -> Vec<Effect> {
        let tolerance = &mut model.screens.test.tolerance;
        tolerance.relative = (tolerance.relative * factor).clamp(1e-9, 1.0);
        if let Some(comparison) = &mut model.screens.test.comparison {
            comparison.judge(model.screens.test.tolerance);
        }
        Vec::new()
    }

    /// Another face of the answer's place, or the body again.
    fn face(model: &mut Model, face: Face) -> Vec<Effect> {
        let state = &mut model.screens.test;
        state.face = if state.face == face { Face::Body } else { face };
        Vec::new()
    }
}

impl Screen for Test {
    fn scopes(&self, model: &Model) -> Vec<Scope> {
        if model.test.editing { vec![Scope::TestEdit] } else { vec![Scope::Test, Scope::List] }
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        match action {
            Action::SendTest => send::send(model),
            Action::Resend => send::resend(model),
            Action::CancelTest => send::give_up(model),
            Action::Diff => send::compare(model),
            Action::Repeat => find::ask(model, "repeat", "Send several times", "how often: 2 to 1000", "20"),
            Action::Burst => {
                let hint = "requests per second, seconds, connections: 200 30 16";
                find::ask(model, "burst", "Load", hint, "100 10")
            }
            Action::EditBody => {
                model.test.editing = true;
                model.test.pane = Pane::Request;
                Vec::new()
            }
            Action::StopEditing => {
                model.test.editing = false;
                Vec::new()
            }
            Action::EditorBody => {
                vec![Effect::Edit { tag: EditTag::Body, text: model.test.draft.text(), suffix: ".json" }]
            }
            Action::TargetBlue => Self::target(model, Some("blue")),
            Action::TargetGreen => Self::target(model, Some("green")),
            Action::TargetSplit => Self::target(model, None),
            Action::TargetNext => Self::next_target(model),
            Action::Sources => sources::choose(model),
            Action::Route => sources::choose_route(model),
            Action::Variable => sources::choose_variable(model),
            Action::Header => {
                let hint = "Name: value; an empty value takes it away";
                find::ask(model, "header", "Header", hint, "")
            }
            Action::FormatBody => {
                if let Err(why) = model.test.draft.format() {
                    model.toasts.bad(model.now, format!("the body is no JSON: {why}"));
                }
                Vec::new()
            }
            Action::Fold => Self::fold(model, None),
            Action::FoldIn => Self::fold(model, Some(true)),
            Action::FoldOut => Self::fold(model, Some(false)),
            Action::FoldAll => {
                if let Some(reading) = &mut model.screens.test.reading {
                    reading.fold_all();
                }
                Vec::new()
            }
            Action::FindAnswer => find::open(model),
            Action::FindNext => find::step(model, true),
            Action::FindPrevious => find::step(model, false),
            Action::FindOnly => find::only(model),
            Action::ShowHeaders => Self::face(model, Face::Headers),
            Action::ToleranceUp => Self::tolerance(model, 10.0),
            Action::ToleranceDown => Self::tolerance(model, 0.1),
            Action::CopyCurl => sources::copy_recipe(model, false),
            Action::CopyPython => sources::copy_recipe(model, true),
            _ => Vec::new(),
        }
    }

    fn typing(&self, model: &Model) -> bool {
        model.test.editing
    }

    fn key(&self, model: &mut Model, key: KeyEvent) -> Vec<Effect> {
        if model.test.editing {
            model.test.draft.typed(key);
        }
        Vec::new()
    }

    fn paste(&self, model: &mut Model, text: &str) -> Vec<Effect> {
        if model.test.editing {
            model.test.draft.pasted(text);
        }
        Vec::new()
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        let state = &mut model.screens.test;
        match mouse {
            Mouse::Press(Hit::Row { index, .. }) => {
                state.editing = false;
                state.pane = Pane::History;
                state.list.cursor = *index;
            }
            Mouse::Press(Hit::Spot(0)) => {
                state.pane = Pane::Request;
                state.editing = true;
            }
            Mouse::Press(Hit::Spot(at)) => {
                state.editing = false;
                state.pane = Pane::Answer;
                if let (Face::Body, Some(reading)) = (state.face, &mut state.reading) {
                    let at = *at as usize - 1;
                    let again = reading.cursor == at;
                    reading.cursor = at.min(reading.len().saturating_sub(1));
                    if again {
                        reading.fold(None);
                    }
                }
            }
            Mouse::Wheel { down, .. } if state.pane == Pane::Answer => {
                if let Some(reading) = &mut state.reading {
                    reading.go(if *down { 3 } else { -3 });
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn list<'m>(&self, model: &'m mut Model) -> Option<&'m mut List> {
        let state = &mut model.screens.test;
        (state.pane == Pane::History).then_some(&mut state.list)
    }

    fn pane(&self, model: &mut Model, forward: bool) -> Vec<Effect> {
        let panes = [Pane::Request, Pane::Answer, Pane::History];
        let at = panes.iter().position(|pane| *pane == model.test.pane).unwrap_or(0);
        model.test.pane = panes[(at + if forward { 1 } else { 2 }) % 3];
        Vec::new()
    }

    fn moved(&self, model: &mut Model, action: Action) -> Vec<Effect> {
        let page = super::page(model) as isize;
        let by = match action {
            Action::Up => -1,
            Action::Down => 1,
            Action::PageUp => -page,
            Action::PageDown => page,
            Action::Top => isize::MIN / 2,
            Action::Bottom => isize::MAX / 2,
            _ => return Vec::new(),
        };
        let state = &mut model.screens.test;
        match state.pane {
            Pane::Request => state.draft.scroll(by),
            _ => find::scroll(state, by),
        }
        Vec::new()
    }

    fn entered(&self, model: &mut Model, place: &Place) -> Vec<Effect> {
        sources::entered(model, place)
    }

    fn left(&self, model: &mut Model, _: &Place) -> Vec<Effect> {
        model.test.editing = false;
        Vec::new()
    }

    fn back(&self, model: &mut Model) -> Option<Vec<Effect>> {
        find::back(model)
    }

    fn answered(&self, model: &mut Model, task: u64, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
        match (call, outcome) {
            (Call::Sample { .. }, outcome) => sources::sampled(model, call, outcome),
            (Call::Requests { endpoint, .. }, Ok(Answer::Requests(recent))) if *endpoint == model.test.endpoint => {
                model.test.recent.clone_from(recent);
                Vec::new()
            }
            (Call::Score(score), outcome) => send::answered(model, task, score, outcome),
            (Call::Load(_), outcome) => burst::ended(model, task, outcome),
            _ => Vec::new(),
        }
    }

    fn piece(&self, model: &mut Model, task: u64, item: &Item) -> Vec<Effect> {
        if let Item::Load(progress) = item {
            burst::progressed(model, task, progress);
        }
        Vec::new()
    }

    fn edited(&self, model: &mut Model, tag: EditTag, text: &str) -> Vec<Effect> {
        if tag == EditTag::Body {
            model.test.draft.set_text(text);
            model.test.draft.touched = true;
        }
        Vec::new()
    }

    fn prompted(&self, model: &mut Model, tag: &str, text: &str) -> Vec<Effect> {
        find::prompted(model, tag, text)
    }

    fn suggested(&self, model: &mut Model, tag: &str, text: &str) -> Vec<String> {
        find::suggested(model, tag, text)
    }

    fn dropped(&self, model: &mut Model, tag: &str) -> Vec<Effect> {
        find::dropped(model, tag)
    }

    fn copied(&self, model: &Model) -> Option<(String, String)> {
        if model.test.pane == Pane::Request {
            return Some(("the request body".into(), model.test.draft.text()));
        }
        let reading = model.test.reading.as_ref()?;
        Some(("the answer".into(), reading.text()))
    }

    fn subject(&self, model: &Model) -> Subject {
        let state = &model.test;
        Subject { endpoint: Some(state.endpoint.clone()), deployment: state.draft.target.clone(), weights: None }
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}

#[cfg(test)]
mod tests;
