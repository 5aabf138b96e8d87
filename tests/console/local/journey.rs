//! From nothing to an endpoint with two deployments, by forms and keys alone; and somebody else who works on it too.

use mlconsole::client::{NewModel, Workspace};
use mlconsole::console::app::nav::Place;
use mlconsole::console::screens::form::Foreign;
use mlconsole::resources::{TrafficMap, Weight};

use super::Person;

fn asset(name: &str) -> String {
    format!("{}/assets/restaurants/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn weights(blue: u16, green: u16) -> TrafficMap {
    TrafficMap::from([("blue".into(), Weight::percent(blue)), ("green".into(), Weight::percent(green))])
}

/// What the form says somebody else changed.
fn foreign(person: &Person) -> Option<String> {
    match &person.model.form.foreign {
        Some(Foreign::Changed { words, .. }) => Some(words.clone()),
        _ => None,
    }
}

async fn traffic(workspace: &Workspace) -> TrafficMap {
    workspace.endpoint("dinner").await.unwrap().properties.traffic
}

/// An endpoint by form, two registered versions, blue and green by form, all traffic to blue.
async fn settle_in(person: &mut Person) {
    person.see("Nothing is served here yet").await;
    person.press(&["n"]);
    person.write("dinner");
    person.see("name: dinner").await;
    person.press(&["ctrl-s"]);
    person.see("No deployment yet: callers get 404").await;

    person.press(&["2"]);
    for file in ["recommender-v1.onnx", "recommender-v2.onnx"] {
        person.press(&["n"]);
        person.write(&asset(file));
        person.press(&["enter"]);
        person.see(file.trim_end_matches(".onnx")).await;
    }
    for (colour, model) in [("blue", "recommender-v1:1"), ("green", "recommender-v2:1")] {
        person.model.jump(Place::Endpoint("dinner".into()));
        person.press(&["n"]);
        person.see(&format!("name: {colour}")).await;
        person.press(&["down", "enter"]);
        person.see("registered versions").await;
        person.write(model);
        person.press(&["enter"]);
        person.see(&format!("azureml:{model}")).await;
        person.press(&["ctrl-s"]);
        let made = format!("{colour} is ready: t gives it traffic");
        person.until(&made, |screen| screen.contains(&made) || screen.contains("It failed")).await;
    }
    person.until("both are ready", |screen| screen.matches("● ready").count() == 2).await;
    person.press(&["t"]);
    person.see("If you apply").await;
    person.press(&["1", "0", "0", "enter"]);
    person.see("0 → 100 %").await;
    person.press(&["enter"]);
    person.see("Nothing moves").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_builds_shifts_undoes_and_takes_down() {
    let mut person = Person::at_home().await;
    settle_in(&mut person).await;
    let colleague = person.colleague();
    assert_eq!(traffic(&colleague).await.get("blue"), Some(&Weight::FULL));

    // shift, see it, take it back
    person.press(&["9", "0", "enter"]);
    person.see("100 → 90 %").await;
    person.press(&["enter"]);
    person.see("Nothing moves").await;
    assert_eq!(traffic(&colleague).await, weights(90, 10));
    person.until("the change in the history", |screen| screen.contains("blue 100 → 90")).await;
    person.press(&["u"]);
    person.until("the weights of before", |screen| screen.contains("blue 90 → 100")).await;
    assert_eq!(traffic(&colleague).await.get("blue"), Some(&Weight::FULL));

    // a request to green, which was the last one looked at and has no traffic, and one that the split answers with blue
    person.press(&["esc", "x"]);
    person.see("input_data").await;
    person.press(&["enter"]);
    person.until("the answer", |screen| screen.contains("200 OK · ▲ green")).await;
    person.press(&["a", "enter"]);
    person.until("another answer", |screen| screen.contains("200 OK · ■ blue")).await;

    // green has no traffic: it can go, but only under its name
    person.model.jump(Place::Endpoint("dinner".into()));
    person.press(&["right", "shift-d"]);
    person.see("to go ahead:").await;
    person.write("gree");
    person.press(&["tab", "enter"]);
    assert_eq!(colleague.deployments("dinner").await.unwrap().len(), 2, "a part of the name is not the name");
    person.write("n");
    person.press(&["enter"]);
    person.until("green gone", |screen| !screen.contains("▲ green") && screen.contains("■ blue")).await;
    assert_eq!(colleague.deployments("dinner").await.unwrap().len(), 1);

    // and the endpoint with all it has
    person.press(&["esc", "shift-d"]);
    person.see("to go ahead:").await;
    person.write("dinner");
    person.press(&["enter"]);
    person.see("Nothing is served here yet").await;
    assert!(colleague.endpoints().await.unwrap().is_empty());
    person.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_colleague_changes_meanwhile_is_shown_and_never_overwritten() {
    let mut person = Person::at_home().await;
    settle_in(&mut person).await;
    let colleague = person.colleague();

    // a model: it is on the list without asking
    person.press(&["esc", "2"]);
    person.see("recommender-v2").await;
    let new =
        NewModel { name: Some("from-afar".into()), path: asset("recommender-v1.onnx").into(), ..NewModel::default() };
    colleague.register_model(&new, &mut |_, _| {}).await.unwrap();
    person.see("from-afar").await;

    // a draft of traffic
    person.model.jump(Place::Traffic("dinner".into()));
    person.press(&["shift-left"]);
    person.see("100 → 90 %").await;
    colleague.set_traffic("dinner", &weights(50, 50), None).await.unwrap().wait(|_| {}).await.unwrap();
    person.see("Somebody else set").await;
    person.press(&["enter"]);
    assert_eq!(traffic(&colleague).await, weights(50, 50), "nothing was applied over it");
    person.press(&["esc"]);
    person.until("their weights", |screen| screen.contains("50 %") && screen.contains("Nothing moves")).await;

    // a form: the colleague changes what it shows
    person.model.jump(Place::EndpointForm { name: Some("dinner".into()) });
    person.see("Endpoint dinner").await;
    person.write("mine");
    person.see("description: mine").await;
    let mut theirs = colleague.endpoint("dinner").await.unwrap();
    theirs.properties.description = Some("theirs".into());
    theirs.tags.insert("team".into(), "food".into());
    colleague.put_endpoint(&theirs, None).await.unwrap().wait(|_| {}).await.unwrap();
    person.see("Somebody else changed it").await;
    assert_eq!(foreign(&person).as_deref(), Some("description nothing → theirs, tag team nothing → food"));
    person.press(&["ctrl-s"]);
    let stored = || async { colleague.endpoint("dinner").await.unwrap() };
    assert_eq!(stored().await.properties.description.as_deref(), Some("theirs"), "nothing was overwritten");

    // taken up: what was typed stays, what the colleague added is there too
    person.press(&["ctrl-r"]);
    let text = person.until("both", |screen| screen.contains("description: mine")).await;
    assert!(text.contains("team: food") && !text.contains("Somebody else"), "{text}");
    person.press(&["ctrl-s"]);
    person.until("the endpoint", |screen| screen.contains("auth: keys")).await;
    let now = stored().await;
    assert_eq!(now.properties.description.as_deref(), Some("mine"));
    assert_eq!(now.tags.get("team").map(String::as_str), Some("food"));
    assert_eq!(now.properties.traffic, weights(50, 50), "an edit of the form leaves the traffic alone");

    // a shift of traffic meanwhile does not concern the form: it goes through, and leaves the weights as they are
    person.model.jump(Place::EndpointForm { name: Some("dinner".into()) });
    person.see("description: mine").await;
    person.write(" too");
    person.see("description: mine too").await;
    colleague.set_traffic("dinner", &weights(70, 30), None).await.unwrap().wait(|_| {}).await.unwrap();
    person.until_that("their weights", |model| model.data.endpoints["dinner"].traffic() == weights(70, 30)).await;
    assert!(!person.screen().contains("Somebody else"), "{}", person.screen());
    person.press(&["ctrl-s"]);
    person.until("the endpoint", |screen| screen.contains("auth: keys")).await;
    let now = stored().await;
    assert_eq!(
        (now.properties.description.as_deref(), now.properties.traffic.clone()),
        (Some("mine too"), weights(70, 30))
    );

    // a deployment's form, while the colleague scales
    person.model.jump(Place::DeploymentForm { endpoint: "dinner".into(), name: Some("blue".into()), model: None });
    person.see("Deployment blue of dinner").await;
    person.press(&["down", "down", "down"]);
    person.write("the first");
    person.see("description: the first").await;
    colleague.scale("dinner", "blue", 2).await.unwrap().wait(|_| {}).await.unwrap();
    person.see("Somebody else changed it").await;
    assert_eq!(foreign(&person).as_deref(), Some("instances 1 → 2"));
    person.press(&["ctrl-r"]);
    person.see("instance_count: 2").await;
    person.press(&["ctrl-s"]);
    person.until("the endpoint", |screen| screen.contains("auth: keys")).await;
    let blue = colleague.deployment("dinner", "blue").await.unwrap();
    assert_eq!((blue.instances(), blue.properties.description.as_deref()), (2, Some("the first")));
    person.leave().await;
}
