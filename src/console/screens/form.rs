//! Forms: create and edit endpoints and deployments, the same in YAML beside them, and how far the work is.

mod change;
mod choose;
mod deployment;
mod endpoint;
mod field;
mod foreign;
mod kubernetes;
mod look;
mod view;

use std::collections::BTreeSet;

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{self, Action, Danger, Question, Scope};
use crate::console::app::call::{Answer, Call, Failure, Item};
use crate::console::app::event::{Effect, Hit, Mouse};
use crate::console::app::global;
use crate::console::app::model::{Model, Subject};
use crate::console::app::nav::Place;
use crate::console::look::Ui;
use crate::console::overlays::{Overlay, confirm};
use crate::resources::{Deployment, Endpoint, LogLine};

pub use deployment::Known;
pub use field::{Field, Kind};
pub use foreign::{Foreign, nothing_foreign};
pub use look::cannot_check;

/// What the form is about, as the fields describe it.
#[derive(Debug, Clone, PartialEq)]
pub enum Built {
    Endpoint(Box<Endpoint>),
    Deployment(String, Box<Deployment>),
}

/// A form and what has become of it.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub place: Option<Place>,
    pub fields: Vec<Field>,
    /// Sections whose fields are hidden.
    pub folded: BTreeSet<usize>,
    /// Index into [`State::rows`].
    pub cursor: usize,
    /// Something was typed.
    pub touched: bool,
    /// Submitting was tried: every problem is shown from then on.
    pub tried: bool,
    /// What was there before, for an edit.
    endpoint: Option<Endpoint>,
    deployment: Option<Deployment>,
    /// What somebody else did to it meanwhile.
    pub foreign: Option<Foreign>,
    /// Overtaken on the way: submitted again once it is known that the change does not concern the form.
    again: bool,
    /// How often that happened to this submission.
    overtaken: u8,
    /// The endpoint is one of Kubernetes.
    kubernetes: bool,
    pub built: Option<Built>,
    pub yaml: String,
    pub command: String,
    /// Problems that belong to no field.
    pub problems: Vec<String>,
    /// Registered versions: `name:version` → id.
    pub models: Known,
    pub models_known: bool,
    pub environments: Known,
    /// The work, once submitted.
    pub task: Option<u64>,
    pub failure: Option<String>,
    /// The name it was submitted under: it may exist since then, in a failed state.
    asked: Option<String>,
    /// The version it was made from then.
    asked_at: Option<String>,
    /// The last lines of the log of what failed.
    pub log: Vec<LogLine>,
    log_task: Option<u64>,
}

/// A line of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    Heading(usize),
    Field(usize),
}

impl State {
    /// Headings of this form.
    pub fn sections(&self) -> &'static [(&'static str, bool)] {
        match self.place {
            Some(Place::EndpointForm { .. }) => endpoint::SECTIONS,
            _ => deployment::sections(self.kubernetes),
        }
    }

    /// The lines in view.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for section in 0..self.sections().len() {
            rows.push(Row::Heading(section));
            if !self.folded.contains(&section) {
                let of = self.fields.iter().enumerate().filter(|(_, field)| field.section == section);
                rows.extend(of.map(|(at, _)| Row::Field(at)));
            }
        }
        rows
    }

    /// The field that has the keys.
    pub fn focused(&self) -> Option<usize> {
        match self.rows().get(self.cursor) {
            Some(Row::Field(at)) => Some(*at),
            _ => None,
        }
    }

    /// What a field holds.
    pub fn value(&self, id: &str) -> &str {
        self.fields.iter().find(|field| field.id == id).map_or("", Field::value)
    }

    /// What to complain about at a field now.
    pub fn complaint(&self, at: usize) -> Option<&str> {
        let field = self.fields.get(at)?;
        field.problem.as_deref().filter(|_| field.visited || self.tried)
    }

    /// Puts the cursor on a field, opening its section.
    fn go_to(&mut self, at: usize) {
        if let Some(field) = self.fields.get(at) {
            self.folded.remove(&field.section);
        }
        if let Some(row) = self.rows().iter().position(|row| *row == Row::Field(at)) {
            self.cursor = row;
        }
    }

    fn step(&mut self, by: isize) {
        if let Some(at) = self.focused() {
            self.fields[at].visited = true;
        }
        let last = self.rows().len().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
    }
}

