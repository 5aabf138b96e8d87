//! Snapshots of the request pane, the forms and how to connect: glyphs and styles, at three sizes.

use bytes::Bytes;
use mlconsole::console::app::call::{Answer, Call, Failure, Scored};
use mlconsole::console::app::event::{Effect, Event, Feed};
use mlconsole::console::app::global::set_theme;
use mlconsole::console::app::model::Model;
use mlconsole::console::app::nav::Place;
use mlconsole::console::look::theme::ThemeName;
use mlconsole::console::screens;
use mlconsole::resources::live::SampleRequest;
use mlconsole::resources::{Deployment, Endpoint, EndpointKeys, ModelVersion, Signature, Sku, TensorSpec};

use crate::dump;
use crate::fixture::{busy, feed, press, write};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];
const BODY: &str = r#"{"input_data":{"columns":["user","last_restaurant","hour"],"data":[[1042,17,19]]}}"#;
const BLUE: &str = r#"[{"restaurant":4,"score":0.843},{"restaurant":88,"score":0.861}]"#;
const GREEN: &str = r#"[{"restaurant":17,"score":0.912},{"restaurant":88,"score":0.861}]"#;

fn check(name: &str, model: &Model) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("{name}-{}", model.size.0), dump::full(model));
    });
}

fn reply(model: &mut Model, effect: &Effect, outcome: Result<Answer, Failure>) -> Vec<Effect> {
    let Effect::Call { epoch, task, call } = effect.clone() else { panic!("{effect:?}") };
    update(model, Event::Reply { epoch, task, call, outcome })
}

fn update(model: &mut Model, event: Event) -> Vec<Effect> {
    mlconsole::console::app::update::update(model, event)
}

/// Answers every request among the effects.
fn answer(model: &mut Model, effects: &[Effect], status: u16, bodies: [&str; 2]) {
    for effect in effects {
        let Effect::Call { call, .. } = effect else { continue };
        let Call::Score(score) = &**call else { continue };
        let green = score.deployment.as_deref() == Some("green");
        let scored = Scored {
            status,
            headers: vec![("content-type".into(), "application/json".into()), ("x-ms-request-id".into(), "7f".into())],
            body: Bytes::copy_from_slice(bodies[usize::from(green)].as_bytes()),
            total_ms: 1.31,
            queue_ms: Some(0.02),
            model_ms: Some(0.19),
            deployment: Some(if green { "green" } else { "blue" }.into()),
            generation: Some(4),
            request_id: Some("7f".into()),
        };
        reply(model, effect, Ok(Answer::Score(Box::new(scored))));
    }
}

fn spec(name: &str, datatype: &str, shape: &[i64]) -> TensorSpec {
    TensorSpec { name: name.into(), datatype: datatype.into(), shape: shape.to_vec(), ..TensorSpec::default() }
}

/// The request pane with the template of a model.
fn pane(width: u16, height: u16) -> Model {
    let mut model = busy(width, height);
    let effects = model.jump(Place::Test { endpoint: "restaurants".into(), deployment: None });
    let signature = Signature {
        inputs: vec![spec("user", "INT64", &[-1]), spec("hour", "INT64", &[-1])],
        outputs: vec![spec("score", "FP32", &[-1, 5])],
    };
    let sample = SampleRequest {
        method: "POST".into(),
        path: "/score".into(),
        content_type: "application/json".into(),
        body: BODY.into(),
        signature: Some(signature),
    };
    let asked = effects
        .iter()
        .find(|effect| matches!(effect, Effect::Call { call, .. } if matches!(**call, Call::Sample { .. })));
    reply(&mut model, asked.unwrap(), Ok(Answer::Sample(Box::new(sample))));
    model
}

