//! The Python environments of this machine: pictures at three sizes, building, removing, cleaning up.

use std::collections::BTreeMap;

use mlconsole::console::app::call::{Answer, Call, Failure};
use mlconsole::console::app::event::{Effect, Event};
use mlconsole::console::app::model::Model;
use mlconsole::console::app::nav::Place;
use mlconsole::console::app::options::Access;
use mlconsole::console::app::update::update;
use mlconsole::resources::asset::EnvironmentProperties;
use mlconsole::resources::python::{
    BuildRequest, CheckAnswer, CleanRequest, Finding, HeldEnvironment, HeldEnvironments, Verdict,
};
use mlconsole::resources::{EnvironmentVersion, Operation, OperationDetails, Phase};

use crate::dump;
use crate::fixture::{NOW, busy, fill, press, standard, with_access, write};

fn check(name: &str, model: &Model) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("{name}-{}", model.size.0), dump::full(model));
    });
}

fn calls(effects: &[Effect]) -> Vec<Call> {
    let of = |effect: &Effect| match effect {
        Effect::Call { call, .. } => Some((**call).clone()),
        _ => None,
    };
    effects.iter().filter_map(of).collect()
}

fn reply(model: &mut Model, effect: &Effect, outcome: Result<Answer, Failure>) -> Vec<Effect> {
    let Effect::Call { epoch, task, call } = effect.clone() else { panic!("{effect:?}") };
    update(model, Event::Reply { epoch, task, call, outcome })
}

fn held(key: &str, state: &str, name: &str, used_by: &[&str]) -> HeldEnvironment {
    let packages = ["joblib==1.2.0", "numpy==1.22.4", "pandas==1.5.3", "scikit-learn==1.5.2", "scipy==1.10.1"];
    HeldEnvironment {
        key: format!("{key}{}", "0".repeat(32 - key.len())),
        state: state.into(),
        names: vec![name.into()],
        python: "3.10.13".into(),
        packages: packages.map(String::from).to_vec(),
        size_bytes: 341_500_000,
        built_ms: NOW - 7_200_000,
        last_used_ms: NOW - 60_000,
        used_by: used_by.iter().map(|&user| user.to_owned()).collect(),
    }
}

/// Goes there, and answers what is asked.
fn there(mut model: Model, all: Vec<HeldEnvironment>, uv: Option<&str>) -> Model {
    let asked = model.jump(Place::Environments);
    for effect in &asked {
        let Effect::Call { call, .. } = effect else { continue };
        let answer = match **call {
            Call::HeldEnvironments => {
                Answer::Held(Box::new(HeldEnvironments { value: all.clone(), uv: uv.map(String::from) }))
            }
            Call::Environments => {
                let conda_file = Some("name: fraud\ndependencies:\n  - python=3.11\n  - xgboost=2.1\n".into());
                let properties = EnvironmentProperties { conda_file, ..EnvironmentProperties::default() };
                let version = EnvironmentVersion { name: "2".into(), properties, ..EnvironmentVersion::default() };
                Answer::Environments(BTreeMap::from([("fraud-env".to_owned(), vec![version])]))
            }
            _ => continue,
        };
        reply(&mut model, effect, Ok(answer));
    }
    press(&mut model, "home");
    model
}

fn two() -> Vec<HeldEnvironment> {
    vec![held("a1b2c3", "in use", "sklearn-env:3", &["restaurants/blue"]), held("d4e5f6", "ready", "sklearn-1.5", &[])]
}

#[test]
fn pictures() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut model = there(busy(width, height), two(), Some("/usr/bin/uv"));
        check("environments-unbuilt", &model);
        press(&mut model, "down");
        check("environments", &model);
    }
    check("environments-none", &{
        let mut model = there(busy(80, 24), Vec::new(), None);
        model.environments.registered.clear();
        press(&mut model, "s");
        model
    });
}

