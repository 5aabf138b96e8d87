"""Who answers the matrix: the published server, or our worker with either of its engines. Each is a process of its own, started for one
situation, asked one request after the other, and ended."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

from situations import Call

ASSETS = pathlib.Path(__file__).resolve().parents[3] / "assets"
SCRIPTS = pathlib.Path(__file__).resolve().parent / "scripts"
# Far beyond what a start or an answer takes; only so that a broken build ends.
PATIENCE = 120


class Answer:
    """A status, the header fields in order, and a body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, [(name.lower(), value) for name, value in headers], body


class NotReady(Exception):
    """The subject ended instead of serving, maybe with an exit code; what it said stands in its log."""

    def __init__(self, text, code=None):
        super().__init__(text)
        self.code = code


class Subject:
    """A process that serves one situation from a folder of its own. What it says of itself first, where it does, is `first`."""

    first = None

    def __init__(self, situation, home):
        self.situation, self.home = situation, pathlib.Path(home)
        self.app, self.models = self.home / "app", self.home / "azureml-models" / "rates" / "3"
        self.app.mkdir(parents=True)
        self.models.mkdir(parents=True)
        (self.home / "tmp").mkdir()
        (self.models / "rates.json").write_text('{"EUR": 1.25}')
        (self.models / "nested").mkdir()
        (self.models / "nested" / "notes.txt").write_text("none")
        if situation.script not in situation.files:
            shutil.copy(SCRIPTS / situation.script, self.app / situation.script)
        for name, content in situation.files.items():
            (self.app / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        self.streams, self.process, self._readers = {"stdout": b"", "stderr": b""}, None, []

    def variables(self, python):
        """What the workspace gives a worker, and the situation's own settings."""
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        return {
            **kept,
            # gunicorn leaves a socket in it.
            "HOME": str(self.home),
            "PATH": os.path.dirname(python) + ":/usr/local/bin:/usr/bin:/bin",
            "TMPDIR": str(self.home / "tmp"),
            "PYTHONUNBUFFERED": "1",
            "AML_APP_ROOT": str(self.app),
            "AZUREML_ENTRY_SCRIPT": str(self.app / self.situation.script),
            "AZUREML_MODEL_DIR": str(self.models),
            "WORKER_COUNT": "1",
            "AML_APP_INSIGHTS_ENABLED": "false",
            **self.situation.settings,
        }

    def begin(self, command, python, **settings):
        self.process = subprocess.Popen(
            command,
            cwd=self.app,
            env=self.variables(python),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **settings,
        )
        for name in self.streams:
            reader = threading.Thread(target=self._read, args=(name,), daemon=True)
            reader.start()
            self._readers.append(reader)

    def _read(self, name):
        stream = getattr(self.process, name)
        for line in stream:
            self.streams[name] += line

    def ended(self):
        """The exit code of a process that ends by itself, when all it said has been read."""
        code = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        return code

    def end(self):
        if self.process is None:
            return
        self.ask_to_end()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.ended()

    def logs(self):
        """Both streams, with the folder of this subject taken out."""
        told = {}
        for name, content in self.streams.items():
            text = content.decode("utf-8", "replace")
            told[name] = text.replace(str(self.home), "<home>")
        return told


class Official(Subject):
    """`azmlinfsrv` as published. It listens on every address of the machine and cannot be told otherwise: only for as long as its
    situation lasts, on a port that the system chose."""

    def start(self, python):
        for _ in range(5):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            server = os.path.join(os.path.dirname(python), "azmlinfsrv")
            script = str(self.app / self.situation.script)
            self.begin([server, "--entry_script", script, "--port", str(self.port)], python, stdin=subprocess.DEVNULL)
            if self._ready():
                return
        raise NotReady("no port is free for azmlinfsrv")

    def _ready(self):
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            if self.process.poll() is not None:
                self.ended()
                if b"Connection in use" in self.streams["stderr"]:
                    return False
                raise NotReady("azmlinfsrv ended with %s" % self.process.returncode, self.process.returncode)
            try:
                # A connection succeeds long before the script is loaded: the answer is what counts.
                if self.call(Call("ready", "GET", "/", kind=None)).status == 200:
                    return True
            except OSError:
                time.sleep(0.01)
        raise NotReady("azmlinfsrv is not ready after %s s" % PATIENCE)

    def call(self, call):
        return over_http(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE), call)

    def ask_to_end(self):
        self.process.terminate()


def over_http(connection, call, prefix="", extra=()):
    """One request with exactly the headers it has; its answer."""
    try:
        connection.putrequest(call.method, prefix + call.target, skip_accept_encoding=True)
        for name, value in call.fields() + list(extra):
            connection.putheader(name, value.encode("latin-1"))
        body = iter([call.body[:7], call.body[7:]]) if call.chunked else call.body
        connection.endheaders(body, encode_chunked=call.chunked)
        answer = connection.getresponse()
        body = answer.read()
        dropped = ("server", "date", "connection", "transfer-encoding", "keep-alive")
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in dropped]
        return Answer(answer.status, headers, body)
    finally:
        connection.close()


class Worker(Subject):
    """`assets/worker.py`, spoken to in frames over a socket as the workspace does."""

    LENGTHS = struct.Struct(">II")

    def start(self, python):
        # The worker finds its other parts beside it.
        folder = self.home / "worker"
        folder.mkdir()
        for part in ASSETS.glob("worker*.py"):
            shutil.copy(part, folder / part.name)
        ours, theirs = socket.socketpair()
        self.begin([python, "-X", "faulthandler", str(folder / "worker.py")], python, stdin=theirs)
        theirs.close()
        ours.settimeout(PATIENCE)
        self.socket, self.input, self.last = ours, ours.makefile("rb"), 0
        frame = self._frame()
        if frame is None or not frame[0]["ready"]:
            code = self.ended()
            raise NotReady("the worker ended with %s: %s" % (code, frame), code)
        self.first = frame[0]["engine"]

    def _frame(self):
        lengths = self.input.read(self.LENGTHS.size)
        if len(lengths) < self.LENGTHS.size:
            return None
        header, body = self.LENGTHS.unpack(lengths)
        return json.loads(self.input.read(header)), self.input.read(body)

    def call(self, call):
        self.last += 1
        path, _, query = call.target.partition("?")
        header = {"id": self.last, "method": call.method, "path": path, "query": query, "deadline_ms": 60000}
        host = [("Host", "127.0.0.1:31311")]
        header["headers"] = [[name.lower(), value] for name, value in host + call.fields()]
        header = json.dumps(header).encode()
        body = call.body or b""
        sender = threading.Thread(target=self.socket.sendall, args=(self.LENGTHS.pack(len(header), len(body)) + header + body,))
        sender.start()
        frame = self._frame()
        sender.join(PATIENCE)
        if frame is None:
            raise AssertionError("the worker hung up; it ended with %s" % self.ended())
        header, body = frame
        assert header["id"] == self.last, header
        return Answer(header["status"], header["headers"], body)

    def ask_to_end(self):
        self.input.close()
        self.socket.close()
