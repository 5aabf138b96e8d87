//! Logs of a deployment: followed live, paused by scrolling, bounded.

mod buffer;
mod trace;
mod view;

use ratatui::layout::Rect;

use super::Screen;
use crate::console::actions::{Action, Scope};
use crate::console::app::call::{Answer, Call, Failure, Item};
use crate::console::app::event::{Effect, Mouse};
use crate::console::app::list::List;
use crate::console::app::model::{Model, Subject};
use crate::console::app::nav::Place;
use crate::console::look::Ui;
use crate::resources::LogLine;

pub use buffer::{Buffer, Wish};

/// The containers of a deployment, as on Azure.
pub const CONTAINERS: [&str; 2] = ["inference-server", "storage-initializer"];
/// Lines asked for at first.
const TAIL: u32 = 1_000;
/// After a feed that ended, the next attempt.
const AGAIN_MS: i64 = 2_000;

/// Least level of the lines shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    #[default]
    Debug,
    Info,
    Warning,
    Error,
}

impl Level {
    /// Of a line, by its word; unknown words count as information.
    pub fn of(word: &str) -> Self {
        match word.bytes().next().map(|b| b.to_ascii_lowercase()) {
            Some(b'd' | b't') => Self::Debug,
            Some(b'w') => Self::Warning,
            Some(b'e' | b'f' | b'c') => Self::Error,
            _ => Self::Info,
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Debug => Self::Info,
            Self::Info => Self::Warning,
            Self::Warning => Self::Error,
            Self::Error => Self::Debug,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Debug => "all levels",
            Self::Info => "information and worse",
            Self::Warning => "warnings and errors",
            Self::Error => "errors",
        }
    }
}

/// What is followed, and how it is shown.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Endpoint and deployment on the screen.
    pub of: Option<(String, String)>,
    /// Index into [`CONTAINERS`].
    pub container: usize,
    pub task: Option<u64>,
    /// Why the feed ended, and when (Unix milliseconds).
    pub ended: Option<(String, i64)>,
    pub buffer: Buffer,
    /// The lowest line shown; `None` = the newest: following.
    pub at: Option<u64>,
    pub level: Level,
    pub instance: Option<u32>,
    pub wrap: bool,
    pub no_times: bool,
    /// Frames of libraries are shown.
    pub unfolded: bool,
    /// Only its filter is used.
    pub list: List,
}

impl State {
    /// Takes in lines.
    fn push(&mut self, lines: &[LogLine]) {
        let Self { level, instance, unfolded, .. } = *self;
        self.buffer.push(lines, &Wish { level, instance, filter: &self.list.filter, unfolded });
    }

    /// Filter, level, instance or folding changed.
    fn narrow(&mut self) {
        let Self { level, instance, unfolded, .. } = *self;
        self.buffer.narrow(&Wish { level, instance, filter: &self.list.filter, unfolded });
        self.at = self.at.and_then(|at| self.buffer.nearest(at));
    }
}

/// The screen.
pub struct Logs;

impl Logs {
    fn follow(model: &mut Model) -> Vec<Effect> {
        let Some((endpoint, deployment)) = model.logs.of.clone() else { return Vec::new() };
        let container = CONTAINERS[model.logs.container % CONTAINERS.len()].to_owned();
        let title = format!("follow the logs of {deployment}");
        let effect = model.call(title, Call::FollowLogs { endpoint, deployment, container, tail: TAIL });
        if let Effect::Call { task, .. } = &effect {
            model.logs.task = Some(*task);
        }
        model.logs.ended = None;
        vec![effect]
    }

    fn stop(model: &mut Model) -> Vec<Effect> {
        model.logs.task.take().map(Effect::Abort).into_iter().collect()
    }

    /// Another deployment or container: from the beginning.
    fn restart(model: &mut Model) -> Vec<Effect> {
        let mut effects = Self::stop(model);
        model.logs.buffer = Buffer::default();
        model.logs.at = None;
        model.logs.narrow();
        effects.extend(Self::follow(model));
        effects
    }

    fn scroll(model: &mut Model, action: Action) {
        let page = usize::from(model.size.1.saturating_sub(5).max(1));
        let state = &mut model.screens.logs;
        let by = match action {
            Action::Up => -1,
            Action::Down => 1,
            Action::PageUp => -(page as i64),
            Action::PageDown => page as i64,
            Action::Top => i64::MIN,
            _ => i64::MAX,
        };
        state.at = state.buffer.moved(state.at, by, page);
    }
}

