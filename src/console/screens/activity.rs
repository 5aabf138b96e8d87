//! Operations in flight and finished, and the journal of every change.

mod view;

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Question, Scope};
use crate::console::app::call::Call;
use crate::console::app::event::{Effect, Hit, Mouse};
use crate::console::app::list::List;
use crate::console::app::model::{Model, Subject};
use crate::console::app::nav::Place;
use crate::console::look::Ui;
use crate::console::overlays::{Overlay, details};
use crate::console::widgets::table::Column;
use crate::resources::{JournalEntry, Operation};

/// Columns of the operations.
pub const OPERATIONS: [Column; 6] = [
    Column::left("STARTED", 8, 0),
    Column::left("WHAT", 24, 0).grow(2),
    Column::left("STATE", 11, 0),
    Column::left("STEP", 18, 3).grow(2),
    Column::right("TOOK", 8, 2),
    Column::left("WHO", 8, 1),
];

/// Columns of the journal.
pub const JOURNAL: [Column; 6] = [
    Column::left("TIME", 8, 0),
    Column::left("WHO", 8, 1),
    Column::left("WHAT", 19, 0),
    Column::left("WHERE", 14, 0).grow(1),
    Column::left("FROM, TO", 16, 2).grow(3),
    Column::left("OUTCOME", 8, 3),
];

/// Cursors, orders and filters.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub operations: List,
    pub journal: List,
    pub in_journal: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { operations: List::sorted(0, true), journal: List::sorted(0, true), in_journal: false }
    }
}

/// The screen.
pub struct Activity;

/// The operation under the cursor.
pub fn operation(model: &Model) -> Option<&Operation> {
    let name = model.activity.operations.selected()?;
    if model.activity.in_journal { None } else { model.data.operations.iter().find(|operation| operation.name == name) }
}

/// The journal entry under the cursor.
pub fn entry(model: &Model) -> Option<&JournalEntry> {
    let seq: u64 = model.activity.journal.selected()?.parse().ok()?;
    if model.activity.in_journal { model.data.journal.iter().find(|entry| entry.seq == seq) } else { None }
}

/// Endpoint and deployment of an operation: `restaurants/green`.
pub fn target(operation: &Operation) -> String {
    operation
        .properties
        .as_ref()
        .map_or(String::new(), |details| place(&details.endpoint, details.deployment.as_deref()))
}

/// `restaurants/green`, or what of it there is.
pub fn place(endpoint: &str, deployment: Option<&str>) -> String {
    match deployment {
        Some(deployment) if endpoint.is_empty() => deployment.to_owned(),
        Some(deployment) => format!("{endpoint}/{deployment}"),
        None => endpoint.to_owned(),
    }
}

/// Why the operation cannot be cancelled.
pub fn cannot_cancel(model: &Model) -> Option<String> {
    let Some(operation) = operation(model) else { return Some("no operation is selected".into()) };
    if operation.is_terminal() {
        return Some(format!("it has ended: {}", operation.status.to_lowercase()));
    }
    let cancellable = operation.properties.as_ref().is_some_and(|details| details.cancellable);
    (!cancellable).then(|| "this step cannot be stopped half-way; wait for its end".into())
}

/// Cancel the operation?
pub fn ask_cancel(model: &Model) -> Question {
    let Some(operation) = operation(model) else { return Question::default() };
    let verb = operation.properties.as_ref().map_or("operation", |details| details.verb.as_str());
    Question {
        title: format!("Cancel {verb} of {}?", target(operation)),
        lines: vec!["What runs now goes on running as it did before the operation.".into()],
        typed: None,
    }
}

/// Nothing to open.
pub fn nothing_selected(model: &Model) -> Option<String> {
    (operation(model).is_none() && entry(model).is_none()).then(|| "nothing is selected".into())
}

/// Nowhere to go.
pub fn nowhere(model: &Model) -> Option<String> {
    let endpoint = model.subject().endpoint;
    match endpoint {
        None => Some("this is not about an endpoint".into()),
        Some(name) if !model.data.endpoints.contains_key(&name) => Some(format!("endpoint {name} is gone")),
        Some(_) => None,
    }
}

