"""Exports models of scikit-learn, LightGBM and XGBoost below a folder, with requests and the answers to expect.

The form is that of node_cases.py; maps are in JSON. Expected answers are ONNX Runtime's, or the library's own where ONNX Runtime does not run
the file; index.json says which, and how far the two lie apart. Everything is seeded.

    python exports.py FOLDER
"""

import json
import logging
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DictionaryType, DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType

from exports_models import cases

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
os.environ.setdefault("LC_ALL", "C.UTF-8")

OUT = sys.argv[1]
ROWS = 40
KINDS = {"f": FloatTensorType, "d": DoubleTensorType, "i": Int64TensorType, "s": StringTensorType}
NUMPY = {"f": np.float32, "d": np.float64, "i": np.int64, "s": object}


def plain_attribute(make):
    """Newer onnx packages take neither arrays nor truth values as attributes, which converters still give."""

    def attribute(key, value, *rest, **named):
        value = value.tolist() if isinstance(value, np.ndarray) else value
        if isinstance(value, list):
            value = [int(v) if isinstance(v, (bool, np.bool_)) else v for v in value]
        return make(key, value, *rest, **named)

    return attribute


onnx.helper.make_attribute = plain_attribute(onnx.helper.make_attribute)


def columns(case):
    """Inputs by name: one matrix, or one column each where the types differ, or maps."""
    if case.kind == "m":
        return {"x": case.rows[:ROWS]}
    if not isinstance(case.kind, dict):
        return {"x": np.asarray(case.rows[:ROWS]).astype(NUMPY[case.kind])}
    return {name: case.rows[name].to_numpy()[:ROWS].astype(NUMPY[kind]).reshape(-1, 1) for name, kind in case.kind.items()}


def export(case):
    """The model as ONNX, with an open batch."""
    if case.convert:
        return case.convert(case.model)
    if case.kind == "m":
        key = StringTensorType if isinstance(next(iter(case.x[0])), str) else Int64TensorType
        types = [("x", DictionaryType(key([1]), FloatTensorType([1])))]
    elif isinstance(case.kind, dict):
        types = [(name, KINDS[kind]([None, 1])) for name, kind in case.kind.items()]
    else:
        types = [("x", KINDS[case.kind]([None, np.asarray(case.rows).shape[1]]))]
    options = {id(case.model): case.options} if case.options and not any(isinstance(k, type) for k in case.options) else case.options
    return to_onnx(case.model, initial_types=types, options=options, target_opset={"": 18, "ai.onnx.ml": case.opset})


def plain(value):
    """An output as an array; a ZipMap's maps as the matrix of their values."""
    if isinstance(value, list):
        return np.array([[row[key] for key in row] for row in value], dtype=np.float32)
    return np.asarray(value)


def own_answers(case, model):
    """What the library says, for the outputs whose meaning is plain; None for others."""
    rows = case.rows[:ROWS]
    given = rows if isinstance(case.kind, dict) or case.kind == "m" else np.asarray(rows).astype(NUMPY[case.kind])
    if hasattr(case.model, "predict"):
        answers = [case.model.predict(given)]
        if len(model.graph.output) > 1 and hasattr(case.model, "predict_proba") and not case.own_label_only:
            answers.append(case.model.predict_proba(given))
    else:
        answers = [case.model.transform(given)]
    answers = [a.toarray() if hasattr(a, "toarray") else np.asarray(a) for a in answers]
    for at, (answer, output) in enumerate(zip(answers, model.graph.output)):
        if answer.ndim == 1 and len(output.type.tensor_type.shape.dim) == 2:
            answers[at] = answer.reshape(-1, 1)
    return answers + [None] * (len(model.graph.output) - len(answers))


def apart(a, b):
    """The largest difference, relative to the size of the numbers; 1 where labels differ."""
    a, b = np.asarray(a), np.asarray(b)
    if a.size != b.size:
        return None
    a, b = a.reshape(-1), b.reshape(-1)
    if a.dtype.kind in "OUS" or b.dtype.kind in "OUS":
        return float(np.mean(a.astype(str) != b.astype(str)))
    a, b = a.astype(np.float64), b.astype(np.float64)
    both = np.isnan(a) & np.isnan(b)
    with np.errstate(invalid="ignore"):
        difference = np.where(both | (a == b), 0.0, np.abs(a - b))
    return float(np.max(difference / (1.0 + np.abs(np.nan_to_num(b))), initial=0.0))


