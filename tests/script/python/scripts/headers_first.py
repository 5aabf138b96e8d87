"""Takes the headers before the data, which has a default."""

import helper


def init():
    helper.get_ready()


def run(request_headers, document="absent"):
    return [helper.STATE, document, request_headers.get("X-Tenant", "none")]
