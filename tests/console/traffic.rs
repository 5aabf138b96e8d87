//! Moving traffic: tables of (model, keys) → draft and effects.

use mlconsole::console::app::call::{Answer, Call, Failure};
use mlconsole::console::app::event::{Effect, Event, Feed, Hit, Mouse};
use mlconsole::console::app::model::{Model, weights};
use mlconsole::console::app::nav::Place;
use mlconsole::console::app::update::update;
use mlconsole::resources::{Endpoint, TrafficMap};

use crate::dump;
use crate::fixture::{busy, feed, press, traffic, write};

fn moving() -> Model {
    let mut model = busy(140, 40);
    press(&mut model, "t");
    assert_eq!(*model.nav.here(), Place::Traffic("restaurants".into()));
    model
}

fn draft(model: &Model) -> String {
    weights(&model.traffic.draft.as_ref().unwrap().map())
}

fn screen(model: &Model) -> String {
    dump::glyphs(&dump::draw(model))
}

fn reply(model: &mut Model, effect: &Effect, outcome: Result<Answer, Failure>) -> Vec<Effect> {
    let Effect::Call { epoch, task, call } = effect else { panic!("{effect:?} is no call") };
    update(model, Event::Reply { epoch: *epoch, task: *task, call: call.clone(), outcome })
}

fn changed(map: TrafficMap, etag: &str) -> Endpoint {
    let mut endpoint = Endpoint { name: "restaurants".into(), etag: Some(etag.into()), ..Endpoint::default() };
    endpoint.properties.traffic = map;
    endpoint
}

#[test]
fn keys_move_the_draft_and_the_sum_stays_100() {
    let table: [(&[&str], &str); 9] = [
        (&["left"], "blue=89 green=11"),
        (&["shift-left", "shift-left"], "blue=70 green=30"),
        (&["right"; 20], "blue=100"),
        (&["down", "right"], "blue=89 green=11"),
        (&["w"], "blue=10 green=90"),
        (&["p"], "blue=100"),
        (&["down", "p"], "blue=50 green=50"),
        (&["5", "0", "enter"], "blue=50 green=50"),
        (&["5", "esc"], "blue=90 green=10"),
    ];
    for (keys, expected) in table {
        let mut model = moving();
        for key in keys {
            let effects = press(&mut model, key);
            assert!(effects.is_empty(), "{keys:?} had effects {effects:?}");
        }
        assert_eq!(draft(&model), expected, "{keys:?}");
    }
}

#[test]
fn enter_applies_against_the_version_the_draft_was_drawn_from() {
    let mut model = moving();
    assert!(press(&mut model, "enter").is_empty(), "nothing is moved yet");
    for key in ["w", "enter"] {
        let effects = press(&mut model, key);
        if key == "enter" {
            let expected = Call::SetTraffic {
                endpoint: "restaurants".into(),
                map: traffic(&[("blue", 10), ("green", 90)]),
                mirror: None,
                if_match: Some("7".into()),
            };
            assert_eq!(effects, [Effect::Call { epoch: 1, task: 1, call: Box::new(expected) }]);
        }
    }
}

#[test]
fn the_preview_says_what_will_move() {
    let mut model = moving();
    assert!(screen(&model).contains("Nothing moves"));
    press(&mut model, "w");
    let text = screen(&model);
    assert!(text.contains("req/s move from blue to green."), "{text}");
    assert!(text.contains("green has 2 of 2 instances ready and would run at"), "{text}");
    assert!(text.contains("u afterwards brings blue 90 green 10 back."), "{text}");
    assert!(text.contains("90 → 10 %"), "{text}");
}

#[test]
fn an_applied_draft_becomes_what_is_in_force_and_can_be_undone() {
    let mut model = moving();
    press(&mut model, "w");
    let effects = press(&mut model, "enter");
    let now = changed(traffic(&[("blue", 10), ("green", 90)]), "8");
    reply(&mut model, &effects[0], Ok(Answer::Endpoint(Box::new(now))));
    assert!(!model.traffic.draft.as_ref().unwrap().is_changed());
    let mut journal = crate::fixture::journal();
    let mut entry = journal[0].clone();
    entry.seq = 13;
    entry.from = serde_json::to_value(traffic(&[("blue", 90), ("green", 10)])).unwrap();
    entry.to = serde_json::to_value(traffic(&[("blue", 10), ("green", 90)])).unwrap();
    journal.insert(0, entry);
    feed(&mut model, Feed::Journal(journal));
    let effects = press(&mut model, "u");
    let expected = Call::SetTraffic {
        endpoint: "restaurants".into(),
        map: traffic(&[("blue", 90), ("green", 10)]),
        mirror: None,
        if_match: Some("8".into()),
    };
    assert!(matches!(&effects[..], [Effect::Call { call, .. }] if **call == expected), "{effects:?}");
}

