"""Runs one scoring script for the workspace that started this process.

Standard input is a socket to the workspace; on it travel frames: the length of a JSON header and the length of a body (four
bytes each, big endian), the header, the body. The first frame says whether the script is ready; from then on each request
is answered by one frame. Standard output and error belong to the script.

Where azureml-inference-server-http is installed its WSGI application answers the requests: what it does is by definition
what the hosted service does. Else `worker_shim.py`, beside this file, takes its place.
"""

import gc
import importlib.util
import io
import json
import logging
import os
import signal
import socket
import struct
import sys
import traceback
import types
from urllib.parse import unquote_to_bytes

LENGTHS = struct.Struct(">II")
SERVER = "azureml_inference_server_http"
ROUTE = "x-mlconsole-route"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
RUN_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."


class Channel:
    """The frames to and from the workspace."""

    def __init__(self):
        # Children of the script must not hold it, and whoever reads standard input finds nothing.
        descriptor = os.dup(0)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self._socket = socket.socket(fileno=descriptor)
        self._input = self._socket.makefile("rb", 65536)

    def read(self):
        """The next header and body; None when the workspace has hung up."""
        lengths = self._input.read(LENGTHS.size)
        if len(lengths) < LENGTHS.size:
            return None
        header_length, body_length = LENGTHS.unpack(lengths)
        header, body = self._input.read(header_length), self._input.read(body_length)
        if len(header) < header_length or len(body) < body_length:
            return None
        return json.loads(header), body

    def write(self, header, body=b""):
        header = json.dumps(header).encode()
        head = LENGTHS.pack(len(header), len(body)) + header
        if len(body) <= 65536:
            self._socket.sendall(head + body)
        else:
            self._socket.sendall(head)
            self._socket.sendall(body)


class Failed(Exception):
    """The script cannot be served: what is wrong, and whether it was loading it or its init()."""

    def __init__(self, stage, error):
        super().__init__(error)
        self.stage, self.error = stage, error


def in_a_line(error):
    """An exception as the last line of its traceback, with what is known of its cause."""
    if type(error).__name__ == "UserScriptError":
        # What the contract asks for, in the server's own words.
        return str(error)
    line = traceback.format_exception_only(type(error), error)[-1].strip()
    if isinstance(error, SyntaxError):
        line += " (%s, line %s)" % (os.path.basename(error.filename or "?"), error.lineno)
    if "Can't get attribute" in line and "__main__" in line:
        line += (
            " -- the object was pickled where its class stood in a notebook or a main script: move the class into a module"
            " in the code folder, pickle it again, and import the module in the scoring script"
        )
    return line


class RunStopped(Exception):
    """run() ended with an exception that is meant to end a process, such as SystemExit."""


def guarded(run):
    """A run() that cannot end the worker."""

    def call(*args, **kwargs):
        try:
            return run(*args, **kwargs)
        except Exception:
            raise
        except BaseException as error:
            raise RunStopped("run() raised %s" % type(error).__name__) from error

    return call


def without_telemetry():
    """Takes the place of the module that reports to Application Insights, which costs half of the start."""

    class AppInsightsClient:
        enabled = False

        def close(self):
            pass

        send_model_data_log = log_request = send_exception_log = lambda self, *args, **kwargs: None
        wait_for_upload = close

    module = types.ModuleType(SERVER + ".server.appinsights_client")
    module.AppInsightsClient = AppInsightsClient
    sys.modules[module.__name__] = module


def official():
    """The official server's application, with its script loaded and its init() done."""
    without_telemetry()
    version = importlib.import_module(SERVER).__version__
    if os.environ.get("SERVER_VERSION_LOG_RESPONSE_ENABLED", "true").lower() == "true":
        os.environ.setdefault("HTTP_X_MS_SERVER_VERSION", "azmlinfsrv/" + version)
    try:
        # As the official server's parent process has done: its first warnings would be bare lines else.
        logs = importlib.import_module(SERVER + ".log_config")
        logs.load_logging_config(os.path.dirname(logs.__file__), silent=True)
    except (ImportError, AttributeError, TypeError):
        pass
    failure, scripts = ["import", None], [None]

    def watched(stage, method):
        def call(self, *args, **kwargs):
            scripts[0] = self
            try:
                return method(self, *args, **kwargs)
            except BaseException as error:
                failure[:] = [stage, in_a_line(getattr(error, "user_ex", error))]
                raise

        return call

    try:
        script = importlib.import_module(SERVER + ".server.user_script").UserScript
        for stage, name in (("import", "load_script"), ("init", "invoke_init")):
            if hasattr(script, name):
                setattr(script, name, watched(stage, getattr(script, name)))
        app = importlib.import_module(SERVER + ".server.entry").app
    except BaseException as error:
        if failure[1] is None:
            failure[1] = in_a_line(error)
            if not isinstance(error, SystemExit):
                traceback.print_exc()
        raise Failed(*failure) from error
    script = scripts[0]
    run = getattr(script, "_wrapped_user_run", None)
    if run is not None:
        script._wrapped_user_run = guarded(run)
    answer, after = (lambda header, body: through_wsgi(app, header, body)), nothing
    plain = type(getattr(script, "input_parser", None)).__name__ == "JsonStringInput"
    if plain:
        try:
            wants_headers = run is script._user_run
            quick = beside("worker_quick").Quick(app, script, wants_headers, environ_of, FORMS, answer)
            answer, after = quick.answer, quick.after
        except (ImportError, AttributeError):
            # Another version of the server or of Flask: all requests go the long way.
            pass
    return answer, after, "azmlinfsrv/" + version, plain


