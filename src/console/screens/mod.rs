//! A file a screen: its state, its update, its draw.
//!
//! A screen is a unit struct that implements [`Screen`] and a `State` in [`States`]. To add an action: a row in
//! `actions/` and an arm in `update`. Draw reads only; whatever the picture needs must be in the model.

pub mod activity;
pub mod ask;
pub mod connect;
pub mod dashboard;
mod draw;
pub mod endpoint;
pub mod environments;
/// Pictures and words several screens share.
pub mod figures;
pub mod form;
pub mod logs;
pub mod models;
pub mod test;
pub mod traffic;
pub mod welcome;
pub mod workspace;

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::actions::{Action, Scope};
use super::app::call::{Answer, Call, Failure, Item};
use super::app::event::{EditTag, Effect, Hit, Mouse};
use super::app::list::List;
use super::app::model::{Model, Subject};
use super::app::nav::Place;
use super::look::Ui;

pub use draw::{Drawn, draw};

/// What a screen does. Everything but `scopes`, `update` and `draw` has a default.
pub trait Screen: Sync {
    /// Whose keys are in force, the innermost first, without `Global`.
    fn scopes(&self, model: &Model) -> Vec<Scope>;

    /// Runs an action of the screen's scopes. `typed` is the character of the key that asked for it.
    fn update(&self, model: &mut Model, action: Action, typed: Option<char>) -> Vec<Effect>;

    /// Draws into `area`: the screen without title and footer.
    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect);

    /// Whether characters are text now: then keys that write a character never act.
    fn typing(&self, _: &Model) -> bool {
        false
    }

    /// A key no action is bound to (or any character while typing).
    fn key(&self, _: &mut Model, _: KeyEvent) -> Vec<Effect> {
        Vec::new()
    }

    /// Text pasted while typing.
    fn paste(&self, _: &mut Model, _: &str) -> Vec<Effect> {
        Vec::new()
    }

    /// The mouse, already translated to what lies under it.
    fn mouse(&self, _: &mut Model, _: &Mouse) -> Vec<Effect> {
        Vec::new()
    }

    /// The list that has the focus.
    fn list<'m>(&self, _: &'m mut Model) -> Option<&'m mut List> {
        None
    }

    /// Columns of that list by which it can be sorted.
    fn columns(&self, _: &Model) -> usize {
        0
    }

    /// Whether that list can be filtered.
    fn filterable(&self, model: &Model) -> bool {
        self.columns(model) > 0
    }

    /// Sort or filter changed: put the rows in order again.
    fn resorted(&self, _: &mut Model) -> Vec<Effect> {
        Vec::new()
    }

    /// The cursor of a list moved.
    fn selected(&self, _: &mut Model) -> Vec<Effect> {
        Vec::new()
    }

    /// Tab: to the next or the previous pane.
    fn pane(&self, _: &mut Model, _forward: bool) -> Vec<Effect> {
        Vec::new()
    }

    /// Up, down and the like while no list has the focus.
    fn moved(&self, _: &mut Model, _: Action) -> Vec<Effect> {
        Vec::new()
    }

    /// The user came here.
    fn entered(&self, _: &mut Model, _: &Place) -> Vec<Effect> {
        Vec::new()
    }

    /// The user went elsewhere.
    fn left(&self, _: &mut Model, _: &Place) -> Vec<Effect> {
        Vec::new()
    }

    /// Esc: something of the screen to close first? `None` goes one level back.
    fn back(&self, _: &mut Model) -> Option<Vec<Effect>> {
        None
    }

    /// News of the workspace came. Called on every screen.
    fn refreshed(&self, _: &mut Model) -> Vec<Effect> {
        Vec::new()
    }

    /// A call ended. Called on every screen; take what is yours.
    fn answered(&self, _: &mut Model, _task: u64, _: &Call, _: &Result<Answer, Failure>) -> Vec<Effect> {
        Vec::new()
    }

    /// A piece of an answer came. Called on every screen.
    fn piece(&self, _: &mut Model, _task: u64, _: &Item) -> Vec<Effect> {
        Vec::new()
    }

    /// Text came back from the editor.
    fn edited(&self, _: &mut Model, _: EditTag, _text: &str) -> Vec<Effect> {
        Vec::new()
    }

    /// A line was typed in a prompt the screen opened with this tag.
    fn prompted(&self, _: &mut Model, _tag: &str, _text: &str) -> Vec<Effect> {
        Vec::new()
    }

    /// What a line typed in such a prompt could be completed to; called with every change.
    fn suggested(&self, _: &mut Model, _tag: &str, text: &str) -> Vec<String> {
        welcome::complete(text)
    }

    /// Such a prompt was closed without an answer.
    fn dropped(&self, _: &mut Model, _tag: &str) -> Vec<Effect> {
        Vec::new()
    }

    /// What `y` copies: what it is called, and the text.
    fn copied(&self, _: &Model) -> Option<(String, String)> {
        None
    }

    /// What the selection is about.
    fn subject(&self, model: &Model) -> Subject {
        Subject { endpoint: model.nav.here().endpoint().map(String::from), ..Subject::default() }
    }
}

/// The state of every screen.
#[derive(Debug, Clone, Default)]
pub struct States {
    pub dashboard: dashboard::State,
    pub endpoint: endpoint::State,
    pub traffic: traffic::State,
    pub welcome: welcome::State,
    pub logs: logs::State,
    pub activity: activity::State,
    pub models: models::State,
    pub environments: environments::State,
    pub workspace: workspace::State,
    pub test: test::State,
    pub connect: connect::State,
    pub form: form::State,
}

