"""The custom models of the suite; MLflow puts this file beside them."""

import datetime

import mlflow.pyfunc
import numpy as np
import pandas as pd


class Tells(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        """Each cell as text, and the type its column had."""
        rows = model_input.astype(str).to_dict(orient="records")
        types = {name: str(kind) for name, kind in model_input.dtypes.items()}
        return {"rows": rows, "types": types}


class Orders(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        with open(context.artifacts["menu"], encoding="utf-8") as file:
            self.menu = file.read().split()

    def predict(self, context, model_input, params=None):
        params = params or {}
        dishes = [self.menu[number] for number in model_input["dish"]]
        weight = float(np.sum(params.get("weights", [1.0])))
        return [f"{weight:g} {' '.join([dish] * params.get('times', 1))}{params.get('ending', '!')}" for dish in dishes]


class Answers(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        x = model_input["x"].to_numpy()
        moment = datetime.datetime(2026, 1, 31, 10, 0, 0)
        return {
            "dict": {"a": x * 2, "b": {"inner": np.float32(1.5)}, "names": np.array(["é"] * len(x))},
            "frame": pd.DataFrame({"twice": x * 2, "when": [moment] * len(x), "list": [np.array([1, 2])] * len(x)}),
            "series": pd.Series(x * 2, name="twice"),
            "matrix": np.outer(x, [1, 2]),
            "times": np.array([np.datetime64("2026-01-31T10:00:00")]),
            "nothing": None,
            "missing": np.array([1.0, np.nan]),
            "bytes": b"abc",
            "text": "just text",
        }[(params or {}).get("kind", "dict")]
