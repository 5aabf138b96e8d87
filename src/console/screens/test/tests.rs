//! The request pane as its user would use it, event by event.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::console::app::call::{Score, Scored};
use crate::console::app::event::{Event, Feed};
use crate::console::app::options::{Access, ContextEntry, Settings};
use crate::console::app::saved::Saved;
use crate::console::app::update::update;
use crate::resources::{Deployment, Endpoint, TrafficMap, Weight};

fn opened(access: Access) -> Model {
    let context = ContextEntry { name: "local".into(), kind: "local workspace".into(), access };
    let mut model = Model::new(Settings::default(), context, Saved::default()).unwrap();
    model.now = 1_795_349_200_000;
    model.size = (140, 40);
    let epoch = model.epoch;
    let endpoint = Endpoint { name: "restaurants".into(), ..Endpoint::default() };
    let named = |name: &str| Deployment { name: name.into(), ..Deployment::default() };
    let deployments = vec![named("blue"), named("green")];
    for feed in [
        Feed::Connected,
        Feed::Endpoints(vec![endpoint]),
        Feed::Deployments { endpoint: "restaurants".into(), deployments },
    ] {
        update(&mut model, Event::Feed(epoch, feed));
    }
    model.jump(Place::Test { endpoint: "restaurants".into(), deployment: None });
    model
}

fn press(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    update(model, Event::Key(KeyEvent::from(code)))
}

fn ctrl(model: &mut Model, c: char) -> Vec<Effect> {
    update(model, Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)))
}

fn write(model: &mut Model, text: &str) -> Vec<Effect> {
    text.chars().flat_map(|c| press(model, KeyCode::Char(c))).collect()
}

fn scores(effects: &[Effect]) -> Vec<(u64, Score)> {
    let score = |effect: &Effect| match effect {
        Effect::Call { task, call, .. } => match &**call {
            Call::Score(score) => Some((*task, (**score).clone())),
            _ => None,
        },
        _ => None,
    };
    effects.iter().filter_map(score).collect()
}

fn answer(model: &mut Model, task: u64, score: Score, status: u16, by: &str, body: &str) -> Vec<Effect> {
    let scored = Scored {
        status,
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        deployment: Some(by.into()),
        total_ms: 1.5,
        ..Scored::default()
    };
    let outcome = Ok(Answer::Score(Box::new(scored)));
    let epoch = model.epoch;
    update(model, Event::Reply { epoch, task, call: Box::new(Call::Score(Box::new(score))), outcome })
}

#[test]
fn nothing_typed_or_pasted_acts() {
    let mut model = opened(Access::Open);
    press(&mut model, KeyCode::Char('i'));
    assert!(model.typing());
    let mut effects = write(&mut model, "qbgad?:/xlrc1234{");
    effects.extend(press(&mut model, KeyCode::Enter));
    effects.extend(update(&mut model, Event::Paste("q\nd\n{\"a\": 1}\n".into())));
    assert_eq!(effects, [], "typing and pasting ask for nothing");
    assert_eq!(model.test.draft.text(), "qbgad?:/xlrc1234{\n  q\nd\n{\"a\": 1}\n");
    assert!(model.test.draft.target.is_none() && model.overlays.is_empty());
    press(&mut model, KeyCode::Esc);
    assert!(!model.typing());
    let effects = update(&mut model, Event::Paste("x".into()));
    assert_eq!(effects, [], "and nothing where nothing is typed");
}

#[test]
fn a_request_is_sent_answered_and_remembered() {
    let mut model = opened(Access::ReadOnly);
    press(&mut model, KeyCode::Char('i'));
    write(&mut model, "[{{counter}}]");
    press(&mut model, KeyCode::Esc);
    press(&mut model, KeyCode::Char('g'));
    let effects = ctrl(&mut model, 's');
    let sent = scores(&effects);
    assert_eq!(sent.len(), 1, "scoring changes nothing: read-only contexts may");
    let (task, score) = sent[0].clone();
    assert_eq!((score.body.as_str(), score.deployment.as_deref()), ("[1]", Some("green")));
    assert_eq!(scores(&ctrl(&mut model, 's')), [], "one at a time");
    let effects = answer(&mut model, task, score, 400, "green", r#"{"error":{"message":"input is missing"}}"#);
    let line = effects.iter().find_map(|effect| match effect {
        Effect::Remember(line) => Some(line.clone()),
        _ => None,
    });
    let line = line.unwrap();
    assert!(
        line.contains("[{{counter}}]") && line.contains("input is missing") && line.contains("\"status\":400"),
        "{line}"
    );
    assert_eq!(model.test.reading.as_ref().map(|reading| reading.scored.status), Some(400));
    let again = scores(&press(&mut model, KeyCode::Char('r')));
    assert_eq!(again[0].1.body, "[2]", "variables are filled in anew");
    let mut later = opened(Access::Open);
    update(&mut later, Event::Recalled(line));
    assert_eq!((later.test.history.len(), later.test.list.keys.len()), (1, 1), "a restart finds it");
    assert_eq!(scores(&press(&mut later, KeyCode::Char('r')))[0].1.body, "[1]");
}

#[test]
fn two_deployments_get_the_same_body_and_differences_are_found() {
    let mut model = opened(Access::Open);
    model.test.draft.set_text("{{uuid}}");
    let sent = scores(&press(&mut model, KeyCode::Char('d')));
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].1.body, sent[1].1.body);
    let to: Vec<_> = sent.iter().filter_map(|(_, score)| score.deployment.clone()).collect();
    assert_eq!(to, ["blue", "green"]);
    for ((task, score), body) in sent.into_iter().zip([r#"{"score":1.0}"#, r#"{"score":1.005}"#]) {
        let by = score.deployment.clone().unwrap();
        answer(&mut model, task, score, 200, &by, body);
    }
    let found = |model: &Model| model.test.comparison.as_ref().and_then(|c| c.report.as_ref()).map(|r| r.found);
    assert_eq!(found(&model), Some(1));
    press(&mut model, KeyCode::Char('+'));
    assert_eq!(found(&model), Some(0), "a hundredth is within the looser tolerance");
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.test.face, Face::Body);
}

