//! What floats above a screen. The uppermost takes all keys.

pub mod confirm;
pub mod details;
pub mod help;
pub mod menu;
pub mod palette;
pub mod prompt;
pub mod tasks;

use crossterm::event::{Event as TermEvent, KeyEvent};
use ratatui::layout::Rect;
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler;

use super::actions::{Action, Scope};
use super::app::event::{Effect, Hit, Mouse};
use super::app::model::Model;
use super::look::Ui;

/// A thing that floats.
#[derive(Debug, Clone)]
pub enum Overlay {
    Help(help::State),
    Palette(palette::State),
    Menu(menu::State),
    Confirm(confirm::State),
    Details(details::State),
    Tasks(tasks::State),
    Prompt(prompt::State),
}

impl Overlay {
    /// Whose keys are in force.
    pub fn scope(&self) -> Scope {
        match self {
            Self::Confirm(_) => Scope::Dialog,
            Self::Prompt(_) => Scope::Prompt,
            _ => Scope::Overlay,
        }
    }

    /// Whether characters are text.
    pub fn typing(&self) -> bool {
        match self {
            Self::Help(_) | Self::Palette(_) | Self::Prompt(_) => true,
            Self::Menu(_) | Self::Details(_) | Self::Tasks(_) => false,
            Self::Confirm(state) => state.typed.is_some(),
        }
    }

    /// The line being typed, if any.
    fn input(&mut self) -> Option<&mut Input> {
        match self {
            Self::Help(state) => Some(&mut state.input),
            Self::Palette(state) => Some(&mut state.input),
            Self::Prompt(state) => Some(&mut state.input),
            Self::Confirm(state) => state.typed.as_mut().map(|(_, input)| input),
            Self::Menu(_) | Self::Details(_) | Self::Tasks(_) => None,
        }
    }

    /// The cursor of its list and how many rows that has.
    fn rows(&mut self) -> Option<(&mut usize, usize)> {
        match self {
            Self::Help(state) => Some((&mut state.top, state.lines)),
            Self::Palette(state) => Some((&mut state.cursor, state.found.len())),
            Self::Menu(state) => Some((&mut state.cursor, state.rows.len())),
            Self::Details(state) => Some((&mut state.top, state.lines.len())),
            Self::Tasks(state) => Some((&mut state.cursor, usize::MAX)),
            Self::Prompt(state) => Some((&mut state.cursor, state.choices.len())),
            Self::Confirm(_) => None,
        }
    }
}

/// Runs an action on the uppermost overlay.
pub fn perform(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Cancel => cancel(model),
        Action::Accept => accept(model),
        Action::OverlayUp => moved(model, -1),
        Action::OverlayDown => moved(model, 1),
        Action::OverlayPageUp => moved(model, -10),
        Action::OverlayPageDown => moved(model, 10),
        Action::Toggle => {
            if let Some(Overlay::Confirm(state)) = model.overlays.last_mut() {
                state.yes = !state.yes;
            }
            Vec::new()
        }
        Action::Complete => {
            match model.overlays.last_mut() {
                Some(Overlay::Palette(state)) => state.complete(),
                Some(Overlay::Prompt(state)) => state.complete(),
                _ => {}
            }
            changed(model)
        }
        Action::CancelTask => tasks::cancel(model),
        _ => Vec::new(),
    }
}

fn moved(model: &mut Model, by: isize) -> Vec<Effect> {
    if let Some((cursor, rows)) = model.overlays.last_mut().and_then(Overlay::rows) {
        *cursor = cursor.saturating_add_signed(by).min(rows.saturating_sub(1));
    }
    Vec::new()
}

fn cancel(model: &mut Model) -> Vec<Effect> {
    match model.overlays.pop() {
        Some(Overlay::Prompt(state)) => prompt::dropped(model, &state),
        _ => Vec::new(),
    }
}

