"""A Triton repository and an MLflow model with an ONNX flavor are served without a line of code."""

import json
import pathlib

import kit
from azure.ai.ml.entities import Model
from kit import answered, close, holds, same, step

ml_client = kit.client()
lunch = kit.case("restaurants", 0)
columns, row = lunch["request"]["input_data"]["columns"], lunch["request"]["input_data"]["data"][0]
v2_request = {
    "inputs": [{"name": name, "shape": [1], "datatype": "INT64", "data": [value]} for name, value in zip(columns, row)]
}


def onnx_bytes(version):
    return pathlib.Path(kit.recommender(version)).read_bytes()


with step("a Triton repository with two models is deployed"):
    for version, name in [(1, "counter"), (2, "network")]:
        folder = pathlib.Path("repository") / name / "1"
        folder.mkdir(parents=True)
        (folder / "model.onnx").write_bytes(onnx_bytes(version))
    kit.bare_endpoint(ml_client, "triton-house", auth_mode="key")
    made = kit.deploy(ml_client, "triton-house", "blue", Model(path="repository", name="repository", type="triton_model"))
    same(made.provisioning_state, "Succeeded")
    kit.set_traffic(ml_client, "triton-house", blue=100)

with step("each model of the repository answers under its own name"):
    key = ml_client.online_endpoints.get_keys("triton-house").primary_key
    base = ml_client.online_endpoints.get("triton-house").scoring_uri.rsplit("/score", 1)[0]
    for name, colour in [("counter", "blue"), ("network", "green")]:
        answer = kit.requests.post(
            f"{base}/v2/models/{name}/infer", json=v2_request, headers={"Authorization": f"Bearer {key}"}, timeout=60
        )
        same(answer.status_code, 200, answer.text)
        outputs = {o["name"]: o for o in answer.json()["outputs"]}
        same(outputs["restaurant"]["shape"], [1, 5])
        same(outputs["restaurant"]["data"], lunch[colour]["restaurant"][0])
        holds(close(outputs["score"]["data"], lunch[colour]["score"][0]), outputs["score"])

with step("an MLflow model with an ONNX flavor is deployed, without code and environment"):
    folder = pathlib.Path("mlflow-model")
    folder.mkdir()
    (folder / "model.onnx").write_bytes(onnx_bytes(2))
    (folder / "MLmodel").write_text(
        "artifact_path: model\n"
        "flavors:\n"
        "  onnx:\n    onnx_version: 1.23.2\n    data: model.onnx\n    code: null\n"
        "  python_function:\n    loader_module: mlflow.onnx\n    data: model.onnx\n    python_version: 3.11.7\n"
        "signature:\n"
        """  inputs: '[{"type": "long", "name": "user"}, {"type": "long", "name": "last_restaurant"}, {"type": "long", "name": "hour"}]'\n"""
        "mlflow_version: 2.22.0\n"
        "model_uuid: 1f0b3c5de0d84b3c9a5d6c0f8a1b2c3d\n"
        "utc_time_created: '2026-01-01 00:00:00.000000'\n"
    )
    kit.bare_endpoint(ml_client, "mlflow-house", auth_mode="key")
    model = ml_client.models.create_or_update(Model(path=str(folder), name="mlflow-recommender", type="mlflow_model"))
    same(model.type, "mlflow_model")
    kit.deploy(ml_client, "mlflow-house", "blue", model.id)
    kit.set_traffic(ml_client, "mlflow-house", blue=100)

with step("it answers input_data"):
    text = ml_client.online_endpoints.invoke("mlflow-house", request_file=kit.request_file("restaurants"))
    print(f"        {text}")
    holds(str(lunch["green"]["restaurant"][0][0]) in text, text)
    json.loads(text)
