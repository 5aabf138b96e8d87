"""Chooses status, headers and form of its answers without reading raw requests."""

import json

from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    pass


def flask_response(**settings):
    from flask import Response

    return Response(**settings)


def flask_json():
    from flask import jsonify

    return jsonify(a=1)


def with_cookies():
    from flask import Response

    response = Response("two cookies", status=200)
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


ANSWERS = {
    "plain": lambda: AMLResponse("fine", 200),
    "json": lambda: AMLResponse({"a": [1]}, 200, json_str=True),
    "json text": lambda: AMLResponse("text", 200, json_str=True),
    "nothing": lambda: AMLResponse(None, 200),
    "bytes": lambda: AMLResponse(b"\x00\xff", 200, {"Content-Type": "application/octet-stream"}),
    "teapot": lambda: AMLResponse({"error": "short and stout"}, 418, json_str=True),
    "accepted": lambda: AMLResponse("later", 202),
    "no content": lambda: AMLResponse("", 204),
    "unavailable": lambda: AMLResponse("later", 503, {"Retry-After": "7"}),
    "broken": lambda: AMLResponse({"message": "mine"}, 500, json_str=True),
    "many headers": lambda: AMLResponse("x", 200, {"X-Many": "a,b , c", "x-lower": "1", "Cache-Control": "no-store"}),
    "own type": lambda: AMLResponse("<p>", 200, {"Content-Type": "text/html"}),
    "json with type": lambda: AMLResponse({"a": 1}, 200, {"Content-Type": "application/problem+json"}, json_str=True),
    "own ids": lambda: AMLResponse("x", 200, {"x-request-id": "mine", "x-ms-run-function-failed": "maybe"}),
    "claims failure": lambda: AMLResponse("x", 200, run_function_failed=True),
    "flask": lambda: flask_response(response="from flask", status=200, content_type="text/csv"),
    "flask failed": lambda: flask_response(response="no", status=502),
    "flask stream": lambda: flask_response(response=iter(["a", "b", "c"]), mimetype="text/plain"),
    "flask json": flask_json,
    "cookies": with_cookies,
    "non-ascii": lambda: AMLResponse("naïve 東京", 200),
    "not found": lambda: AMLResponse({"message": "no such restaurant"}, 404, json_str=True),
}


def run(data):
    return ANSWERS[json.loads(data)["answer"]]()
