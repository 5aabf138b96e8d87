"""Turns a scikit-learn model into ONNX, in the model's own environment, and writes down what the model itself answers.

    python convert_sklearn.py MODEL OUT     MODEL: an MLflow folder, a pickle, or a folder with one and an example

OUT gets `model.onnx` and `conversion.json`: how the graph is asked, its answer, and the rows to compare it on with the
model's own predictions. The comparison is made by the engine that is going to serve the graph. What cannot be converted ends
with exit code 1 and a last line that says why.
"""

import json
import pathlib
import pickle
import sys

import numpy as np

ROWS = 256
SEED = 20260101
EXAMPLES = ("input_example.json", "sample-request.json", "sample_request.json", "sample-input.json")


class Refused(Exception):
    """Why there is no conversion, in a sentence."""


def load(path):
    """(model, what `predict` is called, folder): of an MLflow folder or of a pickle."""
    if path.is_dir() and (path / "MLmodel").is_file():
        import mlflow.sklearn
        import yaml

        flavors = yaml.safe_load((path / "MLmodel").read_text(encoding="utf-8")).get("flavors", {})
        if "sklearn" not in flavors:
            raise Refused(f"only scikit-learn models are converted; this one has the flavors {', '.join(flavors)}")
        return mlflow.sklearn.load_model(str(path)), flavors.get("python_function", {}).get("predict_fn", "predict"), path
    folder = path if path.is_dir() else path.parent
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.suffix in (".pkl", ".pickle", ".joblib"))
    if len(files) != 1:
        raise Refused(f"one pickle is converted at a time; there are {len(files)}")
    if files[0].suffix == ".onnx":
        raise Refused(f"'{files[0].name}' is ONNX already; register it without a conversion")
    sys.path.append(str(folder))
    try:
        import joblib
    except ImportError:
        joblib = None
    try:
        model = joblib.load(files[0]) if joblib else pickle.loads(files[0].read_bytes())
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(": ")
        raise Refused(
            f"'{files[0].name}' cannot be loaded ({why}); it must be a pickle, and its environment hold the packages it was saved with"
        ) from error
    return model, "predict", folder


def example(folder):
    """The rows of the input example: a frame or a matrix, or None."""
    import pandas as pd

    for name in EXAMPLES:
        if not (folder / name).is_file():
            continue
        value = json.loads((folder / name).read_text(encoding="utf-8"))
        for key in ("input_data", "dataframe_split", "inputs"):
            value = value[key] if isinstance(value, dict) and key in value else value
        if isinstance(value, dict) and "data" in value:
            return pd.DataFrame(value["data"], columns=value.get("columns"))
        if isinstance(value, list) and value and isinstance(value[0], list):
            return np.asarray(value, dtype=float)
    return None


def drawn(rows, model):
    """The example and rows drawn from it: numbers about as far from the example's as those are from each other, other
    cells from the example's own and the categories that the model knows."""
    rng = np.random.default_rng(SEED)
    if isinstance(rows, np.ndarray):
        return np.vstack([rows, np.column_stack([numbers(rows[:, at], rng) for at in range(rows.shape[1])])])
    import pandas as pd

    columns = {}
    for name in rows.columns:
        cells = rows[name]
        if cells.dtype == bool or not pd.api.types.is_numeric_dtype(cells):
            known = sorted(set(cells) | (known_words(model, name) if cells.dtype != bool else {True, False}))
            columns[name] = [known[at] for at in rng.integers(0, len(known), ROWS)]
        else:
            columns[name] = numbers(cells.to_numpy(), rng).astype(cells.dtype)
    return pd.concat([rows, pd.DataFrame(columns)], ignore_index=True).astype(rows.dtypes.to_dict())


def numbers(values, rng):
    values = values.astype(float)
    wide = values.std() or 0.25 * np.abs(values).max() or 1.0
    picked = rng.choice(values, ROWS) + rng.normal(0, 1, ROWS) * wide
    return picked if values.min() < 0 else np.abs(picked)