impl Activity {
    fn arrange(model: &mut Model) {
        let data = &model.data;
        let state = &mut model.screens.activity;
        let text = |operation: &Operation| {
            let details = operation.properties.clone().unwrap_or_default();
            format!("{} {} {} {}", details.verb, target(operation), operation.status, details.who)
        };
        let mut operations: Vec<(String, &Operation)> = data.operations.iter().map(|o| (text(o), o)).collect();
        let total = operations.len();
        if !state.operations.filter.is_empty() {
            let found = state.operations.filter.select(operations.iter().map(|(text, _)| text.as_str()));
            operations = found.into_iter().map(|at| operations[at].clone()).collect();
        }
        let sort = state.operations.sort;
        operations.sort_by_cached_key(|(_, operation)| {
            let details = operation.properties.clone().unwrap_or_default();
            let first = match sort {
                1 => format!("{} {}", details.verb, target(operation)),
                2 | 3 => operation.status.clone(),
                5 => details.who,
                _ => String::new(),
            };
            (first, operation.start_time.clone())
        });
        if state.operations.descending {
            operations.reverse();
        }
        state.operations.set(operations.into_iter().map(|(_, operation)| operation.name.clone()).collect(), total);

        let text = |e: &JournalEntry| {
            format!("{} {} {} {}", e.who, e.action, place(&e.endpoint, e.deployment.as_deref()), e.outcome)
        };
        let mut entries: Vec<(String, &JournalEntry)> = data.journal.iter().map(|e| (text(e), e)).collect();
        let total = entries.len();
        if !state.journal.filter.is_empty() {
            let found = state.journal.filter.select(entries.iter().map(|(text, _)| text.as_str()));
            entries = found.into_iter().map(|at| entries[at].clone()).collect();
        }
        let sort = state.journal.sort;
        entries.sort_by_cached_key(|(_, entry)| {
            let first = match sort {
                1 => entry.who.clone(),
                2 => entry.action.clone(),
                3 => place(&entry.endpoint, entry.deployment.as_deref()),
                5 => entry.outcome.clone(),
                _ => String::new(),
            };
            (first, entry.seq)
        });
        if state.journal.descending {
            entries.reverse();
        }
        state.journal.set(entries.into_iter().map(|(_, entry)| entry.seq.to_string()).collect(), total);
    }
}

impl Screen for Activity {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        vec![Scope::Activity, Scope::List]
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        match action {
            Action::Open => {
                let overlay = match (operation(model), entry(model)) {
                    (Some(operation), _) => details::State::text("Operation", &view::operation_text(model, operation)),
                    (_, Some(entry)) => details::State::text("Change", &view::entry_text(model, entry)),
                    _ => return Vec::new(),
                };
                model.overlays.push(Overlay::Details(overlay));
                Vec::new()
            }
            Action::GoThere => match model.subject().endpoint {
                Some(endpoint) => model.open(Place::Endpoint(endpoint)),
                None => Vec::new(),
            },
            Action::CancelOperation => match operation(model).map(|operation| operation.name.clone()) {
                Some(operation) => vec![model.call("cancel the operation", Call::CancelOperation { operation })],
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        match mouse {
            Mouse::Press(Hit::Row { pane, index }) => {
                let state = &mut model.screens.activity;
                state.in_journal = *pane == 1;
                let list = if state.in_journal { &mut state.journal } else { &mut state.operations };
                list.cursor = *index;
            }
            Mouse::Press(Hit::Column { pane, column }) => {
                let state = &mut model.screens.activity;
                let list = if *pane == 1 { &mut state.journal } else { &mut state.operations };
                list.descending = list.sort == *column && !list.descending;
                list.sort = *column;
                Self::arrange(model);
            }
            Mouse::Wheel { down, .. } => {
                let action = if *down { Action::Down } else { Action::Up };
                if let Some(list) = self.list(model) {
                    list.update(action, 1, 0);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn list<'m>(&self, model: &'m mut Model) -> Option<&'m mut List> {
        let state = &mut model.screens.activity;
        Some(if state.in_journal { &mut state.journal } else { &mut state.operations })
    }

    fn columns(&self, model: &Model) -> usize {
        if model.activity.in_journal { JOURNAL.len() } else { OPERATIONS.len() }
    }

    fn resorted(&self, model: &mut Model) -> Vec<Effect> {
        Self::arrange(model);
        Vec::new()
    }

    fn pane(&self, model: &mut Model, _: bool) -> Vec<Effect> {
        model.activity.in_journal = !model.activity.in_journal;
        Vec::new()
    }

    fn entered(&self, model: &mut Model, _: &Place) -> Vec<Effect> {
        Self::arrange(model);
        let running = model.data.operations.iter().any(|operation| !operation.is_terminal());
        model.activity.in_journal = !running && model.activity.in_journal;
        Vec::new()
    }

    fn refreshed(&self, model: &mut Model) -> Vec<Effect> {
        Self::arrange(model);
        Vec::new()
    }

    fn copied(&self, model: &Model) -> Option<(String, String)> {
        operation(model)
            .map(|operation| ("the operation".to_owned(), view::operation_text(model, operation)))
            .or_else(|| entry(model).map(|entry| ("the change".to_owned(), view::entry_text(model, entry))))
    }

    fn subject(&self, model: &Model) -> Subject {
        let (endpoint, deployment) = match (operation(model), entry(model)) {
            (Some(operation), _) => {
                let details = operation.properties.clone().unwrap_or_default();
                (details.endpoint, details.deployment)
            }
            (_, Some(entry)) => (entry.endpoint.clone(), entry.deployment.clone()),
            _ => return Subject::default(),
        };
        Subject { endpoint: (!endpoint.is_empty()).then_some(endpoint), deployment, weights: None }
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}
