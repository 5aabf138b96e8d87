"""The scoring script of MLflow models that are deployed without one.

It speaks the request form that the hosted service gives such a deployment: a JSON object with `input_data` and, where the
signature has parameters, `params`; the answer is the bare prediction. One form of `input_data` is expected, that of the
input example or of the signature: a frame as pandas writes it (`split`), a nested list, or tensors by name. Other forms
are refused, as they are there; with MLFLOW_LENIENT_INPUT=true they are taken, and the log says so.
MLflow's own protocol (`/invocations`) is answered where the caller asked for that route.
"""

import base64
import datetime
import json
import logging
import os

import mlflow
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import load_model
from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

try:
    from azureml_inference_server_http.api.aml_request import rawhttp
    from azureml_inference_server_http.api.aml_response import AMLResponse
except ImportError:
    from azureml.contrib.services.aml_request import rawhttp
    from azureml.contrib.services.aml_response import AMLResponse

log = logging.getLogger("azmlinfsrv.mlflow")

# Set by the endpoint, never by a caller: the path that was asked for when it is not /score.
ROUTE = "x-mlconsole-route"
# Flavors of language models take text and conversations as they come.
TALKING = ("transformers", "langchain", "openai", "sentence_transformers", "llama_index", "dspy")

model = None
schema = None
form = None
lenient = False


class Refused(Exception):
    """A request that is wrong in itself: the caller gets the status and the message."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def init():
    global model, schema, form, lenient
    folder = os.path.join(os.environ["AZUREML_MODEL_DIR"], os.environ["MLFLOW_MODEL_FOLDER"])
    lenient = os.environ.get("MLFLOW_LENIENT_INPUT", "").strip().lower() in ("1", "true", "yes")
    model = load_model(folder)
    schema = model.metadata.get_input_schema()
    form = expected_form(model.metadata, folder)
    print(f"MLflow {mlflow.__version__} serves {', '.join(model.metadata.flavors)}; input_data is {SHAPES[form]}")


SHAPES = {
    "frame": 'a frame: {"columns": [...], "data": [[...], ...]}',
    "list": "a nested list",
    "tensors": 'tensors by name: {"name": [...], ...}',
    "any": "a list, a frame with columns, index and data, or tensors by name (the model says nothing about its input)",
}


def expected_form(metadata, folder):
    """The one form of `input_data` this model is asked with: that of its example, else of its signature."""
    example = example_form(metadata.saved_input_example_info or {}, folder)
    talks = any(flavor in metadata.flavors for flavor in TALKING)
    if example or schema is None or talks:
        return example if example and not talks else "any"
    if schema.is_tensor_spec():
        return "tensors" if schema.has_input_names() else "list"
    return "frame"


def example_form(info, folder):
    kind = info.get("type")
    if kind == "dataframe":
        return "frame"
    if kind == "ndarray":
        try:
            with open(os.path.join(folder, info["artifact_path"]), encoding="utf-8") as file:
                return "tensors" if isinstance(json.load(file)["inputs"], dict) else "list"
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the input example cannot be read (%s); the signature decides how input_data looks", error)
    return None


@rawhttp
def run(request):
    if request.method == "OPTIONS":
        return AMLResponse("", 200)
    if request.headers.get(ROUTE) == "/invocations":
        return invocations(request)
    try:
        body = request_object(request)
        if "input_data" not in body:
            raise Refused(400, "A value is not provided for the 'input_data' parameter.")
    except Refused as refused:
        return AMLResponse({"message": str(refused)}, refused.status, json_str=True)
    return plain(predict(model_input(body["input_data"]), body.get("params")))


def request_object(request):
    """The JSON object that was sent; the query of a GET is read as one."""
    if request.method == "GET":
        values = {name: [loose(text) for text in request.args.getlist(name)] for name in request.args}
        return {name: given[0] if len(given) == 1 else given for name, given in values.items()}
    kind = request.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refused(415, "Expects Content-Type to be application/json")
    raw = request.get_data()
    if not raw:
        raise Refused(400, "POST body is empty. Expecting a JSON dictionary.")
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused(400, f"POST body could not be decoded as JSON: {error}") from None
    if not isinstance(body, dict):
        raise Refused(400, "POST body should be a JSON dictionary.")
    return body


def loose(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def model_input(value):
    """`input_data` as the model's `predict` takes it, cast as the signature says."""
    if form == "any":
        return anything(value)
    if form == "frame":
        if is_frame(value):
            return frame(value)
        return frame(tolerated(value, as_frame))
    if form == "list":
        return array(value if isinstance(value, list) else tolerated(value, as_list), None)
    if isinstance(value, dict) and not is_frame(value):
        return {name: array(tensor, name) for name, tensor in value.items()}
    return {name: array(tensor, name) for name, tensor in tolerated(value, as_tensors).items()}


def is_frame(value):
    return isinstance(value, dict) and "data" in value and set(value) <= {"columns", "index", "data"}


def frame(value):
    return dataframe_from_parsed_json(value, "split", schema)


