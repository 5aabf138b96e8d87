"""The words of the matrix: a situation is a scoring script with its files and settings, and what is asked of it."""

BOTH = ("azmlinfsrv", "shim")


class Call:
    """One request, and how its answers may differ: `known` names the engines (or `endpoint`) whose answer differs, and why."""

    def __init__(
        self, name, method="POST", target="/score", body=b"", headers=(), kind="application/json", known=None, chunked=False
    ):
        self.name, self.method, self.target = name, method, target
        self.body = body.encode() if isinstance(body, str) else body
        self.headers, self.kind, self.known, self.chunked = list(headers), kind, known or {}, chunked

    def fields(self):
        """The header fields as they are sent, save for the host."""
        kind = [("Content-Type", self.kind)] if self.kind else []
        if self.chunked:
            return kind + [("Transfer-Encoding", "chunked")] + self.headers
        length = [("Content-Length", str(len(self.body)))] if self.body or self.method in ("POST", "PUT", "PATCH") else []
        return kind + length + self.headers


def get(name, target, headers=(), **more):
    return Call(name, "GET", target, b"", headers, None, **more)


class Situation:
    """A script that is served; or, with `fails`, one that is not, and what its log must then say. `same_log` are
    the engines whose log says the same."""

    def __init__(self, name, script, calls=(), files=None, settings=None, fails=None, same_log=BOTH):
        self.name, self.script, self.calls = name, script, list(calls)
        self.files, self.settings, self.fails = files or {}, settings or {}, fails
        self.same_log = same_log
