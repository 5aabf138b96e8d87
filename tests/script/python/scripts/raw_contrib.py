"""A raw script as the SDK's first documentation wrote them: it sees the request, and says what the answer is."""

import json

from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse


def init():
    assert isinstance(AMLRequest, type)


@rawhttp
def run(request):
    if request.args.get("answer") == "created":
        return AMLResponse("made", 201, {"Location": "/things/1", "X-Many": "a, b,c", "Content-Type": "text/plain"})
    if request.args.get("answer") == "image":
        return AMLResponse(bytes(range(256)), 200, {"Content-Type": "image/x-test"})
    if request.args.get("answer") == "value":
        return {"method": request.method}
    if request.args.get("answer") == "raises":
        raise RuntimeError("raw")
    body = request.get_data(False)
    told = {
        "method": request.method,
        "path": request.path,
        "args": request.args,
        "repeated": request.args.getlist("id"),
        "length": len(body),
        "start": list(body[:8]),
        "tenant": request.headers.get("X-Tenant"),
        "kind": request.headers.get("Content-Type"),
        "content_type": request.content_type,
        "is_json": request.is_json,
        "json": request.get_json(silent=True),
        "trace": request.headers.get("traceparent"),
    }
    return AMLResponse(json.dumps(told, sort_keys=True), 200)
