//! The reconciler's promises, as stories.

mod house;

use crate::resources::deployment::{ERROR, NOTE};
use std::sync::atomic::Ordering;

use serde_json::json;

use super::*;
use crate::resources::OperationDetails;
use crate::server::store::JournalFilter;
use house::{House, instances, uses};

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_comes_up_phase_by_phase_and_comes_back_after_a_restart() {
    let house = House::new().await;
    house.endpoint(json!({}));
    let operation = house.done("create", uses(house.model("ok"))).await;
    assert_eq!(operation.status, "Succeeded", "{:?}", operation.error);
    let phases = operation.properties.unwrap().phases;
    assert_eq!(phases.len(), 4);
    assert!(phases.iter().all(|p| p.started_ms > 0 && p.ended_ms >= p.started_ms), "{phases:?}");
    assert_eq!(house.store.journal(&JournalFilter::default()).unwrap()[0].outcome, "done");
    assert_eq!(house.deployment().properties.provisioning_state, ProvisioningState::Succeeded);
    assert!(house.reconciler.is_ready("e", "blue"));
    assert!(house.log().contains("storage-initializer info Model ok:1"), "{}", house.log());
    let head = house.reconciler.instance_status("e", "blue");
    assert!(head.contains("UserContainerStart: Succeeded") && head.contains("Name: Downloaded"), "{head}");

    let before = house.deployment();
    let house = house.restarted().await;
    house.ready().await;
    assert_eq!(house.deployment(), before, "nothing was written: nobody asked for anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_here_is_explained_with_a_way_out() {
    let house = House::new().await;
    house.endpoint(json!({}));
    let script = |d: &mut Deployment| {
        d.properties.code_configuration =
            Some(crate::resources::deployment::CodeConfiguration { code_id: None, scoring_script: "score.py".into() });
    };
    type Edit = Box<dyn FnOnce(&mut Deployment)>;
    let cases: [(Edit, &[&str]); 6] = [
        (Box::new(script), &["scoring script but no environment", "conda_file"]),
        (
            Box::new(|d| (d.properties.code_configuration, d.properties.model) = (None, None)),
            &["image cannot run without containers"],
        ),
        (
            Box::new(|d| d.properties.model = Some("azureml://registries/r/models/m/versions/1".into())),
            &["registry \"r\"", "register it here"],
        ),
        (Box::new(|d| d.properties.model = Some("azureml:nope:3".into())), &["nope:3", "not registered"]),
        (Box::new(uses(house.model("broken"))), &["Operator Foo is not served"]),
        (Box::new(uses(house.model("panic"))), &["makes the engine fail", "nothing else is affected"]),
    ];
    for (edit, words) in cases {
        let operation = house.done("create", edit).await;
        let message = operation.error.expect("refused").message;
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
        let deployment = house.deployment();
        assert_eq!(deployment.properties.provisioning_state, ProvisioningState::Failed);
        assert_eq!(deployment.properties.properties[ERROR], message);
        assert!(house.log().contains(&message));
        assert!(house.reconciler.instance_status("e", "blue").contains("Type: Warning"));
    }
    assert_eq!(house.done("update", uses(house.model("ok"))).await.status, "Succeeded");
    assert!(!house.deployment().properties.properties.contains_key(ERROR));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_update_keeps_the_old_version_serving_also_after_a_restart() {
    let house = House::new().await;
    house.endpoint(json!({"blue": 100}));
    house.done("create", uses(house.model("ok"))).await;
    let pool = house.reconciler.pool("e", "blue").unwrap();
    let operation = house.done("update", uses(house.model("broken"))).await;
    let message = operation.error.unwrap().message;
    assert!(message.ends_with("The previous version keeps serving."), "{message}");
    assert!(Arc::ptr_eq(&pool, &house.reconciler.pool("e", "blue").unwrap()));
    for verb in ["scale", "restart"] {
        let operation = house.done(verb, instances(2)).await;
        assert_eq!(operation.status, "Failed", "{verb} must not pass the old version off as the wanted one");
        assert!(Arc::ptr_eq(&pool, &house.reconciler.pool("e", "blue").unwrap()));
    }
    drop(pool);
    let house = house.restarted().await;
    house.ready().await;
    assert_eq!(house.deployment().properties.provisioning_state, ProvisioningState::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling_and_restarting_load_nothing_again() {
    let house = House::new().await;
    house.endpoint(json!({}));
    house.done("create", uses(house.model("ok"))).await;
    for n in [3, 0, 2] {
        assert_eq!(house.done("scale", instances(n)).await.status, "Succeeded");
        let status = house.reconciler.pool("e", "blue").unwrap().status();
        assert_eq!((status.wanted, status.ready), (n, n));
        assert_eq!(house.reconciler.is_ready("e", "blue"), n > 0);
    }
    assert_eq!(house.done("restart", |_| {}).await.status, "Succeeded");
    let settings = |d: &mut Deployment| d.tags = [("t".to_owned(), "1".to_owned())].into();
    assert_eq!(house.done("update", settings).await.status, "Succeeded");
    assert_eq!(house.loads.load(Ordering::SeqCst), 1);
    let house = house.restarted().await;
    house.ready().await;
    assert_eq!(house.reconciler.pool("e", "blue").unwrap().status().wanted, 2, "the size survives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_with_traffic_is_not_deleted_and_one_without_leaves_nothing() {
    let house = House::new().await;
    house.endpoint(json!({"blue": 100}));
    house.done("create", uses(house.model("ok"))).await;
    let refused = house.done("delete", |_| {}).await;
    assert!(refused.error.unwrap().message.contains("still has traffic"));
    assert!(house.reconciler.is_ready("e", "blue"));
    assert_eq!(house.deployment().properties.provisioning_state, ProvisioningState::Succeeded);

    house.endpoint(json!({"blue": 0}));
    assert_eq!(house.done("delete", |_| {}).await.status, "Succeeded");
    assert!(house.reconciler.pool("e", "blue").is_none());
    assert!(house.store.get(&Key::deployment("e", "blue")).unwrap().is_none());
    assert!(house.store.list(Kind::Serving, None).unwrap().is_empty());
    let endpoint: Endpoint = house.store.get_as(&Key::endpoint("e")).unwrap().unwrap();
    assert!(endpoint.properties.traffic.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_is_canceled_while_it_loads() {
    let house = House::new().await;
    house.endpoint(json!({}));
    let operation = house.ask("create", uses(house.model("slow")));
    house.reconciler.nudge("e", Some("blue"));
    let mut changes = house.store.changes();
    while house.loads.load(Ordering::SeqCst) == 0 {
        changes.changed().await.unwrap();
        tokio::task::yield_now().await;
        if house
            .store
            .operation(&operation)
            .unwrap()
            .unwrap()
            .properties
            .unwrap()
            .phases
            .iter()
            .filter(|p| p.started_ms > 0)
            .count()
            >= 2
        {
            break;
        }
    }
    assert!(house.reconciler.busy("E", Some("Blue")).unwrap().is_some());
    let ended = house.reconciler.cancel(&operation).await.unwrap();
    assert_eq!(ended.status, "Canceled");
    assert_eq!(house.deployment().properties.provisioning_state, ProvisioningState::Canceled);
    assert!(house.reconciler.busy("e", Some("blue")).unwrap().is_none());
    let again = house.reconciler.cancel(&operation).await.unwrap_err();
    assert!(again.message.contains("has ended already"), "{again}");
    house.gate.store(true, Ordering::SeqCst);
    assert_eq!(house.done("update", |_| {}).await.status, "Succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_without_end_is_given_up_and_reported() {
    let house = House::new().await;
    house.endpoint(json!({}));
    let model = house.model("slow");
    let limited = |limit: &'static str| {
        let model = model.clone();
        move |d: &mut Deployment| {
            d.properties.model = Some(model);
            d.properties.properties.insert(LOAD_LIMIT_PROPERTY.to_owned(), limit.to_owned());
        }
    };
    for wrong in ["soon", "0", "-1", "NaN"] {
        let message = house.done("create", limited(wrong)).await.error.unwrap().message;
        assert!(message.contains(LOAD_LIMIT_PROPERTY) && message.contains(wrong), "{message}");
    }
    let message = house.done("create", limited("0.05")).await.error.unwrap().message;
    assert!(message.contains("took longer than 0.05 s") && message.contains(LOAD_LIMIT_PROPERTY), "{message}");
    assert_eq!(house.deployment().properties.provisioning_state, ProvisioningState::Failed);
    // Others load meanwhile, and the thread that was left behind says when it is gone.
    let patient = house.model("ok");
    let patient = |d: &mut Deployment| {
        d.properties.model = Some(patient);
        d.properties.properties.remove(LOAD_LIMIT_PROPERTY);
    };
    assert_eq!(house.done("update", patient).await.status, "Succeeded");
    house.gate.store(true, Ordering::SeqCst);
    while !house.log().contains("A load that was given up has ended") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_deleted_while_it_loads() {
    let house = House::new().await;
    house.endpoint(json!({}));
    let create = house.ask("create", uses(house.model("slow")));
    house.reconciler.nudge("e", Some("blue"));
    while house.loads.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(house.reconciler.stop_operation(&create));
    assert_eq!(house.done("delete", |_| {}).await.status, "Succeeded");
    assert_eq!(house.ended(&create).await.status, "Canceled");
    assert!(house.store.get(&Key::deployment("e", "blue")).unwrap().is_none());
    house.gate.store(true, Ordering::SeqCst);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_for_a_deletion_ends_canceled_in_whatever_order_they_are_taken_up() {
    let house = House::new().await;
    house.endpoint(json!({}));
    let create = house.ask("create", uses(house.model("ok")));
    assert!(house.reconciler.stop_operation(&create));
    let delete = house.ask("delete", |d| d.properties.provisioning_state = ProvisioningState::Deleting);
    // Neither has been begun yet.
    house.reconciler.nudge("e", Some("blue"));
    assert_eq!(house.ended(&delete).await.status, "Succeeded");
    assert_eq!(house.ended(&create).await.status, "Canceled");
    assert!(house.store.get(&Key::deployment("e", "blue")).unwrap().is_none());
    assert!(house.reconciler.pool("e", "blue").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_a_crash_interrupted_is_finished_after_the_restart() {
    let house = House::new().await;
    house.endpoint(json!({}));
    let create = house.ask("create", uses(house.model("ok")));
    // No nudge: the process dies first.
    let house = house.restarted().await;
    assert_eq!(house.ended(&create).await.status, "Succeeded");
    let delete = house.ask("delete", |_| {});
    let house = house.restarted().await;
    assert_eq!(house.ended(&delete).await.status, "Succeeded");
    assert!(house.store.get(&Key::deployment("e", "blue")).unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_endpoint_takes_everything_with_it() {
    let house = House::new().await;
    house.endpoint(json!({"blue": 100}));
    house.done("create", uses(house.model("ok"))).await;
    let keys = crate::resources::EndpointKeys { primary_key: "a".into(), secondary_key: "b".into() };
    let details = OperationDetails { verb: "delete".into(), endpoint: "e".into(), ..OperationDetails::default() };
    let operation =
        Operation { name: "oe:1".into(), status: "Deleting".into(), properties: Some(details), ..Operation::default() };
    house.store.commit(Change::new().endpoint_keys("e", &keys).operation(operation)).unwrap();
    house.reconciler.nudge("e", None);
    assert_eq!(house.ended("oe:1").await.status, "Succeeded");
    for kind in [Kind::Endpoint, Kind::Deployment, Kind::Serving] {
        assert!(house.store.list(kind, None).unwrap().is_empty(), "{kind:?}");
    }
    assert!(house.store.endpoint_keys("e").unwrap().is_none());
    assert!(house.reconciler.pool("e", "blue").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_being_published_does_not_bring_a_deleted_endpoint_back() {
    let house = House::new().await;
    house.endpoint(json!({}));
    house.reconciler.publish("e").await.unwrap();
    assert!(house.reconciler.router.snapshot("e").is_some());
    // Somebody has read the endpoint and is about to publish it.
    let turn = house.reconciler.publishing.take(&"e".to_owned()).await;
    let details = OperationDetails { verb: "delete".into(), endpoint: "e".into(), ..OperationDetails::default() };
    let operation =
        Operation { name: "oe:1".into(), status: "Deleting".into(), properties: Some(details), ..Operation::default() };
    let deleting = json!({"name": "e", "properties": {"provisioningState": "Deleting"}});
    house.store.commit(Change::new().put(Key::endpoint("e"), &deleting, Expect::Any).operation(operation)).unwrap();
    house.reconciler.nudge("e", None);
    let begun =
        || house.store.operation("oe:1").unwrap().and_then(|o| o.properties).is_some_and(|p| !p.phases.is_empty());
    while !begun() {
        tokio::task::yield_now().await;
    }
    house.reconciler.router.publish(EndpointRoute {
        name: "e".into(),
        auth: AuthPolicy::Keys { primary: "a".into(), secondary: "b".into() },
        weights: Default::default(),
        mirror: Default::default(),
        deployments: Vec::new(),
        starting: Vec::new(),
        mode: Mode::Block,
        kubernetes: false,
    });
    drop(turn);
    assert_eq!(house.ended("oe:1").await.status, "Succeeded");
    assert!(house.reconciler.router.snapshot("e").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn more_vcpus_than_the_machine_has_and_kubernetes_are_said_not_refused() {
    let house = House::new().await;
    house.endpoint(json!({}));
    let model = house.model("ok");
    let operation = house.done("create", |d| {
        d.properties.model = Some(model);
        d.properties.endpoint_compute_type = "Kubernetes".into();
        d.properties.instance_type = Some("Standard_FX48mds".into());
        instances(40)(d);
    });
    assert_eq!(operation.await.status, "Succeeded");
    let note = house.deployment().properties.properties[NOTE].clone();
    assert!(note.contains("1920 vCPUs") && note.contains("Kubernetes endpoint"), "{note}");
    assert!(house.log().contains(&note));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_cannot_come_back_says_so_and_others_do() {
    let house = House::new().await;
    house.endpoint(json!({}));
    house.done("create", uses(house.model("ok"))).await;
    std::fs::remove_dir_all(house.dir.path().join("assets/azureml-blobstore-local/ok")).unwrap();
    let house = house.restarted().await;
    let mut changes = house.store.changes();
    while house.deployment().properties.provisioning_state != ProvisioningState::Failed {
        changes.changed().await.unwrap();
    }
    let entry = house.store.journal(&JournalFilter::default()).unwrap().remove(0);
    assert_eq!((entry.who.as_str(), entry.outcome.as_str()), ("workspace", "failed"));
    assert!(entry.to.as_str().unwrap().contains("Register the model again"), "{entry:?}");
    house.model("ok");
    assert_eq!(house.done("restart", |_| {}).await.status, "Succeeded", "and is brought back by a restart");
}