#[test]
fn an_unknown_variable_is_named_and_nothing_is_sent() {
    let mut model = opened(Access::Open);
    model.test.draft.set_text("{{who}}");
    assert_eq!(scores(&press(&mut model, KeyCode::Enter)), []);
    assert!(model.toasts.0.iter().any(|toast| toast.bad && toast.text.contains("{{who}}")));
    press(&mut model, KeyCode::Char('v'));
    write(&mut model, "who=me");
    press(&mut model, KeyCode::Enter);
    assert_eq!(scores(&press(&mut model, KeyCode::Enter))[0].1.body, "me");
}

#[test]
fn several_are_sent_one_after_the_other_and_given_up() {
    let mut model = opened(Access::Open);
    let effects = send::repeat(&mut model, "3");
    let (task, score) = scores(&effects)[0].clone();
    let effects = answer(&mut model, task, score, 200, "blue", "[]");
    let (task, score) = scores(&effects)[0].clone();
    let effects = answer(&mut model, task, score, 429, "green", "{}");
    assert_eq!(scores(&effects).len(), 1);
    let series = model.test.series.clone().unwrap();
    assert_eq!((series.done, series.statuses.get(&429), series.by.get("blue")), (2, Some(&1), Some(&1)));
    let given_up = ctrl(&mut model, 'x');
    assert!(matches!(given_up[..], [Effect::Abort(_)]), "{given_up:?}");
}

#[test]
fn each_endpoint_keeps_its_own_request() {
    let mut model = opened(Access::Open);
    model.test.draft.set_text("mine");
    model.jump(Place::Test { endpoint: "other".into(), deployment: None });
    assert_eq!(model.test.draft.text(), "");
    model.jump(Place::Test { endpoint: "restaurants".into(), deployment: Some("green".into()) });
    assert_eq!((model.test.draft.text().as_str(), model.test.draft.target.as_deref()), ("mine", Some("green")));
}

#[test]
fn a_deployment_that_the_split_does_not_reach_is_asked_by_name() {
    let mut model = opened(Access::Open);
    let traffic = TrafficMap::from([("blue".to_owned(), Weight::percent(100))]);
    let mut endpoint = Endpoint { name: "restaurants".into(), ..Endpoint::default() };
    endpoint.properties.traffic = traffic;
    let epoch = model.epoch;
    update(&mut model, Event::Feed(epoch, Feed::Endpoints(vec![endpoint])));
    for (selected, target) in [("blue", None), ("green", Some("green"))] {
        model.jump(Place::Endpoint("restaurants".into()));
        model.endpoint.deployment = Some(selected.into());
        press(&mut model, KeyCode::Char('x'));
        assert_eq!(model.test.draft.target.as_deref(), target);
    }
}

#[test]
fn it_is_drawn_at_any_size_in_every_state() {
    let mut model = opened(Access::Open);
    model.test.draft.set_text("{\"名前\": \"\u{202e}{{uuid}}\", \"n\": [1, -2.5e3, null]}");
    let sent = scores(&press(&mut model, KeyCode::Char('d')));
    for ((task, score), body) in sent.into_iter().zip([r#"{"a":[1,{"b":"x"}]}"#, "no json\n\u{1b}[31m"]) {
        let by = score.deployment.clone().unwrap_or_default();
        answer(&mut model, task, score, 200, &by, body);
    }
    let (task, score) = scores(&press(&mut model, KeyCode::Enter))[0].clone();
    answer(&mut model, task, score, 424, "green", r#"{"deep":{"er":[{"x":[[1,2],[3]]}]}}"#);
    burst::start(&mut model, "10 10");
    for face in [Face::Body, Face::Headers, Face::Diff, Face::Load] {
        for pane in [Pane::Request, Pane::Answer, Pane::History] {
            for (width, height) in
                [(0, 0), (1, 1), (20, 5), (60, 16), (80, 24), (99, 17), (100, 20), (140, 40), (300, 90)]
            {
                model.test.face = face;
                model.test.pane = pane;
                model.size = (width, height);
                let mut buffer = ratatui::buffer::Buffer::empty(Rect::new(0, 0, width, height));
                crate::console::screens::draw(&model, &mut buffer);
            }
        }
    }
}

#[test]
fn unrecorded_bodies_say_so_and_how_to_have_them() {
    let mut model = opened(Access::Open);
    let seen = |body: Option<&str>| RequestSample {
        id: "7f".into(),
        deployment: "blue".into(),
        status: 200,
        request_bytes: 12,
        request_body: body.map(String::from),
        ..RequestSample::default()
    };
    model.test.recent = vec![seen(None)];
    press(&mut model, KeyCode::Char('f'));
    write(&mut model, "recent");
    press(&mut model, KeyCode::Enter);
    let Some(crate::console::overlays::Overlay::Details(how)) = model.overlays.last() else {
        panic!("it is explained")
    };
    assert!(how.lines.iter().any(|line| line == "record_bodies = true"), "{:?}", how.lines);
    press(&mut model, KeyCode::Esc);
    model.test.recent = vec![seen(Some("{\"a\":1}")), seen(None)];
    press(&mut model, KeyCode::Char('f'));
    write(&mut model, "recent");
    press(&mut model, KeyCode::Enter);
    assert!(model.test.draft.text().contains("\"a\": 1") || model.test.draft.text().contains("\"a\":1"));
}
