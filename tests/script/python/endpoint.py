"""The third who answers the matrix: a deployment of `mlconsole serve`, made by the commands a user has, asked over HTTPS or plain http.
What Azure's own proxy does to a container's answer is done to the recorded ones before they are compared."""

import http.client
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import time
from collections import Counter

import compare
from subjects import PATIENCE, SCRIPTS, NotReady, over_http

# An endpoint has twenty deployments at most: one for what serves, one for what does not.
SERVING, FAILING = "serving", "failing"
# Said by the endpoint itself: measurements, and what it routed by.
ITS_OWN = ("azureml-model-deployment", "ms-azureml-model-time", "mlconsole-generation", "mlconsole-queue-ms")


class Workspace:
    """`mlconsole serve` on a scratch folder, with an endpoint, a model and an environment."""

    def __init__(self, program, folder, uv):
        self.program, self.folder = program, pathlib.Path(folder)
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("MLCONSOLE_", "PYTHON", "AZURE", "AML_"))
        }
        self.settings = {
            **kept,
            "HOME": str(self.folder),
            "UV_CACHE_DIR": str(pathlib.Path(uv).parents[1] / "cache"),
            "PATH": os.path.dirname(uv) + ":" + os.environ["PATH"],
        }
        ready = self.folder / "ready.json"
        command = [program, "serve", "--listen", "127.0.0.1:0", "--plain-http", "127.0.0.1:0", "--data-dir", self.folder / "data"]
        self.log = open(self.folder / "serve.log", "w+b")
        self.process = subprocess.Popen([*command, "--ready-file", ready], env=self.settings, stdout=self.log, stderr=self.log)
        began = time.monotonic()
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() - began > PATIENCE:
                raise NotReady("mlconsole serve is not ready:\n" + (self.folder / "serve.log").read_text())
            time.sleep(0.01)
        told = json.loads(ready.read_text())
        self.secure, self.plain = told["base_url"].removeprefix("https://"), told["plain_http"]
        self.trust = ssl.create_default_context(cafile=told["ca_file"])
        for name in (SERVING, FAILING):
            self.run("endpoint", "create", "--name", name)
        (self.folder / "rates.json").write_text('{"EUR": 1.25}')
        self.run("model", "register", "--name", "rates", "--version", "3", "--path", self.folder / "rates.json")
        packages = [
            "azureml-inference-server-http==1.5.1",
            "inference-schema[numpy-support,pandas-support]==1.8",
            "numpy",
            "pandas",
        ]
        minor = "python=%d.%d" % sys.version_info[:2]
        conda = {"name": "contract", "dependencies": [minor, "pip", {"pip": packages}]}
        environment = {"name": "contract", "version": "1", "conda_file": conda, "image": "mcr.example/base:1"}
        self.run("environment", "register", "--file", self.write("environment.yml", environment))
        self.key = json.loads(self.run("endpoint", "keys", SERVING, "--output", "json"))["primaryKey"]

    def write(self, name, content):
        """A file the commands read; JSON is YAML."""
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path

    def run(self, *words):
        done = self.attempt(*words)
        if done.returncode:
            raise NotReady(f"mlconsole {' '.join(map(str, words))}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def attempt(self, *words):
        command = [self.program, *words, "--data-dir", self.folder / "data"]
        return subprocess.run(command, env=self.settings, capture_output=True, text=True)

    def end(self):
        self.process.terminate()
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.log.close()
        assert code == 0, f"mlconsole serve ended with {code}:\n" + (self.folder / "serve.log").read_text()[-4000:]


class Deployed:
    """One situation as a deployment."""

    first = None

    def __init__(self, workspace, situation):
        self.workspace, self.situation = workspace, situation
        self.name = re.sub("[^a-z0-9]+", "-", "d-" + situation.name.lower()).strip("-")
        self.endpoint = FAILING if situation.fails else SERVING
        self.calls = 0

    def start(self, python):
        code = self.workspace.folder / self.name
        code.mkdir()
        if self.situation.script not in self.situation.files:
            (code / self.situation.script).write_bytes((SCRIPTS / self.situation.script).read_bytes())
        for name, content in self.situation.files.items():
            (code / name).write_text(content)
        file = {
            "name": self.name,
            "endpoint_name": self.endpoint,
            "model": "azureml:rates:3",
            "code_configuration": {"code": self.name, "scoring_script": self.situation.script},
            "environment": "azureml:contract:1",
            "environment_variables": self.situation.settings,
            "instance_type": "Standard_DS3_v2",
            "instance_count": 1,
            "request_settings": {"request_timeout_ms": 30000},
        }
        file = self.workspace.write(f"{self.name}.yml", file)
        done = self.workspace.attempt("deployment", "create", "--file", file)
        if done.returncode:
            raise NotReady(done.stdout + done.stderr)

    def call(self, call):
        self.calls += 1
        # Every other request by the other road.
        if self.calls % 2:
            connection = http.client.HTTPSConnection(self.workspace.secure, timeout=PATIENCE, context=self.workspace.trust)
        else:
            connection = http.client.HTTPConnection(self.workspace.plain, timeout=PATIENCE)
        extra = [("Authorization", "Bearer " + self.workspace.key), ("azureml-model-deployment", self.name)]
        answer = over_http(connection, call, f"/endpoints/{self.endpoint}", extra)
        told = dict(answer.headers)
        assert told.get("azureml-model-deployment") == self.name, told
        answer.headers = [pair for pair in answer.headers if pair[0] not in ITS_OWN]
        return answer

    def logs(self):
        told = self.workspace.run("deployment", "logs", self.endpoint, self.name, "--tail", "5000")
        code = re.search(r"Found (?:user|driver) script at (\S+)/", told)
        return {"all": told.replace(code.group(1), "<home>/app") if code else told}

    def end(self):
        pass


def as_azure_passes_it(call, answer):
    """A container's recorded answer as the endpoint's proxy gives it on (reference: any status but 200 is a model error)."""
    headers = [pair for pair in answer["headers"]]
    names = [name for name, _ in headers]
    if answer["status"] != 200:
        headers += [
            ["ms-azureml-model-error-reason", "model_error"],
            ["ms-azureml-model-error-statuscode", str(answer["status"])],
        ]
    headers += [[name, "<made>"] for name in ("x-request-id", "x-ms-request-id") if name not in names]
    given = next((value for name, value in call.headers if name.lower() == "x-ms-client-request-id"), None)
    if given is not None and "x-ms-client-request-id" not in names:
        headers.append(["x-ms-client-request-id", given])
    status = 200 if answer["status"] == 200 else 424
    return {"status": status, "headers": sorted(headers, key=lambda pair: pair[0]), "body": answer["body"]}


def log_differences(situation, published, ours):
    """Both streams arrive in one log: the lines are the same, whatever their order between the streams, and come as they were
    written; the workspace's own bear its stamp."""
    expected = compare.lines(published["stdout"]) + compare.lines(published["stderr"])
    _, _, told = ours.partition("\nContainer logs:\n")
    its_own = r"\d{4}-\d\d-\d\dT\S+Z (\[0\] )?[A-Z]+ - "
    found = compare.lines("\n".join(line for line in told.split("\n") if not re.match(its_own, line)))
    missing, added = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    said = ["- " + line[:300] for line in missing] + ["+ " + line[:300] for line in added]
    return [f"{situation.name}: log of the deployment\n    " + "\n    ".join(said)] if said else []
