//! Moving traffic: a draft beside the truth, applied in one step against the version it was drawn from.

mod draft;
mod view;
mod words;

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Scope};
use crate::console::app::call::{Answer, Call, Failure};
use crate::console::app::event::{Effect, Hit, Mouse};
use crate::console::app::list::List;
use crate::console::app::model::{Model, Subject, weights};
use crate::console::app::nav::Place;
use crate::console::look::Ui;
use crate::resources::{TrafficMap, Weight};

pub use draft::{Draft, undoable};

/// The draft, and what has the focus.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    pub endpoint: String,
    pub draft: Option<Draft>,
    /// Which slider; one past the deployments is mirroring.
    pub cursor: usize,
    /// Digits typed so far.
    pub typed: String,
    /// The history has the focus.
    pub in_history: bool,
    pub history: List,
}

/// The screen.
pub struct Traffic;

fn endpoint(model: &Model) -> Option<&str> {
    model.nav.here().endpoint()
}

fn with<T>(model: &Model, ask: impl FnOnce(&Draft, &State) -> Option<T>) -> Option<T> {
    model.traffic.draft.as_ref().and_then(|draft| ask(draft, &model.traffic))
}

/// Swapping needs two deployments.
pub fn nothing_to_swap(model: &Model) -> Option<String> {
    let two = with(model, |draft, _| (draft.names().len() == 2).then_some(()));
    two.is_none().then(|| "only two deployments can be swapped".into())
}

/// Locking needs a third one to take from.
pub fn cannot_lock(model: &Model) -> Option<String> {
    let more =
        with(model, |draft, state| (draft.names().len() > 2 && state.cursor < draft.names().len()).then_some(()));
    more.is_none().then(|| "needs three deployments, and the cursor on one of them".into())
}

/// Applying needs a change, and deployments that can take it.
pub fn cannot_apply(model: &Model) -> Option<String> {
    let Some(draft) = &model.traffic.draft else { return Some("nothing to move: there is no deployment".into()) };
    if model.traffic.in_history {
        return nothing_to_restore(model);
    }
    if model.tasks.in_flight(|call| matches!(call, Call::SetTraffic { .. })) {
        return Some("the last change is still on its way".into());
    }
    draft.obstacle(model)
}

/// Undoing needs a change in the journal.
pub fn nothing_to_undo(model: &Model) -> Option<String> {
    let name = endpoint(model)?;
    undoable(model, name).is_none().then(|| "no change to undo".into())
}

/// Going back to a change needs one under the cursor.
pub fn nothing_to_restore(model: &Model) -> Option<String> {
    let chosen = model.traffic.in_history && model.traffic.history.selected().is_some();
    (!chosen).then(|| "choose a change in the history first (Tab)".into())
}

impl Traffic {
    fn edit(model: &mut Model, change: impl FnOnce(&mut Draft, usize) -> Result<(), String>) -> Vec<Effect> {
        let cursor = model.traffic.cursor;
        if let Some(draft) = &mut model.screens.traffic.draft
            && let Err(why) = change(draft, cursor)
        {
            model.toasts.bad(model.now, why);
        }
        Vec::new()
    }

    fn apply(model: &mut Model) -> Vec<Effect> {
        if model.traffic.in_history {
            return Self::restore(model);
        }
        let Some(draft) = model.traffic.draft.clone() else { return Vec::new() };
        let mut title = format!("traffic of {}: {}", draft.endpoint, weights(&draft.map()));
        if draft.mirror_changed() {
            title.push_str(&draft.mirror_words());
        }
        vec![model.call(title, draft.call())]
    }

    fn undo(model: &mut Model) -> Vec<Effect> {
        let Some(name) = endpoint(model).map(String::from) else { return Vec::new() };
        let Some(map) = undoable(model, &name) else { return Vec::new() };
        let if_match = model.data.endpoints.get(&name).and_then(|view| view.resource.as_ref()?.etag.clone());
        let title = format!("traffic of {name} back to {}", weights(&map));
        vec![model.call(title, Call::SetTraffic { endpoint: name, map, mirror: None, if_match })]
    }