def array(value, name):
    """A tensor of the type that the signature gives it."""
    dtype = None
    if schema is not None and schema.is_tensor_spec():
        specs = {spec.name: spec.type for spec in schema.inputs}
        dtype = specs.get(name)
    return np.array(value, dtype=dtype)


def anything(value):
    talks = any(flavor in model.metadata.flavors for flavor in TALKING)
    if talks and (isinstance(value, str) or spoken(value)):
        return value
    if isinstance(value, list):
        return np.asarray(value)
    if isinstance(value, dict) and {"columns", "index", "data"} <= set(value):
        return frame(value)
    if isinstance(value, dict):
        return {name: np.asarray(tensor) for name, tensor in value.items()}
    raise ValueError(f"input_data is {type(value).__name__}; expected {SHAPES[form]}")


def spoken(value):
    """Text, lists of texts, and objects of those."""
    if isinstance(value, dict):
        return all(isinstance(part, str) or spoken(part) for part in value.values())
    return isinstance(value, list) and all(isinstance(part, str) or spoken(part) for part in value)


def tolerated(value, reading):
    """Another form of input: an error, or with MLFLOW_LENIENT_INPUT=true what `reading` makes of it."""
    taken = reading(value) if lenient else None
    if taken is None:
        raise ValueError(f"input_data does not have the form that this model expects, {SHAPES[form]}")
    log.warning("the hosted service would refuse this body: it expects %s", SHAPES[form])
    return taken


def as_frame(value):
    """Records, columns by name, or rows in the signature's order."""
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        columns = list(dict.fromkeys(name for row in value for name in row))
        return {"columns": columns, "data": [[row.get(name) for name in columns] for row in value]}
    names = schema.input_names() if schema is not None and schema.has_input_names() else None
    if isinstance(value, list):
        rows = [row if isinstance(row, list) else [row] for row in value]
        return {"columns": names, "data": rows} if names else {"data": rows}
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        return {"columns": list(value), "data": [list(row) for row in zip(*value.values())]}
    return None


def as_list(value):
    """The rows of a frame, or the only tensor by whatever name."""
    if is_frame(value):
        return value["data"]
    if isinstance(value, dict) and len(value) == 1:
        return next(iter(value.values()))
    return None


def as_tensors(value):
    """A list for the only tensor, or the columns of a frame."""
    if isinstance(value, list) and schema is not None and len(schema.inputs) == 1:
        return {schema.inputs[0].name: value}
    if is_frame(value) and "columns" in value:
        return {name: [row[at] for row in value["data"]] for at, name in enumerate(value["columns"])}
    return None


def predict(data, params):
    if params is None:
        return model.predict(data)
    try:
        return model.predict(data, params=params)
    except TypeError as error:
        if "unexpected keyword argument 'params'" not in str(error):
            raise
        log.warning("MLflow %s knows no params; they are left aside", mlflow.__version__)
        return model.predict(data)


def plain(value):
    """The prediction as what JSON knows: arrays become lists wherever they stand."""
    if isinstance(value, pd.Series):
        value = pd.DataFrame(value)
    if isinstance(value, pd.DataFrame):
        return [plain(row) for row in value.to_dict(orient="records")]
    if isinstance(value, np.ndarray):
        if value.dtype.kind in "Mm":
            return np.datetime_as_string(value).tolist() if value.dtype.kind == "M" else value.astype(str).tolist()
        return value.tolist() if value.dtype.kind in "biufU" else plain(value.tolist())
    if isinstance(value, dict):
        return {name.item() if isinstance(name, np.generic) else name: plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(part) for part in value]
    if value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.encodebytes(value).decode("ascii")
    if hasattr(value, "toarray"):  # a sparse matrix
        return value.toarray().tolist()
    if hasattr(value, "model_dump"):  # an answer of a language model
        return value.model_dump()
    return value


def invocations(request):
    """MLflow's own protocol, spoken by MLflow itself."""
    try:
        from mlflow.pyfunc.scoring_server import invocations as answer
    except ImportError as error:
        message = f"MLflow {mlflow.__version__} in this environment cannot speak its own protocol: {error}"
        return AMLResponse({"error_code": "NOT_IMPLEMENTED", "message": message}, 501, json_str=True)
    if request.method != "POST":
        return AMLResponse({"message": "Method not allowed"}, 405, json_str=True)
    kind = request.headers.get("Content-Type") or "application/json"
    if kind.split(";")[0].strip().lower() not in ("application/json", "text/csv"):
        message = f"This predictor takes application/json and text/csv, not {kind}."
        return AMLResponse(message, 415, {"Content-Type": "text/plain"})
    try:
        response = answer(request.get_data().decode("utf-8"), kind, model, schema)
    except UnicodeDecodeError as error:
        message = f"the body cannot be decoded as UTF-8: {error}"
        return AMLResponse({"error_code": "BAD_REQUEST", "message": message}, 400, json_str=True)
    except MlflowException as error:
        log.warning("/invocations: %s", error.message)
        status = error.get_http_status_code()
        return AMLResponse({"error_code": error.error_code, "message": error.message}, status, json_str=True)
    return AMLResponse(response.response, response.status, {"Content-Type": response.mimetype})
