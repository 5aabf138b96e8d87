//! Forms as their user would use them, event by event.

use crossterm::event::KeyModifiers;

use super::*;
use crate::console::app::event::{Event, Feed};
use crate::console::app::options::{Access, ContextEntry, Settings};
use crate::console::app::saved::Saved;
use crate::console::app::update::update;
use crate::resources::ModelVersion;

const ID: &str = "/subscriptions/0/resourceGroups/local/providers/Microsoft.MachineLearningServices/workspaces/local/models/recommender/versions/2";

fn opened(access: Access, place: Place) -> Model {
    let context = ContextEntry { name: "local".into(), kind: "local workspace".into(), access };
    let mut model = Model::new(Settings::default(), context, Saved::default()).unwrap();
    model.now = 1_795_349_200_000;
    model.size = (140, 40);
    let epoch = model.epoch;
    let endpoint = Endpoint { name: "restaurants".into(), ..Endpoint::default() };
    let blue = Deployment { name: "blue".into(), ..Deployment::default() };
    for feed in [
        Feed::Connected,
        Feed::Endpoints(vec![endpoint]),
        Feed::Deployments { endpoint: "restaurants".into(), deployments: vec![blue] },
    ] {
        update(&mut model, Event::Feed(epoch, feed));
    }
    model.open(place);
    model
}

fn press(model: &mut Model, code: KeyCode) -> Vec<Effect> {
    update(model, Event::Key(KeyEvent::from(code)))
}

fn submit(model: &mut Model) -> Vec<Effect> {
    update(model, Event::Key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL)))
}

fn write(model: &mut Model, text: &str) {
    for c in text.chars() {
        assert_eq!(press(model, KeyCode::Char(c)), [], "{c} only writes");
    }
}

fn calls(effects: &[Effect]) -> Vec<Call> {
    let call = |effect: &Effect| match effect {
        Effect::Call { call, .. } => Some((**call).clone()),
        _ => None,
    };
    effects.iter().filter_map(call).collect()
}

#[test]
fn an_endpoint_is_typed_checked_and_asked_for() {
    let mut model = opened(Access::Open, Place::EndpointForm { name: None });
    assert!(model.form.complaint(0).is_none(), "nothing is complained about before anything is typed");
    write(&mut model, "q:?");
    assert!(model.form.complaint(0).is_some_and(|why| why.contains("cannot be used")));
    assert_eq!(calls(&submit(&mut model)), []);
    (0..3).for_each(|_| drop(press(&mut model, KeyCode::Backspace)));
    write(&mut model, "fraud-check");
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Right);
    assert!(model.form.yaml.contains("name: fraud-check") && model.form.yaml.contains("auth_mode: aml_token"));
    assert_eq!(model.form.command, "mlconsole endpoint create -f fraud-check.yml");
    let effects = submit(&mut model);
    let [Call::PutEndpoint { endpoint, if_match: None }] = &calls(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(endpoint.name, "fraud-check");
    let Effect::Call { epoch, task, call } = effects[0].clone() else { panic!() };
    update(&mut model, Event::Reply { epoch, task, call, outcome: Ok(Answer::Done) });
    assert_eq!(*model.nav.here(), Place::Endpoint("fraud-check".into()));
}

#[test]
fn a_name_that_is_taken_is_refused() {
    let mut model = opened(Access::Open, Place::EndpointForm { name: None });
    write(&mut model, "restaurants");
    assert!(model.form.complaint(0).is_some_and(|why| why.contains("already")));
}

