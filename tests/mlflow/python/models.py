"""Makes the models of the suite, each an MLflow folder: `python models.py FOLDER [NAME...]`. Seeded: the same every time."""

import fcntl
import pathlib
import shutil
import sys

import lightgbm
import mlflow
import numpy as np
import onnx
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from onnx import TensorProto, helper, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = pathlib.Path(__file__).resolve().parent
# What the models need at serving time; without it MLflow loads each of them again to find out.
NEEDS = {
    "sklearn": ["mlflow", "scikit-learn", "pandas", "numpy"],
    "lightgbm": ["mlflow", "lightgbm", "pandas", "numpy", "scikit-learn"],
    "onnx": ["mlflow", "onnx", "onnxruntime", "pandas", "numpy"],
    "pyfunc": ["mlflow", "pandas", "numpy"],
}


def pins(flavor):
    """The versions of this very environment, as MLflow pins them."""
    from importlib.metadata import version

    versions = {name: version("mlflow-skinny" if name == "mlflow" else name) for name in NEEDS[flavor]}
    return [f"{name}=={number}" for name, number in versions.items()]


def python():
    """The minor version of this very interpreter."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def guests():
    """A frame of mixed types and who liked the place."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, 200).round(1),
            "visits": rng.integers(0, 30, 200),
            "city": rng.choice(["Porto", "Genova", "Łódź"], 200),
            "member": rng.random(200) < 0.4,
        }
    )
    odds = 0.05 * (frame.age - 50) + 0.2 * (frame.visits - 15) + (frame.city == "Porto") + frame.member
    return frame, np.where(odds > 0, "yes", "no")


def save_sklearn(model, folder, **more):
    mlflow.sklearn.save_model(
        model, folder, serialization_format="cloudpickle", pip_requirements=pins("sklearn"), **more
    )


def frame(folder):
    """A pipeline over columns of four types, with an input example."""
    data, liked = guests()
    columns = ColumnTransformer([("numbers", StandardScaler(), ["age", "visits"]), ("words", OneHotEncoder(), ["city", "member"])])
    model = make_pipeline(columns, LogisticRegression()).fit(data, liked)
    save_sklearn(model, folder, signature=infer_signature(data, liked), input_example=data.head(2))


def matrix(folder):
    """A regression over an unnamed tensor."""
    rng = np.random.default_rng(8)
    inputs = rng.normal(size=(60, 3))
    model = make_pipeline(StandardScaler(), Ridge()).fit(inputs, inputs @ [1.0, -2.0, 0.5] + 3)
    signature = ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 3))]), Schema([TensorSpec(np.dtype("float64"), (-1,))]))
    save_sklearn(model, folder, signature=signature)


def silent(folder):
    """No signature and no example: nobody knows what it takes."""
    rng = np.random.default_rng(9)
    inputs = rng.normal(size=(40, 2))
    save_sklearn(Ridge().fit(inputs, inputs @ [2.0, 1.0]), folder)


def boosted(folder):
    """Trees over a 32-bit integer column and a double one, with an example: the published script fails on it."""
    rng = np.random.default_rng(10)
    data = pd.DataFrame({"rooms": rng.integers(1, 9, 300).astype("int32"), "metres": rng.uniform(20, 200, 300)})
    training = lightgbm.Dataset(data, data.rooms * 10 + data.metres)
    settings = {"num_leaves": 6, "verbosity": -1, "deterministic": True, "num_threads": 1, "seed": 1}
    model = lightgbm.train(settings, training, 12)
    signature = infer_signature(data, model.predict(data))
    mlflow.lightgbm.save_model(
        model, folder, signature=signature, input_example=data.head(2), pip_requirements=pins("lightgbm")
    )


def typed(folder):
    """A custom model with a column of each type: it tells what it was given."""
    columns = [ColSpec(getattr(DataType, kind), kind) for kind in ("boolean", "integer", "long", "float", "double", "string", "datetime")]
    signature = ModelSignature(Schema([*columns, ColSpec("double", "maybe", required=False)]))
    custom("Tells", folder, signature=signature)


def spicy(folder):
    """A custom model with a file, a module of its own and parameters."""
    (folder.parent / "menu.txt").write_text("soup\nfish\n", encoding="utf-8")
    params = ParamSchema([ParamSpec("times", "long", 1), ParamSpec("ending", "string", "!"), ParamSpec("weights", "double", [1.0], (-1,))])
    signature = ModelSignature(Schema([ColSpec("long", "dish")]), params=params)
    custom("Orders", folder, signature=signature, artifacts={"menu": str(folder.parent / "menu.txt")})


