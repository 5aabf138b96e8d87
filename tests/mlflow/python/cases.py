"""What each model is asked, and what has to come back: MLflow's own prediction, or a refusal."""

import datetime
import typing

import numpy as np
import pandas as pd


class Case(typing.NamedTuple):
    model: str
    name: str
    body: object
    # What MLflow's own `predict` is given, or None: the request is refused.
    given: object = None
    params: object = None
    status: int = 200
    text: str = ""
    lenient: bool = False
    kind: str = "application/json"
    path: str = "/score"


def frame(columns, data, **more):
    return {"input_data": {"columns": columns, "data": data, **more}}


def refused(model, name, body, status=500, text="", **more):
    return Case(model, name, body, status=status, text=text, **more)


GUESTS = ["age", "visits", "city", "member"]
ROWS = [[30.5, 4, "Porto", True], [71, 20, "Łódź", False]]


def guests(rows=ROWS):
    return pd.DataFrame(rows, columns=GUESTS).astype({"age": "float64", "visits": "int64", "member": "bool"})


MOMENT = "2026-01-31T10:00:00"
TYPES = ["boolean", "integer", "long", "float", "double", "string", "datetime", "maybe"]
CELLS = [True, 1, 2, 0.5, 0.25, "é", MOMENT, 1.0]


def told(**changes):
    """The frame that the model `typed` should be given."""
    cells = dict(zip(TYPES, CELLS)) | changes
    cells["datetime"] = datetime.datetime.fromisoformat(cells["datetime"])
    types = {"boolean": "bool", "integer": "int32", "long": "int64", "float": "float32", "double": "float64", "maybe": "float64"}
    return pd.DataFrame([cells]).astype({name: kind for name, kind in types.items() if name in cells}).astype(
        {"datetime": "datetime64[ns]"}
    )


def typed_row(**changes):
    cells = dict(zip(TYPES, CELLS)) | changes
    return frame(list(cells), [list(cells.values())])


MATRIX = [[1.0, 2.0, 3.0], [0, 0, 0]]
FLAT = [[1, 1, 1, 0], [0.5, 0, 0, 2]]
FLOATS = np.array(FLAT, dtype="float32")
ABCD = pd.DataFrame(FLAT, columns=list("abcd")).astype("float64")
AB = pd.DataFrame({"a": [1.0, 2.5], "b": [0.5, -1.0]}).astype("float32")

FRAMES = [
    Case("frame", "a frame", frame(GUESTS, ROWS, index=[0, 1]), guests()),
    Case("frame", "no index", frame(GUESTS, ROWS), guests()),
    Case("frame", "any index", frame(GUESTS, ROWS, index=["x", 7]), guests()),
    Case("frame", "integers for doubles", frame(GUESTS, [[30, 4, "Porto", True]]), guests([[30.0, 4, "Porto", True]])),
    Case(
        "frame", "another order and a column too many", frame(["note", *GUESTS[::-1]], [["n", True, "Porto", 4, 30.5]]), guests(ROWS[:1])
    ),
    Case("frame", "keys nobody knows", {**frame(GUESTS, ROWS), "more": 1}, guests()),
    refused("frame", "no input_data", {"inputs": 1}, 400, "A value is not provided for the 'input_data' parameter."),
    refused("frame", "MLflow's own keys", {"dataframe_split": {"columns": GUESTS, "data": ROWS}}, 400),
    refused("frame", "no object", [1], 400),
    refused("frame", "no JSON", "{", 400),
    refused("frame", "nothing", "", 400),
    refused("frame", "another type", frame(GUESTS, ROWS), 415, "application/json", kind="text/csv"),
    refused("frame", "a column missing", frame(GUESTS[:3], [[30, 4, "Porto"]])),
    refused("frame", "records", {"input_data": [dict(zip(GUESTS, ROWS[0]))]}),
    refused("frame", "rows alone", {"input_data": ROWS}),
    refused("frame", "columns by name", {"input_data": {name: [cell] for name, cell in zip(GUESTS, ROWS[0])}}),
    refused("frame", "text in a double column", frame(GUESTS, [["old", 4, "Porto", True]])),
    refused("frame", "null in a long column", frame(GUESTS, [[30, None, "Porto", True]])),
    refused("frame", "a row too short", frame(GUESTS, [[30, 4]])),
    Case("frame", "records, leniently", {"input_data": [dict(zip(GUESTS, row)) for row in ROWS]}, guests(), lenient=True),
    Case("frame", "rows, leniently", {"input_data": ROWS}, guests(), lenient=True),
    Case(
        "frame", "columns by name, leniently", {"input_data": {n: [row[i] for row in ROWS] for i, n in enumerate(GUESTS)}}, guests(), lenient=True
    ),
    refused("frame", "text, leniently", {"input_data": "hello"}, lenient=True),
    Case("typed", "a cell of each type", typed_row(), told()),
    Case("typed", "1 is true", typed_row(boolean=1), told()),
    Case("typed", "text is true", typed_row(boolean="true"), told()),
    Case("typed", "a fraction is cut", typed_row(long=2.75), told()),
    Case("typed", "a number too large is wrapped", typed_row(integer=2**32 + 1), told()),
    Case("typed", "a column that may be missing", frame(TYPES[:7], [CELLS[:7]]), told().drop(columns="maybe")),
    refused("typed", "text in a float column", typed_row(float="x")),
    refused("typed", "no date", typed_row(datetime="yesterday-ish")),
    Case("boosted", "32-bit integers and an example", frame(["rooms", "metres"], [[3, 70.5], [1, 20]]), pd.DataFrame({"rooms": np.array([3, 1], "int32"), "metres": [70.5, 20.0]})),
]

