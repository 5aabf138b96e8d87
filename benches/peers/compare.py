"""mlconsole against two Python servers: the same ONNX file, the same request, the same load, in one run.

    python3 benches/peers/compare.py [--binary target/release/mlconsole] [--seconds 10] [--connections 8]

Makes a virtual environment under target/test-venv/peers at the first run. Each server is loaded alone, in turn, by the same
closed loop (a request a connection at a time, over plain http, kept alive where the server does, with a key). Two figures a server: requests a second, and
the CPU time its processes used for a request (from /proc, so that the load generator's share of a small machine does not matter).
Every answer is checked to be a 200 with a body; the ratios compare mlconsole with each peer.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODEL = ROOT / "assets" / "restaurants" / "recommender-v1.onnx"
BODY = (ROOT / "assets" / "restaurants" / "sample-request.json").read_bytes()
TICK = os.sysconf("SC_CLK_TCK")


def environment():
    """The interpreter of the peers' virtual environment, made when missing."""
    folder = ROOT / "target" / "test-venv" / "peers"
    wanted = (HERE / "requirements.txt").read_text()
    stamp = folder / "installed.txt"
    if not (stamp.exists() and stamp.read_text() == wanted):
        print("making the peers' environment (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", HERE / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    return folder / "bin"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def family(pid):
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        for task in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                pass
    return found


def cpu_seconds(pid):
    total = 0
    for member in family(pid):
        try:
            fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICK


class Connection:
    """A connection that sends one prepared request again and again; opened anew only when the server closes it."""

    def __init__(self, port, path, key):
        self.port = port
        self.open()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        self.request = f"{head}Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY

    def call(self):
        """The body of one answer."""
        if self.closed:
            self.open()
        self.socket.sendall(self.request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.read()
        head, _, body = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{head.decode(errors='replace')}\n{body.decode(errors='replace')}")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self.read()
        self.closed = b"connection: close" in head.lower()
        return body

    def open(self):
        self.socket = socket.create_connection(("127.0.0.1", self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.closed = False

    def read(self):
        data = self.socket.recv(65536)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data


def hammer(port, path, key, until):
    """Requests answered before `until`, on one connection."""
    connection, count = Connection(port, path, key), 0
    while time.monotonic() < until:
        connection.call()
        count += 1
    return count


def measure(pid, port, path, key, seconds, connections):
    """(requests a second, CPU microseconds a request) after a warm-up."""
    run_load(port, path, key, min(2.0, seconds), connections)
    before, started = cpu_seconds(pid), time.monotonic()
    count = run_load(port, path, key, seconds, connections)
    elapsed = time.monotonic() - started
    return count / elapsed, (cpu_seconds(pid) - before) / count * 1e6


def run_load(port, path, key, seconds, connections):
    """Forked processes, as threads of one interpreter would share its lock; monotonic clocks agree between them."""
    until, pipes = time.monotonic() + seconds, []
    for _ in range(connections):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writer, str(hammer(port, path, key, until)).encode())
            except BaseException as error:
                os.write(writer, f"error: {error}".encode()[:4000])
            os._exit(0)
        os.close(writer)
        pipes.append((child, reader))
    total = 0
    for child, reader in pipes:
        with os.fdopen(reader, "rb") as pipe:
            text = pipe.read().decode()
        os.waitpid(child, 0)
        if not text.isdigit():
            raise RuntimeError(text or "a load process died")
        total += int(text)
    return total


def wait_until(ready, process, what):
    """Waits for a server to answer; gives up when it ended or after a minute."""
    started = time.monotonic()
    while time.monotonic() - started < 60 and process.poll() is None:
        try:
            if ready():
                return
        except (OSError, RuntimeError, StopIteration):
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{what} does not answer")


class Server:
    """A child process, ended with its whole group."""

    def __init__(self, command, **settings):
        self.process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **settings)

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


def peer(command, settings, port, arguments):
    """Runs one Python server under the load; returns its two figures and an answer."""
    with Server(command, env=os.environ | {"PEER_MODEL": str(MODEL), "PEER_KEY": "k", **settings}, cwd=HERE) as process:
        wait_until(lambda: Connection(port, "/score", "k").call(), process, command[0])
        answer = Connection(port, "/score", "k").call()
        return (*measure(process.pid, port, "/score", "k", arguments.seconds, arguments.connections), answer)


def mlconsole(arguments):
    """The same for an endpoint with one deployment of the model on the plain-http listener."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        ready, data = folder / "ready.json", folder / "data"
        command = [arguments.binary, "serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--plain-http", "127.0.0.1:0", "--ready-file", ready]
        with Server(command) as process:
            wait_until(lambda: ready.exists() and ready.read_text().rstrip().endswith("}"), process, "mlconsole serve")

            def run(*words):
                done = subprocess.run([arguments.binary, *words, "--data-dir", data], capture_output=True, text=True)
                if done.returncode:
                    raise RuntimeError(f"mlconsole {' '.join(map(str, words))}: {done.stderr}")
                return done.stdout

            samples = MODEL.parent
            run("endpoint", "create", "-f", samples / "endpoint.yml")
            run("deployment", "create", "-f", samples / "blue-deployment.yml", "--set", f"instance_count={arguments.instances}")
            run("traffic", "set", "restaurants", "blue=100", "--yes")
            keys = json.loads(run("endpoint", "keys", "restaurants", "--output", "json"))
            key = keys.get("primaryKey") or keys["primary_key"]
            plain = json.loads(ready.read_text())["plain_http"].removeprefix("http://")
            port, path = int(plain.rsplit(":", 1)[1]), "/endpoints/restaurants/score"
            answer = Connection(port, path, key).call()
            return (*measure(process.pid, port, path, key, arguments.seconds, arguments.connections), answer)


def same_answer(ours, theirs):
    """Both name the same restaurants with the same scores (to 1e-3)."""
    ours, theirs = json.loads(ours), json.loads(theirs)
    ours = ours.get("outputs", ours)
    scores = zip(ours["score"][0], theirs["score"][0])
    return ours["restaurant"] == theirs["restaurant"] and all(abs(a - b) < 1e-3 for a, b in scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "mlconsole")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--instances", type=int, default=os.cpu_count(), help="instances of mlconsole, workers of the peers")
    arguments = parser.parse_args()
    if not arguments.binary.exists():
        sys.exit(f"{arguments.binary} is not there: cargo build --release")
    arguments.binary = arguments.binary.resolve()
    bin = environment()

    ours = mlconsole(arguments)
    workers = str(arguments.instances)
    port, azure = free_port(), free_port()
    uvicorn = [bin / "uvicorn", "fastapi_app:app", "--host", "127.0.0.1", "--port", str(port), "--workers", workers, "--no-access-log"]
    azmlinfsrv = [bin / "azmlinfsrv", "--entry_script", "score.py", "--port", str(azure)]
    peers = [
        ("FastAPI + ONNX Runtime", peer(uvicorn, {}, port, arguments)),
        ("azureml-inference-server-http", peer(azmlinfsrv, {"WORKER_COUNT": workers}, azure, arguments)),
    ]
    print(f"recommender-v1, JSON over plain http, {arguments.connections} connections, {workers} instances or workers, {arguments.seconds:g} s each")
    print(f"{'server':32} {'requests/s':>12} {'CPU µs/request':>15} {'requests/s ratio':>17} {'CPU ratio':>10}")
    print(f"{'mlconsole':32} {ours[0]:12.0f} {ours[1]:15.1f}")
    for name, theirs in peers:
        if not same_answer(ours[2], theirs[2]):
            sys.exit(f"{name} answers something else: {theirs[2][:200]} instead of {ours[2][:200]}")
        print(f"{name:32} {theirs[0]:12.0f} {theirs[1]:15.1f} {ours[0] / theirs[0]:17.1f} {theirs[1] / ours[1]:10.1f}")


if __name__ == "__main__":
    main()
