//! All that the screen knows. One task owns it.

use jiff::tz::TimeZone;

use super::call::Call;
use super::event::Effect;
use super::nav::{Nav, Place};
use super::options::{ContextEntry, Limits, Reach, Settings};
use super::saved::Saved;
use super::tasks::{Tasks, Toasts};
use crate::console::actions::{KeyConflict, Keymap, Scope};
use crate::console::data::Data;
use crate::console::look::theme::Theme;
use crate::console::overlays::Overlay;
use crate::console::screens::{self, States};
use crate::resources::TrafficMap;

/// The window and the reading cursor all charts share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChartView {
    /// Seconds shown; `None` follows what there is: a minute of a young workspace, five of an old one.
    pub chosen: Option<u32>,
    /// Seconds before the right edge at which figures are read.
    pub cursor: Option<u32>,
}

/// Windows of the charts, in seconds.
pub const WINDOWS: [u32; 5] = [60, 120, 300, 600, 900];

/// What the present selection is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subject {
    pub endpoint: Option<String>,
    pub deployment: Option<String>,
    /// `blue=90 green=10`, when weights are at hand.
    pub weights: Option<String>,
}

/// The state of the program.
#[derive(Debug, Clone)]
pub struct Model {
    /// Unix milliseconds, set by the loop before each event.
    pub now: i64,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    pub zone: TimeZone,
    pub settings: Settings,
    /// As the configuration has them: what was chosen here since is in `settings`.
    pub configured: Settings,
    pub limits: Limits,
    pub context: ContextEntry,
    pub contexts: Vec<ContextEntry>,
    /// Counts the contexts that were opened: answers of earlier ones are dropped.
    pub epoch: u64,
    pub owns_workspace: bool,
    pub demo: bool,
    /// Flags by which commands reach the same workspace.
    pub flags: String,
    /// Where the open workspace is; `None` until it is open.
    pub reach: Option<Reach>,
    pub keymap: Keymap,
    pub theme: Theme,
    pub nav: Nav,
    pub overlays: Vec<Overlay>,
    pub data: Data,
    /// Data came whose consequences are drawn at the next [`super::event::Event::Wake`].
    pub unsettled: bool,
    /// The picture at the moment of freezing.
    pub frozen: Option<Box<Data>>,
    pub tasks: Tasks,
    pub toasts: Toasts,
    pub chart: ChartView,
    pub saved: Saved,
    pub screens: States,
}

impl std::ops::Deref for Model {
    type Target = States;
    fn deref(&self) -> &States {
        &self.screens
    }
}

impl std::ops::DerefMut for Model {
    fn deref_mut(&mut self) -> &mut States {
        &mut self.screens
    }
}

impl Model {
    /// A model that knows nothing of its workspace yet.
    ///
    /// # Errors
    /// The configured keys are not keys, or two actions share one.
    pub fn new(settings: Settings, context: ContextEntry, saved: Saved) -> Result<Self, KeyConflict> {
        let keymap = Keymap::new(&settings.keys)?;
        let theme = Theme::new(settings.theme, settings.ascii);
        let mut model = Self {
            now: 0,
            size: (0, 0),
            zone: TimeZone::UTC,
            configured: settings.clone(),
            settings,
            limits: Limits::default(),
            contexts: vec![context.clone()],
            context,
            epoch: 1,
            owns_workspace: false,
            demo: false,
            flags: String::new(),
            reach: None,
            keymap,
            theme,
            nav: Nav::default(),
            overlays: Vec::new(),
            data: Data::default(),
            unsettled: false,
            frozen: None,
            tasks: Tasks::default(),
            toasts: Toasts::default(),
            chart: ChartView::default(),
            saved,
            screens: States::default(),
        };
        super::saved::restore(&mut model);
        Ok(model)
    }

    /// Seconds the charts show.
    pub fn window(&self) -> u32 {
        let data = self.shown();
        let known = data.coverage.count(data.second - 300, data.second) as u32;
        let fitting = WINDOWS.into_iter().find(|window| *window > known + 5).unwrap_or(300).min(300);
        self.chart.chosen.unwrap_or(fitting)
    }

    /// What is drawn: the frozen picture if there is one.
    pub fn shown(&self) -> &Data {
        self.frozen.as_deref().unwrap_or(&self.data)
    }

    /// Takes down a call and asks for it.
    pub fn call(&mut self, title: impl Into<String>, call: Call) -> Effect {
        let task = self.tasks.start(title.into(), call.clone(), self.now);
        Effect::Call { epoch: self.epoch, task, call: Box::new(call) }
    }

    /// Whether characters are text now.
    pub fn typing(&self) -> bool {
        match self.overlays.last() {
            Some(overlay) => overlay.typing(),
            None => screens::typing(self),
        }
    }

    /// Whose keys are in force, the innermost first.
    pub fn scopes(&self) -> Vec<Scope> {
        match self.overlays.last() {
            Some(overlay) => vec![overlay.scope()],
            None => screens::scopes(self),
        }
    }

    /// What the selection is about.
    pub fn subject(&self) -> Subject {
        screens::subject(self)
    }

    /// The local time of day of a moment: `12:04` or, with seconds, `12:04:11`.
    pub fn clock(&self, at_ms: i64, seconds: bool) -> String {
        let Ok(at) = jiff::Timestamp::from_millisecond(at_ms) else { return "–".into() };
        let at = at.to_zoned(self.zone.clone());
        at.strftime(if seconds { "%H:%M:%S" } else { "%H:%M" }).to_string()
    }

    /// The next moment at which the picture changes by itself, in Unix milliseconds.
    pub fn wake_at(&self) -> Option<i64> {
        let toast = self.toasts.0.iter().map(|toast| toast.until_ms).min();
        let link = self.data.link.wake_at(self.now);
        let spinner = self.tasks.running().next().map(|_| self.now + 500);
        let fresh = (self.data.fresh_until > self.now).then_some(self.data.fresh_until);
        [toast, link, spinner, fresh].into_iter().flatten().min()
    }

    /// Opens a place on top of the present one.
    pub fn open(&mut self, place: Place) -> Vec<Effect> {
        self.moved(|nav| nav.push(place))
    }

    /// Jumps to a place from anywhere.
    pub fn jump(&mut self, place: Place) -> Vec<Effect> {
        self.moved(|nav| nav.jump(place))
    }

    /// Changes where we are, and tells the screens that are left and entered.
    pub fn moved(&mut self, change: impl FnOnce(&mut Nav)) -> Vec<Effect> {
        let from = self.nav.here().clone();
        change(&mut self.nav);
        let to = self.nav.here().clone();
        if from == to {
            return Vec::new();
        }
        self.chart.cursor = None;
        let mut effects = screens::left(self, &from);
        effects.extend(screens::entered(self, &to));
        effects
    }
}

/// `blue=90 green=10`.
pub fn weights(map: &TrafficMap) -> String {
    map.iter().map(|(name, weight)| format!("{name}={weight}")).collect::<Vec<_>>().join(" ")
}
