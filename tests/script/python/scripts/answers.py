"""Answers what the request asks for, as ordinary scripts do and as careless ones do."""

import json
import os
import sys


def init():
    global rates
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "rates.json")) as file:
        rates = json.load(file)


def numpy_array():
    import numpy

    return numpy.arange(3)


def numpy_scalar():
    import numpy

    return {"score": numpy.float32(0.5)}


def numpy_double():
    import numpy

    return {"score": numpy.float64(0.1)}


def raises():
    raise ValueError("the secret reason")


def raises_http_error():
    from werkzeug.exceptions import NotFound

    raise NotFound("nothing of that name")


def raises_timeout():
    raise TimeoutError("of a service behind")


def circular():
    answer = []
    answer.append(answer)
    return answer


def variables():
    names = ["AZUREML_EXTRA_PYTHON_LIB_PATH", "AZUREML_EXTRA_CONDA_YAML", "GREETING", "EMPTY", "WORKER_COUNT", "AML_APP_ROOT"]
    told = {name: os.environ.get(name) for name in names}
    return {name: value.replace(os.getcwd(), "<here>") if value else value for name, value in told.items()}


def places():
    model = os.environ["AZUREML_MODEL_DIR"].split(os.sep)
    return {
        "module": __name__,
        "file": os.path.basename(__file__),
        "here is the root": os.getcwd() == os.environ["AML_APP_ROOT"] == os.path.dirname(__file__),
        "root is on the path, not first": os.getcwd() in sys.path and sys.path[0] != os.getcwd(),
        "entry script": os.path.basename(os.environ["AZUREML_ENTRY_SCRIPT"]),
        "model": model[-2:],
        "main thread": __import__("threading").current_thread() is __import__("threading").main_thread(),
    }


ANSWERS = {
    "number": lambda: 41.5,
    "integer": lambda: 7,
    "true": lambda: True,
    "list": lambda: [1, 2.5, "three", None],
    "mapping": lambda: {"b": 1, "a": {"nested": [True]}, 3: "three"},
    "tuple": lambda: (1, (2, 3)),
    "nothing": lambda: None,
    "text": lambda: 'a "quoted" text\n',
    "json text": lambda: json.dumps({"already": "encoded"}),
    "empty text": lambda: "",
    "other scripts": lambda: {"price": "12 €", "name": "Zoë 東京 🍣"},
    "not a number": lambda: [float("nan"), float("inf"), -float("inf")],
    "false": lambda: False,
    "zero": lambda: 0,
    "large integer": lambda: 2**80,
    "rate": lambda: rates["EUR"],
    "large": lambda: "x" * 3_000_000,
    "bytes": lambda: b"abc",
    "set": lambda: {1, 2},
    "object": object,
    "generator": lambda: (number for number in range(3)),
    "circular": circular,
    "numpy array": numpy_array,
    "numpy scalar": numpy_scalar,
    "numpy double": numpy_double,
    "raises": raises,
    "raises http error": raises_http_error,
    "raises timeout": raises_timeout,
    "exits": lambda: sys.exit(3),
    "interrupts": lambda: (_ for _ in ()).throw(KeyboardInterrupt()),
    "variables": variables,
    "places": places,
}


def run(data):
    return ANSWERS[json.loads(data)["answer"]]()
