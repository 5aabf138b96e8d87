"""What a scoring script meets of HTTP where the official server is not installed: request, response, and the modules they are
imported from."""

import importlib.util
import json
import sys
import types
from urllib.parse import parse_qsl

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
PACKAGES = ("azureml.contrib.services", "azureml_inference_server_http.api")


class Headers:
    """Header fields in order, found by name in any case."""

    def __init__(self, pairs=()):
        self.pairs = list(pairs)

    def __iter__(self):
        return iter(self.pairs)

    def get(self, name, default=None):
        return next((value for key, value in self.pairs if key.lower() == name.lower()), default)

    def getlist(self, name):
        return [value for key, value in self.pairs if key.lower() == name.lower()]

    def __contains__(self, name):
        return self.get(name) is not None

    def __getitem__(self, name):
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name, value):
        self.remove(name)
        self.add(name, value)

    def remove(self, name):
        self.pairs = [pair for pair in self.pairs if pair[0].lower() != name.lower()]

    def add(self, name, value):
        self.pairs.append((name, str(value)))

    add_header = add

    def keys(self):
        return [name for name, _ in self.pairs]

    def items(self):
        return list(self.pairs)


class Values(dict):
    """Query or form fields: the first value of each name, or all of them."""

    def __init__(self, text):
        self.lists = {}
        for name, value in parse_qsl(text, keep_blank_values=True):
            self.lists.setdefault(name, []).append(value)
        super().__init__((name, values[0]) for name, values in self.lists.items())

    def getlist(self, name):
        return list(self.lists.get(name, []))


def headers_of(environ):
    """The request's headers with names in title case."""
    names = [key for key in environ if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")]
    title = lambda key: (key[5:] if key.startswith("HTTP_") else key).replace("_", "-").title()
    return Headers((title(key), environ[key]) for key in names if environ[key])


class AMLRequest:
    """What run() gets with @rawhttp: the useful part of a Flask request."""

    def __init__(self, environ):
        self.environ = environ
        self.method, self.path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.query_string = environ["QUERY_STRING"].encode("latin-1")
        self.args = Values(environ["QUERY_STRING"])
        self.headers = headers_of(environ)
        self.content_type = environ.get("CONTENT_TYPE", "")
        self.mimetype = self.content_type.split(";")[0].strip().lower()
        self.url = "http://" + environ.get("HTTP_HOST", "127.0.0.1") + environ["RAW_URI"]
        self.files = {}
        self._body = environ["wsgi.input"].read()

    @property
    def is_json(self):
        kind = self.mimetype
        return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))

    @property
    def form(self):
        return Values(self._body.decode("utf-8", "replace") if self.mimetype == FORMS[0] else "")

    @property
    def data(self):
        """The body, unless it is a form."""
        return b"" if self.mimetype in FORMS else self._body

    def get_data(self, cache=True, as_text=False, parse_form_data=False):
        body = self.data if parse_form_data else self._body
        return body.decode("utf-8", "replace") if as_text else body

    def get_json(self, force=False, silent=False, cache=True):
        try:
            if force or self.is_json:
                return json.loads(self._body)
            raise ValueError("the Content-Type is not application/json")
        except ValueError:
            if silent:
                return None
            raise

    json = property(get_json)


class AMLResponse:
    """What run() may return to choose status and headers itself."""

    def __init__(self, message, status_code, response_headers={}, json_str=False, run_function_failed=False):
        self.status_code, self.headers = int(status_code), Headers()
        if message is None or json_str:
            message = json.dumps({} if message is None else message)
            self.headers.add("Content-Type", "application/json")
        elif "Content-Type" not in response_headers:
            self.headers.add("Content-Type", "text/html; charset=utf-8")
        parts = [message] if isinstance(message, (str, bytes, bytearray)) else message
        self.body = b"".join(part.encode() if isinstance(part, str) else bytes(part) for part in parts)
        self.headers["x-ms-run-function-failed"] = run_function_failed
        for name, value in response_headers.items():
            for part in value.split(","):
                self.headers.add(name, part.strip())

    def get_data(self, as_text=False):
        return self.body.decode() if as_text else self.body


def offer_modules():
    """Makes `azureml.contrib.services` and the official server's own names importable. The answer is filled when a script uses
    `rawhttp`."""
    asked = []

    def rawhttp(function):
        asked.append(function)
        return function

    for package in PACKAGES:
        parts = package.split(".")
        for name in (".".join(parts[: depth + 1]) for depth in range(len(parts))):
            try:
                missing = name not in sys.modules and importlib.util.find_spec(name) is None
            except (ImportError, ValueError):
                missing = True
            if missing:
                sys.modules[name] = types.ModuleType(name)
                sys.modules[name].__path__ = []
        request, response = types.ModuleType(package + ".aml_request"), types.ModuleType(package + ".aml_response")
        request.AMLRequest, request.rawhttp, response.AMLResponse = AMLRequest, rawhttp, AMLResponse
        sys.modules[request.__name__], sys.modules[response.__name__] = request, response
    return asked
