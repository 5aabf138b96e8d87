//! Requests that would cost an instance: those of bad values cost none, those without end cost one, and it comes back.

use std::path::{Path, PathBuf};

use prost::Message as _;
use serde_json::{Value, json};
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
    type_proto,
};

use super::house::{House, Reply, deployment};

const INT64: i32 = 7;
const PATH: &str = "/onlineEndpoints/grow/deployments/blue";

/// A value of whole numbers: a scalar, or a row of three.
fn value(name: &str, scalar: bool) -> ValueInfoProto {
    use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value};
    let three = Dimension { value: Some(Value::DimValue(3)), ..Default::default() };
    let dim = if scalar { vec![] } else { vec![three] };
    let tensor = type_proto::Tensor { elem_type: INT64, shape: Some(TensorShapeProto { dim }) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}

fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        name: format!("{operator}-node"),
        op_type: operator.into(),
        input: inputs.iter().map(|i| (*i).into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

fn constant(name: &str, values: &[i64], scalar: bool) -> TensorProto {
    let dims = if scalar { vec![] } else { vec![values.len() as i64] };
    TensorProto { name: name.into(), dims, data_type: INT64, int64_data: values.to_vec(), ..Default::default() }
}

/// The largest of the numbers below `n`, all made first; and the number at a place of a short list.
fn model(dir: &Path) -> PathBuf {
    let graph = GraphProto {
        name: "g".into(),
        node: vec![
            node("Range", &["zero", "n", "one"], "all"),
            node("ReduceMax", &["all"], "most"),
            node("Gather", &["list", "place"], "found"),
        ],
        input: vec![value("n", true), value("place", false)],
        output: vec![ValueInfoProto { name: "most".into(), ..Default::default() }, value("found", false)],
        initializer: vec![
            constant("zero", &[0], true),
            constant("one", &[1], true),
            constant("list", &[10, 20, 30, 40], false),
        ],
        ..Default::default()
    };
    let opset_import = vec![OperatorSetIdProto { domain: String::new(), version: 17 }];
    let model = ModelProto { ir_version: 9, opset_import, graph: Some(graph), ..Default::default() };
    let file = dir.join("counting.onnx");
    std::fs::write(&file, model.encode_to_vec()).unwrap();
    file
}

struct Caller<'a> {
    house: &'a House,
    key: String,
}

impl Caller<'_> {
    async fn score(&self, n: u64, place: [i64; 3]) -> Reply {
        let url = format!("{}/endpoints/grow/score", self.house.base);
        let body = json!({"inputs": {"n": n, "place": place}});
        self.house.send(self.house.client.post(url).bearer_auth(&self.key).json(&body)).await
    }

    /// Ready instances and restarts.
    fn status(&self) -> (u32, u32) {
        let status = self.house.running().app().reconciler.pool("grow", "blue").unwrap().status();
        (status.ready, status.restarts)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_value_costs_no_instance_and_a_request_without_end_costs_one_that_comes_back() {
    let house = House::open().await;
    house.endpoint("grow").await;
    let id = house.model("counting", "1", &model(&house.dir)).await;
    let body = |limit: &str| -> Value {
        let mut body = deployment(&id);
        body["sku"]["capacity"] = json!(2);
        body["properties"]["properties"] = json!({"mlconsole.memory_limit_mb": limit});
        body
    };
    let refused = house.put(PATH, body("plenty")).await;
    let end = house.finish(&refused).await;
    assert_eq!(end["status"], "Failed");
    assert!(end["error"]["message"].as_str().unwrap().contains("\"plenty\"; give the memory"), "{end}");
    let end = house.finish(&house.put(PATH, body("24")).await.is(200)).await;
    assert_eq!(end["status"], "Succeeded", "{end}");
    house.traffic("grow", json!({"blue": 100}), json!({})).await.is(200);
    let keys = house.post("/onlineEndpoints/grow/listKeys", json!({})).await.body;
    let caller = Caller { house: &house, key: keys["primaryKey"].as_str().unwrap().to_owned() };

    let answer = caller.score(1_000, [0, -1, 3]).await.is(200);
    assert_eq!((&answer.body["most"], &answer.body["found"]), (&json!([999]), &json!([10, 40, 40])));
    for place in [4, -5, i64::MAX, i64::MIN] {
        let wrong = caller.score(1_000, [0, place, 0]).await.is(400);
        let words = format!("Gather 'Gather-node' (input 'place'): index {place} is out of range");
        assert!(wrong.text.contains(&words), "{}", wrong.text);
    }
    assert_eq!(caller.status(), (2, 0));

    let killed = caller.score(400_000_000_000, [0, 0, 0]).await.is(424);
    assert_eq!(killed.header("ms-azureml-model-error-statuscode"), "500");
    let reason = killed.header("ms-azureml-model-error-reason");
    assert!(reason.starts_with("OOMKilled: needs 320") && reason.ends_with("limit 25165824 bytes"), "{reason}");
    // The other one goes on at once, and the lost one is back without anybody's doing.
    caller.score(1_000, [0, 0, 0]).await.is(200);
    while caller.status().0 < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(caller.status(), (2, 1));
    caller.score(1_000_000, [0, 0, 0]).await.is(200);
    let log = house.post(&format!("{PATH}/getLogs"), json!({})).await.is(200).text;
    assert!(log.contains("OOMKilled") && log.contains("the instance is being replaced"), "{log}");
    assert!(log.contains("Name: OOMKilled, Type: Warning"), "{log}");
    house.close().await;
}
