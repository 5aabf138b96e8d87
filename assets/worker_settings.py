"""Settings and log of a scoring script where the official server is not installed."""

import builtins
import json
import logging
import logging.config
import os
import sys
import time

log = logging.getLogger("azmlinfsrv")
of_script = logging.getLogger("azmlinfsrv.user_script")
of_swagger = logging.getLogger("azmlinfsrv.swagger")
loud_print = builtins.print


class Settings:
    """What the environment says, and after it a `config.json` that is named by AZUREML_CONFIG_FILE or stands beside the script."""

    def __init__(self):
        self.root, self.script = os.environ["AML_APP_ROOT"], os.environ["AZUREML_ENTRY_SCRIPT"]
        named = os.environ.get("AZUREML_CONFIG_FILE", "")
        beside = (os.path.join(folder, "config.json") for folder in (self.root, os.path.dirname(self.script)))
        path = next((p for p in (named, *beside) if p and os.path.exists(p) and os.stat(p).st_size), None)
        self.file = {}
        if path:
            try:
                with open(path) as file:
                    self.file = dict(json.load(file))
            except Exception:
                log.critical("Invalid config file!: %s", path)
                raise
        try:
            self.time_limit = int(self.of("SCORING_TIMEOUT_MS", 3_600_000))
        except (TypeError, ValueError):
            log.critical("SCORING_TIMEOUT_MS: Input should be a valid integer (environment variable: SCORING_TIMEOUT_MS)")
            raise
        origins = os.environ.get("AML_CORS_ORIGINS", "")
        self.origins = [origin.strip() for origin in origins.split(",") if origin.strip()]
        self.tells_version = os.environ.get("SERVER_VERSION_LOG_RESPONSE_ENABLED", "true").lower() == "true"

    def of(self, name, default):
        return os.environ.get(name, self.file.get(name, default))


class UtcFormatter(logging.Formatter):
    converter = time.gmtime


def set_up_logging():
    root = os.environ["AML_APP_ROOT"]
    path = os.path.join(root, "logging.json")
    if os.path.isfile(path):
        with open(path) as file:
            logging.config.dictConfig(json.load(file))
        log.info("Loaded logging config from %s", path)
    else:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(UtcFormatter("%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s"))
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.INFO)


def redirect_print():
    def print_to_log(*objects, sep=" ", end="\n", file=None, flush=False):
        if file is None or file is sys.stdout:
            logging.getLogger("azmlinfsrv.print").info((" " if sep is None else sep).join(map(str, objects)))
        else:
            loud_print(*objects, sep=sep, end=end, file=file, flush=flush)

    builtins.print = print_to_log


def tree(path, depth=0):
    name = "    " * depth + os.path.basename(os.path.normpath(path))
    if not os.path.isdir(path):
        yield name
        return
    yield name + os.sep
    for child in sorted(os.listdir(path)):
        yield from tree(os.path.join(path, child), depth + 1)
