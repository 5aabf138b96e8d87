"""Asks Flask about the request although it takes its body alone, and tells whether Flask carried the request here."""

import sys


def init():
    pass


def frames():
    frame = sys._getframe()
    while frame:
        yield frame.f_code.co_filename
        frame = frame.f_back


def tag(response):
    response.headers["X-Tag"] = "tagged"
    return response


def run(data):
    if data == "way":
        return any("/flask/" in name for name in frames())
    if data == "raise":
        raise ValueError("on the short way")
    if data in ("request", "after", "state"):
        import flask

        if data == "request":
            return [flask.request.path, flask.request.headers["X-Tenant"], flask.request.get_data(as_text=True)]
        if data == "after":
            flask.after_this_request(tag)
            return "tag"
        flask.g.count = flask.g.get("count", 0) + 1
        return [flask.g.count, flask.current_app.name]
    return data
