"""The short way of an ordinary request through the published server.

For a small request nearly all the time goes to Flask. An ordinary one needs none of it: a POST of something that is no form, to a
run() without decorators, in an application to which nobody has added anything. The server's own invoke_run() runs it, and the
answer is put together here. Whatever else comes out of it (an error, a response of the script's own making) is put together by the
application as always, which gets the outcome instead of running the script again.
"""

import importlib
import json
import logging
import os
import re
import time
import uuid

import flask
from flask.globals import _cv_app, _cv_request
from werkzeug.datastructures import EnvironHeaders

SERVER = "azureml_inference_server_http"
# Those whose code this follows.
VERSIONS = ("1.3.", "1.4.", "1.5.")
ID_LIMIT = 100
# With another one Flask has something to say.
HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]+")
# The server does more with these.
UNUSUAL = frozenset(("x-ms-request-id", "traceid"))
HOOKS = ("before_request_funcs", "after_request_funcs")
OTHER_HOOKS = ("teardown_request_funcs", "url_value_preprocessors", "teardown_appcontext_funcs")


class Late:
    """A context of Flask that is made when a script asks for it, which scripts hardly ever do."""

    made = None

    def __init__(self, make):
        self._make = make

    def __getattr__(self, name):
        if self.made is None:
            self.made = self._make()
        return getattr(self.made, name)


class Request:
    """What invoke_run() asks of a request."""

    __slots__ = ("data", "headers")
    method = "POST"


class Quick:
    """Answers as `slow` does. A server that is not known, or has not what this needs, raises AttributeError or ImportError."""

    def __init__(self, app, script, wants_headers, environ_of, forms, slow):
        version = importlib.import_module(SERVER).__version__
        if not version.startswith(VERSIONS) or type(script.input_parser).__name__ != "JsonStringInput":
            raise AttributeError("not known: " + version)
        self.app, self.script, self.wants_headers = app, script, wants_headers
        self.environ_of, self.forms, self.slow = environ_of, forms, slow
        self.limit = importlib.import_module(SERVER + ".server.config").config.scoring_timeout
        self.log = logging.getLogger("azmlinfsrv")
        self.plain = self.host = self.line = None

    def answer(self, header, body):
        if self.plain is None:
            # After its first request nothing can be added to an application.
            answer = self.slow(header, body)
            self.plain = self.is_untouched()
            return answer
        ids = self.ids(header) if self.plain else None
        return self.slow(header, body) if ids is None else self.short(header, body, *ids)

    def is_untouched(self):
        """Whether the application is the server's and nothing more."""
        signals = [value for value in vars(flask.signals).values() if hasattr(value, "receivers")]
        return (
            type(self.app).__module__ == "flask.app"
            and all([len(hooks) for hooks in getattr(self.app, name).values()] == [2] for name in HOOKS)
            and not any(getattr(self.app, name) for name in OTHER_HOOKS)
            and not any(signal.receivers for signal in signals)
        )

    def ids(self, header):
        """The request's id and its caller's, which may be empty; None if it is no ordinary request."""
        if header["method"] != "POST" or header["path"] != "/score" or header["query"] or "wsgi_app" in vars(self.app):
            return None
        found = {}
        for name, value in header["headers"]:
            name = name.lower()
            if name in found:
                return None
            found[name] = value
        request, caller = found.get("x-request-id"), found.get("x-ms-client-request-id", "")
        if request is None:
            request = str(uuid.uuid4())
        kind = found.get("content-type", "").split(";", 1)[0].strip().lower()
        if not request or max(len(request), len(caller)) > ID_LIMIT or kind in self.forms or not UNUSUAL.isdisjoint(found):
            return None
        host = found.get("host")
        if host != self.host:
            if host is not None and not HOST.fullmatch(host):
                return None
            self.host = host
        return request, caller

    def short(self, header, body, request_id, caller_id):
        began = time.perf_counter()
        environ = lambda: self.environ_of(header, body)
        request = Request()
        request.data, request.headers = body, EnvironHeaders(environ()) if self.wants_headers else ()
        late_app, late = Late(self.app.app_context), Late(lambda: self.app.request_context(environ()))
        tokens = _cv_app.set(late_app), _cv_request.set(late)
        result = error = text = None
        try:
            result = self.script.invoke_run(request, timeout_ms=self.limit)
            text = json.dumps({} if result.output is None else result.output).encode()
        except Exception as raised:
            error = raised
        finally:
            _cv_app.reset(tokens[0])
            _cv_request.reset(tokens[1])
        if late.made or late_app.made:
            # Where run() asks Flask itself, all goes as if this were not here.
            self.plain = False
        if text is None or not self.plain:
            functions = late.made._after_request_functions if late.made else ()
            return self.long(header, body, began, result, error, functions)
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(text))),
            ("x-ms-run-function-failed", "False"),
            ("x-ms-run-fn-exec-ms", "%.3f" % result.elapsed_ms),
        ]
        version = os.environ.get("HTTP_X_MS_SERVER_VERSION", "")
        if version:
            headers.append(("x-ms-server-version", version))
        headers += [("x-request-id", request_id), ("x-ms-request-id", caller_id or request_id)]
        if caller_id:
            headers.append(("x-ms-client-request-id", caller_id))
        self.line = "POST /score 200 %.3fms %d" % ((time.perf_counter() - began) * 1e3, len(text))
        return 200, headers, text

    def after(self):
        """Writes the request's line to the log, for which its caller need not wait."""
        if self.line:
            self.log.info(self.line)
            self.line = None

    def long(self, header, body, began, result, error, functions):
        """Has the application answer, with what has come out of run() already."""

        def outcome(request, timeout_ms):
            flask.g.starting_perf_counter = began
            for function in functions:
                flask.after_this_request(function)
            if result is None:
                raise error
            return result

        self.script.invoke_run = outcome
        try:
            return self.slow(header, body)
        finally:
            del self.script.invoke_run
