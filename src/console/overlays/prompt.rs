//! A line of text being typed: a filter, a path, a name.

use ratatui::layout::Rect;
use tui_input::Input;

use crate::console::app::event::{Effect, Hit};
use crate::console::app::model::Model;
use crate::console::look::{Ui, layout};
use crate::console::screens;
use crate::console::widgets::filter::Filter;

/// What the line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Filters the focused list as it is typed; `before` comes back on Esc.
    Filter { before: String },
    /// A model file to serve.
    ServeFile,
    /// A YAML file to create from.
    ApplyYaml,
    /// Anything else: the screen is told, with this tag.
    Screen { tag: &'static str },
}

/// The line.
#[derive(Debug, Clone)]
pub struct State {
    pub purpose: Purpose,
    pub title: String,
    pub hint: String,
    pub input: Input,
    /// What it could be completed to.
    pub choices: Vec<String>,
    pub cursor: usize,
    /// Enter takes the choice under the cursor instead of what is typed.
    pub pick: bool,
    /// One line above the footer, so that the screen stays in view.
    pub low: bool,
}

impl State {
    /// The filter of the focused list.
    pub fn filter(text: &str) -> Self {
        Self {
            purpose: Purpose::Filter { before: text.into() },
            title: "Filter".into(),
            hint: "fuzzy; ~ regular expression; ! all but these".into(),
            input: Input::new(text.into()),
            choices: Vec::new(),
            cursor: 0,
            pick: false,
            low: true,
        }
    }

    /// A line for a path or a name.
    pub fn line(purpose: Purpose, title: &str, hint: &str, text: &str) -> Self {
        Self {
            purpose,
            title: title.into(),
            hint: hint.into(),
            input: Input::new(text.into()),
            choices: Vec::new(),
            cursor: 0,
            pick: false,
            low: false,
        }
    }

    /// A choice among what a screen offers, narrowed by typing.
    pub fn choose(tag: &'static str, title: &str, hint: &str, choices: Vec<String>) -> Self {
        Self { choices, pick: true, ..Self::line(Purpose::Screen { tag }, title, hint, "") }
    }

    /// Takes the chosen completion.
    pub fn complete(&mut self) {
        if let Some(choice) = self.choices.get(self.cursor) {
            self.input = Input::new(choice.clone());
        }
    }

    pub fn draw(&self, model: &Model, ui: &mut Ui, area: Rect) {
        let theme = &model.theme;
        if self.low {
            // one line above the footer: what is filtered stays in view
            let y = area.bottom().saturating_sub(2);
            ui.wipe(Rect { y, height: 1, ..area }, theme.overlay);
            let x = ui.text(area.x + 1, y, 2, "/ ", theme.accent);
            let end = super::draw_input(ui, &self.input, x, y, area.width.saturating_sub(20), true);
            let filters = matches!(self.purpose, Purpose::Filter { .. });
            let filter = filters.then(|| Filter::new(self.input.value()));
            let (note, style) = match filter.as_ref().and_then(Filter::error) {
                Some(error) => (error.to_string(), theme.bad),
                None => (self.hint.clone(), theme.dim),
            };
            ui.right(area.right() - 1, y, area.right().saturating_sub(end + 3), &note, style);
            return;
        }
        let shown = self.choices.len().min(8) as u16;
        let width = 76.min(area.width.saturating_sub(4));
        let inner = ui.float(layout::middle(area, width, 6 + shown), &self.title);
        ui.text(inner.x, inner.y, inner.width, &self.hint, theme.dim);
        let x = ui.text(inner.x, inner.y + 2, 2, "> ", theme.accent);
        super::draw_input(ui, &self.input, x, inner.y + 2, inner.width.saturating_sub(2), true);
        let top = self.cursor.saturating_sub(7);
        for (y, (index, choice)) in (inner.y + 3..inner.bottom()).zip(self.choices.iter().enumerate().skip(top)) {
            let line = Rect { x: inner.x, y, width: inner.width, height: 1 };
            ui.text(inner.x + 2, y, inner.width.saturating_sub(2), choice, theme.dim);
            if index == self.cursor {
                ui.paint(line, theme.selected);
            }
            ui.hit(line, Hit::OverlayRow(index));
        }
    }
}

/// Something was typed.
pub fn typed(model: &mut Model, state: &mut State) -> Vec<Effect> {
    if let Purpose::Filter { .. } = state.purpose {
        if let Some(list) = screens::list(model) {
            list.filter = Filter::new(state.input.value());
        }
        return screens::resorted(model);
    }
    state.cursor = 0;
    match state.purpose {
        Purpose::Screen { tag } => state.choices = screens::suggested(model, tag, state.input.value()),
        _ => state.choices = screens::welcome::complete(state.input.value()),
    }
    Vec::new()
}

/// Enter.
pub fn accepted(model: &mut Model, state: State) -> Vec<Effect> {
    let typed = state.input.value().trim();
    let text = match state.choices.get(state.cursor) {
        Some(choice) if state.pick => choice.clone(),
        _ => typed.to_string(),
    };
    match state.purpose {
        Purpose::Filter { .. } => Vec::new(),
        Purpose::ServeFile => screens::welcome::serve(model, &text),
        Purpose::ApplyYaml => screens::welcome::apply(model, &text),
        Purpose::Screen { tag } => screens::prompted(model, tag, &text),
    }
}

/// Esc: the filter is as it was.
pub fn dropped(model: &mut Model, state: &State) -> Vec<Effect> {
    let before = match &state.purpose {
        Purpose::Filter { before } => before,
        Purpose::Screen { tag } => return screens::dropped(model, tag),
        Purpose::ServeFile | Purpose::ApplyYaml => return Vec::new(),
    };
    if let Some(list) = screens::list(model) {
        list.filter = Filter::new(before);
    }
    screens::resorted(model)
}
