"""tritonclient against an endpoint: health, metadata, JSON and binary inference, over TLS and over plain http."""

import json
import os
import ssl

import kit
import numpy as np
import tritonclient.http as triton
from azure.ai.ml.entities import Model
from kit import holds, refused, same, step

ml_client = kit.client()
NAME = "restaurants"
lunch = kit.case(NAME, 0)
columns, row = lunch["request"]["input_data"]["columns"], lunch["request"]["input_data"]["data"][0]

with step("the recommender and the tagger are deployed"):
    for endpoint, model in [
        (NAME, Model(path=kit.recommender(2), name="recommender", version="2", type="custom_model")),
        ("image-tagger", Model(path=str(kit.ASSETS / "image-tagger" / "image-tagger.onnx"), name="image-tagger", version="1", type="custom_model")),
    ]:
        kit.bare_endpoint(ml_client, endpoint, auth_mode="key")
        kit.deploy(ml_client, endpoint, "blue", model)
        kit.set_traffic(ml_client, endpoint, blue=100)


def connect(endpoint, plain=False):
    """A client and the headers it needs. Each call gets a copy: the client writes headers of one request into them."""
    headers = {"Authorization": f"Bearer {ml_client.online_endpoints.get_keys(endpoint).primary_key}"}
    if plain:
        address = kit.READY["plain_http"].removeprefix("http://")
        return triton.InferenceServerClient(f"{address}/endpoints/{endpoint}"), headers
    trust = lambda: ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])  # noqa: E731
    address = kit.BASE.removeprefix("https://")
    return triton.InferenceServerClient(f"{address}/endpoints/{endpoint}", ssl=True, ssl_context_factory=trust), headers


def inputs(binary, rows=1):
    made = []
    for name, value in zip(columns, row):
        tensor = triton.InferInput(name, [rows], "INT64")
        tensor.set_data_from_numpy(np.full([rows], value, dtype=np.int64), binary_data=binary)
        made.append(tensor)
    return made


for plain in (False, True):
    road = "plain http" if plain else "TLS"
    client, headers = connect(NAME, plain)

    with step(f"{road}: health"):
        holds(client.is_server_live(headers=dict(headers)), "live")
        holds(client.is_server_ready(headers=dict(headers)), "ready")
        holds(client.is_model_ready("recommender", headers=dict(headers)), "the model is ready")
        holds(client.is_model_ready("recommender", "2", headers=dict(headers)), "its version is ready")
        holds(not client.is_model_ready("nobody", headers=dict(headers)), "another is not")

    with step(f"{road}: metadata"):
        server = client.get_server_metadata(headers=dict(headers))
        holds(server["name"] and server["version"] and "binary_tensor_data" in server["extensions"], server)
        model = client.get_model_metadata("recommender", headers=dict(headers))
        same(model["name"], "recommender")
        same(model["versions"], ["2"])
        same({i["name"]: (i["datatype"], i["shape"]) for i in model["inputs"]}, {name: ("INT64", [-1]) for name in columns})
        same({o["name"]: (o["datatype"], o["shape"]) for o in model["outputs"]}, {"restaurant": ("INT64", [-1, 5]), "score": ("FP32", [-1, 5])})

    for binary_in, binary_out in [(False, False), (True, False), (False, True), (True, True)]:
        with step(f"{road}: inference, {'binary' if binary_in else 'JSON'} in, {'binary' if binary_out else 'JSON'} out"):
            outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("restaurant", "score")]
            result = client.infer("recommender", inputs(binary_in), outputs=outputs, headers=dict(headers), request_id="r-17")
            same(result.get_response()["id"], "r-17")
            same(result.as_numpy("restaurant").tolist(), lunch["green"]["restaurant"])
            holds(np.allclose(result.as_numpy("score"), lunch["green"]["score"], atol=1e-3), result.as_numpy("score"))
            same((result.as_numpy("restaurant").dtype, result.as_numpy("score").dtype), (np.int64, np.float32))

    with step(f"{road}: no outputs asked means all of them; a batch of 7"):
        result = client.infer("recommender", inputs(True, rows=7), headers=dict(headers))
        same(result.as_numpy("score").shape, (7, 5))
        result = client.infer("recommender", inputs(True), model_version="2", headers=dict(headers))
        same(result.as_numpy("restaurant").shape, (1, 5))

    with step(f"{road}: errors name the trouble"):
        with refused(triton.InferenceServerException, "hour"):
            client.infer("recommender", inputs(True)[:2], headers=dict(headers))
        with refused(triton.InferenceServerException, "nobody"):
            client.infer("nobody", inputs(True), headers=dict(headers))
        wrong = triton.InferInput("user", [1], "FP32")
        wrong.set_data_from_numpy(np.zeros([1], dtype=np.float32))
        with refused(triton.InferenceServerException, "user"):
            client.infer("recommender", [wrong] + inputs(True)[1:], headers=dict(headers))
        with refused(triton.InferenceServerException):
            client.infer("recommender", inputs(True))  # no key
    client.close()

with step("compressed requests and answers"):
    client, headers = connect(NAME)
    result = client.infer("recommender", inputs(True), headers=dict(headers), response_compression_algorithm="gzip")
    same(result.as_numpy("restaurant").tolist(), lunch["green"]["restaurant"])

with step("a picture as a binary tensor"):
    case = json.loads((kit.ASSETS / "image-tagger" / "requests.json").read_text())[1]
    picture = np.array(case["request"]["inputs"]["image"], dtype=np.float32)
    image = triton.InferInput("image", list(picture.shape), "FP32")
    image.set_data_from_numpy(picture)
    client, headers = connect("image-tagger")
    result = client.infer("image-tagger", [image], headers=dict(headers))
    same(result.as_numpy("tag").tolist(), case["answer"]["tag"])
    holds(np.allclose(result.as_numpy("scores"), case["answer"]["scores"], atol=1e-3), result.as_numpy("scores"))
