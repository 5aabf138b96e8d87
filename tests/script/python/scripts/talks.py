"""Writes to every stream in every way."""

import logging
import os
import subprocess
import sys

print("while loading")


def init():
    print("in init", 1, [2])
    logging.warning("warned in init")


def run(data):
    print("one", "two", sep="-")
    print("to stderr", file=sys.stderr)
    print("several\nlines", end="")
    print("ünïcode 東京")
    print()
    sys.stdout.write("written\n")
    sys.stdout.flush()
    logging.info("hidden")
    logging.getLogger("mine").error("own logger")
    logging.getLogger("azmlinfsrv").info("the server's logger")
    os.write(1, b"bare \xff bytes\n")
    os.write(2, b"no newline")
    os.write(2, b"\n")
    subprocess.run(["/bin/echo", "from a child"], check=True)
    print("x" * 20_000)
    if data == "raise":
        raise KeyError("gone")
    return len(data)
