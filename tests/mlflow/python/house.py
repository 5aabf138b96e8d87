"""A workspace of its own for a story: `mlconsole serve`, its commands, and requests as any program would send them."""

import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BINARY = os.environ["MLCONSOLE_BINARY"]
ASSETS = pathlib.Path(os.environ["MLCONSOLE_ASSETS"])
MODELS = pathlib.Path(os.environ["MLCONSOLE_MODELS"])
PATIENCE = 600.0  # seconds; only so that a broken build ends


@contextlib.contextmanager
def step(text):
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print(f"FAILED  {text}", flush=True)
        raise
    print(f"ok      {text} ({time.monotonic() - started:.1f} s)", flush=True)


class House:
    """Opened with `with`: the workspace ends with the story."""

    def __enter__(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)
        # The suite's own uv builds the environments, which need not be installed.
        tools = pathlib.Path(sys.executable).parent
        self.env = os.environ | {
            "PATH": f"{tools}:{os.environ.get('PATH', '')}",
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "MLCONSOLE_DATA_DIR": str(self.folder / "data"),
        }
        ready = self.folder / "ready.json"
        with open(self.folder / "serve.log", "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--listen", "127.0.0.1:0", "--plain-http", "127.0.0.1:0", "--ready-file", ready],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        started = time.monotonic()
        while not (ready.exists() and ready.read_text().rstrip().endswith("}")):
            assert self.process.poll() is None, (self.folder / "serve.log").read_text()
            assert time.monotonic() - started < PATIENCE, "the workspace does not start"
            time.sleep(0.02)
        self.plain = json.loads(ready.read_text())["plain_http"]
        self.keys = {}
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print((self.folder / "serve.log").read_text()[-4000:])
        self.process.terminate()
        self.process.wait()
        self.scratch.cleanup()

    def command(self, *arguments, code=0):
        """Runs a command and answers all it said; it has to end as expected."""
        ended = subprocess.run([BINARY, *map(str, arguments)], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        said = ended.stdout + ended.stderr
        assert ended.returncode == code, f"{arguments} ended with {ended.returncode}:\n{said}"
        return said

    def document(self, *arguments):
        ended = subprocess.run(
            [BINARY, *map(str, arguments), "--output", "json"], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert ended.returncode == 0, f"{arguments}: {ended.stdout}{ended.stderr}"
        return json.loads(ended.stdout)

    def endpoint(self, name):
        self.command("endpoint", "create", "--name", name)

    def deploy(self, endpoint, name, model, **more):
        """A deployment from a file, of a model's folder or of a registered one (`azureml:…`)."""
        of = {"model": model} if str(model).startswith("azureml:") else {
            "model": {"name": f"{name}-model", "version": "1", "path": str(model), "type": "mlflow_model"}
        }
        settings = {"name": name, "endpoint_name": endpoint, "instance_type": "Standard_DS2_v2", "instance_count": 1}
        file = self.folder / f"{endpoint}-{name}.yml"
        file.write_text(json.dumps(settings | of | more))
        return self.command("deployment", "create", "-f", file)

    def ask(self, endpoint, deployment, body, path="/score", kind="application/json"):
        """(status, headers, text); `deployment` None leaves the choice to the traffic."""
        if endpoint not in self.keys:
            self.keys[endpoint] = self.document("endpoint", "keys", endpoint)["primaryKey"]
        headers = {"Authorization": f"Bearer {self.keys[endpoint]}", "Content-Type": kind}
        if deployment:
            headers["azureml-model-deployment"] = deployment
        connection = http.client.HTTPConnection(self.plain, timeout=60)
        text = body if isinstance(body, str) else json.dumps(body)
        connection.request("POST", f"/endpoints/{endpoint}{path}", text.encode(), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text