TENSORS = [
    Case("matrix", "a nested list", {"input_data": MATRIX}, np.array(MATRIX)),
    refused("matrix", "the wrong width", {"input_data": [[1, 2]]}),
    refused("matrix", "a frame", frame(list("abc"), MATRIX)),
    refused("matrix", "by name", {"input_data": {"x": MATRIX}}),
    refused("matrix", "text", {"input_data": [["a", "b", "c"]]}),
    Case("matrix", "a frame, leniently", frame(list("abc"), MATRIX), np.array(MATRIX), lenient=True),
    Case("silent", "a list is an array", {"input_data": [[1, 2]]}, np.array([[1, 2]])),
    Case("silent", "a frame", frame(["a", "b"], [[1, 2]], index=[0]), pd.DataFrame({"a": [1], "b": [2]})),
]

PARAMS = [
    Case("spicy", "no params", frame(["dish"], [[1], [0]]), pd.DataFrame({"dish": [1, 0]})),
    Case("spicy", "params", {**frame(["dish"], [[1]]), "params": {"times": 2, "ending": "?", "weights": [0.5, 2]}}, pd.DataFrame({"dish": [1]}), {"times": 2, "ending": "?", "weights": [0.5, 2.0]}),
    Case("spicy", "a parameter nobody knows", {**frame(["dish"], [[1]]), "params": {"sauce": 1}}, pd.DataFrame({"dish": [1]})),
    refused("spicy", "a parameter of another type", {**frame(["dish"], [[1]]), "params": {"times": "twice"}}),
    refused("spicy", "the model fails", frame(["dish"], [[9]])),
    *(
        Case("answers", f"an answer of {kind}", {**frame(["x"], [[1.5], [2]]), "params": {"kind": kind}}, pd.DataFrame({"x": [1.5, 2.0]}), {"kind": kind})
        for kind in ["dict", "frame", "series", "matrix", "times", "nothing", "missing", "bytes", "text"]
    ),
]