#[test]
fn a_deployment_takes_a_registered_model_and_the_free_colour() {
    let place = Place::DeploymentForm { endpoint: "restaurants".into(), name: None, model: None };
    let mut model = opened(Access::Open, place);
    assert_eq!(model.form.value("name"), "green");
    let version = ModelVersion { name: "2".into(), id: ID.into(), ..ModelVersion::default() };
    choose::versions(&mut model, "recommender", &[version]);
    assert_eq!(model.form.value("model"), "recommender:2");
    model.form.go_to(2);
    assert_eq!(press(&mut model, KeyCode::Enter), []);
    for c in "8 vcpu".chars() {
        press(&mut model, KeyCode::Char(c));
    }
    press(&mut model, KeyCode::Enter);
    assert!(crate::resources::instance_type::lookup(model.form.value("size")).is_some_and(|size| size.vcpus == 8));
    let effects = submit(&mut model);
    let [Call::PutDeployment { endpoint, deployment, if_match: None }] = &calls(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((endpoint.as_str(), deployment.name.as_str()), ("restaurants", "green"));
    assert_eq!(deployment.properties.model.as_deref(), Some(ID));
    assert!(model.form.yaml.contains("model: azureml:recommender:2"), "{}", model.form.yaml);
    let Effect::Call { epoch, task, call } = effects[0].clone() else { panic!() };
    let failure = Failure { code: "Failed".into(), message: "the model cannot be loaded".into(), changed: false };
    let effects = update(&mut model, Event::Reply { epoch, task, call, outcome: Err(failure) });
    assert!(calls(&effects).iter().any(|call| matches!(call, Call::FollowLogs { .. })), "its log is asked for");
    assert_eq!(model.form.failure.as_deref(), Some("the model cannot be loaded"));
    assert_eq!(model.form.value("name"), "green", "nothing typed is lost");
    let epoch = model.epoch;
    let named = |name: &str| Deployment { name: name.into(), ..Deployment::default() };
    let deployments = vec![named("blue"), named("green")];
    update(&mut model, Event::Feed(epoch, Feed::Deployments { endpoint: "restaurants".into(), deployments }));
    let again = calls(&submit(&mut model));
    assert!(matches!(again[..], [Call::PutDeployment { .. }]), "what failed can be tried again under its name");
}

#[test]
fn esc_asks_when_something_was_typed() {
    let mut model = opened(Access::Open, Place::EndpointForm { name: None });
    press(&mut model, KeyCode::Esc);
    assert_eq!(*model.nav.here(), Place::Dashboard, "an untouched form just closes");
    model.open(Place::EndpointForm { name: None });
    write(&mut model, "abc");
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.overlays.len(), 1);
    press(&mut model, KeyCode::Enter);
    assert_eq!((model.form.value("name"), model.overlays.len()), ("abc", 0), "cancel has the focus");
    press(&mut model, KeyCode::Esc);
    press(&mut model, KeyCode::Char('y'));
    assert_eq!(*model.nav.here(), Place::Dashboard);
}

#[test]
fn a_read_only_context_refuses() {
    let mut model = opened(Access::ReadOnly, Place::EndpointForm { name: None });
    write(&mut model, "fraud-check");
    assert_eq!(submit(&mut model), []);
    assert!(model.toasts.0.iter().any(|toast| toast.text.contains("read-only")));
}

#[test]
fn pairs_leave_an_empty_line_behind_them() {
    let mut model = opened(Access::Open, Place::EndpointForm { name: None });
    let tag = model.form.fields.iter().position(|field| field.id == "tag").unwrap();
    model.form.go_to(tag);
    write(&mut model, "team=food");
    let tags = model.form.fields.iter().filter(|field| field.id == "tag").count();
    assert_eq!(tags, 2);
    let Some(Built::Endpoint(endpoint)) = &model.form.built else { panic!() };
    assert_eq!(endpoint.tags.get("team").map(String::as_str), Some("food"));
}

#[test]
fn it_is_drawn_at_any_size() {
    let places = [
        Place::EndpointForm { name: None },
        Place::EndpointForm { name: Some("restaurants".into()) },
        Place::DeploymentForm { endpoint: "restaurants".into(), name: Some("blue".into()), model: None },
        Place::DeploymentForm { endpoint: "gone".into(), name: None, model: Some("recommender:2".into()) },
    ];
    for place in places {
        let mut model = opened(Access::Open, place);
        for step in 0..40 {
            press(&mut model, KeyCode::Down);
            write(&mut model, if step % 2 == 0 { "9" } else { "名" });
            for (width, height) in [(0, 0), (1, 1), (60, 16), (80, 24), (100, 20), (140, 40), (300, 90)] {
                model.size = (width, height);
                let mut buffer = ratatui::buffer::Buffer::empty(Rect::new(0, 0, width, height));
                crate::console::screens::draw(&model, &mut buffer);
            }
        }
        model.form.failure = Some("a long reason ".repeat(40));
        let mut buffer = ratatui::buffer::Buffer::empty(Rect::new(0, 0, 80, 24));
        crate::console::screens::draw(&model, &mut buffer);
    }
}

fn feed(model: &mut Model, feed: Feed) {
    let epoch = model.epoch;
    update(model, Event::Feed(epoch, feed));
}

/// `restaurants` with a description, at a version.
fn restaurants(description: &str, etag: &str) -> Feed {
    let mut endpoint = Endpoint { name: "restaurants".into(), etag: Some(etag.into()), ..Endpoint::default() };
    endpoint.properties.description = Some(description.into());
    Feed::Endpoints(vec![endpoint])
}

