"""The situations in which a script is served, and every request that is made of it."""

import json
import pathlib

from situations import Call, Situation, get

SCRIPTS = pathlib.Path(__file__).resolve().parent / "scripts"
LONG = "x" * 101
MARK = "----mark"
MULTIPART = (
    f'--{MARK}\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    f'--{MARK}\r\nContent-Disposition: form-data; name="menu"; filename="menu.txt"\r\nContent-Type: text/plain\r\n\r\nsoup\r\n'
    f"--{MARK}--\r\n"
)
FORM = "application/x-www-form-urlencoded"


# What the endpoint says itself.
ALIVE = {"endpoint": "whether an endpoint is alive it says itself"}


def asks(*answers, known=None):
    known = known or {}
    return [Call(answer, body=json.dumps({"answer": answer}), known=known.get(answer)) for answer in answers]


EXITS = "the published server answers with an HTML page; ours as if run() had raised"

NO_APPLICATION = "jsonify() needs the application of the published server, which is not there"

ANSWERS = Situation(
    "answers",
    "answers.py",
    asks("number", "integer", "true", "list", "mapping", "tuple", "nothing", "text", "json text", "empty text", "other scripts")
    + asks("not a number", "false", "zero", "large integer", "rate", "large", "bytes", "set", "object", "generator", "circular")
    + asks("numpy array", "numpy scalar", "numpy double", "raises", "raises http error", "raises timeout", "variables", "places"),
    settings={
        "AZUREML_EXTRA_PYTHON_LIB_PATH": "extra/lib",
        "AZUREML_EXTRA_CONDA_YAML": "conda.yaml",
        "GREETING": "grüß dich = yes",
        "EMPTY": "",
    },
)

STOPS = Situation(
    "stops",
    "answers.py",
    asks("exits", "interrupts", known=dict.fromkeys(("exits", "interrupts"), {"anyone": EXITS})) + asks("number"),
    same_log=(),
)

ECHO = Situation(
    "echo",
    "echo.py",
    [
        Call("json", body='{"input_data": [[1, 2]]}'),
        Call("text is passed as it is", body="not JSON at all", kind="text/plain"),
        Call("no content type", body='{"a": 1}', kind=None),
        Call("unknown content type", body="<a/>", kind="application/xml"),
        Call("empty body"),
        Call("white space", body=" \n "),
        Call("non-ASCII", body='{"name": "Zoë 東京"}'),
        Call("another character set", body="Zoë".encode("latin-1"), kind="application/json; charset=latin-1"),
        Call("byte order mark", body=b"\xef\xbb\xbf{}"),
        Call("not UTF-8", body=b"\xff\xfe\x00"),
        Call("not UTF-8 at the end", body=b'{"a": "\xc3'),
        Call("form", body="a=1&b=2", kind=FORM),
        Call("JSON sent as a form", body='{"a": 1}', kind=FORM),
        Call("multipart form", body=MULTIPART, kind="multipart/form-data; boundary=" + MARK),
        Call("gzip is not undone", body=b"\x1f\x8b\x08\x00", headers=[("Content-Encoding", "gzip")]),
        Call("in chunks", body='{"a": "Zoë 東京"}', chunked=True),
        Call("form in chunks", body="a=1&b=2", kind=FORM, chunked=True),
        Call("large", body=json.dumps({"a": "y" * 2_000_000})),
        Call("query beside a body", target="/score?a=1", body='{"b": 2}'),
        get("no query", "/score"),
        get("query", "/score?a=1&b=[1,2]&c=a&d=null&e=1.5&f=true"),
        get("repeated keys", "/score?foo=bar1&foo=2&x=y&foo={}"),
        get("query with escapes", "/score?name=Zo%C3%AB&plus=a+b&amp=%26&empty=&alone"),
        get("query not UTF-8", "/score?name=%FF%FE"),
        get("query of an object", "/score?data=%7B%22a%22%3A%5B1%5D%7D&big=1e400&n=NaN"),
        Call("options", "OPTIONS", kind=None),
        Call("put", "PUT", body="{}"),
        Call("delete", "DELETE", kind=None),
        Call("patch", "PATCH", body="{}"),
        Call("head", "HEAD", kind=None),
        get("health", "/", known=ALIVE),
        Call("health posted", target="/", body="{}"),
        Call("health options", "OPTIONS", "/", kind=None),
        Call("health head", "HEAD", "/", kind=None),
        get("unknown path", "/nowhere"),
        Call("unknown path posted", target="/score/v1", body="{}"),
        Call("path with a slash at its end", target="/score/", body="{}"),
        get("double slash", "//score"),
        get("escaped path", "/%73core?a=1"),
        get("swagger", "/swagger.json"),
        get("swagger 2", "/swagger.json?version=2"),
        get("swagger 2.0", "/swagger.json?version=2.0"),
        get("swagger 3", "/swagger.json?version=3"),
        get("swagger 3.0", "/swagger.json?version=3.0"),
        get("swagger 3.1", "/swagger.json?version=3.1"),
        get("swagger of no version", "/swagger.json?version="),
        get("swagger of an unknown version", "/swagger.json?version=4"),
        Call("swagger posted", target="/swagger.json", body="{}"),
        Call("swagger options", "OPTIONS", "/swagger.json", kind=None),
    ],
)

