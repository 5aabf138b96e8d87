"""scikit-learn models become ONNX at registration where asked to, and are served natively only if they answer the same."""

import json
import pickle

import cases
import contract
import mlflow
import models
import numpy as np
import pandas as pd
from house import MODELS, House, step
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

CONDA = {"dependencies": [f"python={models.python()}", {"pip": models.pins("sklearn")}]}


def hours():
    """A model over moments of one hour, as seconds of the epoch: single precision cannot tell them apart."""
    data = pd.DataFrame({"when": 1.7e9 + np.linspace(0, 3600, 200)})
    model = make_pipeline(StandardScaler(), Ridge(0.01)).fit(data, data["when"] - 1.7e9)
    folder = MODELS / "hours"
    if not (folder / "MLmodel").exists():
        models.save_sklearn(model, folder, signature=mlflow.models.infer_signature(data), input_example=data.iloc[[0, 99, 199]])
    return folder


def properties(house, model):
    return house.document("model", "show", model)["properties"]["properties"]


with House() as house:
    folders = models.make(MODELS)
    house.endpoint("converted")
    with step("a pipeline over columns of four types is converted, compared and recorded"):
        said = house.command("model", "register", "--name", "guests", "--path", folders["frame"], "--convert", "onnx")
        assert "native (converted)" in said and "all labels are equal" in said, said
        assert "\n  converting\n" in said, f"whoever waits sees its steps: {said}"
        found = properties(house, "guests:1")
        assert "mlconsole.conversion_step" not in found, found
        assert found["mlconsole.conversion"] == "native (converted)" and "258 rows" in found["mlconsole.conversion_report"], found
        report = json.loads((house.folder / "data/conversions/guests/1/report.json").read_text())
        assert report["agrees"] and report["labels"] and any(p.startswith("skl2onnx==") for p in report["madeWith"]), report
        assert "native (converted)" in house.command("model", "inspect", "guests:1")
    with step("it is served natively, to the same requests with the same answers"):
        house.deploy("converted", "guests", "azureml:guests:1")
        note = house.document("deployment", "show", "converted", "guests")["properties"]["properties"]["mlconsole.note"]
        assert "ative (converted)" in note, note
        for case in cases.FRAMES:
            if case.model != "frame" or case.lenient or case.status == 415:
                continue
            status, headers, text = house.ask("converted", "guests", case.body)
            assert "x-ms-server-version" not in headers, headers
            wanted = case._replace(status=400) if case.status == 500 else case
            wrong = contract.difference(wanted, status, text, folders["frame"])
            assert wrong is None, f"{case.name}: {wrong}"
    with step("a model that single precision spoils is refused, and runs in Python"):
        said = house.command("model", "register", "--name", "hours", "--path", hours(), "--convert", "onnx", code=1)
        assert "registered, but not converted" in said and "off by more than" in said, said
        house.deploy("converted", "hours", "azureml:hours:1")
        status, headers, text = house.ask("converted", "hours", cases.frame(["when"], [[1.7e9 + 1800]]))
        assert status == 200 and "x-ms-server-version" in headers and abs(json.loads(text)[0] - 1800) < 1, text
    with step("what cannot be converted or compared says why"):
        for name, why in [("matrix", "input example"), ("spicy", "only scikit-learn models")]:
            said = house.command("model", "register", "--name", name, "--path", folders[name], "--convert", "onnx", code=1)
            assert why in said, said
        said = house.command("model", "register", "--name", "none", "--path", folders["matrix"])
        assert "mlconsole.conversion" not in properties(house, "none:1"), "nobody asked for it"
    with step("a pickle is converted in the environment that its registration names, and needs no script then"):
        folder = house.folder / "pickled"
        folder.mkdir()
        data = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [0.5, 0.25, 3.0]})
        model = Ridge().fit(data, data.a + data.b)
        (folder / "model.pkl").write_bytes(pickle.dumps(model))
        (folder / "sample-request.json").write_text(json.dumps(cases.frame(["a", "b"], data.to_numpy().tolist())))
        (house.folder / "conda.yml").write_text(json.dumps(CONDA))
        house.command("environment", "register", "--name", "sk", "--version", "1", "--conda-file", house.folder / "conda.yml")
        asked = ["model", "register", "--name", "pickled", "--path", folder, "--convert", "onnx"]
        said = house.command(*asked, code=1)
        assert "name an environment" in said, said
        junk = house.folder / "junk.pkl"
        junk.write_text("no pickle")
        said = house.command("model", "register", "--name", "junk", "--path", junk, *asked[-2:], "--environment", "azureml:sk:1", code=1)
        assert "'junk.pkl' cannot be loaded (" in said, said
        house.command(*asked, "--version", "2", "--environment", "azureml:sk:1")
        house.deploy("converted", "pickled", "azureml:pickled:2")
        status, _, text = house.ask("converted", "pickled", cases.frame(["b", "a"], [[0.5, 1.0]]))
        assert status == 200 and contract.same(json.loads(text), model.predict(data[:1]).tolist(), 1e-5), text