fn accept(model: &mut Model) -> Vec<Effect> {
    let Some(overlay) = model.overlays.pop() else { return Vec::new() };
    match overlay {
        Overlay::Help(_) | Overlay::Details(_) => Vec::new(),
        Overlay::Palette(state) => palette::accepted(model, &state),
        Overlay::Menu(state) => menu::accepted(model, &state),
        Overlay::Confirm(state) => confirm::accepted(model, state),
        Overlay::Tasks(state) => tasks::accepted(model, &state),
        Overlay::Prompt(state) => prompt::accepted(model, state),
    }
}

/// A key no action is bound to: text.
pub fn key(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Some(overlay) = model.overlays.last_mut() else { return Vec::new() };
    if let Overlay::Confirm(state) = overlay
        && state.typed.is_none()
    {
        return confirm::letter(model, key);
    }
    if let Overlay::Menu(state) = overlay {
        let state = state.clone();
        return menu::key(model, &state, key);
    }
    if let Some(input) = overlay.input() {
        input.handle_event(&TermEvent::Key(key));
        return changed(model);
    }
    Vec::new()
}

/// Pasted text: one line of it, never more.
pub fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    let line: String = text.lines().next().unwrap_or("").chars().filter(|c| !c.is_control()).collect();
    if let Some(input) = model.overlays.last_mut().and_then(Overlay::input) {
        for c in line.chars() {
            input.handle(tui_input::InputRequest::InsertChar(c));
        }
    }
    changed(model)
}

/// What is typed changed: search again.
fn changed(model: &mut Model) -> Vec<Effect> {
    match model.overlays.pop() {
        Some(Overlay::Help(mut state)) => {
            state.search(model);
            model.overlays.push(Overlay::Help(state));
        }
        Some(Overlay::Palette(mut state)) => {
            state.search(model);
            model.overlays.push(Overlay::Palette(state));
        }
        Some(Overlay::Prompt(mut state)) => {
            let effects = prompt::typed(model, &mut state);
            model.overlays.push(Overlay::Prompt(state));
            return effects;
        }
        Some(other) => model.overlays.push(other),
        None => {}
    }
    Vec::new()
}

/// The mouse: a click beside what floats closes it.
pub fn mouse(model: &mut Model, mouse: &Mouse) -> Vec<Effect> {
    match mouse {
        Mouse::Press(Hit::OverlayRow(index)) => {
            if let Some((cursor, _)) = model.overlays.last_mut().and_then(Overlay::rows) {
                *cursor = *index;
            }
            accept(model)
        }
        Mouse::Press(Hit::Button(index)) => {
            if let Some(Overlay::Confirm(state)) = model.overlays.last_mut() {
                state.yes = *index == 1;
            }
            accept(model)
        }
        Mouse::Wheel { down, .. } => moved(model, if *down { 3 } else { -3 }),
        _ => Vec::new(),
    }
}

/// Draws one.
pub fn draw(model: &Model, overlay: &Overlay, ui: &mut Ui, area: Rect) {
    match overlay {
        Overlay::Help(state) => state.draw(model, ui, area),
        Overlay::Palette(state) => state.draw(model, ui, area),
        Overlay::Menu(state) => state.draw(model, ui, area),
        Overlay::Confirm(state) => state.draw(model, ui, area),
        Overlay::Details(state) => state.draw(model, ui, area),
        Overlay::Tasks(state) => state.draw(model, ui, area),
        Overlay::Prompt(state) => state.draw(model, ui, area),
    }
}

/// A line of text being typed, with the cursor in it; gives the column after the text.
pub fn draw_input(ui: &mut Ui, input: &Input, x: u16, y: u16, width: u16, focused: bool) -> u16 {
    let scroll = input.visual_scroll(usize::from(width.max(2) - 1));
    let shown: String = input.value().chars().skip(scroll).collect();
    let end = ui.text(x, y, width, &shown, ui.theme.input);
    if focused {
        let at = x + (input.visual_cursor().saturating_sub(scroll) as u16).min(width.saturating_sub(1));
        ui.cursor = Some((at, y).into());
    }
    end
}