#[test]
fn a_change_by_somebody_else_is_shown_and_never_overwritten() {
    let mut model = moving();
    press(&mut model, "left");
    let mut all: Vec<Endpoint> = model.data.endpoints.values().filter_map(|view| view.resource.clone()).collect();
    for endpoint in &mut all {
        if endpoint.name == "restaurants" {
            *endpoint = changed(traffic(&[("blue", 60), ("green", 40)]), "9");
        }
    }
    feed(&mut model, Feed::Endpoints(all));
    let text = screen(&model);
    assert!(text.contains("Somebody else set blue=60 green=40 meanwhile"), "{text}");
    assert!(press(&mut model, "enter").is_empty(), "nothing is applied over it");
    press(&mut model, "esc");
    assert_eq!(draft(&model), "blue=60 green=40", "Esc takes up what is in force");
}

#[test]
fn a_refusal_by_the_workspace_leaves_the_draft_and_says_so() {
    let mut model = moving();
    press(&mut model, "left");
    let effects = press(&mut model, "enter");
    let failure = Failure { code: "PreconditionFailed".into(), message: "changed".into(), changed: true };
    reply(&mut model, &effects[0], Err(failure));
    assert!(press(&mut model, "enter").is_empty());
    assert!(screen(&model).contains("changed meanwhile"));
}

#[test]
fn weight_is_not_raised_where_nothing_is_ready() {
    let mut endpoints = crate::fixture::standard();
    endpoints[0].1[1].ready = 0;
    let mut model = crate::fixture::fresh(140, 40);
    crate::fixture::fill(&mut model, &endpoints);
    press(&mut model, "t");
    press(&mut model, "left");
    assert!(press(&mut model, "enter").is_empty());
    assert!(screen(&model).contains("green has no ready instance"));
}

#[test]
fn the_history_brings_weights_back_as_a_draft() {
    let mut model = moving();
    for key in ["tab", "down", "enter"] {
        assert!(press(&mut model, key).is_empty());
    }
    assert_eq!(draft(&model), "blue=100");
}

#[test]
fn the_mouse_drags_a_slider() {
    let mut model = moving();
    update(&mut model, Event::Mouse(Mouse::Press(Hit::Slider { index: 1, hundredths: 2_500 })));
    assert_eq!(draft(&model), "blue=75 green=25");
    update(&mut model, Event::Mouse(Mouse::Drag(Hit::Slider { index: 1, hundredths: 4_000 })));
    assert_eq!(draft(&model), "blue=60 green=40");
    update(&mut model, Event::Mouse(Mouse::Drag(Hit::Slider { index: 0, hundredths: 0 })));
    assert_eq!(draft(&model), "blue=60 green=40", "a drag stays on its slider");
}

#[test]
fn pasted_text_neither_acts_nor_submits() {
    let mut model = moving();
    assert!(update(&mut model, Event::Paste("wp\n\nq".into())).is_empty());
    assert_eq!(draft(&model), "blue=90 green=10");
    press(&mut model, "esc");
    press(&mut model, "/");
    update(&mut model, Event::Paste("fraud\nq".into()));
    assert_eq!(model.dashboard.list.filter.text, "fraud");
    assert_eq!(model.overlays.len(), 1, "the prompt is still open");
}

#[test]
fn letters_never_act_while_text_is_typed() {
    let mut model = busy(140, 40);
    press(&mut model, "/");
    assert!(write(&mut model, "qtx?:").iter().all(|effect| matches!(effect, Effect::Save(_))));
    assert_eq!(model.nav.stack.len(), 1);
    assert_eq!(model.overlays.len(), 1);
}

#[test]
fn late_answers_of_a_left_context_are_dropped() {
    let mut model = moving();
    press(&mut model, "left");
    let effects = press(&mut model, "enter");
    model.epoch += 1;
    let now = changed(traffic(&[("blue", 1), ("green", 99)]), "10");
    assert!(reply(&mut model, &effects[0], Ok(Answer::Endpoint(Box::new(now)))).is_empty());
    assert_eq!(model.data.endpoints["restaurants"].traffic(), traffic(&[("blue", 90), ("green", 10)]));
}