def environ_of(header, body):
    """A request as WSGI has it."""
    environ = {
        "REQUEST_METHOD": header["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(header["path"]).decode("latin-1"),
        "QUERY_STRING": header["query"],
        "RAW_URI": header["path"] + ("?" + header["query"] if header["query"] else ""),
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "31311",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in header["headers"]:
        # Underscores would pass for dashes.
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        environ[key] = environ[key] + "," + value if key in environ else value
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    if body or header["method"] in ("POST", "PUT", "PATCH"):
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def through_wsgi(app, header, body):
    started = []

    def start_response(status, headers, exc_info=None):
        started[:] = [int(status.split(" ", 1)[0]), headers]
        return parts.append

    parts = []
    answer = app(environ_of(header, body), start_response)
    try:
        parts.extend(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return started[0], started[1], parts[0] if len(parts) == 1 else b"".join(parts)


def beside(name):
    """A module from this file's folder, which is no place for scripts to import from."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("_" + name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def shim():
    """The stand-in for the official server."""
    for name in ("worker_http", "worker_settings"):
        beside(name)
    server = beside("worker_shim").Server(in_a_line, guarded, environ_of, Failed)
    return server.answer, nothing, "shim", not server.is_raw and not server.schemas


def nothing():
    """What is left to do after an answer that has left nothing to do."""


def hint_at_forms(header, body, said=[]):
    """Says once why a script finds no input: a form is read before run() is called."""
    if said or not body or not header["path"].endswith("/score"):
        return
    kind = next((value for name, value in header["headers"] if name.lower() == "content-type"), "")
    if kind.split(";")[0].strip().lower() in FORMS:
        said.append(kind)
        logging.getLogger("azmlinfsrv").warning(
            "A request came as a form (Content-Type %s): run() finds its input empty, here as on Azure. Send application/json"
            " (curl: -H 'Content-Type: application/json').",
            kind,
        )


def routed(header):
    """MLflow's own route is answered by the generated script's run(): a header, which callers cannot set, tells it."""
    header["headers"] = [pair for pair in header["headers"] if pair[0].lower() != ROUTE]
    if header["path"] == "/invocations" and "MLFLOW_MODEL_FOLDER" in os.environ:
        header["headers"].append([ROUTE, header["path"]])
        header["path"] = "/score"


def serve(channel, answer, after, plain):
    me = os.getpid()
    while True:
        frame = channel.read()
        if frame is None:
            return
        header, body = frame
        if header.get("ping"):
            channel.write({"id": header["id"], "pong": True})
            continue
        routed(header)
        if plain:
            hint_at_forms(header, body)
        try:
            status, headers, body = answer(header, body)
        except BaseException:
            if os.getpid() == me:
                logging.getLogger("azmlinfsrv").error("Encountered Exception: %s", traceback.format_exc())
            status, body = 500, json.dumps({"message": RUN_FAILED}).encode()
            headers = [("Content-Type", "application/json"), ("x-ms-run-function-failed", "True")]
        if os.getpid() != me:
            # A child of the script that came back from run(): the answer is its parent's to give.
            os._exit(0)
        channel.write({"id": header["id"], "status": status, "headers": [list(pair) for pair in headers]}, body)
        try:
            after()
        except Exception:
            traceback.print_exc()


def main():
    channel = Channel()
    # This file's folder is no place for the script to import from.
    if sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
        sys.path.pop(0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        answer, after, engine, plain = official() if importlib.util.find_spec(SERVER) else shim()
    except Failed as failed:
        channel.write({"ready": False, "stage": failed.stage, "error": failed.error})
        sys.exit(3)
    except BaseException as error:
        traceback.print_exc()
        channel.write({"ready": False, "stage": "import", "error": in_a_line(error)})
        sys.exit(3)
    # What is there by now stays: the collector need not look at it again and again.
    gc.freeze()
    channel.write({"ready": True, "pid": os.getpid(), "engine": engine})
    serve(channel, answer, after, plain)


if __name__ == "__main__":
    main()
