//! Actions that are in force everywhere, and those of every list and chart.

use super::event::Effect;
use super::model::{Model, WINDOWS};
use super::nav::Place;
use super::options::Settings;
use crate::console::actions::{Action, Keymap};
use crate::console::look::theme::{Theme, ThemeName};
use crate::console::overlays::{Overlay, details, help, menu, palette, prompt, tasks};
use crate::console::screens;

/// Runs a global action.
pub fn perform(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::ForceQuit => return vec![Effect::Quit],
        Action::Quit => return quit(model),
        Action::Back => return back(model),
        Action::Forward => {
            return model.moved(|nav| {
                nav.forward();
            });
        }
        Action::Help => model.overlays.push(Overlay::Help(help::State::new(model))),
        Action::Palette => model.overlays.push(Overlay::Palette(palette::State::new(model))),
        Action::Menu => model.overlays.push(Overlay::Menu(menu::State::new(model, false))),
        Action::ShowCommand => model.overlays.push(Overlay::Menu(menu::State::new(model, true))),
        Action::Tasks => model.overlays.push(Overlay::Tasks(tasks::State::default())),
        Action::Details => model.overlays.extend(details::State::of_last_failure(model).map(Overlay::Details)),
        Action::GoDashboard => return model.jump(Place::Dashboard),
        Action::GoModels => return model.jump(Place::Models),
        Action::GoActivity => return model.jump(Place::Activity),
        Action::GoWorkspace => return model.jump(Place::Workspace),
        Action::Copy => {
            if let Some((what, text)) = screens::copied(model) {
                return copy(model, &what, text);
            }
        }
        Action::Refresh => {
            model.toasts.good(model.now, "asking the workspace again");
            let mut effects = vec![Effect::Poll];
            let here = model.nav.here().clone();
            effects.extend(screens::entered(model, &here));
            return effects;
        }
        Action::NextTheme => {
            let theme = model.settings.theme.next();
            set_theme(model, theme);
            model.toasts.setting(model.now, "theme", theme.word());
        }
        Action::ToggleMouse => {
            model.settings.mouse = !model.settings.mouse;
            let state = if model.settings.mouse { "on" } else { "off, the terminal selects text again" };
            model.toasts.setting(model.now, "mouse", state);
            return vec![Effect::Mouse(model.settings.mouse)];
        }
        Action::ReloadConfig => return vec![Effect::ReadConfig],
        Action::Redraw => return vec![Effect::Redraw],
        Action::Suspend => return vec![Effect::Suspend],
        _ => {}
    }
    Vec::new()
}

/// Puts text on the clipboard and says so.
pub fn copy(model: &mut Model, what: &str, text: String) -> Vec<Effect> {
    model.toasts.good(model.now, format!("copied {what}"));
    vec![Effect::Copy(text)]
}

/// Takes another theme.
pub fn set_theme(model: &mut Model, theme: crate::console::look::theme::ThemeName) {
    model.settings.theme = theme;
    model.theme = Theme::new(theme, model.settings.ascii);
}

/// Why there is nothing to copy.
pub fn nothing_to_copy(model: &Model) -> Option<String> {
    screens::copied(model).is_none().then(|| "nothing is selected".into())
}

fn quit(model: &mut Model) -> Vec<Effect> {
    let serving = model.data.endpoints.values().filter(|endpoint| endpoint.is_serving()).count();
    if model.owns_workspace && !model.demo && serving > 0 {
        let state = crate::console::overlays::confirm::State::quit(serving);
        model.overlays.push(Overlay::Confirm(state));
        return Vec::new();
    }
    vec![Effect::Quit]
}

fn back(model: &mut Model) -> Vec<Effect> {
    if let Some(effects) = screens::back(model) {
        return effects;
    }
    if let Some(list) = screens::list(model)
        && !list.filter.text.is_empty()
    {
        list.filter = Default::default();
        return screens::resorted(model);
    }
    if model.chart.cursor.take().is_some() {
        return Vec::new();
    }
    let mut moved = false;
    let effects = model.moved(|nav| moved = nav.back());
    if !moved {
        let quit = crate::console::actions::row(Action::Quit);
        let key = model.keymap.first(quit);
        model.toasts.good(model.now, format!("this is the top level; {key} quits"));
    }
    effects
}

/// Runs an action of lists on the list that has the focus.
pub fn list(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::NextPane | Action::PreviousPane => return screens::pane(model, action == Action::NextPane),
        Action::Filter => {
            if let Some(list) = screens::list(model) {
                let text = list.filter.text.clone();
                model.overlays.push(Overlay::Prompt(prompt::State::filter(&text)));
            }
            return Vec::new();
        }
        _ => {}
    }
    let (page, columns) = (screens::page(model), screens::columns(model));
    let Some(list) = screens::list(model) else { return screens::moved(model, action) };
    let order = (list.sort, list.descending, list.filter.text.clone());
    list.update(action, page, columns);
    let resorted = order != (list.sort, list.descending, list.filter.text.clone());
    let mut effects = if resorted { screens::resorted(model) } else { Vec::new() };
    effects.extend(screens::selected(model));
    effects
}

/// Runs an action of charts.
pub fn chart(model: &mut Model, action: Action) -> Vec<Effect> {
    let at = WINDOWS.iter().position(|window| *window >= model.window()).unwrap_or(WINDOWS.len() - 1);
    let step = (model.window() / 60).max(1);
    match action {
        Action::Freeze => match model.frozen.take() {
            Some(_) => model.toasts.good(model.now, "live again"),
            None => {
                model.frozen = Some(Box::new(model.data.clone()));
                model.toasts.good(model.now, "frozen: the picture stands still, the workspace does not");
            }
        },
        Action::ZoomIn => model.chart.chosen = Some(WINDOWS[at.saturating_sub(1)]),
        Action::ZoomOut => model.chart.chosen = Some(WINDOWS[(at + 1).min(WINDOWS.len() - 1)]),
        Action::CursorLeft => {
            let ago = model.chart.cursor.map_or(0, |ago| ago + step);
            model.chart.cursor = Some(ago.min(model.window().saturating_sub(1)));
        }
        Action::CursorRight => model.chart.cursor = model.chart.cursor.and_then(|ago| ago.checked_sub(step)),
        Action::CursorOff => model.chart.cursor = None,
        _ => {}
    }
    Vec::new()
}

/// Takes up a configuration that was read again.
pub fn configured(model: &mut Model, outcome: Result<Settings, String>) -> Vec<Effect> {
    let mut settings = match outcome {
        Ok(settings) => settings,
        Err(why) => {
            model.toasts.bad(model.now, why);
            return Vec::new();
        }
    };
    match Keymap::new(&settings.keys) {
        Ok(keymap) => model.keymap = keymap,
        Err(conflict) => {
            model.toasts.bad(model.now, conflict.to_string());
            return Vec::new();
        }
    }
    // what was chosen here stays, unless the file has something new to say about it
    let before = std::mem::replace(&mut model.configured, settings.clone());
    if settings.theme == before.theme {
        settings.theme = model.settings.theme;
    }
    if settings.mouse == before.mouse {
        settings.mouse = model.settings.mouse;
    }
    if model.limits.colourless {
        settings.theme = ThemeName::Mono;
    }
    settings.ascii |= model.limits.plain;
    model.theme = Theme::new(settings.theme, settings.ascii);
    let mouse = settings.mouse;
    model.settings = settings;
    model.toasts.good(model.now, "configuration read again");
    vec![Effect::Mouse(mouse), Effect::Redraw]
}