IDS = Situation(
    "ids",
    "with_headers.py",
    [
        Call("none"),
        Call("request id", headers=[("x-request-id", "r-1")]),
        Call("client request id", headers=[("x-ms-client-request-id", "c-1")]),
        Call("old request id", headers=[("x-ms-request-id", "o-1")]),
        Call("all ids", headers=[("x-request-id", "r"), ("x-ms-request-id", "o"), ("x-ms-client-request-id", "c")]),
        Call("empty ids", headers=[("x-request-id", ""), ("x-ms-request-id", ""), ("x-ms-client-request-id", "")]),
        Call("ids of 100 characters", headers=[("x-request-id", LONG[1:]), ("x-ms-client-request-id", LONG[1:])]),
        Call("long request id", headers=[("x-request-id", LONG)]),
        Call("long client id", headers=[("x-ms-client-request-id", LONG)]),
        Call("long old id", headers=[("x-request-id", "r"), ("x-ms-request-id", LONG)]),
        Call("long id and a failure", "PUT", headers=[("x-request-id", LONG)]),
        get("long id on health", "/", headers=[("x-request-id", LONG)], known=ALIVE),
        get("id on health", "/", headers=[("x-request-id", "r-2")], known=ALIVE),
        get("id on an unknown path", "/nowhere", headers=[("x-request-id", "r-3"), ("TraceId", "t")]),
        Call(
            "trace", headers=[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("tracestate", "a=b")]
        ),
        Call("trace id", headers=[("TraceId", "t-1")]),
        get("trace id on swagger", "/swagger.json?version=9", headers=[("traceid", "t-2")]),
        Call("many headers", headers=[("X-Many", "a"), ("x-many", "b"), ("X-ODD-case", "1"), ("Accept", "text/csv")]),
        Call("underscore in a name", headers=[("X_Tenant", "contoso"), ("X-Tenant", "fabrikam")]),
        Call("value beyond ASCII", headers=[("X-Name", "Zoë".encode().decode("latin-1"))]),
        Call("empty value", headers=[("X-Empty", "")]),
        Call("origin without CORS", headers=[("Origin", "https://a.example")]),
        Call("JSON types", body="{}", kind="application/vnd.mine+json; charset=utf-8"),
        get("headers of a get", "/score?a=1", headers=[("X-Tenant", "contoso")]),
        Call("cookie", headers=[("Cookie", "a=1; b=2")]),
    ],
)

FIRST = Situation(
    "headers first",
    "headers_first.py",
    [Call("body", body="text", headers=[("x-tenant", "contoso")]), Call("empty"), get("get", "/score?a=1")],
    files={"helper.py": 'STATE = "new"\n\n\ndef get_ready():\n    global STATE\n    STATE = "ready"\n'},
)