/// Nothing to jump to.
pub fn not_paused(model: &Model) -> Option<String> {
    model.logs.at.is_none().then(|| "the newest lines are shown already".into())
}

/// Nothing to fold.
pub fn no_frames(model: &Model) -> Option<String> {
    (!model.logs.buffer.has_frames()).then(|| "no traceback with frames of libraries is here".into())
}

impl Screen for Logs {
    fn scopes(&self, _: &Model) -> Vec<Scope> {
        vec![Scope::Logs, Scope::List]
    }

    fn update(&self, model: &mut Model, action: Action, _: Option<char>) -> Vec<Effect> {
        let state = &mut model.screens.logs;
        match action {
            Action::LogFollow => state.at = None,
            Action::LogContainer => {
                state.container = (state.container + 1) % CONTAINERS.len();
                return Self::restart(model);
            }
            Action::LogLevel => {
                state.level = state.level.next();
                state.narrow();
            }
            Action::LogInstance => {
                let all = state.buffer.instances();
                state.instance = match state.instance {
                    None => all.first().copied(),
                    Some(now) => all.iter().copied().find(|instance| *instance > now),
                };
                state.narrow();
            }
            Action::LogWrap => state.wrap = !state.wrap,
            Action::LogFold => {
                state.unfolded = !state.unfolded;
                state.narrow();
            }
            Action::LogTimes => state.no_times = !state.no_times,
            Action::LogPage => return vec![Effect::Page(state.buffer.text())],
            Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::Top | Action::Bottom => {
                Self::scroll(model, action);
            }
            _ => {}
        }
        Vec::new()
    }

    fn mouse(&self, model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
        if let Mouse::Wheel { down, .. } = mouse {
            for _ in 0..3 {
                Self::scroll(model, if *down { Action::Down } else { Action::Up });
            }
        }
        Vec::new()
    }

    fn list<'m>(&self, model: &'m mut Model) -> Option<&'m mut List> {
        Some(&mut model.screens.logs.list)
    }

    fn resorted(&self, model: &mut Model) -> Vec<Effect> {
        model.screens.logs.narrow();
        Vec::new()
    }

    fn entered(&self, model: &mut Model, place: &Place) -> Vec<Effect> {
        let Place::Logs { endpoint, deployment } = place else { return Vec::new() };
        let of = Some((endpoint.clone(), deployment.clone()));
        if model.logs.of == of && model.logs.task.is_some() {
            return Vec::new();
        }
        if model.logs.of != of {
            let State { wrap, no_times, unfolded, .. } = model.screens.logs;
            model.screens.logs = State { of, wrap, no_times, unfolded, ..State::default() };
        }
        Self::restart(model)
    }

    fn left(&self, model: &mut Model, _: &Place) -> Vec<Effect> {
        Self::stop(model)
    }

    fn refreshed(&self, model: &mut Model) -> Vec<Effect> {
        let here = matches!(model.nav.here(), Place::Logs { .. });
        let waited = model.logs.ended.as_ref().is_some_and(|(_, at)| model.now - at > AGAIN_MS);
        if here && waited && model.data.link.is_live() { Self::follow(model) } else { Vec::new() }
    }

    fn answered(&self, model: &mut Model, task: u64, call: &Call, outcome: &Result<Answer, Failure>) -> Vec<Effect> {
        if matches!(call, Call::FollowLogs { .. }) && model.logs.task == Some(task) {
            let why = match outcome {
                Ok(_) => "the workspace ended the feed".to_owned(),
                Err(failure) => failure.message.clone(),
            };
            model.logs.task = None;
            model.logs.ended = Some((why, model.now));
        }
        Vec::new()
    }

    fn piece(&self, model: &mut Model, task: u64, item: &Item) -> Vec<Effect> {
        let Item::Logs(lines) = item else { return Vec::new() };
        let state = &mut model.screens.logs;
        if state.task == Some(task) {
            state.push(lines);
            // The line that was read may have been dropped at the other end.
            state.at = state.at.and_then(|at| state.buffer.nearest(at));
        }
        Vec::new()
    }

    fn copied(&self, model: &Model) -> Option<(String, String)> {
        let line = model.logs.buffer.line(model.logs.at)?;
        Some(("the lowest line shown".into(), line.text.clone()))
    }

    fn subject(&self, model: &Model) -> Subject {
        let of = model.logs.of.clone();
        Subject { endpoint: of.as_ref().map(|of| of.0.clone()), deployment: of.map(|of| of.1), weights: None }
    }

    fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        view::draw(model, ui, area);
    }
}
