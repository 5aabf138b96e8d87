"""Takes as long as it is told to, in milliseconds; with "stubborn" it swallows what interrupts it."""

import json
import time


def init():
    pass


def run(data):
    given = json.loads(data)
    try:
        time.sleep(given["ms"] / 1000)
    except BaseException as error:
        if given.get("stubborn"):
            return "interrupted by %s" % type(error).__name__
        raise
    return "done"
