"""What a scoring script meets of HTTP where the official server is not installed: request, response, and the modules they are
imported from."""

import codecs
import email.parser
import importlib.util
import io
import json
import sys
import types
from http.cookies import SimpleCookie
from urllib.parse import parse_qsl, quote_from_bytes

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


# What is no UTF-8 stays escaped.
codecs.register_error("worker.escaped", lambda error: (quote_from_bytes(error.object[error.start : error.end]), error.end))


class Values(dict):
    """Query or form fields, or files: the first value of each name, or all of them."""

    def __init__(self, pairs):
        self.lists = {}
        for name, value in pairs:
            self.lists.setdefault(name, []).append(value)
        super().__init__((name, values[0]) for name, values in self.lists.items())

    @classmethod
    def of(cls, text):
        return cls(parse_qsl(text, keep_blank_values=True, errors="worker.escaped"))

    def getlist(self, name):
        return list(self.lists.get(name, []))


class File:
    """A file of a form."""

    def __init__(self, name, filename, content_type, content):
        self.name, self.filename, self.content_type, self.stream = name, filename, content_type, io.BytesIO(content)
        self.mimetype = content_type.split(";")[0].strip().lower()

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def __iter__(self):
        return iter(self.stream)

    def save(self, target, buffer_size=16384):
        if hasattr(target, "write"):
            target.write(self.stream.read())
        else:
            with open(target, "wb") as file:
                file.write(self.stream.read())


def parts_of(content_type, body):
    """Fields and files of a multipart form."""
    boundary = parameter_of("Content-Type: " + content_type, "content-type", "boundary")
    if not boundary:
        return [], []
    fields, files = [], []
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"))[1:]:
        head, blank, content = part.partition(b"\r\n\r\n")
        if not blank or part.startswith(b"--"):
            continue
        head = head.decode("utf-8", "replace").strip()
        name = parameter_of(head, "content-disposition", "name")
        filename = parameter_of(head, "content-disposition", "filename")
        if filename is None:
            fields.append((name, content.decode("utf-8", "replace")))
        else:
            kind = email.parser.HeaderParser().parsestr(head).get("content-type", "")
            files.append((name, File(name, filename, kind, content)))
    return fields, files


def parameter_of(head, header, name):
    return email.parser.HeaderParser().parsestr(head).get_param(name, None, header)


def headers_of(environ):
    """The request's headers with names in title case."""
    names = [key for key in environ if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")]
    title = lambda key: (key[5:] if key.startswith("HTTP_") else key).replace("_", "-").title()
    return Headers((title(key), environ[key]) for key in names if environ[key] or key.startswith("HTTP_"))


class AMLRequest:
    """What run() gets with @rawhttp: the useful part of a Flask request."""

    def __init__(self, environ):
        self.environ = environ
        self.method, self.path = environ["REQUEST_METHOD"], "/" + environ["PATH_INFO"].lstrip("/")
        self.query_string = environ["QUERY_STRING"].encode("latin-1")
        self.args = Values.of(environ["QUERY_STRING"])
        self.headers = headers_of(environ)
        self.content_type = environ.get("CONTENT_TYPE")
        self.mimetype = (self.content_type or "").split(";")[0].strip().lower()
        self.url = "http://" + environ.get("HTTP_HOST", "127.0.0.1") + environ["RAW_URI"]
        self._body, self._kept = environ["wsgi.input"].read(), False
        fields, files = parts_of(self.content_type, self._body) if self.mimetype == FORMS[1] else ([], [])
        text = self._body.decode("utf-8", "replace") if self.mimetype == FORMS[0] else ""
        self.form, self.files = Values(fields) if fields else Values.of(text), Values(files)
        self.values = Values((name, value) for part in (self.args, self.form) for name in part for value in part.getlist(name))
        self.cookies = {name: cookie.value for name, cookie in SimpleCookie(environ.get("HTTP_COOKIE", "")).items()}
        self.full_path = self.path + "?" + environ["QUERY_STRING"]
        self.content_length = len(self._body) if "CONTENT_LENGTH" in environ else None
        self.remote_addr, self.stream = environ["REMOTE_ADDR"], io.BytesIO(b"" if self.mimetype in FORMS else self._body)

    @property
    def is_json(self):
        kind = self.mimetype
        return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))

    @property
    def data(self):
        """The body, unless it is a form."""
        return self.get_data(parse_form_data=True)

    def get_data(self, cache=True, as_text=False, parse_form_data=False):
        """The body; not to be cached means that it can be read but once."""
        body = b"" if parse_form_data and self.mimetype in FORMS else self._body
        self._kept = self._kept or cache
        if not self._kept:
            self._body = b""
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
