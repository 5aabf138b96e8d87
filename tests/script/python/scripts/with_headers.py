"""Takes the request's headers beside its data."""


def init():
    pass


def run(data, request_headers):
    kept = {name: value for name, value in request_headers.items() if name not in ("Host", "Accept-Encoding", "Connection")}
    return {"type": type(request_headers).__name__, "data": data, "headers": dict(sorted(kept.items()))}