    /// Drafts the weights of the chosen change.
    fn restore(model: &mut Model) -> Vec<Effect> {
        let seq = model.traffic.history.selected().and_then(|key| key.parse::<u64>().ok());
        let entry = model.data.journal.iter().find(|entry| Some(entry.seq) == seq);
        let map = entry.and_then(|entry| serde_json::from_value::<TrafficMap>(entry.to.clone()).ok());
        if let (Some(map), Some(draft)) = (map, &mut model.screens.traffic.draft) {
            match draft.take(&map) {
                Ok(()) => model.screens.traffic.in_history = false,
                Err(why) => model.toasts.bad(model.now, why),
            }
        }
        Vec::new()
    }

    fn typed(model: &mut Model) -> Vec<Effect> {
        let text = std::mem::take(&mut model.traffic.typed);
        match text.parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => {
                let hundredths = (percent * 100.0).round() as u16;
                Self::edit(model, |draft, at| draft.set(at, hundredths))
            }
            _ => {
                model.toasts.bad(model.now, format!("{text} is no weight: type 0 to 100"));
                Vec::new()
            }
        }
    }

    /// A fresh draft of what is in force.
    fn draw_up(model: &mut Model, keep: bool) {
        let Some(name) = endpoint(model).map(String::from) else { return };
        let Some(view) = model.data.endpoints.get(&name) else { return };
        let state = &mut model.screens.traffic;
        if state.endpoint != name {
            *state = State { endpoint: name.clone(), ..State::default() };
        }
        let known = state.draft.as_ref().is_some_and(|draft| draft.is_of(view));
        let busy = state.draft.as_ref().is_some_and(Draft::is_changed);
        let fresh = view.resource.is_some() && !view.deployments.is_empty();
        let kept = known || (keep && busy);
        if fresh && !kept {
            state.draft = Some(Draft::new(view));
        } else if let Some(draft) = &mut state.draft {
            draft.observe(view);
        }
        let most = state.draft.as_ref().map_or(0, Draft::sliders);
        state.cursor = state.cursor.min(most.saturating_sub(1));
        let keys: Vec<String> = model.data.traffic_changes(&name).map(|entry| entry.seq.to_string()).collect();
        let total = keys.len();
        model.screens.traffic.history.set(keys, total);
    }
}

impl Screen for Traffic {
    fn scopes(&self, model: &Model) -> Vec<Scope> {
        if !model.traffic.typed.is_empty() {
            return vec![Scope::TrafficType];
        }
        vec![Scope::Traffic, Scope::List, Scope::Chart]
    }

    fn update(&self, model: &mut Model, action: Action, typed: Option<char>) -> Vec<Effect> {
        match action {
            Action::WeightDown => Self::edit(model, |draft, at| draft.nudge(at, -100)),
            Action::WeightUp => Self::edit(model, |draft, at| draft.nudge(at, 100)),
            Action::WeightDownFast => Self::edit(model, |draft, at| draft.nudge(at, -1_000)),
            Action::WeightUpFast => Self::edit(model, |draft, at| draft.nudge(at, 1_000)),
            Action::Preset => Self::edit(model, Draft::preset),
            Action::Swap => Self::edit(model, |draft, _| draft.swap()),
            Action::Lock => Self::edit(model, Draft::toggle_lock),
            Action::TypeWeight => {
                model.traffic.in_history = false;
                model.traffic.typed.extend(typed);
                Vec::new()
            }
            Action::Accept => Self::typed(model),
            Action::Cancel => {
                model.traffic.typed.clear();
                Vec::new()
            }
            Action::ApplyTraffic => Self::apply(model),
            Action::UndoTraffic => Self::undo(model),
            Action::RestoreTraffic => Self::restore(model),
            _ => Vec::new(),
        }
    }

    fn typing(&self, model: &Model) -> bool {
        !model.traffic.typed.is_empty()
    }

