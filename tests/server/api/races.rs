//! Calls that meet each other at the worst moment: whatever the order, every answer and every state is a legal one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::join_all;
use prost::Message as _;
use reqwest::Method;
use serde_json::{Value, json};
use tract_onnx::pb;

use super::house::{House, Reply, deployment, sample_model, sample_request};

const ROUNDS: usize = 200;
const ENDPOINT: &str = "/onlineEndpoints/food";
const BLUE: &str = "/onlineEndpoints/food/deployments/blue";

/// One call of the mix, sent when it is awaited.
async fn call(house: &House, what: u32, models: &[String; 2], instances: u32) -> (u32, Reply) {
    let with = |model: &str| {
        let mut body = deployment(model);
        body["sku"]["capacity"] = instances.into();
        body
    };
    let endpoint = |traffic: Value| json!({"properties": {"authMode": "Key", "traffic": traffic}});
    let reply = match what {
        0 => house.put(ENDPOINT, endpoint(json!({}))).await,
        1 => house.put(ENDPOINT, endpoint(json!({"blue": 100}))).await,
        2 => house.delete(ENDPOINT).await,
        3 | 4 => house.put(BLUE, with(&models[0])).await,
        5 => house.put(BLUE, with(&models[1])).await,
        6 | 7 => house.delete(BLUE).await,
        8 => house.patch(BLUE, json!({"sku": {"capacity": instances}})).await,
        9 => house.post(&format!("{ENDPOINT}/regenerateKeys"), json!({"keyType": "Primary"})).await,
        _ => house.get(&format!("{ENDPOINT}/deployments")).await,
    };
    (what, reply)
}

