"""The recommender as an ONNX file, as a pickle with a scoring script, and as an MLflow model: the same answers."""

import json
from collections import Counter

from contract import same
from house import ASSETS, House, step

FOLDER = ASSETS / "restaurants"
CASES = json.loads((FOLDER / "requests.json").read_text(encoding="utf-8"))


def answers(house, deployment=None):
    for case in CASES:
        status, headers, text = house.ask("restaurants", deployment, case["request"])
        assert status == 200, f"{headers}: {text}"
        assert same(json.loads(text), case["blue"], 1e-3), f"{deployment}: {text} instead of {case['blue']}"
        yield headers["azureml-model-deployment"]


with House() as house:
    with step("the pickle is deployed with its script and conda file, and its registration says what a pickle is"):
        house.command("endpoint", "create", "-f", FOLDER / "endpoint.yml")
        house.command("deployment", "create", "-f", FOLDER / "blue-pickle-deployment.yml")
        note = house.document("model", "show", "restaurant-recommender-pickle:1")["properties"]["properties"]["mlconsole.note"]
        assert "recommender-v1.pkl" in note and "runs whatever code" in note, note
    with step("the MLflow model is deployed with neither"):
        house.command("deployment", "create", "-f", FOLDER / "green-mlflow-deployment.yml")
    with step("both answer as the ONNX file does"):
        assert set(answers(house, "blue")) == {"blue"} and set(answers(house, "green")) == {"green"}
    with step("under a 50/50 split each answers half, and nobody can tell them apart"):
        house.command("traffic", "set", "restaurants", "blue=50", "green=50", "--yes")
        seen = Counter(name for _ in range(20) for name in answers(house))
        assert min(seen["blue"], seen["green"]) > 20, seen
    with step("the ONNX file takes blue's place, and green goes on"):
        house.command("deployment", "update", "-f", FOLDER / "blue-deployment.yml")
        assert set(answers(house, "blue")) == {"blue"} and set(answers(house, "green")) == {"green"}