    fn key(&self, model: &mut Model, key: crossterm::event::KeyEvent) -> Vec<Effect> {
        use crossterm::event::KeyCode;
        match key.code {
            KeyCode::Char(c)
                if self.typing(model) && (c.is_ascii_digit() || c == '.') && model.traffic.typed.len() < 6 =>
            {
                model.traffic.typed.push(c);
            }
            KeyCode::Backspace => {
                model.traffic.typed.pop();
            }
            _ => {}
        }
        Vec::new()
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        match mouse {
            Mouse::Press(Hit::Slider { index, hundredths }) | Mouse::Drag(Hit::Slider { index, hundredths }) => {
                if matches!(mouse, Mouse::Press(_)) {
                    model.traffic.cursor = *index;
                    model.traffic.in_history = false;
                }
                if model.traffic.cursor == *index {
                    let hundredths = *hundredths;
                    return Self::edit(model, |draft, at| draft.set(at, hundredths));
                }
            }
            Mouse::Press(Hit::Row { index, .. }) => {
                model.traffic.in_history = true;
                model.traffic.history.cursor = *index;
            }
            _ => {}
        }
        Vec::new()
    }

    fn list<'m>(&self, model: &'m mut Model) -> Option<&'m mut List> {
        let state = &mut model.screens.traffic;
        state.in_history.then_some(&mut state.history)
    }

    fn pane(&self, model: &mut Model, _: bool) -> Vec<Effect> {
        let empty = model.traffic.history.keys.is_empty();
        model.traffic.in_history = !model.traffic.in_history && !empty;
        Vec::new()
    }

    fn moved(&self, model: &mut Model, action: Action) -> Vec<Effect> {
        let most = model.traffic.draft.as_ref().map_or(0, Draft::sliders);
        let cursor = &mut model.traffic.cursor;
        match action {
            Action::Up => *cursor = cursor.saturating_sub(1),
            Action::Down => *cursor = (*cursor + 1).min(most.saturating_sub(1)),
            _ => {}
        }
        Vec::new()
    }

    fn entered(&self, model: &mut Model, _: &Place) -> Vec<Effect> {
        Self::draw_up(model, true);
        Vec::new()
    }

    fn back(&self, model: &mut Model) -> Option<Vec<Effect>> {
        if model.traffic.in_history {
            model.traffic.in_history = false;
            return Some(Vec::new());
        }
        if model.traffic.draft.as_ref().is_some_and(Draft::is_changed) {
            model.traffic.draft = None;
            Self::draw_up(model, false);
            model.toasts.good(model.now, "draft dropped: nothing was changed");
            return Some(Vec::new());
        }
        None
    }

    fn refreshed(&self, model: &mut Model) -> Vec<Effect> {
        if matches!(model.nav.here(), Place::Traffic(_)) {
            Self::draw_up(model, true);
        }
        Vec::new()
    }

    fn answered(&self, model: &mut Model, _: u64, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
        let Call::SetTraffic { endpoint, .. } = call else { return Vec::new() };
        match outcome {
            Ok(Answer::Endpoint(resource)) => {
                if let Some(view) = model.data.endpoints.get_mut(endpoint) {
                    view.resource = Some((**resource).clone());
                }
                model.traffic.draft = None;
                if matches!(model.nav.here(), Place::Traffic(_)) {
                    Self::draw_up(model, false);
                }
            }
            Err(failure) if failure.changed => {
                if let Some(draft) = &mut model.screens.traffic.draft {
                    draft.overtaken = true;
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn copied(&self, model: &Model) -> Option<(String, String)> {
        let draft = model.traffic.draft.as_ref()?;
        let text = format!("mlconsole traffic set {} {}", draft.endpoint, weights(&draft.map()));
        Some(("the command that sets these weights".into(), text))
    }

    fn subject(&self, model: &Model) -> Subject {
        let draft = model.traffic.draft.as_ref();
        Subject {
            endpoint: endpoint(model).map(String::from),
            deployment: draft.and_then(|draft| draft.names().get(model.traffic.cursor).cloned()),
            weights: draft.map(|draft| weights(&draft.map())),
        }
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}

/// Hundredths of a percent as a weight.
fn weight(hundredths: u16) -> Weight {
    Weight::from_hundredths(hundredths).unwrap_or(Weight::FULL)
}
