"""What cannot be served fails at once, says why, and what to do; and a bad request names what is wrong with it."""

import json
import pathlib

import kit
from azure.ai.ml.entities import CodeConfiguration, Environment, Model
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from kit import answered, holds, refused, same, step
from onnx import TensorProto, helper

ml_client = kit.client()
NAME = "restaurants"
lunch = kit.case(NAME, 0)
kit.bare_endpoint(ml_client, NAME, auth_mode="key")
key = ml_client.online_endpoints.get_keys(NAME).primary_key


def strange_model():
    """Two operators that no engine here serves, one of them twice."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Mystery", ["x"], ["a"], name="first_mystery", domain="com.example"),
        helper.make_node("Mystery", ["a"], ["b"], name="second_mystery", domain="com.example"),
        helper.make_node("Unique", ["b"], ["y"], name="only_once"),
    ]
    graph = helper.make_graph(nodes, "strange", [value("x", TensorProto.FLOAT, [4])], [value("y", TensorProto.FLOAT, ["n"])])
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("com.example", 1)]
    pathlib.Path("strange.onnx").write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return "strange.onnx"


with step("unsupported operators: all of them are listed, with their nodes"):
    with refused(HttpResponseError, "Mystery", "first_mystery", "Unique", "only_once"):
        kit.deploy(ml_client, NAME, "strange", Model(path=strange_model()))
    same(ml_client.online_deployments.get("strange", NAME).provisioning_state, "Failed")

with step("the logs of a failed deployment say the same"):
    logs = ml_client.online_deployments.get_logs("strange", NAME, lines=100)
    holds("Mystery" in logs, logs)

with step("a file that is no model"):
    pathlib.Path("broken.onnx").write_bytes(b"this is not a model" * 100)
    with refused(HttpResponseError, "broken.onnx"):
        kit.deploy(ml_client, NAME, "broken", Model(path="broken.onnx"))

with step("a folder without a model"):
    pathlib.Path("nothing").mkdir()
    pathlib.Path("nothing/readme.txt").write_text("nothing here")
    with refused(HttpResponseError, ".onnx"):
        kit.deploy(ml_client, NAME, "nothing", Model(path="nothing"))

with step("an environment that is an image alone: it says so, and what to do"):
    pathlib.Path("code").mkdir()
    pathlib.Path("code/score.py").write_text("def init():\n    pass\n\ndef run(raw):\n    return raw\n")
    with refused(HttpResponseError, "without Docker", "conda_file"):
        kit.deploy(
            ml_client, NAME, "scripted", Model(path=kit.recommender(1)),
            code_configuration=CodeConfiguration(code="code", scoring_script="score.py"),
            environment=Environment(name="scoring", version="1", image="mcr.microsoft.com/azureml/minimal-ubuntu22.04-py311"),
        )  # fmt: skip

with step("an endpoint and a model that do not exist"):
    with refused(ResourceNotFoundError, "nowhere"):
        kit.deploy(ml_client, "nowhere", "blue", Model(path=kit.recommender(1)))
    with refused(Exception, "ghost"):
        kit.deploy(ml_client, NAME, "blue", "azureml:ghost:7")

with step("settings outside the rules are refused before anything starts"):
    for word, settings in [("instance_type", {"instance_type": "Standard_Toaster"}), ("51", {"instance_count": 51})]:
        with refused(HttpResponseError, word if word == "51" else "Standard_Toaster"):
            kit.deploy(ml_client, NAME, "wrong", Model(path=kit.recommender(1)), **settings)
    with refused(ResourceNotFoundError, "wrong"):
        ml_client.online_deployments.get("wrong", NAME)

with step("a failed deployment takes no traffic, is deleted, and its name is free again"):
    with refused(HttpResponseError, "strange"):
        kit.set_traffic(ml_client, NAME, strange=100)
    ml_client.online_deployments.begin_delete("strange", NAME).result()
    kit.deploy(ml_client, NAME, "strange", Model(path=kit.recommender(1)))
    kit.set_traffic(ml_client, NAME, strange=100)
    answered(kit.score(NAME, lunch["request"], key).text, lunch["blue"])

columns = ["user", "last_restaurant", "hour"]
BAD_REQUESTS = [
    ("an input is missing", {"input_data": {"columns": columns[:2], "data": [[1, 2]]}}, ["hour"]),
    ("an input is unknown", {"inputs": {"user": [1], "last_restaurant": [2], "hour": [3], "colour": [4]}}, ["colour"]),
    ("a text for a number", {"inputs": {"user": ["ann"], "last_restaurant": [2], "hour": [3]}}, ["user"]),
    ("a fraction for an integer", {"inputs": {"user": [1.5], "last_restaurant": [2], "hour": [3]}}, ["user"]),
    ("rows of different length", {"input_data": {"columns": columns, "data": [[1, 2, 3], [1, 2]]}}, []),
    ("inputs of different batch", {"inputs": {"user": [1, 2], "last_restaurant": [2], "hour": [3]}}, []),
    ("one dimension too many", {"inputs": {"user": [[1]], "last_restaurant": [2], "hour": [3]}}, ["user"]),
    ("neither form", {"rows": []}, ["input_data"]),
    ("a list at the top", [1, 2, 3], []),
]

for what, body, words in BAD_REQUESTS:
    with step(f"bad request: {what}"):
        answer = kit.score(NAME, body, key)
        same(answer.status_code, 400, answer.text)
        for word in words:
            holds(word in answer.text, answer.text)

with step("bad request: not JSON, cut off, empty"):
    uri = ml_client.online_endpoints.get(NAME).scoring_uri
    for data in (b"{", b"", b"\xff\xfe", b'{"input_data": NaN}', json.dumps(lunch["request"]).encode()[:-3]):
        answer = kit.requests.post(uri, data=data, headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"}, timeout=60)
        same(answer.status_code, 400, data)

with step("an id outside the table is the caller's error: 400 that names it and the range; the next request is fine"):
    answer = kit.score(NAME, {"inputs": {"user": [10**9], "last_restaurant": [2], "hour": [3]}}, key)
    same(answer.status_code, 400, answer.text)
    for word in ("user", str(10**9), "399"):
        holds(word in answer.text, answer.text)
    kit.eventually(lambda: kit.score(NAME, lunch["request"], key).status_code == 200, "the deployment answers again")
