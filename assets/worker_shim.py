"""Stands in for azureml-inference-server-http where that package is not installed: the same contract for a scoring script, the
same answers, headers, log lines and exit code."""

import builtins
import contextlib
import inspect
import itertools
import json
import logging
import logging.config
import os
import re
import signal
import sys
import time
import traceback
import uuid
from importlib.util import module_from_spec, spec_from_file_location

from _worker_http import AMLRequest, AMLResponse, Headers, headers_of, offer_modules

ID_LIMIT = 100
TREE_LINES = 200
INTERNAL = "An unexpected internal error occurred. Check the logs for more info."
NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again."
)
NOT_ALLOWED = "The method is not allowed for the requested URL."
log = logging.getLogger("azmlinfsrv")
loud_print = builtins.print


class UtcFormatter(logging.Formatter):
    converter = time.gmtime


def set_up_logging(root):
    path = os.path.join(root, "logging.json")
    if os.path.isfile(path):
        with open(path) as file:
            logging.config.dictConfig(json.load(file))
        log.info("Loaded logging config from %s", path)
    else:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(UtcFormatter("%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s"))
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.INFO)

    def print_to_log(*objects, sep=" ", end="\n", file=None, flush=False):
        if file is None or file is sys.stdout:
            logging.getLogger("azmlinfsrv.print").info((" " if sep is None else sep).join(map(str, objects)))
        else:
            loud_print(*objects, sep=sep, end=end, file=file, flush=flush)

    builtins.print = print_to_log


class OverTime(Exception):
    """run() took longer than SCORING_TIMEOUT_MS."""


@contextlib.contextmanager
def time_limit(milliseconds):
    def over(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, milliseconds / 1000)
    try:
        yield
    except TimeoutError as error:
        raise OverTime from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def tree(path, depth=0):
    name = "    " * depth + os.path.basename(os.path.normpath(path))
    if not os.path.isdir(path):
        yield name
        return
    yield name + os.sep
    for child in sorted(os.listdir(path)):
        yield from tree(os.path.join(path, child), depth + 1)


