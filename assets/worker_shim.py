"""Stands in for azureml-inference-server-http where that package is not installed: the same contract for a scoring script, the
same answers, headers, log lines and exit code."""

import contextlib
import inspect
import itertools
import json
import os
import re
import signal
import sys
import time
import traceback
import uuid
from importlib.util import module_from_spec, spec_from_file_location

from _worker_http import AMLRequest, AMLResponse, Headers, headers_of, offer_modules
from _worker_settings import Settings, log, of_script, of_swagger, redirect_print, set_up_logging, tree

ID_LIMIT = 100
TREE_LINES = 200
INTERNAL = "An unexpected internal error occurred. Check the logs for more info."
NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again."
)
NOT_ALLOWED = "The method is not allowed for the requested URL."


class UserScriptError(Exception):
    """The script is not what the contract asks for."""


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
    except TimeoutError:
        raise OverTime from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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


def openapi(settings, version, given, got):
    """A small OpenAPI document of the two schemas."""
    body = {"description": "The request", "required": True}
    answer = {"200": {"description": "The answer"}}
    names = {"ServiceInput": given, "ServiceOutput": got}
    about = {"title": settings.of("SERVICE_NAME", "ML service"), "version": settings.of("SERVICE_VERSION", "1.0")}
    prefix = settings.of("SERVICE_PATH_PREFIX", "").strip("/")
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
        self.environ_of, stage = environ_of, "import"
        set_up_logging()
        self.settings = Settings()
        # After what is installed: a helper named like a package loses.
        sys.path.append(self.settings.root)
        redirect_print()
        if self.settings.origins:
            log.info("Enabling CORS for the following origins: %s", ", ".join(self.settings.origins))
        asked = offer_modules()
        try:
            init, run = self.load(os.path.join(self.settings.root, self.settings.script))
            self.schemas = schemas(run)
            self.is_raw = bool(asked)
            self.examine(run)
            self.run, stage = guarded(run), "init"
            of_script.info("Invoking user's init function")
            init()
            of_script.info("Users's init has completed successfully")
        except BaseException as error:
            if stage == "init":
                log.error("User's init function failed")
                log.error("Encountered Exception %s", traceback.format_exc())
                self.show_model()
            else:
                log.error(traceback.format_exc())
            raise failed(stage, in_a_line(error)) from error
        self.documents = self.describe()
        versions = sorted({version for version in self.documents if not version.endswith(".0")})
        if versions:
            missing = [version for version in ("2", "3", "3.1") if version not in versions]
            skipped = " and skipped for versions [%s]" % ", ".join(missing) if missing else ""
            which = "versions" if missing else "the following versions:"
            of_swagger.info("Swaggers are prepared for %s [%s]%s.", which, ", ".join(versions), skipped)
        log.info("Scoring timeout is set to %d", self.settings.time_limit)
        log.info("Worker with pid %s ready for serving traffic", os.getpid())

    @staticmethod
    def load(path):
        spec = spec_from_file_location("entry_module", path)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        for name in ("init", "run"):
            if not hasattr(module, name):
                raise UserScriptError("User script at %s does not have a %s() function defined." % (path, name))
        # Scripts that the SDK generates hide the one whose run() counts.
        behind = getattr(module, "driver_module", None)
        if inspect.ismodule(behind) and hasattr(behind, "run"):
            of_script.info("Found driver script at %s and the score script at %s", path, behind.__file__)
            return module.init, behind.run
        of_script.info("Found user script at %s", path)
        return module.init, module.run

    def examine(self, run):
        parameters = list(inspect.signature(run).parameters.values())
        if any(p.kind not in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters):
            raise UserScriptError("run() cannot accept positional-only arguments, *args, or **kwargs.")
        self.parameters = [p for p in parameters if p.name != "request_headers"]
        self.with_headers = len(self.parameters) < len(parameters)
        if not self.parameters:
            other = 'other than "request_headers".' if self.with_headers else "for input data."
            raise UserScriptError("run() needs to accept an argument " + other)
        if self.is_raw and self.schemas:
            raise UserScriptError("run() cannot be decorated with both @rawhttp and @input_schema")
        if self.is_raw:
            how = "is decorated with @rawhttp. Server will invoke it with the flask request object."
        elif self.schemas:
            names = ", ".join(p.name for p in self.parameters)
            how = "is decorated with @input_schema. Server will invoke it with the following arguments: %s." % names
        else:
            how = "is not decorated. Server will invoke it with the input in JSON string."
        of_script.info("run() %s", how)

    @staticmethod
    def show_model():
        folder = os.environ.get("AZUREML_MODEL_DIR")
        if folder and os.path.exists(folder):
            log.info("Model Directory Contents:")
            lines = tree(folder)
            for line in itertools.islice(lines, TREE_LINES):
                log.info(line)
            if next(lines, None):
                log.info("Output Truncated. First %d lines shown.", TREE_LINES)

    def describe(self):
        """OpenAPI documents by version: the script's own files, or made from its types."""
        nothing = {"type": "object", "example": {}}
        given, got, supported = self.schemas or (nothing, nothing, ["2.0", "3.0", "3.1"])
        found = {}
        for version, aliases in (("2", ("2", "2.0")), ("3", ("3", "3.0")), ("3.1", ("3.1",))):
            own = ["swagger.json"] * (version == "2") + ["swagger%s.json" % version]
            path = next((p for p in (os.path.join(self.settings.root, name) for name in own) if os.path.isfile(p)), None)
            if path:
                with open(path, encoding="utf-8") as file:
                    document = json.load(file)
                of_swagger.info("Loaded user's swagger file for version [%s] from %s", version, path)
            elif any(alias in supported for alias in aliases):
                document = openapi(self.settings, version, given, got)
            else:
                continue
            found.update((alias, document) for alias in aliases)
        return found

    def answer(self, header, body):
        environ = self.environ_of(header, body)
        request, began = AMLRequest(environ), time.perf_counter()
        known = {
            "/": ("GET", "HEAD", "OPTIONS"),
            "/swagger.json": ("GET", "HEAD", "OPTIONS"),
            "/score": ("GET", "HEAD", "POST", "OPTIONS"),
        }
        if request.path not in known or request.method not in known[request.path]:
            response = told(404, NOT_FOUND) if request.path not in known else told(405, NOT_ALLOWED)
            return response.status_code, response.headers, response.body
        ids, response = self.identify(request.headers)
        routed = response is None and request.path != "/" and (request.method != "OPTIONS" or request.path == "/score")
        if response is None:
            try:
                response = self.respond(request)
            except Exception:
                log.error("Encountered Exception: %s", traceback.format_exc())
                response = told(500, INTERNAL)
        self.label(response, request, ids)
        if routed:
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
        if legacy:
            log.warning(
                "x-ms-request-id header has been deprecated and will be removed from future versions of the server. Please use"
                " x-ms-client-request-id."
            )
        client = client or legacy
        legacy = legacy or client or request
        ids = [("x-request-id", request)] * bool(request)
        if max(len(legacy), len(client)) > ID_LIMIT:
            message = "x-ms-request-id and x-ms-client-request-id must not exceed %d characters" % ID_LIMIT
            return ids, told(431, message)
        return ids + [("x-ms-request-id", legacy)] * bool(legacy) + [("x-ms-client-request-id", client)] * bool(client), None

    def label(self, response, request, ids):
        if self.settings.tells_version:
            response.headers.add("x-ms-server-version", "azmlinfsrv/1.5.1")
        for name, value in ids:
            response.headers[name] = value
        if "TraceId" in request.headers:
            response.headers.add("TraceId", request.headers["TraceId"])
        if self.settings.origins:
            for name, value in self.cross_origin(request):
                response.headers.add(name, value)

    def cross_origin(self, request):
        """What a browser wants to know (flask-cors, as the official server sets it up)."""
        patterns = [origin for origin in self.settings.origins if set("*\\]?$^[]()") & set(origin)]
        literal = sorted(set(self.settings.origins) - set(patterns))
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
            with time_limit(self.settings.time_limit):
                result = self.run(**arguments)
        except OverTime:
            log.error("Encountered Exception: %s", traceback.format_exc())
            return told(500, "Scoring timeout after %d ms" % self.settings.time_limit, failed=True)
        except Exception:
            log.error("Encountered Exception: %s", traceback.format_exc())
            return told(500, "An unexpected error occurred in scoring script. Check the logs for more info.", failed=True)
        took = (time.perf_counter() - began) * 1000
        if hasattr(result, "status_code"):
            log.info("run() output is HTTP Response")
            response = result
        else:
            response = AMLResponse(result, 200, json_str=True)
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