RAW_CONTRIB = Situation(
    "raw, by the first names",
    "raw_contrib.py",
    [
        Call("json", body='{"a": [1]}', headers=[("X-Tenant", "contoso")]),
        Call("binary", target="/score?id=1&id=2&x=%C3%AB", body=bytes(range(256)), kind="application/octet-stream"),
        Call("no content type", body="abc", kind=None),
        Call("not UTF-8", body=b"\xff\xfe"),
        Call("broken JSON", body='{"a"'),
        Call("trace", body="{}", headers=[("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]),
        get("get", "/score?a=1&a=2"),
        Call("options", "OPTIONS", kind=None),
        Call("put", "PUT", body="{}"),
        Call("created", target="/score?answer=created"),
        Call("image", target="/score?answer=image"),
        Call("value", target="/score?answer=value"),
        Call("raises", target="/score?answer=raises"),
        get("swagger", "/swagger.json"),
    ],
)

RAW_SERVER = Situation(
    "raw, by the server's names",
    "raw_server.py",
    [
        Call("json", body='{"a": 1}'),
        Call("form", body="a=1&b=2&a=3", kind=FORM),
        Call("multipart form", body=MULTIPART, kind="multipart/form-data; boundary=" + MARK),
        Call("read as JSON", target="/score?read=json", body='{"a": [1.5]}'),
        Call("wrong type read as JSON", target="/score?read=json", body="{}", kind="text/plain"),
        Call("broken JSON read as JSON", target="/score?read=json", body="{"),
        Call("read from its stream", target="/score?read=stream", body="a stream", headers=[("Cookie", "a=1; b=two")]),
        get("nothing in its stream", "/score?read=stream"),
        Call("values", target="/score?read=values&a=0&x=9", body="a=1&b=2", kind=FORM),
        Call("read as text", target="/score?read=text", body="Zoë"),
        get("get", "/score"),
    ],
    # Flask's own exceptions stand in its tracebacks.
    same_log=["azmlinfsrv"],
)

RESPONSES = Situation(
    "responses",
    "responses.py",
    asks(
        "plain", "json", "json text", "nothing", "bytes", "teapot", "accepted", "no content", "unavailable", "broken", "not found"
    )
    + asks("many headers", "own type", "json with type", "own ids", "claims failure", "non-ascii")
    + asks("flask", "flask failed", "flask stream", "flask json", "cookies", known={"flask json": {"shim": NO_APPLICATION}}),
    same_log=["azmlinfsrv"],
)

TYPED = Situation(
    "typed",
    "typed_standard.py",
    [
        Call("both", body='{"data": {"city": "Oslo", "seats": 3}, "factor": 2}'),
        Call("default", body='{"data": {"seats": 3}}'),
        Call("extra", body='{"data": {"seats": 3}, "factor": 1.5, "colour": "blue"}'),
        Call("null", body='{"data": {"seats": 3}, "factor": null}'),
        Call("missing", body='{"factor": 2}'),
        Call("empty body"),
        Call("broken JSON", body='{"data": '),
        Call("not an object", body="[1]"),
        Call("JSON null", body="null"),
        Call("text", body='{"data": {"seats": 3}}', kind="text/plain"),
        Call("no content type", body='{"data": {"seats": 3}}', kind=None),
        Call("JSON by another name", body='{"data": {"seats": 3}}', kind="application/ld+json"),
        Call("JSON with a character set", body='{"data": {"seats": 3, "city": "Zoë"}}', kind="application/json; charset=utf-8"),
        Call("upper case", body='{"data": {"seats": 3}}', kind="APPLICATION/JSON"),
        Call("not UTF-8", body=b'{"data": "\xff"}'),
        Call("UTF-16", body='{"data": {"seats": 3}}'.encode("utf-16")),
        Call("form", body="data=1", kind=FORM),
        Call("raises", body='{"data": {"city": "nowhere"}}'),
        Call("wrong inside", body='{"data": {}}'),
        get("get", "/score?data=%7B%22seats%22%3A3%7D&factor=2"),
        get("get without", "/score?factor=2"),
        Call("options", "OPTIONS", kind=None),
        get("swagger 2", "/swagger.json"),
        get("swagger 3", "/swagger.json?version=3"),
        get("swagger 3.1", "/swagger.json?version=3.1"),
    ],
    settings={"SERVICE_NAME": "restaurants", "SERVICE_VERSION": "2.1", "SERVICE_PATH_PREFIX": "api/v1/"},
)

TYPED_NUMPY = Situation(
    "typed numpy",
    "typed_numpy.py",
    [
        Call("matrix", body='{"data": [[1, 2], [3, 4]]}', headers=[("X-Tenant", "contoso")]),
        Call("one row", body='{"data": [[0.25, 0.5]]}'),
        Call("not a matrix", body='{"data": "text"}'),
        Call("ragged", body='{"data": [[1], [2, 3]]}'),
        Call("missing", body="{}"),
        get("swagger 2", "/swagger.json"),
        get("swagger 3", "/swagger.json?version=3"),
    ],
)

TYPED_PANDAS = Situation(
    "typed pandas",
    "typed_pandas.py",
    [
        Call("records", body='{"table": [{"city": "Oslo", "seats": 3}, {"city": "Rome", "seats": 5}]}'),
        Call("missing column", body='{"table": [{"city": "Oslo"}]}'),
        Call("text", body='{"table": "text"}'),
        get("swagger 2", "/swagger.json"),
    ],
)

CORS = Situation(
    "CORS",
    "with_headers.py",
    [
        Call("known origin", headers=[("Origin", "https://a.example")]),
        Call("second origin", headers=[("Origin", "https://b.example")]),
        Call("unknown origin", headers=[("Origin", "https://c.example")]),
        Call("no origin"),
        preflight := Call(
            "preflight",
            "OPTIONS",
            kind=None,
            headers=[
                ("Origin", "https://a.example"),
                ("Access-Control-Request-Method", "POST"),
                ("Access-Control-Request-Headers", "x-a, content-type"),
            ],
        ),
        Call(
            "preflight for put",
            "OPTIONS",
            kind=None,
            headers=[("Origin", "https://A.example"), ("Access-Control-Request-Method", "PUT")],
        ),
        Call("preflight from elsewhere", "OPTIONS", kind=None, headers=[("Origin", "https://c.example"), preflight.headers[1]]),
        get("health", "/", headers=[("Origin", "https://a.example")], known=ALIVE),
        get("swagger", "/swagger.json?version=5", headers=[("Origin", "https://a.example")]),
        get("unknown path", "/nowhere", headers=[("Origin", "https://a.example")]),
        Call("put", "PUT", headers=[("Origin", "https://a.example")]),
    ],
    settings={"AML_CORS_ORIGINS": "https://a.example, https://b.example"},
)

CORS_ALL = Situation(
    "CORS for all",
    "echo.py",
    [
        Call("any origin", body="{}", headers=[("Origin", "https://c.example")]),
        Call("no origin", body="{}"),
        Call("preflight", "OPTIONS", kind=None, headers=preflight.headers),
    ],
    settings={"AML_CORS_ORIGINS": "*"},
)

TIME_LIMIT = Situation(
    "time limit",
    "slow.py",
    [
        Call("in time", body='{"ms": 0}'),
        Call("over time", body='{"ms": 60000}'),
        Call("over time, swallowed", body='{"ms": 60000, "stubborn": true}'),
        Call("in time again", body='{"ms": 1}'),
    ],
    settings={"SCORING_TIMEOUT_MS": "250"},
)

OWN_SWAGGER = Situation(
    "own swagger",
    "echo.py",
    [get(f"swagger {version}", f"/swagger.json?version={version}") for version in ("2", "3", "3.1")]
    + [get("swagger", "/swagger.json")],
    files={
        "swagger.json": '{"swagger": "2.0", "mine": true}',
        "swagger2.json": '{"not": "read"}',
        "swagger3.json": '{"openapi": "3.0.0", "ö": [1]}',
    },
    settings={"SERVER_VERSION_LOG_RESPONSE_ENABLED": "false"},
)

TALKS = Situation(
    "talks",
    "talks.py",
    [
        Call("talk", body="four"),
        Call("raise", body="raise"),
        get("health is not logged", "/", known=ALIVE),
        get("get", "/score?a=1&b=2"),
        Call("put", "PUT"),
    ],
    files={"config.json": '{"AZUREML_LOG_LEVEL": "DEBUG", "mine": 1}'},
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"mine": {"format": "MINE %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"mine": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "mine"}},
    "loggers": {"azmlinfsrv": {"level": "WARNING", "handlers": ["mine"], "propagate": False}},
    "root": {"level": "INFO", "handlers": ["mine"]},
}
OWN_LOGGING = Situation(
    "own logging",
    "talks.py",
    [Call("talk", body="four"), Call("raise", body="raise"), Call("old id", body="", headers=[("x-ms-request-id", "o")])],
    files={"logging.json": json.dumps(LOGGING)},
)

DRIVEN = Situation(
    "driven",
    "driver.py",
    [Call("both", body='{"data": {"seats": 3}, "factor": 2}'), Call("missing", body="{}")],
    files={
        "driver.py": "import typed_standard as driver_module\n\n\ndef init():\n    print('driver')\n    driver_module.init()\n\n\n"
        "def run(data):\n    raise NotImplementedError\n",
        "typed_standard.py": (SCRIPTS / "typed_standard.py").read_text(),
    },
)

SHORT = "an ordinary request goes by Flask"
LATE = {"shim": "there is no request of Flask's"}


def flask(*bodies, known=None):
    return [Call(body, body=body, headers=[("X-Tenant", "contoso")], known=known) for body in bodies]


def asks_flask(name, *asked):
    """`asked`, among requests of which the second takes the short way and the others see whether it is still taken."""
    ordinary = flask("way", known={"anyone": SHORT})
    between = [call for ask in asked for call in (*flask(ask, known=LATE), *flask("way", known={"shim": SHORT}))]
    return Situation(name, "asks_flask.py", [*flask("first"), *ordinary, *flask("raise"), *ordinary, *between], same_log=())


ASKS_STATE = asks_flask("asks Flask, state", "state", "request", "state")
ASKS_AFTER = asks_flask("asks Flask, answer", "after", "request")

SERVED = [ANSWERS, STOPS, ECHO, IDS, FIRST, RAW_CONTRIB, RAW_SERVER, RESPONSES, TYPED, TYPED_NUMPY, TYPED_PANDAS, CORS, CORS_ALL]
SERVED += [ASKS_AFTER, ASKS_STATE, TIME_LIMIT, OWN_SWAGGER, TALKS, OWN_LOGGING, DRIVEN]
