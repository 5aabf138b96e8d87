//! Secrets are fetched when asked for, shown only then, and never part of a recipe.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;

use super::*;
use crate::console::app::event::{Event, Feed};
use crate::console::app::options::{Access, ContextEntry, Settings};
use crate::console::app::saved::Saved;
use crate::console::app::update::update;
use crate::console::screens;

fn opened(access: Access) -> Model {
    let context = ContextEntry { name: "local".into(), kind: "local workspace".into(), access };
    let mut model = Model::new(Settings::default(), context, Saved::default()).unwrap();
    model.now = 1_795_349_200_000;
    model.size = (140, 40);
    let epoch = model.epoch;
    let mut endpoint = Endpoint { name: "restaurants".into(), ..Endpoint::default() };
    endpoint.properties.scoring_uri = Some("https://127.0.0.1:8443/endpoints/restaurants/score".into());
    for feed in [Feed::Connected, Feed::Endpoints(vec![endpoint])] {
        update(&mut model, Event::Feed(epoch, feed));
    }
    model.open(Place::Connect("restaurants".into()));
    model
}

fn press(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    update(model, Event::Key(KeyEvent::from(code)))
}

fn picture(model: &Model) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, 140, 40));
    screens::draw(model, &mut buffer);
    buffer.content().iter().map(|cell| cell.symbol()).collect()
}

fn reply(model: &mut Model, effect: &Effect, answer: Answer) -> Vec<Effect> {
    let Effect::Call { epoch, task, call } = effect.clone() else { panic!("{effect:?}") };
    update(model, Event::Reply { epoch, task, call, outcome: Ok(answer) })
}

fn keys(primary: &str) -> Answer {
    Answer::Keys(EndpointKeys { primary_key: primary.into(), secondary_key: "SECOND".into() })
}

#[test]
fn a_key_is_drawn_only_after_it_was_asked_for_and_for_a_while() {
    let mut model = opened(Access::Open);
    assert!(!picture(&model).contains("FIRST"));
    let effects = press(&mut model, KeyCode::Char('v'));
    reply(&mut model, &effects[0], keys("FIRST"));
    assert!(picture(&model).contains("FIRST"));
    model.now += SHOWN_MS;
    assert!(!picture(&model).contains("FIRST"), "hidden again by itself");
    let epoch = model.epoch;
    update(&mut model, Event::Feed(epoch, Feed::Connected));
    assert!(model.connect.keys.is_none(), "and forgotten");
}

#[test]
fn copying_does_not_show() {
    let mut model = opened(Access::Open);
    press(&mut model, KeyCode::Down);
    let effects = press(&mut model, KeyCode::Enter);
    let effects = reply(&mut model, &effects[0], keys("FIRST"));
    assert_eq!(effects, [Effect::Copy("FIRST".into())]);
    assert!(!picture(&model).contains("FIRST"));
}

#[test]
fn a_new_key_is_asked_about_and_shown_alone() {
    let mut model = opened(Access::Open);
    assert_eq!(press(&mut model, KeyCode::Char('p')), []);
    let effects = press(&mut model, KeyCode::Char('y'));
    let effects = reply(&mut model, &effects[0], Answer::Done);
    let fetch = effects.iter().find(|effect| matches!(effect, Effect::Call { .. })).cloned().unwrap();
    reply(&mut model, &fetch, keys("FRESH"));
    let picture = picture(&model);
    assert!(picture.contains("FRESH") && !picture.contains("SECOND"));
}

#[test]
fn read_only_contexts_make_no_keys() {
    let mut model = opened(Access::ReadOnly);
    assert_eq!(press(&mut model, KeyCode::Char('p')), []);
    assert!(model.overlays.is_empty());
}

#[test]
fn recipes_hold_no_secret() {
    let mut model = opened(Access::Open);
    let effects = press(&mut model, KeyCode::Char('v'));
    reply(&mut model, &effects[0], keys("FIRST"));
    for item in [Item::Shell, Item::Sdk, Item::Curl, Item::Python] {
        let (_, text) = recipes::text(&model, item).unwrap();
        assert!(!text.contains("FIRST") && !text.contains("SECOND"), "{text}");
    }
    assert!(recipes::text(&model, Item::Primary).is_none(), "y copies no key by accident");
}
