//! A conversion that somebody waits for on the screen of models.

use mlconsole::console::app::call::{Answer, Call};
use mlconsole::console::app::event::{Effect, Event, Feed};
use mlconsole::console::app::model::Model;
use mlconsole::console::app::nav::Place;
use mlconsole::console::app::update::update;
use mlconsole::resources::asset::{CONVERSION, CONVERSION_STEP, CONVERTED, CONVERTING};
use mlconsole::resources::{AssetContainer, ModelReport, ModelVersion};

use crate::dump;
use crate::fixture::{busy, feed, frame, standard};

fn reply(model: &mut Model, effects: &[Effect], wanted: fn(&Call) -> bool, answer: Answer) -> Vec<Effect> {
    let found = effects.iter().find_map(|effect| match effect {
        Effect::Call { epoch, task, call } if wanted(call) => Some((*epoch, *task, call.clone())),
        _ => None,
    });
    let (epoch, task, call) = found.unwrap_or_else(|| panic!("{effects:?}"));
    update(model, Event::Reply { epoch, task, call, outcome: Ok(answer) })
}

fn is_versions(call: &Call) -> bool {
    matches!(call, Call::ModelVersions { .. })
}

fn is_inspect(call: &Call) -> bool {
    matches!(call, Call::Inspect { .. })
}

fn guests(state: &str, step: Option<&str>) -> Answer {
    let mut version = ModelVersion { name: "1".into(), ..ModelVersion::default() };
    let properties = &mut version.properties.properties;
    properties.insert(CONVERSION.into(), state.into());
    properties.extend(step.map(|step| (CONVERSION_STEP.into(), step.into())));
    Answer::ModelVersions(vec![version])
}

#[test]
fn its_steps_are_shown_as_they_pass_and_its_end_makes_the_report_anew() {
    let mut model = busy(140, 40);
    let effects = model.open(Place::Models);
    let guests_model = AssetContainer { name: "guests".into(), ..AssetContainer::default() };
    let effects = reply(&mut model, &effects, |call| matches!(call, Call::Models), Answer::Models(vec![guests_model]));
    let effects = reply(&mut model, &effects, is_versions, guests(CONVERTING, Some("installing 3 of 48 packages")));
    let text = dump::glyphs(&dump::draw(&model));
    assert!(text.contains("to ONNX: installing 3 of 48 packages"), "{text}");
    drop(reply(&mut model, &effects, is_inspect, Answer::Report(Box::default())));

    assert!(!again(&mut model).iter().any(|effect| matches!(effect, Effect::Call { call, .. } if is_versions(call))));
    model.now += 1_500;
    let effects = again(&mut model);
    drop(reply(&mut model, &effects, is_versions, guests(CONVERTING, Some("comparing"))));
    assert!(dump::glyphs(&dump::draw(&model)).contains("to ONNX: comparing"));
    model.now += 1_500;
    let effects = again(&mut model);
    let effects = reply(&mut model, &effects, is_versions, guests(CONVERTED, None));
    assert!(!dump::glyphs(&dump::draw(&model)).contains("to ONNX"));
    let report = ModelReport { runs: CONVERTED.into(), ..ModelReport::default() };
    drop(reply(&mut model, &effects, is_inspect, Answer::Report(Box::new(report))));
    assert!(dump::glyphs(&dump::draw(&model)).contains("native (converted)"));
    model.now += 1_500;
    assert!(again(&mut model).is_empty(), "it is over");
}

/// News of the workspace.
fn again(model: &mut Model) -> Vec<Effect> {
    feed(model, Feed::Frame(Box::new(frame(&standard(), 1))))
}