def known_words(model, column):
    """Categories that an encoder inside the model has learnt for a column."""
    words = set()
    for name, step, columns in (t for part in parts(model) for t in getattr(part, "transformers_", [])):
        for encoder in parts(step):
            lists = getattr(encoder, "categories_", None)
            if lists is not None and column in list(columns) and len(lists) == len(columns):
                words |= {word for word in lists[list(columns).index(column)] if isinstance(word, str)}
    return words


def parts(model):
    """The model and, of a pipeline, its steps."""
    return [model, *(step for _, step in getattr(model, "steps", []))]


def convert(model, rows, called):
    """(graph, name of the output that is the answer)."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common import data_types as kinds

    def kind(dtype):
        if dtype == bool or np.issubdtype(dtype, np.integer):
            return kinds.Int64TensorType
        return kinds.FloatTensorType if np.issubdtype(dtype, np.number) else kinds.StringTensorType

    if isinstance(rows, np.ndarray):
        inputs = [("X", kinds.FloatTensorType([None, rows.shape[1]]))]
    else:
        types = [kind(np.dtype(t) if isinstance(t, np.dtype) else np.dtype(object)) for t in rows.dtypes]
        by_name = any(hasattr(part, "transformers_") for part in parts(model))
        if by_name or kinds.StringTensorType in types:
            inputs = [(str(name), of([None, 1])) for name, of in zip(rows.columns, types)]
        else:
            inputs = [("X", kinds.FloatTensorType([None, rows.shape[1]]))]
    from sklearn.base import is_classifier

    options = {id(model): {"zipmap": False}} if is_classifier(model) else None
    graph = convert_sklearn(model, initial_types=inputs, options=options, target_opset={"": 17, "ai.onnx.ml": 3})
    outputs = [output.name for output in graph.graph.output]
    return graph, outputs[1] if called == "predict_proba" else outputs[0]


def signature(rows):
    """The inputs as a signature of MLflow has them."""
    if isinstance(rows, np.ndarray):
        return [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, rows.shape[1]]}}]
    word = {"b": "boolean", "i": "long", "u": "long", "f": "double"}
    types = (t.kind if isinstance(t, np.dtype) else "O" for t in rows.dtypes)
    return [{"name": str(name), "type": word.get(of, "string"), "required": True} for name, of in zip(rows.columns, types)]


def main():
    path, out = map(pathlib.Path, sys.argv[1:])
    model, called, folder = load(path)
    if not hasattr(model, "get_params"):
        raise Refused(f"only scikit-learn models are converted; this is a {type(model).__name__}")
    if called not in ("predict", "predict_proba"):
        raise Refused(f"only predict and predict_proba are converted; this model is asked with {called}")
    rows = example(folder)
    if rows is None:
        raise Refused(
            "there is no input example to compare on: save the MLflow model with input_example, or register a folder with the "
            "pickle and a sample-request.json"
        )
    try:
        graph, output = convert(model, rows, called)
    except Exception as error:
        raise Refused(f"skl2onnx cannot convert this model: {' '.join(str(error).split())[:300]}") from error
    rows = drawn(rows, model)
    predictions = np.asarray(getattr(model, called)(rows))
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.onnx").write_bytes(graph.SerializeToString())
    data = rows.tolist() if isinstance(rows, np.ndarray) else json.loads(rows.to_json(orient="values", double_precision=15))
    about = {
        "estimator": " → ".join(type(part).__name__ for part in (parts(model)[1:] or [model])),
        "answer": {"output": output, "flat": predictions.ndim == 1},
        "labels": predictions.dtype.kind in "OUSbiu",
        "signature": signature(rows),
        "columns": None if isinstance(rows, np.ndarray) else [str(name) for name in rows.columns],
        "data": data,
        "predictions": predictions.tolist(),
        "examples": len(data) - ROWS,
    }
    (out / "conversion.json").write_text(json.dumps(about), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(str(refused))