#[test]
fn an_edit_goes_out_against_the_version_it_was_made_from() {
    let mut model = opened(Access::Open, Place::EndpointForm { name: Some("restaurants".into()) });
    feed(&mut model, restaurants("food", "7"));
    assert_eq!(model.form.value("description"), "food", "an untouched form follows");
    write(&mut model, "!");
    // a new version that changes nothing the form shows
    feed(&mut model, restaurants("food", "8"));
    assert_eq!(model.form.foreign, None);
    let effects = submit(&mut model);
    let [Call::PutEndpoint { endpoint, if_match }] = &calls(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(endpoint.properties.description.as_deref(), Some("food!"));
    assert_eq!(if_match.as_deref(), Some("8"));
    // overtaken on the way: what was typed stays, and what it is now is asked for
    let Effect::Call { epoch, task, call } = effects[0].clone() else { panic!() };
    let failure =
        Failure { code: "PreconditionFailed".into(), message: "it is at version 9 now".into(), changed: true };
    let effects = update(&mut model, Event::Reply { epoch, task, call, outcome: Err(failure) });
    assert_eq!(effects, [Effect::Poll]);
    feed(&mut model, restaurants("lunch", "9"));
    let Some(Foreign::Changed { words, .. }) = &model.form.foreign else { panic!("it is shown") };
    assert_eq!(words, "description food → lunch");
    assert_eq!(calls(&submit(&mut model)), [], "nothing is overwritten");
    update(&mut model, Event::Key(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL)));
    let again = calls(&submit(&mut model));
    let [Call::PutEndpoint { endpoint, if_match }] = &again[..] else { panic!("{again:?}") };
    assert_eq!((endpoint.properties.description.as_deref(), if_match.as_deref()), (Some("food!"), Some("9")));
}

#[test]
fn an_edit_overtaken_by_what_does_not_concern_it_goes_out_again_by_itself() {
    let mut model = opened(Access::Open, Place::EndpointForm { name: Some("restaurants".into()) });
    feed(&mut model, restaurants("food", "7"));
    write(&mut model, "!");
    let effects = submit(&mut model);
    let Effect::Call { epoch, task, call } = effects[0].clone() else { panic!() };
    let failure = Failure { code: "PreconditionFailed".into(), message: "at version 8".into(), changed: true };
    update(&mut model, Event::Reply { epoch, task, call, outcome: Err(failure) });
    // the list of before comes first: nothing is known yet
    let same = update(&mut model, Event::Feed(epoch, restaurants("food", "7")));
    assert_eq!(calls(&same), []);
    let again = calls(&update(&mut model, Event::Feed(epoch, restaurants("food", "8"))));
    let [Call::PutEndpoint { endpoint, if_match }] = &again[..] else { panic!("{again:?}") };
    assert_eq!((endpoint.properties.description.as_deref(), if_match.as_deref()), (Some("food!"), Some("8")));
}

#[test]
fn what_was_deleted_meanwhile_is_not_made_anew_by_mistake() {
    let mut model = opened(Access::Open, Place::EndpointForm { name: Some("restaurants".into()) });
    feed(&mut model, restaurants("food", "7"));
    write(&mut model, "!");
    feed(&mut model, Feed::Endpoints(Vec::new()));
    assert_eq!(model.form.foreign, Some(Foreign::Gone));
    assert_eq!(calls(&submit(&mut model)), []);
}

#[test]
fn a_deployment_of_a_kubernetes_endpoint_has_what_only_these_have() {
    let mut model = opened(Access::Open, Place::Dashboard);
    let mut endpoint = Endpoint { name: "restaurants".into(), ..Endpoint::default() };
    endpoint.properties.compute = Some("/ws/computes/cluster".into());
    feed(&mut model, Feed::Endpoints(vec![endpoint]));
    model.open(Place::DeploymentForm {
        endpoint: "restaurants".into(),
        name: None,
        model: Some("recommender:2".into()),
    });
    let at = |model: &Model, id: &str| model.form.fields.iter().position(|field| field.id == id).unwrap();
    let scale = at(&model, "k8s.scale");
    model.form.go_to(scale);
    press(&mut model, KeyCode::Right);
    for (id, text) in [("k8s.least", "3"), ("k8s.most", "2")] {
        let field = at(&model, id);
        model.form.go_to(field);
        write(&mut model, text);
    }
    let least = at(&model, "k8s.least");
    assert!(
        model.form.complaint(least).is_some_and(|why| why.contains("min_instances")),
        "the rule speaks at its field"
    );
    press(&mut model, KeyCode::Backspace);
    write(&mut model, "6");
    assert!(model.form.complaint(least).is_none());
    assert!(
        model.form.yaml.contains("type: kubernetes") && model.form.yaml.contains("max_instances: 6"),
        "{}",
        model.form.yaml
    );
    let effects = submit(&mut model);
    let [Call::PutDeployment { deployment, .. }] = &calls(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(deployment.properties.endpoint_compute_type, "Kubernetes");
}

#[test]
fn what_the_workspace_noted_goes_from_a_form_and_what_somebody_asked_for_stays() {
    let mut properties = crate::resources::StringMap::new();
    for name in ["mlconsole.note", "mlconsole.error", "AzureAsyncOperationUri", "azureml.x", "mlconsole.engine", "team"]
    {
        properties.insert(name.to_owned(), "x".to_owned());
    }
    super::change::own(&mut properties);
    assert_eq!(properties.into_keys().collect::<Vec<_>>(), ["mlconsole.engine", "team"]);
}