/// All screens.
static ALL: [&dyn Screen; 12] = [
    &dashboard::Dashboard,
    &endpoint::EndpointScreen,
    &traffic::Traffic,
    &welcome::Welcome,
    &logs::Logs,
    &activity::Activity,
    &models::Models,
    &environments::Environments,
    &workspace::WorkspaceScreen,
    &test::Test,
    &connect::Connect,
    &form::Form,
];

/// The screen of a place.
fn screen(model: &Model) -> &'static dyn Screen {
    screen_of(model, model.nav.here())
}

fn screen_of(model: &Model, place: &Place) -> &'static dyn Screen {
    match place {
        Place::Dashboard if welcome::applies(model) => &welcome::Welcome,
        Place::Dashboard => &dashboard::Dashboard,
        Place::Endpoint(_) => &endpoint::EndpointScreen,
        Place::Traffic(_) => &traffic::Traffic,
        Place::Logs { .. } => &logs::Logs,
        Place::Activity => &activity::Activity,
        Place::Models => &models::Models,
        Place::Environments => &environments::Environments,
        Place::Workspace => &workspace::WorkspaceScreen,
        Place::Test { .. } => &test::Test,
        Place::Connect(_) => &connect::Connect,
        Place::EndpointForm { .. } | Place::DeploymentForm { .. } => &form::Form,
    }
}

/// Whether characters are text now.
pub fn typing(model: &Model) -> bool {
    screen(model).typing(model)
}

/// Whose keys are in force, the innermost first. While text is typed only the screen's own.
pub fn scopes(model: &Model) -> Vec<Scope> {
    let mut scopes = screen(model).scopes(model);
    if !typing(model) {
        scopes.push(Scope::Global);
    }
    scopes
}

/// Runs an action of a screen.
pub fn perform(model: &mut Model, _: Scope, action: Action, typed: Option<char>) -> Vec<Effect> {
    screen(model).update(model, action, typed)
}

/// A key no action is bound to.
pub fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    screen(model).key(model, key)
}

/// Pasted text.
pub fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    screen(model).paste(model, text)
}

/// The mouse.
pub fn mouse(model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
    if let Mouse::Press(Hit::Chart { ago }) = mouse {
        model.chart.cursor = Some(*ago);
        return Vec::new();
    }
    screen(model).mouse(model, mouse)
}

/// The list that has the focus.
pub fn list(model: &mut Model) -> Option<&mut List> {
    screen(model).list(model)
}

/// Rows a page has, give or take.
pub fn page(model: &Model) -> usize {
    usize::from(model.size.1.saturating_sub(6).max(1) / 2)
}

/// Columns by which the focused list can be sorted.
pub fn columns(model: &Model) -> usize {
    screen(model).columns(model)
}

/// Why the focused list cannot be filtered.
pub fn no_filter(model: &Model) -> Option<String> {
    (!screen(model).filterable(model)).then(|| "there is no list to filter here".into())
}

/// Why the focused list cannot be sorted.
pub fn no_order(model: &Model) -> Option<String> {
    (columns(model) == 0).then(|| "there is no list to sort here".into())
}

/// Sort or filter changed.
pub fn resorted(model: &mut Model) -> Vec<Effect> {
    screen(model).resorted(model)
}

/// The cursor of a list moved.
pub fn selected(model: &mut Model) -> Vec<Effect> {
    screen(model).selected(model)
}

/// Tab.
pub fn pane(model: &mut Model, forward: bool) -> Vec<Effect> {
    screen(model).pane(model, forward)
}

/// Up, down and the like while no list has the focus.
pub fn moved(model: &mut Model, action: Action) -> Vec<Effect> {
    screen(model).moved(model, action)
}

/// The user came to a place.
pub fn entered(model: &mut Model, place: &Place) -> Vec<Effect> {
    screen_of(model, place).entered(model, place)
}

/// The user left a place.
pub fn left(model: &mut Model, place: &Place) -> Vec<Effect> {
    screen_of(model, place).left(model, place)
}

/// Esc within the screen.
pub fn back(model: &mut Model) -> Option<Vec<Effect>> {
    screen(model).back(model)
}

/// News of the workspace came.
pub fn refreshed(model: &mut Model) -> Vec<Effect> {
    ALL.iter().flat_map(|screen| screen.refreshed(model)).collect()
}

/// A call ended.
pub fn answered(model: &mut Model, task: u64, call: &Call, outcome: Result<Answer, Failure>) -> Vec<Effect> {
    ALL.iter().flat_map(|screen| screen.answered(model, task, call, &outcome)).collect()
}

/// A piece of an answer came.
pub fn piece(model: &mut Model, task: u64, item: Item) -> Vec<Effect> {
    ALL.iter().flat_map(|screen| screen.piece(model, task, &item)).collect()
}

/// Text came back from the editor.
pub fn edited(model: &mut Model, tag: EditTag, text: String) -> Vec<Effect> {
    screen(model).edited(model, tag, &text)
}

/// A line was typed in a prompt of the screen.
pub fn prompted(model: &mut Model, tag: &str, text: &str) -> Vec<Effect> {
    screen(model).prompted(model, tag, text)
}

/// What a line typed in such a prompt could be completed to.
pub fn suggested(model: &mut Model, tag: &str, text: &str) -> Vec<String> {
    screen(model).suggested(model, tag, text)
}

/// Such a prompt was closed without an answer.
pub fn dropped(model: &mut Model, tag: &str) -> Vec<Effect> {
    screen(model).dropped(model, tag)
}

/// What `y` copies.
pub fn copied(model: &Model) -> Option<(String, String)> {
    screen(model).copied(model)
}

/// What the selection is about.
pub fn subject(model: &Model) -> Subject {
    screen(model).subject(model)
}
