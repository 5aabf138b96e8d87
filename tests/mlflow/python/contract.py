"""Replays every case against the scoring script itself and compares with MLflow's own `predict`.

The models lie in MLCONSOLE_MODELS (they are made when they are missing), the script in MLCONSOLE_ASSETS.
"""

import contextlib
import importlib.util
import io
import json
import math
import os
import sys
import warnings

import cases
import mlflow
import models
from mlflow.utils.proto_json_utils import NumpyEncoder, _get_jsonable_obj

warnings.filterwarnings("ignore")


class Request:
    """As much of a Flask request as a script may use."""

    def __init__(self, case):
        self.method = "POST"
        self.args = {}
        self.headers = {"Content-Type": case.kind}
        if case.path != "/score":
            self.headers["x-mlconsole-route"] = case.path
        text = case.body if isinstance(case.body, str) else json.dumps(case.body)
        self.raw = text.encode()

    def get_data(self):
        return self.raw


def loaded(script, folder, lenient):
    """The script as a module of its own, after its init()."""
    os.environ.update(AZUREML_MODEL_DIR=str(folder.parent), MLFLOW_MODEL_FOLDER=folder.name)
    os.environ["MLFLOW_LENIENT_INPUT"] = str(lenient).lower()
    spec = importlib.util.spec_from_file_location("entry_module", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with contextlib.redirect_stdout(io.StringIO()):
        module.init()
    return module


def ask(module, case):
    """(status, text) as the inference server makes them of what run() does."""
    try:
        answer = module.run(Request(case))
    except Exception as error:
        return 500, str(error)
    if hasattr(answer, "get_data"):
        return answer.status_code, answer.get_data(as_text=True)
    return 200, json.dumps({} if answer is None else answer)


def expected(folder, case):
    """MLflow's own prediction as JSON."""
    model = mlflow.pyfunc.load_model(str(folder))
    answer = _get_jsonable_obj(model.predict(case.given, params=case.params), pandas_orient="records")
    answer = json.loads(json.dumps({} if answer is None else answer, cls=NumpyEncoder))
    return {"predictions": answer} if case.path == "/invocations" else answer


def same(got, want, tolerance=1e-9):
    if isinstance(want, bool) or want is None or isinstance(want, str):
        return type(got) is type(want) and got == want
    if isinstance(want, (int, float)):
        if not isinstance(got, (int, float)) or isinstance(got, bool):
            return False
        return (math.isnan(got) and math.isnan(want)) or math.isclose(got, want, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(want, dict):
        return isinstance(got, dict) and got.keys() == want.keys() and all(same(got[k], want[k], tolerance) for k in want)
    return isinstance(got, list) and len(got) == len(want) and all(map(lambda g, w: same(g, w, tolerance), got, want))


def difference(case, status, text, folder, tolerance=1e-9):
    """What is wrong with an answer, or None."""
    if status != case.status:
        return f"status {status} instead of {case.status}: {text[:300]}"
    if case.status != 200:
        return None if case.text in text else f"{case.text!r} is not in {text[:300]!r}"
    want = expected(folder, case)
    return None if same(json.loads(text), want, tolerance) else f"got {text[:300]}, MLflow says {json.dumps(want)[:300]}"


def main():
    folders = models.make(os.environ["MLCONSOLE_MODELS"])
    script = os.path.join(os.environ["MLCONSOLE_ASSETS"], "mlflow_score.py")
    wrong = 0
    modules = {}
    for case in cases.CASES:
        key = (case.model, case.lenient)
        module = modules.get(key) or modules.setdefault(key, loaded(script, folders[case.model], case.lenient))
        problem = difference(case, *ask(module, case), folders[case.model])
        wrong += problem is not None
        print(f"{'FAILED ' if problem else 'ok     '} {case.model}: {case.name}{'  ' + problem if problem else ''}")
    print(f"{len(cases.CASES)} cases with MLflow {mlflow.__version__}, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