class Refused(Exception):
    """A request that never reaches run()."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


def told(status, message, failed=False):
    return AMLResponse({"message": message}, status, json_str=True, run_function_failed=failed)


def unlabelled(text, headers=()):
    """An answer to a question that run() has no part in."""
    response = AMLResponse(text, 200)
    response.headers.remove("x-ms-run-function-failed")
    for name, value in headers:
        response.headers.add(name, value)
    return response


def schemas(run):
    """Input and output schema of a run() decorated with inference_schema, and the OpenAPI versions they can be told in; None for
    another."""
    try:
        from inference_schema import schema_util
    except ImportError:
        return None
    if not schema_util.is_schema_decorated(run):
        return None
    return (
        schema_util.get_input_schema(run),
        schema_util.get_output_schema(run),
        [str(version) for version in schema_util.get_supported_versions(run)],
    )


def openapi(version, given, got):
    """A small OpenAPI document of the two schemas."""
    body = {"description": "The request", "required": True}
    answer = {"200": {"description": "The answer"}}
    names = {"ServiceInput": given, "ServiceOutput": got}
    about = {"title": os.environ.get("SERVICE_NAME", "ML service"), "version": os.environ.get("SERVICE_VERSION", "1.0")}
    prefix = os.environ.get("SERVICE_PATH_PREFIX", "").strip("/")
    path = ("/" + prefix if prefix else "") + "/score"
    place = "#/definitions/" if version == "2" else "#/components/schemas/"
    given, got = {"$ref": place + "ServiceInput"}, {"$ref": place + "ServiceOutput"}
    if version == "2":
        answer["200"]["schema"] = got
        body = {"parameters": [{"name": "serviceInputPayload", "in": "body", "schema": given}]}
        document = {"swagger": "2.0", "consumes": ["application/json"], "definitions": names}
    else:
        answer["200"]["content"] = {"application/json": {"schema": got}}
        body = {"requestBody": {**body, "content": {"application/json": {"schema": given}}}}
        document = {"openapi": "3.0.3" if version == "3" else "3.1.0", "components": {"schemas": names}}
    return {**document, "info": about, "paths": {path: {"post": {"operationId": "RunMLService", **body, "responses": answer}}}}


class Server:
    def __init__(self, in_a_line, guarded, environ_of, failed):
        self.environ_of, self.limit = environ_of, int(os.environ.get("SCORING_TIMEOUT_MS", 3_600_000))
        self.root, stage = os.environ["AML_APP_ROOT"], "import"
        origins = os.environ.get("AML_CORS_ORIGINS", "")
        self.origins = [origin.strip() for origin in origins.split(",") if origin.strip()]
        # After what is installed: a helper named like a package loses.
        sys.path.append(self.root)
        set_up_logging(self.root)
        asked = offer_modules()
        try:
            module = self.load(os.environ["AZUREML_ENTRY_SCRIPT"])
            self.schemas = schemas(module.run)
            self.is_raw = bool(asked)
            self.examine(module.run)
            self.run, stage = guarded(module.run), "init"
            log.info("Invoking user's init function")
            module.init()
            log.info("Users's init has completed successfully")
        except BaseException as error:
            log.error("%s%s", "User's init function failed\n" if stage == "init" else "", traceback.format_exc())
            self.show_model(stage)
            raise failed(stage, in_a_line(error)) from error
        self.documents = self.describe()
        log.info("Worker with pid %s ready for serving traffic", os.getpid())

    @staticmethod
    def load(path):
        spec = spec_from_file_location("entry_module", path)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        for name in ("init", "run"):
            if not hasattr(module, name):
                raise RuntimeError("User script at %s does not have a %s() function defined." % (path, name))
        log.info("Found user script at %s", path)
        return module

    def examine(self, run):
        parameters = list(inspect.signature(run).parameters.values())
        if any(p.kind not in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters):
            raise RuntimeError("run() cannot accept positional-only arguments, *args, or **kwargs.")
        self.parameters = [p for p in parameters if p.name != "request_headers"]
        self.with_headers = len(self.parameters) < len(parameters)
        if not self.parameters:
            other = 'other than "request_headers".' if self.with_headers else "for input data."
            raise RuntimeError("run() needs to accept an argument " + other)
        if self.is_raw and self.schemas:
            raise RuntimeError("run() cannot be decorated with both @rawhttp and @input_schema")

    @staticmethod
    def show_model(stage):
        folder = os.environ.get("AZUREML_MODEL_DIR")
        if stage == "init" and folder and os.path.exists(folder):
            log.info("Model Directory Contents:")
            for line in itertools.islice(tree(folder), TREE_LINES):
                log.info(line)

    def describe(self):
        """OpenAPI documents by version: the script's own files, or made from its types."""
        nothing = {"type": "object", "example": {}}
        given, got, supported = self.schemas or (nothing, nothing, ["2.0", "3.0", "3.1"])
        found = {}
        for version, aliases in (("2", ("2", "2.0")), ("3", ("3", "3.0")), ("3.1", ("3.1",))):
            own = ["swagger.json"] * (version == "2") + ["swagger%s.json" % version]
            path = next((p for p in (os.path.join(self.root, name) for name in own) if os.path.isfile(p)), None)
            if path:
                with open(path, encoding="utf-8") as file:
                    document = json.load(file)
            elif any(alias in supported for alias in aliases):
                document = openapi(version, given, got)
            else:
                continue
            found.update((alias, document) for alias in aliases)
        return found

    def answer(self, header, body):
        environ = self.environ_of(header, body)
        request, began = AMLRequest(environ), time.perf_counter()
        known = {"/": ("GET", "HEAD", "OPTIONS"), "/swagger.json": ("GET", "HEAD", "OPTIONS"), "/score": ("GET", "HEAD", "POST", "OPTIONS")}
        if request.path not in known or request.method not in known[request.path]:
            response = told(404, NOT_FOUND) if request.path not in known else told(405, NOT_ALLOWED)
            return response.status_code, response.headers, response.body
        ids, response = self.identify(request.headers)
        if response is None:
            response = self.respond(request)
        self.label(response, request, ids)
        if request.path != "/":
            took, query = (time.perf_counter() - began) * 1000, environ["QUERY_STRING"]
            path = request.path + ("?" + query if query else "")
            log.info("%s %s %s %.3fms %s", request.method, path, response.status_code, took, len(response.get_data()))
        return response.status_code, response.headers, b"" if request.method == "HEAD" else response.get_data()

    @staticmethod
    def identify(headers):
        """The ids that an answer bears, in the order they are sent; or the refusal of one that is too long."""
        request = headers.get("x-request-id", str(uuid.uuid4()))
        if len(request) > ID_LIMIT:
            return [], told(431, "x-request-id must not exceed %d characters" % ID_LIMIT)
        legacy, client = headers.get("x-ms-request-id", ""), headers.get("x-ms-client-request-id", "")
        client = client or legacy
        legacy = legacy or client or request
        ids = [("x-request-id", request)] * bool(request)
        if max(len(legacy), len(client)) > ID_LIMIT:
            message = "x-ms-request-id and x-ms-client-request-id must not exceed %d characters" % ID_LIMIT
            return ids, told(431, message)
        return ids + [("x-ms-request-id", legacy)] * bool(legacy) + [("x-ms-client-request-id", client)] * bool(client), None

    def label(self, response, request, ids):
        if os.environ.get("SERVER_VERSION_LOG_RESPONSE_ENABLED", "true").lower() == "true":
            response.headers.add("x-ms-server-version", "azmlinfsrv/1.5.1")
        for name, value in ids:
            response.headers[name] = value
        if "TraceId" in request.headers:
            response.headers.add("TraceId", request.headers["TraceId"])
        if self.origins:
            for name, value in self.cross_origin(request):
                response.headers.add(name, value)

    def cross_origin(self, request):
        """What a browser wants to know (flask-cors, as the official server sets it up)."""
        patterns = [origin for origin in self.origins if set("*\\]?$^[]()") & set(origin)]
        literal = sorted(set(self.origins) - set(patterns))
        origin = request.headers.get("Origin")
        if not origin:
            allowed = "*" if "*" in patterns else literal[0] if literal else None
        elif origin.lower() in (known.lower() for known in literal):
            allowed = origin
        else:
            fits = any(re.match(".*" if pattern == "*" else pattern, origin, re.IGNORECASE) for pattern in patterns)
            allowed = origin if fits else None
        if allowed is None:
            return
        yield "Access-Control-Allow-Origin", allowed
        if allowed != "*" and (patterns or len(literal) > 1):
            yield "Vary", "Origin"
        if request.method == "OPTIONS":
            wanted = request.headers.get("Access-Control-Request-Headers", "")
            if request.headers.get("Access-Control-Request-Method", "").upper() in ("GET", "POST"):
                if wanted:
                    yield "Access-Control-Allow-Headers", ", ".join(sorted(name.strip() for name in wanted.split(",")))
                yield "Access-Control-Allow-Methods", "GET, POST"

    def respond(self, request):
        if request.method == "OPTIONS" and request.path != "/score":
            return unlabelled("", [("Allow", "HEAD, OPTIONS, GET")])
        if request.path == "/":
            return unlabelled("Healthy")
        if request.path == "/swagger.json":
            version = request.args.get("version", "2")
            document = self.documents.get(version)
            if document is not None:
                return AMLResponse(document, 200, json_str=True)
            valid = version in ("2", "2.0", "3", "3.0", "3.1")
            supported = ", ".join(sorted({v for v in self.documents if not v.endswith(".0")}))
            what = "supported for the scoring script. Supported swagger" if valid else "valid. Supported"
            return told(404, "Swagger version [%s] is not %s versions: [%s]." % (version, what, supported))
        return self.score(request)

    def score(self, request):
        try:
            arguments = self.arguments(request)
        except Refused as refused:
            return told(refused.status, refused.message) if refused.message else AMLResponse("", refused.status)
        if self.with_headers:
            arguments["request_headers"] = dict(request.headers.items())
        began = time.perf_counter()
        try:
            with time_limit(self.limit):
                result = self.run(**arguments)
        except OverTime:
            log.error("Encountered Exception: %s", traceback.format_exc())
            return told(500, "Scoring timeout after %d ms" % self.limit, failed=True)
        except Exception:
            log.error("Encountered Exception: %s", traceback.format_exc())
            return told(500, "An unexpected error occurred in scoring script. Check the logs for more info.", failed=True)
        took = (time.perf_counter() - began) * 1000
        try:
            response = result if hasattr(result, "status_code") else AMLResponse(result, 200, json_str=True)
        except Exception:
            log.error("Encountered Exception: %s", traceback.format_exc())
            return told(500, INTERNAL)
        if not isinstance(response, AMLResponse):
            # Of another library, such as Flask's.
            response = AMLResponse(response.get_data(), response.status_code, {"Content-Type": ""})
            response.headers = Headers((name, value) for name, value in result.headers if name.lower() != "content-length")
        if response.status_code >= 500:
            response.headers["x-ms-run-function-failed"] = True
        response.headers.add("x-ms-run-fn-exec-ms", "%.3f" % took)
        return response

    def arguments(self, request):
        first = self.parameters[0].name
        if self.is_raw:
            return {first: request}
        if request.method == "OPTIONS":
            raise Refused(200, "")
        if request.method == "HEAD":
            raise Refused(405, "Method not allowed")
        if request.method == "GET":
            given = {name: parsed(request.args.getlist(name)) for name in request.args}
            return self.by_name(given) if self.schemas else {first: json.dumps(given)}
        if self.schemas:
            return self.by_name(json_object(request))
        try:
            return {first: str(request.data, "utf-8")}
        except UnicodeDecodeError as error:
            raise Refused(400, "Input cannot be decoded as UTF-8: %s" % error) from None

    def by_name(self, given):
        found = {}
        for parameter in self.parameters:
            found[parameter.name] = given.get(parameter.name, parameter.default)
            if found[parameter.name] is parameter.empty:
                raise Refused(400, "A value is not provided for the %r parameter." % parameter.name)
        return found


def parsed(values):
    """Values of one query field: read as JSON where they are JSON, a list where there are several."""

    def one(text):
        try:
            return json.loads(text)
        except ValueError:
            return text

    return one(values[0]) if len(values) == 1 else [one(value) for value in values]


def json_object(request):
    if not request.is_json:
        raise Refused(415, "Expects Content-Type to be application/json")
    body = request.get_data()
    try:
        given = json.loads(body)
    except json.JSONDecodeError as error:
        empty = "POST body is empty. Expecting a JSON dictionary."
        raise Refused(400, "POST body could not be decoded as JSON: %s" % error if body else empty) from None
    if not isinstance(given, dict):
        raise Refused(400, "POST body should be a JSON dictionary.")
    return given