/// Waits until nothing is being done any more.
async fn settled(house: &House) {
    let mut changes = house.running().app().store.changes();
    while !house.running().app().store.open_operations().unwrap().is_empty() {
        changes.changed().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn puts_and_deletes_of_the_same_things_leave_a_legal_state_in_any_order() {
    let house = House::open().await;
    let broken = house.dir.join("broken.onnx");
    std::fs::write(&broken, b"this is no model").unwrap();
    let models = [house.model("good", "1", &sample_model()).await, house.model("broken", "1", &broken).await];
    let mut random = fastrand::Rng::with_seed(404);
    let mut seen: BTreeMap<(u32, u16), u32> = BTreeMap::new();
    for round in 0..ROUNDS {
        // Half of the rounds begin with everything there.
        if random.bool() {
            house.put(ENDPOINT, json!({"properties": {"traffic": {}}})).await;
            house.put(BLUE, deployment(&models[0])).await;
            if random.bool() {
                settled(&house).await;
            }
        }
        let calls: Vec<_> = (0..random.u32(2..7)).map(|_| (random.u32(0..11), random.u32(0..3))).collect();
        for (what, reply) in join_all(calls.iter().map(|(what, n)| call(&house, *what, &models, *n))).await {
            *seen.entry((what, reply.status)).or_default() += 1;
            let legal = [200, 201, 202, 204, 400, 404, 409, 412].contains(&reply.status);
            assert!(legal, "round {round}, {calls:?}: {what} was answered with {}: {}", reply.status, reply.text);
            if reply.status >= 400 {
                assert!(!reply.code().is_empty());
            }
        }
        settled(&house).await;
        legal_state(&house, round, &calls).await;
    }
    for (what, status) in
        [(0, 201), (0, 200), (2, 202), (2, 409), (3, 201), (3, 404), (3, 409), (6, 202), (6, 204), (6, 409)]
    {
        assert!(seen.contains_key(&(what, status)), "the mix reaches {what} with {status}: {seen:?}");
    }
    // And all of it is what a restart finds.
    let before = (house.get(ENDPOINT).await.body, house.get(BLUE).await.body);
    let house = house.reopen().await;
    assert_eq!((house.get(ENDPOINT).await.body, house.get(BLUE).await.body), before);
}

/// What must hold whenever nothing is being done.
async fn legal_state(house: &House, round: usize, calls: &[(u32, u32)]) {
    let what = format!("round {round}, {calls:?}");
    let (endpoint, blue) = (house.get(ENDPOINT).await, house.get(BLUE).await);
    let pool = house.running().app().reconciler.pool("food", "blue");
    let state = |reply: &Reply| reply.body["properties"]["provisioningState"].as_str().unwrap_or("none").to_owned();
    let ended = ["Succeeded", "Failed", "Canceled"];
    if endpoint.status == 404 {
        assert_eq!(blue.status, 404, "{what}: a deployment without its endpoint");
        assert!(pool.is_none(), "{what}: something runs that is not there");
        let score = house.client.post(format!("{}/endpoints/food/score", house.base)).bearer_auth("x").json(&json!({}));
        house.send(score).await.is(404);
        return;
    }
    assert_eq!((endpoint.status, state(&endpoint).as_str()), (200, "Succeeded"), "{what}");
    let traffic = &endpoint.body["properties"]["traffic"];
    match blue.status {
        404 => {
            assert!(pool.is_none(), "{what}: something runs that is not there");
            assert_eq!(traffic, &json!({}), "{what}: traffic to nobody");
        }
        200 => {
            assert!(ended.contains(&state(&blue).as_str()), "{what}: {}", blue.text);
            if state(&blue) == "Succeeded" {
                let wanted = blue.body["sku"]["capacity"].as_u64().unwrap();
                assert_eq!(pool.map(|pool| u64::from(pool.status().wanted)), Some(wanted), "{what}");
            }
        }
        other => panic!("{what}: {other} {}", blue.text),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_created_can_be_deleted_and_changed_by_nobody_else() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("slow", "1", &slow_model(&house)).await;
    let created = house.put(BLUE, deployment(&model)).await.is(201);
    for refused in [
        house.delete(ENDPOINT).await,
        house.patch(BLUE, json!({"sku": {"capacity": 2}})).await,
        house.put(BLUE, deployment(&model)).await,
    ] {
        let refused = refused.is(409);
        assert_eq!(refused.code(), "OperationInProgress");
        assert!(refused.text.contains("cancel"), "says what to do: {}", refused.text);
    }
    // Deleting it gives its creation up: nobody waits for a model that nobody wants.
    let deleted = house.delete(BLUE).await.is(202);
    assert_eq!(house.finish(&created).await["status"], "Canceled");
    assert_eq!(house.finish(&deleted).await["status"], "Succeeded");
    house.get(BLUE).await.is(404);
    assert!(house.running().app().reconciler.pool("food", "blue").is_none());
    let deleted = house.delete(ENDPOINT).await.is(202);
    assert_eq!(house.finish(&deleted).await["status"], "Succeeded");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_load_is_abandoned_and_never_serves() {
    let house = House::open().await;
    house.endpoint("food").await;
    let model = house.model("slow", "1", &slow_model(&house)).await;
    let created = house.put(BLUE, deployment(&model)).await.is(201);
    // In the middle of it.
    while !loading() {
        tokio::task::yield_now().await;
    }
    let canceled = cancel(&house, &created).await.is(200).body;
    assert_eq!((&canceled["status"], &canceled["error"]["code"]), (&json!("Canceled"), &json!("OperationCanceled")));
    assert_eq!(house.finish(&created).await["status"], "Canceled");
    let state = || async { house.get(BLUE).await.is(200).body["properties"]["provisioningState"].clone() };
    assert_eq!(state().await, "Canceled");
    let refused = house.traffic("food", json!({"blue": 100}), json!({})).await.is(400);
    assert!(refused.text.contains("does not serve"), "{}", refused.text);
    cancel(&house, &created).await.is(409);
    // The engine cannot be interrupted: when it is done, nobody wants the result.
    while loading() {
        tokio::task::yield_now().await;
    }
    assert!(house.running().app().reconciler.pool("food", "blue").is_none());
    assert_eq!(state().await, "Canceled");
    let good = house.model("good", "1", &sample_model()).await;
    let corrected = house.put(BLUE, deployment(&good)).await.is(200);
    assert_eq!(house.finish(&corrected).await["status"], "Succeeded");
}

async fn cancel(house: &House, reply: &Reply) -> Reply {
    let url = reply.header("azure-asyncoperation");
    let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
    house.send(house.request(Method::POST, &format!("/mlconsole/v1/operations/{name}/cancel"))).await
}

/// Whether a thread loads a model; the kernel keeps 15 letters of its name.
#[cfg(target_os = "linux")]
fn loading() -> bool {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    threads
        .filter_map(|t| std::fs::read_to_string(t.path().join("comm")).ok())
        .any(|name| name.starts_with("load food/blue"))
}

/// A model that takes its time to load: thousands of nodes, one after the other.
fn slow_model(house: &House) -> std::path::PathBuf {
    const NODES: usize = 20_000;
    let dimension = |n| pb::tensor_shape_proto::Dimension {
        value: Some(pb::tensor_shape_proto::dimension::Value::DimValue(n)),
        ..Default::default()
    };
    let value = |name: String| pb::ValueInfoProto {
        name,
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor {
                elem_type: 1,
                shape: Some(pb::TensorShapeProto { dim: vec![dimension(1), dimension(4)] }),
            })),
            ..Default::default()
        }),
        ..Default::default()
    };
    let node = |i: usize| pb::NodeProto {
        op_type: if i.is_multiple_of(2) { "Sin" } else { "Tanh" }.to_owned(),
        name: format!("n{i}"),
        input: vec![format!("x{i}")],
        output: vec![format!("x{}", i + 1)],
        ..Default::default()
    };
    let model = pb::ModelProto {
        ir_version: 8,
        opset_import: vec![pb::OperatorSetIdProto { version: 17, ..Default::default() }],
        graph: Some(pb::GraphProto {
            name: "slow".into(),
            node: (0..NODES).map(node).collect(),
            input: vec![value("x0".into())],
            output: vec![value(format!("x{NODES}"))],
            ..Default::default()
        }),
        ..Default::default()
    };
    let path = house.dir.join("slow.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_replaced_key_is_dead_when_the_new_one_is_answered_also_under_load() {
    let house = Arc::new(House::open().await);
    house.endpoint("food").await;
    let model = house.model("good", "1", &sample_model()).await;
    house.deployment("food", "blue", &model).await;
    house.traffic("food", json!({"blue": 100}), json!({})).await.is(200);
    let keys = || async {
        let keys = house.post(&format!("{ENDPOINT}/listKeys"), json!({})).await.is(200).body;
        ["primaryKey", "secondaryKey"].map(|name| keys[name].as_str().unwrap().to_owned())
    };
    let score = |key: String, deployment: Option<&'static str>| {
        let request = house.client.post(format!("{}/endpoints/food/score", house.base)).bearer_auth(key);
        let request = deployment.into_iter().fold(request, |r, name| r.header("azureml-model-deployment", name));
        let request = request.json(&sample_request());
        async { request.send().await.unwrap().status().as_u16() }
    };
    // Callers with the secondary key notice nothing of what happens to the primary one.
    let [mut primary, secondary] = keys().await;
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (stop, calls, house, secondary) = (stop.clone(), calls.clone(), house.clone(), secondary.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let request = house.client.post(format!("{}/endpoints/food/score", house.base));
                    let answer = request.bearer_auth(&secondary).json(&sample_request()).send().await.unwrap();
                    // A full queue is no matter of keys.
                    assert!([200, 429].contains(&answer.status().as_u16()), "{}", answer.status());
                    calls.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for _ in 0..50 {
        assert_ne!(score(primary.clone(), None).await, 401);
        let body = json!({"keyType": "Primary", "keyValue": primary});
        house.post(&format!("{ENDPOINT}/regenerateKeys"), body).await.is(200);
        // Many at once, over many connections.
        let dead = join_all((0..8).map(|_| score(primary.clone(), None))).await;
        assert!(dead.iter().all(|status| *status == 401), "{dead:?}");
        let [new, same] = keys().await;
        assert!(new != primary && same == secondary);
        assert_ne!(score(new.clone(), Some("blue")).await, 401);
        primary = new;
    }
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(calls.load(Ordering::SeqCst) > 0);
}
