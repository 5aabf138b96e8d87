//! A question before something changes: *cancel* has the focus; what destroys asks for the name.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tui_input::Input;

use crate::console::actions::{self, Danger, Question, Row};
use crate::console::app::event::{Effect, Hit};
use crate::console::app::model::Model;
use crate::console::app::update;
use crate::console::look::{Ui, layout, ui};

/// What happens on yes.
#[derive(Debug, Clone)]
pub enum Then {
    Perform(&'static Row),
    Quit,
}

/// The open question.
#[derive(Debug, Clone)]
pub struct State {
    pub question: Question,
    pub yes: bool,
    /// The word on the button.
    pub word: String,
    /// What has to be typed, and what is.
    pub typed: Option<(String, Input)>,
    pub then: Then,
    pub command: Option<String>,
    pub danger: Danger,
}

impl State {
    /// The question of an action.
    pub fn new(model: &Model, row: &'static Row) -> Self {
        let mut question = (row.asks)(model);
        if question.title.is_empty() {
            question.title = format!("{}?", row.title);
        }
        if model.context.access.is_protected() {
            question.lines.push(format!("{} is protected: every change asks first.", model.context.name));
        }
        Self {
            typed: question.typed.clone().map(|name| (name, Input::default())),
            question,
            yes: false,
            word: "Go ahead".into(),
            then: Then::Perform(row),
            command: actions::command(model, row),
            danger: actions::danger(model, row),
        }
    }

    /// Before a console that serves the workspace itself goes away.
    pub fn quit(serving: usize) -> Self {
        let (what, verb) = if serving == 1 { ("endpoint", "stops") } else { ("endpoints", "stop") };
        Self {
            question: Question {
                title: "Quit?".into(),
                lines: vec![
                    format!("This console serves the workspace: {serving} {what} {verb} answering when it quits."),
                    "`mlconsole serve` keeps them running without a screen; what is stored is kept.".into(),
                ],
                typed: None,
            },
            yes: false,
            word: "Quit".into(),
            typed: None,
            then: Then::Quit,
            command: None,
            danger: Danger::Change,
        }
    }

    /// Whether yes can be pressed.
    fn ready(&self) -> bool {
        self.typed.as_ref().is_none_or(|(name, input)| input.value() == name)
    }

    pub fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        let theme = &model.theme;
        let width = 68.min(area.width.saturating_sub(4));
        let text: Vec<String> =
            self.question.lines.iter().flat_map(|line| ui::wrap(line, width.saturating_sub(4))).collect();
        let command = self.command.as_ref().map(|command| ui::wrap(&format!("$ {command}"), width.saturating_sub(4)));
        let extra =
            command.as_ref().map_or(0, |lines| lines.len() as u16 + 1) + if self.typed.is_some() { 3 } else { 0 };
        let height = text.len() as u16 + extra + 6;
        let inner = ui.float(layout::middle(area, width, height), &self.question.title);
        let mut y = inner.y + 1;
        for line in &text {
            ui.text(inner.x, y, inner.width, line, theme.overlay);
            y += 1;
        }
        if let Some(lines) = command {
            y += 1;
            for line in lines {
                ui.text(inner.x, y, inner.width, &line, theme.dim);
                y += 1;
            }
        }
        if let Some((name, input)) = &self.typed {
            y += 1;
            let x = ui.text(inner.x, y, inner.width, "Type ", theme.dim);
            let x = ui.text(x, y, inner.width, name, theme.strong);
            ui.text(x, y, inner.width, " to go ahead:", theme.dim);
            y += 1;
            let x = ui.text(inner.x, y, 2, "> ", theme.accent);
            super::draw_input(ui, input, x, y, inner.width.saturating_sub(2), true);
            y += 1;
        }
        y += 1;
        let mut x = inner.x;
        for (at, word) in ["Cancel", &self.word].into_iter().enumerate() {
            let focused = (at == 1) == self.yes;
            let label = format!("  {word}  ");
            let style = match (focused, at == 1 && !self.ready()) {
                (_, true) => theme.dim,
                (true, _) if at == 1 && self.danger == Danger::Destructive => theme.bad.patch(theme.selected),
                (true, _) => theme.strong.patch(theme.selected),
                (false, _) => theme.overlay,
            };
            let from = x;
            x = ui.text(x, y, inner.width, if focused { theme.glyphs.cursor } else { " " }, theme.accent);
            x = ui.text(x, y, inner.width, &label, style) + 2;
            ui.hit(Rect { x: from, y, width: x - from, height: 1 }, Hit::Button(at));
        }
    }
}

/// Enter: the focused button.
pub fn accepted(model: &mut Model, state: State) -> Vec<Effect> {
    let typed = state.typed.as_ref().is_some_and(|(name, input)| input.value() == name);
    if !state.yes && !typed {
        return Vec::new();
    }
    if !state.ready() {
        let missing = state.typed.as_ref().map(|(name, _)| name.clone()).unwrap_or_default();
        model.toasts.bad(model.now, format!("type {missing} to go ahead, or cancel"));
        model.overlays.push(super::Overlay::Confirm(state));
        return Vec::new();
    }
    match state.then {
        Then::Perform(row) => update::perform(model, row, None),
        Then::Quit => vec![Effect::Quit],
    }
}

/// `y` and `n` press the buttons where nothing is typed.
pub fn letter(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Some(super::Overlay::Confirm(mut state)) = model.overlays.pop() else { return Vec::new() };
    match key.code {
        KeyCode::Char('y') => {
            state.yes = true;
            accepted(model, state)
        }
        KeyCode::Char('q') if matches!(state.then, Then::Quit) => vec![Effect::Quit],
        KeyCode::Char('n') => Vec::new(),
        _ => {
            model.overlays.push(super::Overlay::Confirm(state));
            Vec::new()
        }
    }
}