/// The screen.
pub struct Form;

/// Submitting waits for the last try, and never goes over what somebody else did.
pub fn cannot_submit(model: &Model) -> Option<String> {
    match &model.form.foreign {
        _ if is_busy(model) => Some("the last try is still under way".into()),
        Some(Foreign::Changed { .. }) => {
            let key = model.keymap.first(actions::row(Action::FormTakeUp));
            Some(format!("somebody else changed it meanwhile: {key} takes that up, what you typed stays"))
        }
        Some(Foreign::Gone) => Some("somebody else deleted it meanwhile".into()),
        None => None,
    }
}

/// Whether the work is under way.
pub fn is_busy(model: &Model) -> bool {
    let task = model.form.task;
    task.is_some_and(|id| model.tasks.all.iter().any(|task| task.id == id && task.is_running()))
}

impl Form {
    fn leave(model: &mut Model) -> Vec<Effect> {
        if model.form.touched && !is_busy(model) {
            let state = confirm::State {
                question: Question {
                    title: "Leave the form?".into(),
                    lines: vec![match &model.form.asked {
                        None => "What was typed here is dropped; nothing was created or changed.".into(),
                        Some(name) => format!("What was typed here is dropped. {name} stays as the last try left it."),
                    }],
                    typed: None,
                },
                yes: false,
                word: "Drop it".into(),
                typed: None,
                then: confirm::Then::Perform(actions::row(Action::FormDiscard)),
                command: None,
                danger: Danger::Change,
            };
            model.overlays.push(Overlay::Confirm(state));
            return Vec::new();
        }
        Self::discard(model)
    }

    /// Leaves; work under way goes on.
    fn discard(model: &mut Model) -> Vec<Effect> {
        model.form.touched = false;
        model.form.place = None;
        model.moved(|nav| {
            nav.back();
            // a form that was left does not come back by going forward
            nav.forward.clear();
        })
    }

    /// Enter: opens a choice, a section, or goes to the next line.
    fn enter(model: &mut Model) -> Vec<Effect> {
        let state = &mut model.screens.form;
        match state.rows().get(state.cursor) {
            Some(Row::Heading(section)) => {
                if !state.folded.remove(section) {
                    state.folded.insert(*section);
                }
                Vec::new()
            }
            Some(Row::Field(at)) if state.fields[*at].kind == Kind::Pick && !state.fields[*at].fixed => {
                let id = state.fields[*at].id;
                choose::open(model, id)
            }
            _ => {
                state.step(1);
                Vec::new()
            }
        }
    }
}