def answers(folder):
    """A custom model that gives back what JSON does not know: the parameter says what."""
    params = ParamSchema([ParamSpec("kind", "string", "dict")])
    custom("Answers", folder, signature=ModelSignature(Schema([ColSpec("double", "x")]), params=params))


def custom(name, folder, **more):
    sys.path.insert(0, str(HERE))
    import custom_models

    mlflow.pyfunc.save_model(
        folder, python_model=getattr(custom_models, name)(), code_paths=[str(HERE / "custom_models.py")], pip_requirements=pins("pyfunc"), **more
    )


def graph(nodes, inputs, outputs, weights):
    names = {"f": TensorProto.FLOAT, "i": TensorProto.INT64, "d": TensorProto.DOUBLE}
    value = lambda name, kind, shape: helper.make_tensor_value_info(name, names[kind], shape)  # noqa: E731
    body = helper.make_graph(
        [helper.make_node(*node[:-1], **node[-1]) for node in nodes],
        "suite",
        [value(*i) for i in inputs],
        [value(*o) for o in outputs],
        [numpy_helper.from_array(np.asarray(array, dtype=np.float32), name) for name, array in weights.items()],
    )
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def save_onnx(model, folder, inputs=None, external=False, **more):
    signature = ModelSignature(Schema(inputs)) if inputs else None
    mlflow.onnx.save_model(
        model, folder, signature=signature, pip_requirements=pins("onnx"), save_as_external_data=external, **more
    )


WEIGHTS = {"w": np.linspace(-1, 1, 12).reshape(4, 3), "b": [0.5, 0.0, -0.5]}
LINEAR = [("Gemm", ["x", "w", "b"], ["y"], {})]


def onnx_matrix(folder):
    """One float input under a tensor signature."""
    model = graph(LINEAR, [("x", "f", ["n", 4])], [("y", "f", ["n", 3])], WEIGHTS)
    save_onnx(model, folder, [TensorSpec(np.dtype("float32"), (-1, 4), "x")])


def onnx_frame(folder):
    """One float input under a signature of columns."""
    model = graph(LINEAR, [("x", "f", ["n", 4])], [("y", "f", ["n", 3])], WEIGHTS)
    save_onnx(model, folder, [ColSpec("double", name) for name in "abcd"])


def onnx_columns(folder):
    """An input for each column, and two outputs."""
    nodes = [("Add", ["a", "b"], ["sum"], {}), ("Sub", ["a", "b"], ["difference"], {})]
    model = graph(nodes, [("a", "f", ["n"]), ("b", "f", ["n"])], [("sum", "f", ["n"]), ("difference", "f", ["n"])], {})
    save_onnx(model, folder, [ColSpec("float", "a"), ColSpec("float", "b")])


def onnx_named(folder):
    """Several tensors by name, two outputs of different shapes, weights beside the file, no signature rules on names."""
    nodes = [("Gemm", ["x", "w", "b"], ["y"], {}), ("Mul", ["z", "z"], ["square"], {})]
    model = graph(nodes, [("x", "f", ["n", 4]), ("z", "d", ["m"])], [("y", "f", ["n", 3]), ("square", "d", ["m"])], WEIGHTS)
    save_onnx(
        model, folder, [TensorSpec(np.dtype("float32"), (-1, 4), "x"), TensorSpec(np.dtype("float64"), (-1,), "z")], external=True
    )


def onnx_silent(folder):
    """One input, no signature."""
    save_onnx(graph(LINEAR, [("x", "f", ["n", 4])], [("y", "f", ["n", 3])], WEIGHTS), folder)


def onnx_foreign(folder):
    """An operator that only Python's runtime knows."""
    nodes = [("Det", ["x"], ["y"], {})]
    save_onnx(graph(nodes, [("x", "f", ["n", 2, 2])], [("y", "f", ["n"])], {}), folder, [TensorSpec(np.dtype("float32"), (-1, 2, 2), "x")])


MODELS = [frame, matrix, silent, boosted, typed, spicy, answers, onnx_matrix, onnx_frame, onnx_columns, onnx_named, onnx_silent, onnx_foreign]


def make(root, names=()):
    """Makes what is missing; returns name to folder. Stories that run at the same time take turns."""
    root = pathlib.Path(root)
    root.mkdir(parents=True, exist_ok=True)
    made = {}
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for maker in MODELS:
            folder, making = root / maker.__name__, root / f"making-{maker.__name__}"
            if names and maker.__name__ not in names:
                continue
            if not folder.exists():
                shutil.rmtree(making, ignore_errors=True)
                maker(making)
                making.rename(folder)
            made[maker.__name__] = folder
    return made


if __name__ == "__main__":
    for name, folder in make(sys.argv[1], sys.argv[2:]).items():
        print(name, folder)
