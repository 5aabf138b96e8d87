//! Events to changes of the model and effects. No input or output here.

use crossterm::event::{KeyEvent, KeyEventKind};

use super::call::{Answer, Call, Failure, Item};
use super::event::{Effect, Event, Feed, Hit, Mouse};
use super::model::Model;
use super::{global, saved};
use crate::console::actions::{self, Action, Danger, Row, Scope, keymap};
use crate::console::overlays::{self, Overlay, confirm};
use crate::console::screens;

/// From so many endpoints on, deployments are taken in together.
const MANY: usize = 64;

/// Takes in one event.
pub fn update(model: &mut Model, event: Event) -> Vec<Effect> {
    let before = saved::text(model);
    let mut effects = match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => Vec::new(),
        Event::Key(key) => pressed(model, key),
        Event::Paste(text) => pasted(model, &text),
        Event::Mouse(mouse) => moused(model, mouse),
        Event::Resize(width, height) => {
            model.size = (width, height);
            Vec::new()
        }
        Event::Wake if model.unsettled => settle(model),
        Event::Wake => Vec::new(),
        Event::Feed(epoch, feed) if epoch == model.epoch => fed(model, feed),
        Event::Reply { epoch, task, call, outcome } if epoch == model.epoch => replied(model, task, &call, outcome),
        Event::Progress { epoch, task, text, operation } if epoch == model.epoch => {
            if let Some(task) = model.tasks.get_mut(task) {
                task.progress = text;
                task.operation = operation.or(task.operation.take());
            }
            Vec::new()
        }
        Event::Piece { epoch, task, item } if epoch == model.epoch => piece(model, task, item),
        Event::Opened(epoch, outcome) if epoch == model.epoch => {
            model.data.link.opened(model.now, outcome);
            Vec::new()
        }
        Event::Edited { tag, text } => match text {
            Ok(text) => screens::edited(model, tag, text),
            Err(why) => {
                model.toasts.bad(model.now, why);
                Vec::new()
            }
        },
        Event::Recalled(text) => {
            screens::test::recalled(model, &text);
            Vec::new()
        }
        Event::Config(outcome) => global::configured(model, outcome),
        Event::Told { text, bad } => {
            if bad {
                model.toasts.bad(model.now, text)
            } else {
                model.toasts.good(model.now, text)
            }
            Vec::new()
        }
        // of a context that was left
        Event::Feed(..) | Event::Reply { .. } | Event::Progress { .. } | Event::Piece { .. } | Event::Opened(..) => {
            Vec::new()
        }
    };
    model.toasts.tidy(model.now);
    let after = saved::text(model);
    if after != before {
        model.saved = saved::Saved::parse(&after);
        effects.push(Effect::Save(after));
    }
    effects
}

fn pressed(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let typing = model.typing();
    let scopes = model.scopes();
    if let Some(row) = model.keymap.resolve(key, &[Scope::Global])
        && row.action == Action::ForceQuit
    {
        return vec![Effect::Quit];
    }
    let plain = keymap::typed(&key).is_some();
    if !(typing && plain)
        && let Some(row) = model.keymap.resolve(key, &scopes)
    {
        let digit = keymap::typed(&key);
        return dispatch_typed(model, row, digit);
    }
    if model.overlays.is_empty() { screens::key(model, key) } else { overlays::key(model, key) }
}

/// Runs an action as the user asked for it: refused, asked for, or performed.
pub fn dispatch(model: &mut Model, row: &'static Row) -> Vec<Effect> {
    dispatch_typed(model, row, None)
}

fn dispatch_typed(model: &mut Model, row: &'static Row, typed: Option<char>) -> Vec<Effect> {
    if let Some(reason) = actions::refusal(model, row) {
        model.toasts.bad(model.now, format!("{}: {reason}", row.title));
        return Vec::new();
    }
    if actions::danger(model, row) > Danger::Safe && row.write {
        let question = confirm::State::new(model, row);
        model.overlays.push(Overlay::Confirm(question));
        return Vec::new();
    }
    perform(model, row, typed)
}

/// Runs an action without asking.
pub fn perform(model: &mut Model, row: &'static Row, typed: Option<char>) -> Vec<Effect> {
    if row.write && model.context.access.is_read_only() {
        return Vec::new();
    }
    match row.scope {
        Scope::Global => global::perform(model, row.action),
        // in force while text is typed too
        _ if matches!(row.action, Action::Help | Action::Palette) => global::perform(model, row.action),
        Scope::Overlay | Scope::Dialog | Scope::Prompt => overlays::perform(model, row.action),
        Scope::List => global::list(model, row.action),
        Scope::Chart => global::chart(model, row.action),
        scope => screens::perform(model, scope, row.action, typed),
    }
}

/// Text that came in one piece goes where text is being typed, or nowhere.
fn pasted(model: &mut Model, text: &str) -> Vec<Effect> {
    if !model.typing() {
        model.toasts.good(model.now, "pasted text was dropped: nothing is being typed here");
        return Vec::new();
    }
    if model.overlays.is_empty() { screens::paste(model, text) } else { overlays::paste(model, text) }
}

fn moused(model: &mut Model, mouse: Mouse) -> Vec<Effect> {
    if let Mouse::Press(Hit::Footer(id)) = &mouse {
        let row = actions::rows().find(|row| row.id == *id);
        return row.map_or_else(Vec::new, |row| dispatch(model, row));
    }
    if model.overlays.is_empty() { screens::mouse(model, &mouse) } else { overlays::mouse(model, &mouse) }
}

fn fed(model: &mut Model, feed: Feed) -> Vec<Effect> {
    if let Feed::Lost { reason, .. } = &feed
        && model.data.link.is_live()
    {
        model.toasts.bad(model.now, format!("connection lost: {reason}"));
    }
    // The deployments of a thousand endpoints come one by one: what is derived from them is derived once, at the end.
    let later = matches!(feed, Feed::Deployments { .. }) && model.data.endpoints.len() > MANY;
    model.data.feed(feed, model.now);
    model.unsettled = later;
    if later { Vec::new() } else { settle(model) }
}

/// Brings up to date what is derived from the data.
fn settle(model: &mut Model) -> Vec<Effect> {
    model.unsettled = false;
    model.data.settle(model.now);
    screens::refreshed(model)
}

fn replied(model: &mut Model, id: u64, call: &Call, outcome: Result<Answer, Failure>) -> Vec<Effect> {
    let now = model.now;
    let mut title = String::new();
    if let Some(task) = model.tasks.get_mut(id) {
        task.ended_ms = Some(now);
        title.clone_from(&task.title);
        if let Err(failure) = &outcome
            && failure.code != "Aborted"
        {
            task.failure = Some(failure.clone());
        }
    }
    match &outcome {
        Err(failure) if failure.code == "Aborted" && call.is_quiet() => {}
        Err(failure) if failure.code == "Aborted" => model.toasts.good(now, format!("given up: {title}")),
        // the form tells itself what was changed meanwhile, or asks again
        Err(failure) if failure.changed && call.is_edit() => {}
        Err(failure) if !call.is_quiet() => model.toasts.bad(now, failure.message.clone()),
        Ok(Answer::Made { text, .. }) => model.toasts.good(now, text.clone()),
        Ok(_) if !call.is_quiet() && !title.is_empty() => model.toasts.good(now, format!("done: {title}")),
        _ => {}
    }
    let mut effects = screens::answered(model, id, call, outcome);
    if call.is_write() {
        effects.push(Effect::Poll);
    }
    effects
}

fn piece(model: &mut Model, task: u64, item: Item) -> Vec<Effect> {
    screens::piece(model, task, item)
}