# The same for both ways of serving: what the built-in engine answers and what Python answers.
ONNX = [
    Case("onnx_matrix", "by name", {"input_data": {"x": FLAT}}, {"x": FLOATS}),
    Case("onnx_matrix", "a name too many", {"input_data": {"x": FLAT, "other": [1]}}, {"x": FLOATS}),
    refused("onnx_matrix", "the wrong width", {"input_data": {"x": [[1, 2]]}}),
    refused("onnx_matrix", "the wrong name", {"input_data": {"y": FLAT}}),
    refused("onnx_matrix", "a frame", frame(list("abcd"), FLAT)),
    refused("onnx_matrix", "MLflow's own keys", {"inputs": {"x": FLAT}}, 400),
    Case("onnx_frame", "a frame", frame(list("abcd"), FLAT), ABCD),
    Case("onnx_frame", "another order and a column too many", frame(list("dcbae"), [[0, 1, 1, 1, 9]]), ABCD[:1]),
    refused("onnx_frame", "a column missing", frame(list("abc"), [[1, 2, 3]])),
    refused("onnx_frame", "a bare list", {"input_data": FLAT}),
    Case("onnx_columns", "a column for each input", frame(["a", "b"], [[1, 0.5], [2.5, -1]]), AB),
    Case("onnx_columns", "another order", frame(["b", "c", "a"], [[0.5, 0, 1], [-1, 0, 2.5]]), AB),
    refused("onnx_columns", "a column missing", frame(["a"], [[1]])),
    Case("onnx_named", "by name", {"input_data": {"x": FLAT, "z": [1, 2, 3]}}, {"x": FLOATS, "z": np.array([1.0, 2, 3])}),
    refused("onnx_named", "one missing", {"input_data": {"x": FLAT}}),
    Case("onnx_silent", "a list", {"input_data": FLAT}, FLOATS),
    Case("onnx_silent", "by name", {"input_data": {"x": FLAT}}, {"x": FLOATS}),
    Case("onnx_silent", "a frame", frame(list("dcba"), FLAT, index=[0, 1]), pd.DataFrame(FLAT, columns=list("dcba"))),
    Case("onnx_foreign", "an operator for Python", {"input_data": {"x": [[[1, 2], [3, 4]]]}}, {"x": np.array([[[1, 2], [3, 4]]], "float32")}),
]


def own(model, name, body, given=None, params=None, **more):
    """MLflow's own protocol."""
    return Case(model, f"/invocations: {name}", body, given, params, path="/invocations", **more)


INVOCATIONS = [
    own("frame", "dataframe_split", {"dataframe_split": {"columns": GUESTS, "data": ROWS}}, guests()),
    own("frame", "dataframe_records", {"dataframe_records": [dict(zip(GUESTS, row)) for row in ROWS]}, guests()),
    own("frame", "csv", "age,visits,city,member\n30.5,4,Porto,True\n", guests(ROWS[:1]), kind="text/csv"),
    own("frame", "the hosted key", {"input_data": {"columns": GUESTS, "data": ROWS}}, status=400),
    own("frame", "two keys", {"dataframe_split": {}, "inputs": []}, status=400),
    own("frame", "another type", "x", status=415, kind="text/plain"),
    own("matrix", "inputs", {"inputs": MATRIX}, np.array(MATRIX)),
    own("matrix", "instances", {"instances": MATRIX}, np.array(MATRIX)),
    own("spicy", "params", {"dataframe_split": {"columns": ["dish"], "data": [[1]]}, "params": {"times": 2}}, pd.DataFrame({"dish": [1]}), {"times": 2}),
    own("onnx_matrix", "inputs by name", {"inputs": {"x": FLAT}}, {"x": FLOATS}),
    own("onnx_matrix", "instances by name", {"instances": [{"x": FLAT[0]}, {"x": FLAT[1]}]}, {"x": FLOATS}),
    own("onnx_matrix", "the hosted key", {"input_data": {"x": FLAT}}, status=400),
    own("onnx_matrix", "two keys", {"inputs": {"x": FLAT}, "instances": FLAT}, status=400),
    own("onnx_matrix", "another type", "x", status=415, kind="text/plain"),
    own("onnx_frame", "dataframe_split", {"dataframe_split": {"columns": list("abcd"), "data": FLAT}}, ABCD),
    own("onnx_frame", "dataframe_records", {"dataframe_records": [dict(zip("abcd", row)) for row in FLAT]}, ABCD),
    own("onnx_frame", "csv", "d,c,b,a\n0,1,1,1\n", ABCD[:1], kind="text/csv"),
    own("onnx_columns", "dataframe_split", {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 0.5], [2.5, -1]]}}, AB),
]

CASES = [*FRAMES, *TENSORS, *PARAMS, *ONNX, *INVOCATIONS]