#[test]
fn building_shows_how_far_it_is_and_is_done_once_at_a_time() {
    let mut model = there(busy(120, 40), two(), Some("/usr/bin/uv"));
    let effects = press(&mut model, "b");
    let request = BuildRequest { environment: Some("fraud-env:2".into()), file: None };
    assert_eq!(calls(&effects), [Call::BuildEnvironment(request)]);
    let Effect::Call { epoch, task, .. } = effects[0] else { panic!("a call") };
    let phase =
        Phase { name: "installing 12 of 48 packages".into(), started_ms: 1, share: Some(0.25), ..Phase::default() };
    let operation = Operation {
        properties: Some(OperationDetails { phases: vec![phase], ..OperationDetails::default() }),
        ..Operation::default()
    };
    update(&mut model, Event::Progress { epoch, task, text: String::new(), operation: Some(Box::new(operation)) });
    check("environments-building", &model);
    assert!(calls(&press(&mut model, "b")).is_empty(), "one is being built");
    let again = reply(&mut model, &effects[0], Ok(Answer::Done));
    assert!(calls(&again).contains(&Call::HeldEnvironments), "the list is read again");
}

#[test]
fn another_one_is_built_by_file_or_by_name() {
    let mut model = there(busy(120, 40), two(), None);
    press(&mut model, "n");
    write(&mut model, "/models/conda.yml");
    let file = Some("/models/conda.yml".into());
    let build = |effects: Vec<Effect>| calls(&effects)[0].clone();
    assert_eq!(build(press(&mut model, "enter")), Call::BuildEnvironment(BuildRequest { file, environment: None }));
    let mut model = there(busy(120, 40), two(), None);
    press(&mut model, "n");
    write(&mut model, "sklearn-1.5");
    let environment = Some("sklearn-1.5".into());
    assert_eq!(build(press(&mut model, "enter")), Call::BuildEnvironment(BuildRequest { environment, file: None }));
}

#[test]
fn what_is_in_use_stays_and_the_rest_goes_after_a_question() {
    let mut model = there(busy(120, 40), two(), None);
    press(&mut model, "end");
    assert_eq!(model.environments.list.selected(), Some(&*held("a1b2c3", "", "", &[]).key));
    press(&mut model, "shift-d");
    assert!(model.overlays.is_empty(), "in use: not even asked");
    press(&mut model, "c");
    check("environments-clean", &model);
    press(&mut model, "tab");
    let effects = press(&mut model, "enter");
    assert_eq!(calls(&effects), [Call::CleanEnvironments(CleanRequest::default())]);
    press(&mut model, "up");
    press(&mut model, "shift-d");
    press(&mut model, "tab");
    let keys = vec![held("d4e5f6", "", "", &[]).key];
    assert_eq!(calls(&press(&mut model, "enter")), [Call::CleanEnvironments(CleanRequest { keys, unused_for_s: 0 })]);
}

#[test]
fn nothing_is_built_in_a_read_only_context() {
    let mut model = with_access(80, 24, Access::ReadOnly);
    fill(&mut model, &standard());
    let mut model = there(model, two(), None);
    for key in ["b", "n", "shift-d", "c", "i"] {
        assert!(calls(&press(&mut model, key)).is_empty() && model.overlays.is_empty(), "{key}");
    }
}

#[test]
fn a_deployment_is_looked_at_before_it_is_made() {
    let mut model = busy(120, 40);
    let place = Place::DeploymentForm { endpoint: "restaurants".into(), name: None, model: None };
    let _ = model.open(place);
    let asked = press(&mut model, "ctrl-t");
    let [Call::CheckDeployment(request)] = &calls(&asked)[..] else { panic!("{asked:?}") };
    assert!(request.name.starts_with("restaurants/") && request.instance_count == 1, "{request:?}");
    let finding = |verdict, subject: &str, text: &str| Finding::new(verdict, subject, text);
    let findings = vec![
        finding(Verdict::Good, "script", "score.py has init() and run()"),
        finding(Verdict::Failure, "packages", "six==99.0 does not exist. Ask for one that does"),
        finding(Verdict::NotChecked, "memory", "not checked: nobody knows"),
    ];
    reply(&mut model, &asked[0], Ok(Answer::Checked(Box::new(CheckAnswer { findings }))));
    check("form-checked", &model);
}
