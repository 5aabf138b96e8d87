//! `:` — to any screen, endpoint, deployment, action, context or theme, with the rest of the word as a ghost.

use ratatui::layout::Rect;
use tui_input::Input;

use crate::console::actions::{self, Action, Row, Scope};
use crate::console::app::event::{Effect, Hit};
use crate::console::app::global;
use crate::console::app::model::Model;
use crate::console::app::nav::Place;
use crate::console::app::update;
use crate::console::look::theme::{THEMES, ThemeName};
use crate::console::look::{Ui, layout};
use crate::console::widgets::filter::Filter;

/// What a line of the palette leads to.
#[derive(Debug, Clone)]
enum Target {
    Place(Place),
    Act(&'static Row),
    Context(String),
    Theme(ThemeName),
}

#[derive(Debug, Clone)]
struct Entry {
    text: String,
    /// "go", "do", "context", "theme".
    kind: &'static str,
    target: Target,
}

/// What is typed, and what was found for it.
#[derive(Debug, Clone)]
pub struct State {
    pub input: Input,
    pub cursor: usize,
    /// Indices of entries, best first.
    pub found: Vec<usize>,
    entries: Vec<Entry>,
}

impl State {
    /// Everything there is to go to and to do.
    pub fn new(model: &Model) -> Self {
        let mut state = Self { input: Input::default(), cursor: 0, found: Vec::new(), entries: entries(model) };
        state.search(model);
        state
    }

    /// Finds what is typed; what begins with it comes first.
    pub fn search(&mut self, _: &Model) {
        let typed = self.input.value();
        let mut found = Filter::fuzzy(typed).select(self.entries.iter().map(|entry| entry.text.as_str()));
        if !typed.is_empty() {
            let typed = typed.to_lowercase();
            found.sort_by_key(|at| !self.entries[*at].text.to_lowercase().starts_with(&typed));
        }
        self.found = found;
        self.cursor = 0;
    }

    /// Takes the ghost.
    pub fn complete(&mut self) {
        if let Some(entry) = self.found.get(self.cursor).and_then(|at| self.entries.get(*at)) {
            self.input = Input::new(entry.text.clone());
        }
    }

    fn ghost(&self) -> &str {
        let typed = self.input.value();
        let Some(entry) = self.found.get(self.cursor).and_then(|at| self.entries.get(*at)) else { return "" };
        match entry.text.get(..typed.len()) {
            Some(start) if !typed.is_empty() && start.eq_ignore_ascii_case(typed) => &entry.text[typed.len()..],
            _ => "",
        }
    }

    pub fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        let theme = &model.theme;
        let width = 72.min(area.width.saturating_sub(4));
        let height = 16.min(area.height.saturating_sub(2));
        let place = layout::middle(area, width, height);
        let inner = ui.float(Rect { y: area.y + 1, ..place }, "Go to, or do");
        let x = ui.text(inner.x, inner.y, 2, ": ", theme.accent);
        let end = super::draw_input(ui, &self.input, x, inner.y, inner.width.saturating_sub(2), true);
        ui.text(end, inner.y, inner.right().saturating_sub(end), self.ghost(), theme.ghost);
        if self.input.value().is_empty() {
            ui.text(end + 1, inner.y, inner.width, "an endpoint, a screen, an action, a context, a theme", theme.ghost);
        }
        if self.found.is_empty() {
            ui.text(inner.x, inner.y + 2, inner.width, "nothing is called like that", theme.dim);
        }
        let rows = usize::from(inner.height.saturating_sub(2));
        let top = self.cursor.saturating_sub(rows.saturating_sub(1));
        for (y, (index, at)) in (inner.y + 2..inner.bottom()).zip(self.found.iter().enumerate().skip(top)) {
            let entry = &self.entries[*at];
            let line = Rect { x: inner.x - 1, y, width: inner.width + 2, height: 1 };
            ui.text(inner.x, y, 8, entry.kind, theme.dim);
            let mut style = theme.overlay;
            let mut note = String::new();
            if let Target::Act(row) = &entry.target {
                note = model.keymap.first(row);
                if let Some(reason) = actions::refusal(model, row) {
                    (style, note) = (theme.dim, reason);
                }
            }
            let end = ui.text(inner.x + 9, y, inner.width.saturating_sub(9), &entry.text, style);
            ui.right(inner.right(), y, inner.right().saturating_sub(end + 2), &note, theme.dim);
            if index == self.cursor {
                ui.paint(line, theme.selected);
            }
            ui.hit(line, Hit::OverlayRow(index));
        }
    }
}

fn entries(model: &Model) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut go = |text: String, place: Place| all.push(Entry { text, kind: "go", target: Target::Place(place) });
    go("endpoints".into(), Place::Dashboard);
    go("models".into(), Place::Models);
    go("activity".into(), Place::Activity);
    go("workspace".into(), Place::Workspace);
    go("environments".into(), Place::Environments);
    for endpoint in model.data.endpoints.values() {
        let name = &endpoint.name;
        go(name.clone(), Place::Endpoint(name.clone()));
        go(format!("{name} traffic"), Place::Traffic(name.clone()));
        go(format!("{name} test"), Place::Test { endpoint: name.clone(), deployment: None });
        for deployment in endpoint.deployments.keys() {
            let place = Place::Logs { endpoint: name.clone(), deployment: deployment.clone() };
            go(format!("{name} logs {deployment}"), place);
        }
    }
    let mut scopes = crate::console::screens::scopes(model);
    if !scopes.contains(&Scope::Global) {
        // while text is typed their keys are not in force, but they can be named
        scopes.push(Scope::Global);
    }
    for row in actions::rows().filter(|row| row.listed && scopes.contains(&row.scope)) {
        let again = row.action == Action::Help && row.scope != Scope::Global;
        if row.action != Action::Palette && !again {
            all.push(Entry { text: row.title.to_lowercase(), kind: "do", target: Target::Act(row) });
        }
    }
    for context in &model.contexts {
        let target = Target::Context(context.name.clone());
        all.push(Entry { text: format!("context {}", context.name), kind: "switch", target });
    }
    for theme in THEMES {
        all.push(Entry { text: format!("theme {}", theme.word()), kind: "look", target: Target::Theme(theme) });
    }
    all
}

/// Enter: go there, or do it.
pub fn accepted(model: &mut Model, state: &State) -> Vec<Effect> {
    let Some(entry) = state.found.get(state.cursor).and_then(|at| state.entries.get(*at)) else { return Vec::new() };
    match entry.target.clone() {
        Target::Place(place) => model.jump(place),
        Target::Act(row) => update::dispatch(model, row),
        Target::Context(name) => switch(model, &name),
        Target::Theme(theme) => {
            global::set_theme(model, theme);
            Vec::new()
        }
    }
}

/// Leaves the context for another one: nothing of the old one stays on the screen.
pub fn switch(model: &mut Model, name: &str) -> Vec<Effect> {
    let Some(context) = model.contexts.iter().find(|context| context.name == name).cloned() else { return Vec::new() };
    model.epoch += 1;
    model.context = context;
    model.data = Default::default();
    model.data.link = crate::console::data::Link::Opening { since_ms: model.now };
    model.frozen = None;
    model.nav = Default::default();
    model.screens = Default::default();
    crate::console::app::saved::restore(model);
    model.toasts.good(model.now, format!("context: {name}"));
    vec![Effect::Switch { epoch: model.epoch, context: name.into() }]
}
