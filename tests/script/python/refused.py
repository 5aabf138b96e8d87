"""The situations in which a script is not served: what its log must say, and the exit code 3."""

from situations import Situation

# What reads the settings has its own words.
ITS_OWN = ["azmlinfsrv"]
BOTH = """
from azureml_inference_server_http.api.aml_request import rawhttp
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema

def init():
    pass

@rawhttp
@input_schema("data", StandardPythonParameterType([1]))
def run(data):
    pass
"""


def broken(name, text, says, **more):
    files = {"score.py": text, **more.pop("files", {})}
    return Situation(name, "score.py", files=files, fails=says, **more)


def script(init="pass", run="def run(data):\n    pass\n"):
    return f"def init():\n    {init}\n\n\n{run}"


REFUSED = [
    broken("no init", "def run(data):\n    pass\n", "does not have a init() function defined"),
    broken("no run", "def init():\n    pass\n", "does not have a run() function defined"),
    broken("no argument", script(run="def run():\n    pass\n"), "run() needs to accept an argument for input data."),
    broken(
        "headers only",
        script(run="def run(request_headers):\n    pass\n"),
        'run() needs to accept an argument other than "request_headers".',
    ),
    broken(
        "positional",
        script(run="def run(data, /):\n    pass\n"),
        "run() cannot accept positional-only arguments, *args, or **kwargs.",
    ),
    broken("any arguments", script(run="def run(*args):\n    pass\n"), "run() cannot accept positional-only arguments"),
    broken("any names", script(run="def run(data, **more):\n    pass\n"), "run() cannot accept positional-only arguments"),
    broken("raw and typed", BOTH, "run() cannot be decorated with both @rawhttp and @input_schema"),
    broken("syntax", "def init(:\n", "SyntaxError: "),
    broken("missing module", "import not_a_module_at_all\n", "ModuleNotFoundError: No module named 'not_a_module_at_all'"),
    broken("raises while loading", "raise OSError('no disk')\n", "OSError: no disk"),
    broken("exits while loading", "import sys\nsys.exit(0)\n", "SystemExit: 0"),
    broken("raises in init", script("raise FileNotFoundError('model.pkl')"), "FileNotFoundError: model.pkl"),
    broken("exits in init", script("raise SystemExit(7)"), "SystemExit: 7"),
    broken(
        "init with an argument",
        "def init(model):\n    pass\n\n\ndef run(data):\n    pass\n",
        "TypeError: init() missing 1 required",
    ),
    broken("damaged config.json", script(), "JSONDecodeError", files={"config.json": "{"}, same_log=ITS_OWN),
    broken("wrong time limit", script(), "SCORING_TIMEOUT_MS", settings={"SCORING_TIMEOUT_MS": "soon"}, same_log=ITS_OWN),
]