impl Screen for Form {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        vec![Scope::Form]
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        match action {
            Action::FormUp => model.form.step(-1),
            Action::FormDown => model.form.step(1),
            Action::FormFirst => model.form.step(isize::MIN / 2),
            Action::FormLast => model.form.step(isize::MAX / 2),
            Action::FormEnter => return Self::enter(model),
            Action::FormSubmit => {
                model.form.overtaken = 0;
                return change::submit(model);
            }
            Action::FormCheck => return look::ask(model),
            Action::FormLeave => return Self::leave(model),
            Action::FormDiscard => return Self::discard(model),
            Action::FormTakeUp => foreign::take_up(model),
            Action::CopyYaml => {
                let yaml = model.form.yaml.clone();
                return global::copy(model, "the YAML", yaml);
            }
            Action::CopyCommand => {
                let command = model.form.command.clone();
                return global::copy(model, "the command", command);
            }
            _ => {}
        }
        Vec::new()
    }

    /// Always: no letter acts in a form.
    fn typing(&self, _: &Model) -> bool {
        true
    }

    fn key(&self, model: &mut Model, key: KeyEvent) -> Vec<Effect> {
        let Some(at) = model.form.focused() else {
            let fold = match key.code {
                KeyCode::Left => Some(true),
                KeyCode::Right => Some(false),
                KeyCode::Char(' ') => None,
                _ => return Vec::new(),
            };
            let state = &mut model.screens.form;
            if let Some(Row::Heading(section)) = state.rows().get(state.cursor) {
                let folded = state.folded.contains(section);
                if fold.unwrap_or(!folded) {
                    state.folded.insert(*section);
                } else {
                    state.folded.remove(section);
                }
            }
            return Vec::new();
        };
        if model.form.fields[at].key(key) {
            change::changed(model);
        }
        Vec::new()
    }

    fn paste(&self, model: &mut Model, text: &str) -> Vec<Effect> {
        if let Some(at) = model.form.focused()
            && model.form.fields[at].paste(text)
        {
            change::changed(model);
        }
        Vec::new()
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        match mouse {
            Mouse::Press(Hit::Spot(row)) => {
                let again = model.form.cursor == *row as usize;
                let by = *row as isize - model.form.cursor as isize;
                model.form.step(by);
                let heading = matches!(model.form.rows().get(model.form.cursor), Some(Row::Heading(_)));
                let pick = model.form.focused().is_some_and(|at| model.form.fields[at].kind == Kind::Pick);
                if heading || again && pick {
                    return Self::enter(model);
                }
            }
            Mouse::Wheel { down, .. } => model.form.step(if *down { 3 } else { -3 }),
            _ => {}
        }
        Vec::new()
    }

    fn entered(&self, model: &mut Model, place: &Place) -> Vec<Effect> {
        change::entered(model, place)
    }

    fn refreshed(&self, model: &mut Model) -> Vec<Effect> {
        change::refreshed(model)
    }

    fn answered(&self, model: &mut Model, task: u64, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
        match (call, outcome) {
            (Call::CheckDeployment(_), Ok(Answer::Checked(answer))) => look::answered(model, answer),
            (Call::Models, Ok(Answer::Models(models))) => choose::models(model, models),
            (Call::ModelVersions { model: name }, Ok(Answer::ModelVersions(versions))) => {
                choose::versions(model, name, versions);
                Vec::new()
            }
            (Call::Environments, Ok(Answer::Environments(all))) => {
                choose::environments(model, all);
                Vec::new()
            }
            (Call::PutEndpoint { .. } | Call::PutDeployment { .. }, outcome) if model.form.task == Some(task) => {
                change::ended(model, outcome)
            }
            _ => Vec::new(),
        }
    }

    fn piece(&self, model: &mut Model, task: u64, item: &Item) -> Vec<Effect> {
        match item {
            Item::Logs(lines) if model.form.log_task == Some(task) => {
                model.form.log.clone_from(lines);
                model.form.log_task = None;
                vec![Effect::Abort(task)]
            }
            _ => Vec::new(),
        }
    }

    fn prompted(&self, model: &mut Model, tag: &str, text: &str) -> Vec<Effect> {
        choose::chosen(model, tag, text)
    }

    fn suggested(&self, model: &mut Model, tag: &str, text: &str) -> Vec<String> {
        choose::matching(model, tag, text)
    }

    fn subject(&self, model: &Model) -> Subject {
        let state = &model.form;
        let name = state.text_of("name");
        match &state.place {
            Some(Place::EndpointForm { .. }) => Subject { endpoint: name, ..Subject::default() },
            Some(place) => {
                Subject { endpoint: place.endpoint().map(String::from), deployment: name, ..Subject::default() }
            }
            None => Subject::default(),
        }
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}

impl State {
    fn text_of(&self, id: &str) -> Option<String> {
        let value = self.value(id);
        (!value.is_empty()).then(|| value.to_owned())
    }
}

/// Whether a form is on the screen.
fn is_here(model: &Model) -> bool {
    model.form.place.as_ref() == Some(model.nav.here())
}

#[cfg(test)]
mod tests;