#[test]
fn the_request_pane() {
    for (width, height) in SIZES {
        let mut model = pane(width, height);
        check("test", &model);
        let effects = press(&mut model, "enter");
        answer(&mut model, &effects, 200, [BLUE, GREEN]);
        check("test-answered", &model);
        let effects = press(&mut model, "d");
        answer(&mut model, &effects, 200, [BLUE, GREEN]);
        check("test-compared", &model);
        press(&mut model, "esc");
        let effects = press(&mut model, "g");
        assert!(effects.is_empty());
        let effects = press(&mut model, "enter");
        answer(&mut model, &effects, 424, ["", r#"{"error":{"message":"input \"hour\" is missing"}}"#]);
        press(&mut model, "tab");
        check("test-failed", &model);
    }
    let mut model = pane(80, 24);
    press(&mut model, "i");
    write(&mut model, "q");
    check("test-editing", &model);
    let mut model = pane(120, 40);
    press(&mut model, "f");
    check("test-sources", &model);
    let mut ascii = pane(80, 24);
    ascii.settings.ascii = true;
    set_theme(&mut ascii, ThemeName::Mono);
    let effects = press(&mut ascii, "d");
    answer(&mut ascii, &effects, 200, [BLUE, GREEN]);
    check("test-ascii", &ascii);
}

#[test]
fn forms() {
    for (width, height) in SIZES {
        let mut model = busy(width, height);
        model.open(Place::EndpointForm { name: None });
        write(&mut model, "fraud--");
        check("form-endpoint-wrong", &model);
        let mut model = busy(width, height);
        model.open(Place::DeploymentForm { endpoint: "image-tagger".into(), name: None, model: None });
        let id = "/subscriptions/0/resourceGroups/l/providers/Microsoft.MachineLearningServices/workspaces/l/models/tagger/versions/2";
        let version = ModelVersion { name: "2".into(), id: id.into(), ..ModelVersion::default() };
        let effect = model.call("versions", Call::ModelVersions { model: "tagger".into() });
        reply(&mut model, &effect, Ok(Answer::ModelVersions(vec![version])));
        check("form-deployment", &model);
        let effects = press(&mut model, "ctrl-s");
        let failure = Failure {
            code: "Failed".into(),
            message: "The model has 4 operators that do not run here.".into(),
            changed: false,
        };
        reply(&mut model, &effects[0], Err(failure));
        model.toasts.0.clear();
        check("form-deployment-failed", &model);
        check("form-foreign", &foreign(width, height));
    }
}

/// A deployment's form, while somebody else scales.
fn foreign(width: u16, height: u16) -> Model {
    let mut model = busy(width, height);
    let place = Place::DeploymentForm { endpoint: "restaurants".into(), name: Some("blue".into()), model: None };
    model.open(place);
    for _ in 0..3 {
        press(&mut model, "down");
    }
    write(&mut model, "the first");
    let view = &model.data.endpoints["restaurants"];
    let mut deployments: Vec<Deployment> = view.deployments.values().filter_map(|one| one.resource.clone()).collect();
    deployments[0].etag = Some("9".into());
    deployments[0].sku = Some(Sku { name: "Default".into(), tier: None, capacity: 3 });
    feed(&mut model, Feed::Deployments { endpoint: "restaurants".into(), deployments });
    model
}

#[test]
fn how_to_connect() {
    for (width, height) in SIZES {
        let mut model = busy(width, height);
        model.jump(Place::Connect("restaurants".into()));
        check("connect", &model);
        let effects = press(&mut model, "v");
        let keys = EndpointKeys { primary_key: "FIRST-KEY".into(), secondary_key: "SECOND-KEY".into() };
        reply(&mut model, &effects[0], Ok(Answer::Keys(keys)));
        check("connect-revealed", &model);
    }
}

/// No letter that is typed into a body or a form does anything, whatever it does elsewhere.
#[test]
fn typing_never_acts() {
    for place in [
        Place::Test { endpoint: "restaurants".into(), deployment: None },
        Place::EndpointForm { name: None },
        Place::DeploymentForm { endpoint: "restaurants".into(), name: None, model: None },
    ] {
        let mut model = busy(120, 40);
        model.jump(place.clone());
        if matches!(place, Place::Test { .. }) {
            press(&mut model, "i");
        }
        assert!(screens::typing(&model));
        let all: String = (' '..='~').collect();
        let effects = write(&mut model, &all);
        assert!(effects.is_empty(), "{place:?}: {effects:?}");
        assert!(model.overlays.is_empty() && *model.nav.here() == place);
        let effects = update(&mut model, Event::Paste("q\ny\n:quit\n".into()));
        assert!(effects.is_empty(), "{place:?}: {effects:?}");
    }
}

/// An endpoint of Kubernetes is told apart, and its deployments have what only these have.
#[test]
fn a_kubernetes_endpoint_says_so() {
    let mut model = busy(120, 40);
    let mut endpoints: Vec<Endpoint> = model.data.endpoints.values().filter_map(|view| view.resource.clone()).collect();
    let cluster =
        "/subscriptions/0/resourceGroups/l/providers/Microsoft.MachineLearningServices/workspaces/l/computes/k8s";
    endpoints.iter_mut().for_each(|endpoint| endpoint.properties.compute = Some(cluster.into()));
    feed(&mut model, Feed::Endpoints(endpoints));
    model.jump(Place::Endpoint("restaurants".into()));
    assert!(dump::glyphs(&dump::draw(&model)).contains("kubernetes: k8s"));
    model.jump(Place::DeploymentForm { endpoint: "restaurants".into(), name: Some("blue".into()), model: None });
    press(&mut model, "pagedown");
    let text = dump::glyphs(&dump::draw(&model));
    assert!(text.contains("Kubernetes") && text.contains("memory, most"), "{text}");
}
