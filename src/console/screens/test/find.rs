//! The answer under the cursor: searching, filtering, scrolling; and the lines typed in prompts.

use super::{Face, Pane, State, burst, send, sources, template};
use crate::console::app::event::Effect;
use crate::console::app::model::Model;
use crate::console::overlays::{Overlay, prompt};

/// Asks for a line.
pub fn ask(model: &mut Model, tag: &'static str, title: &str, hint: &str, text: &str) -> Vec<Effect> {
    let state = prompt::State::line(prompt::Purpose::Screen { tag }, title, hint, text);
    model.overlays.push(Overlay::Prompt(state));
    Vec::new()
}

/// Opens the filter of the answer.
pub fn open(model: &mut Model) -> Vec<Effect> {
    let find = model.test.reading.as_ref().map(|reading| reading.find.clone()).unwrap_or_default();
    model.test.before.clone_from(&find);
    model.test.face = Face::Body;
    model.test.pane = Pane::Answer;
    ask(model, "find", "Find in the answer", "names and values; n and N step, & shows the rest as well", &find);
    if let Some(Overlay::Prompt(state)) = model.overlays.last_mut() {
        state.low = true;
    }
    Vec::new()
}

/// To the next or the previous hit.
pub fn step(model: &mut Model, forward: bool) -> Vec<Effect> {
    if let Some(reading) = &mut model.screens.test.reading
        && !reading.step(forward)
    {
        let text = format!("nothing here contains {}", reading.find);
        model.toasts.good(model.now, text);
    }
    Vec::new()
}

/// Only the hits, or the rest as well.
pub fn only(model: &mut Model) -> Vec<Effect> {
    if let Some(reading) = &mut model.screens.test.reading {
        reading.toggle_only();
    }
    Vec::new()
}

/// Moves what the answer's place shows.
pub fn scroll(state: &mut State, by: isize) {
    match (state.face, &mut state.reading, &mut state.comparison) {
        (Face::Diff, _, Some(comparison)) => {
            let last = comparison.report.as_ref().map_or(0, |report| report.differences.len()).saturating_sub(1);
            comparison.cursor = comparison.cursor.saturating_add_signed(by).min(last);
        }
        (Face::Body, Some(reading), _) => reading.go(by),
        _ => {}
    }
}

/// Esc: the filter, then the face, then what is under way, then the level.
pub fn back(model: &mut Model) -> Option<Vec<Effect>> {
    let state = &mut model.screens.test;
    if let Some(reading) = state.reading.as_mut().filter(|reading| !reading.find.is_empty()) {
        reading.set_find("");
        return Some(Vec::new());
    }
    if state.face != Face::Body {
        state.face = Face::Body;
        return Some(Vec::new());
    }
    None
}

/// A line was typed.
pub fn prompted(model: &mut Model, tag: &str, text: &str) -> Vec<Effect> {
    let told = match tag {
        "find" => {
            if let Some(reading) = &mut model.screens.test.reading {
                reading.set_find(text);
            }
            Ok(())
        }
        "repeat" => return send::repeat(model, text),
        "burst" => return burst::start(model, text),
        "source" => return sources::chosen(model, text),
        "route" => template::route(text).map(|(method, path)| {
            model.test.draft.method = method;
            model.test.draft.path = path;
        }),
        "header" => template::header(text).map(|(name, value)| model.test.draft.set_header(name, value)),
        "variable" => template::assignment(text).map(|(name, value)| {
            if value.is_empty() {
                model.test.vars.remove(&name);
            } else {
                model.test.vars.insert(name, value);
            }
        }),
        _ => Ok(()),
    };
    if let Err(why) = told {
        model.toasts.bad(model.now, why);
    }
    Vec::new()
}

/// What the line could become; the answer is filtered while its filter is typed.
pub fn suggested(model: &mut Model, tag: &str, text: &str) -> Vec<String> {
    match tag {
        "find" => {
            if let Some(reading) = &mut model.screens.test.reading {
                reading.set_find(text);
            }
            Vec::new()
        }
        "source" => sources::matching(model, text),
        "route" => sources::routes(model).into_iter().filter(|route| route.contains(text)).collect(),
        "variable" => sources::variables(model).into_iter().filter(|line| line.starts_with(text)).collect(),
        _ => Vec::new(),
    }
}

/// The filter was not wanted after all.
pub fn dropped(model: &mut Model, tag: &str) -> Vec<Effect> {
    let before = std::mem::take(&mut model.test.before);
    if let (true, Some(reading)) = (tag == "find", &mut model.screens.test.reading) {
        reading.set_find(&before);
    }
    Vec::new()
}