def runtime_answers(session, given):
    """ONNX Runtime's answers. Of maps it takes one a run."""
    if not isinstance(given.get("x"), list):
        return [plain(value) for value in session.run(None, given)]
    rows = [[plain(value) for value in session.run(None, {"x": row})] for row in given["x"]]
    return [np.concatenate(values) for values in zip(*rows)]


def write_maps(model, rows, path):
    """Maps as an input of a request, whose shape is that of the matrix they become."""
    vocabulary = [a for n in model.graph.node for a in n.attribute if a.name.endswith("_vocabulary")]
    width = max((len(a.ints) + len(a.strings) for a in vocabulary), default=0)
    width = width or max((a.i for n in model.graph.node for a in n.attribute if a.name == "max_map"), default=len(rows[0]))
    data = [{str(key): float(value) for key, value in row.items()} for row in rows]
    with open(path, "w") as file:
        json.dump({"datatype": "FP32", "shape": [len(rows), width], "data": data}, file)


def as_proto(value, name):
    value = np.asarray(value)
    if value.dtype.kind in "US":
        value = value.astype(object)
    return numpy_helper.from_array(value, name)


def write(case, number):
    model = export(case)
    folder = os.path.join(OUT, case.library, case.name)
    os.makedirs(os.path.join(folder, "0"), exist_ok=True)
    data = model.SerializeToString()
    with open(os.path.join(folder, "model.onnx"), "wb") as file:
        file.write(data)
    given = columns(case)
    names = [i.name for i in model.graph.input]
    given = {name: value for name, value in zip(names, given.values())} if len(names) == len(given) else given
    own = None
    try:
        own = own_answers(case, model)
    except Exception as error:  # what the library itself refuses has no answer of its own
        print(f"  {case.name}: the library has no answer: {error}")
    try:
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        expected = runtime_answers(session, given)
        reference = "ONNX Runtime"
    except Exception as error:
        print(f"  {case.name}: ONNX Runtime does not run it: {str(error)[:200]}")
        expected, reference = own, "the library"
    distance = None
    if own and reference == "ONNX Runtime":
        found = [apart(e, o) for e, o in zip(expected, own) if o is not None]
        distance = max((f for f in found if f is not None), default=None)
    for side, values, items in (("input", [given[n] for n in names], names), ("output", expected, [o.name for o in model.graph.output])):
        for at, (value, name) in enumerate(zip(values, items)):
            if value is None:
                continue
            if isinstance(value, list) and isinstance(value[0], dict):
                write_maps(model, value, os.path.join(folder, "0", f"{side}_{at}.json"))
                continue
            with open(os.path.join(folder, "0", f"{side}_{at}.pb"), "wb") as file:
                file.write(as_proto(value, name).SerializeToString())
    return {
        "kind": case.library,
        "name": case.name,
        "rtol": case.rtol,
        "atol": 1e-5,
        "inputs": names,
        "outputs": [o.name for o in model.graph.output],
        "operators": sorted({(n.domain + "::" if n.domain not in ("", "ai.onnx") else "") + n.op_type for n in model.graph.node}),
        "skip": None,
        "sets": 1,
        "reference": reference,
        "apart": distance,
        "precision": "double" if case.kind == "d" else "single",
    }


def main():
    os.makedirs(OUT, exist_ok=True)
    index, unexported = [], []
    for number, case in enumerate(cases()):
        try:
            case.fit()
            index.append(write(case, number))
        except Exception as error:
            unexported.append({"name": case.name, "library": case.library, "why": f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"})
            print(f"not exported: {case.name}: {unexported[-1]['why']}")
    import lightgbm
    import onnxmltools
    import skl2onnx
    import sklearn
    import xgboost

    packages = [sklearn, lightgbm, xgboost, skl2onnx, onnxmltools, onnxruntime, onnx]
    versions = {p.__name__: p.__version__ for p in packages}
    with open(os.path.join(OUT, "index.json"), "w") as file:
        json.dump({"onnx": onnx.__version__, "versions": versions, "cases": index, "unexported": unexported}, file, indent=1)
    print(len(index), "exports,", len(unexported), "not exported by their converter")


if __name__ == "__main__":
    main()
