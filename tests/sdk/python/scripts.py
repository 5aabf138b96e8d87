"""Code, environment and a pickle from this machine: deployed, shifted, read in the logs, and failing with its own words."""

import json
import os
import pathlib
import pickle
import re

import kit
from azure.ai.ml.entities import CodeConfiguration, Environment, Model
from azure.core.exceptions import HttpResponseError
from kit import eventually, holds, refused, same, step

ml_client = kit.client()
NAME = "prices"
SCORE = '''
import json
import logging
import os
import pickle

import numpy


def init():
    global weights, colour
    path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model", "weights.pkl")
    with open(path, "rb") as file:
        weights = numpy.asarray(pickle.load(file))
    colour = os.environ["COLOUR"]
    print("loaded", colour, "from", os.environ["AZUREML_MODEL_DIR"])


def run(raw_data):
    rows = numpy.asarray(json.loads(raw_data)["data"], dtype=float)
    logging.warning("scoring %d rows", len(rows))
    return {"colour": colour, "prices": (rows @ weights).tolist()}
'''
CONDA = """
name: prices
channels:
  - conda-forge
dependencies:
  - pip
  - numpy
  - pip:
    - azureml-inference-server-http
"""


def folder(name, files):
    root = pathlib.Path(name)
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(root)


def model(name, weights):
    return folder(f"{name}/model", {"weights.pkl": pickle.dumps(weights)})


code = folder("onlinescoring", {"score.py": SCORE})
conda = folder("environment", {"conda.yaml": CONDA}) + "/conda.yaml"
image = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
script = CodeConfiguration(code=code, scoring_script="score.py")
kit.bare_endpoint(ml_client, NAME, auth_mode="key")
key = ml_client.online_endpoints.get_keys(NAME).primary_key
body = {"data": [[1, 2, 3], [4, 5, 6]]}


def ask(deployment=None):
    answer = kit.score(NAME, body, key, deployment)
    same(answer.status_code, 200, answer.text)
    return answer


with step("blue: a pickle, a script and a conda file of this machine"):
    environment = Environment(conda_file=conda, image=image)
    made = kit.deploy(
        ml_client, NAME, "blue", Model(path=model("model-1", [1.0, 0.0, 0.0])), code_configuration=script,
        environment=environment, environment_variables={"COLOUR": "blue"},
    )
    same(made.provisioning_state, "Succeeded")
    kit.set_traffic(ml_client, NAME, blue=100)

with step("it answers as the script says, with the official server's headers"):
    answer = ask()
    same(answer.json(), {"colour": "blue", "prices": [1.0, 4.0]})
    same(answer.headers["x-ms-run-function-failed"], "False")
    same(answer.headers["azureml-model-deployment"], "blue")
    holds(answer.headers["x-ms-server-version"].startswith("azmlinfsrv/"), dict(answer.headers))

with step("green: a registered model in a registered environment, which is built once for both"):
    registered = ml_client.models.create_or_update(Model(path=model("model-2", [0.0, 0.0, 1.0]), name="prices-model", version="2"))
    shared = ml_client.environments.create_or_update(Environment(name="prices-env", version="1", conda_file=conda, image=image))
    kit.deploy(
        ml_client, NAME, "green", registered.id, code_configuration=script, environment=shared.id,
        environment_variables={"COLOUR": "green"}, instance_count=2,
    )
    same(ask("green").json(), {"colour": "green", "prices": [3.0, 6.0]})
    environments = [p for p in (pathlib.Path(os.environ["MLCONSOLE_DATA"]) / "environments").iterdir() if (p / ".complete").exists()]
    same(len(environments), 1, environments)

with step("traffic moves from blue to green and back"):
    for weights in [{"blue": 90, "green": 10}, {"blue": 10, "green": 90}, {"blue": 100, "green": 0}]:
        kit.set_traffic(ml_client, NAME, **weights)
        same(dict(ml_client.online_endpoints.get(NAME).traffic), weights)
        holds({ask().json()["colour"] for _ in range(20)} <= {c for c, w in weights.items() if w}, weights)

with step("both containers have logs"):
    for words in ["loaded blue from", "azureml-models", "WARNING:root:scoring 2 rows", "POST /score 200"]:
        # A worker's output is read in batches.
        eventually(lambda: words in ml_client.online_deployments.get_logs("blue", NAME, lines=200), f"{words!r} is in the log")
    lines = ml_client.online_deployments.get_logs("blue", NAME, lines=200).splitlines()
    holds("WARNING:root:scoring 2 rows" in lines, "a script's lines come as it wrote them")
    stamped = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} I \[\d+\] azmlinfsrv - POST /score 200 \d+\.\d+ms \d+")
    holds(any(stamped.fullmatch(line) for line in lines), lines)
    fetched = ml_client.online_deployments.get_logs("blue", NAME, lines=200, container_type="storage-initializer")
    holds("numpy==" in fetched, fetched)

with step("an error in run() stays in the log; the caller gets Azure's words"):
    answer = kit.score(NAME, {"wrong": 1}, key)
    same(answer.status_code, 424, answer.text)
    same(answer.headers["ms-azureml-model-error-statuscode"], "500")
    holds("KeyError" not in answer.text and "Check the logs" in answer.text, answer.text)
    eventually(lambda: "KeyError: 'data'" in ml_client.online_deployments.get_logs("blue", NAME, lines=200), "the log has the error")


def failing(name, text):
    return CodeConfiguration(code=folder(name, {"score.py": text}), scoring_script="score.py")


with step("a script that cannot start fails its deployment with its own last words"):
    broken = failing("broken", "def init():\n    raise RuntimeError('no licence for ' + 'tuesdays')\n\ndef run(raw):\n    return raw\n")
    with refused(HttpResponseError, "RuntimeError: no licence for tuesdays"):
        kit.deploy(ml_client, NAME, "broken", Model(path="model-1/model"), code_configuration=broken, environment=shared.id)
    same(ml_client.online_deployments.get("broken", NAME).provisioning_state, "Failed")
    logs = ml_client.online_deployments.get_logs("broken", NAME, lines=200)
    holds("Traceback" in logs and "no licence for tuesdays" in logs, logs)

with step("a missing function, a missing package and an image alone are told apart"):
    for name, text, words in [
        ("no-run", "def init():\n    pass\n", "run"),
        ("no-package", "import a_package_nobody_has\n\ndef init():\n    pass\n\ndef run(raw):\n    return raw\n", "a_package_nobody_has"),
    ]:
        with refused(HttpResponseError, words):
            kit.deploy(ml_client, NAME, name, Model(path="model-1/model"), code_configuration=failing(name, text), environment=shared.id)
    with refused(HttpResponseError, "without Docker", "conda_file"):
        kit.deploy(
            ml_client, NAME, "image-only", Model(path="model-1/model"), code_configuration=script,
            environment=Environment(name="image-only", version="1", image=image),
        )

with step("what serves is not touched by what fails"):
    same(ask().json()["colour"], "blue")

with step("an update brings another script without an error in between"):
    better = failing("better", SCORE.replace('"colour": colour,', '"colour": colour, "version": 2,'))
    made = kit.deploy(
        ml_client, NAME, "blue", Model(path="model-1/model"), code_configuration=better, environment=shared.id,
        environment_variables={"COLOUR": "blue"},
    )
    same(ask().json(), {"colour": "blue", "version": 2, "prices": [1.0, 4.0]})
    print(json.dumps(ask().json()))
