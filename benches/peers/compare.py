"""mlconsole against three Python servers: the same two ONNX files, the same request, the same load, in one run.

    python3 benches/peers/compare.py [--binary target/release/mlconsole] [--seconds 10] [--connections 8]

Makes virtual environments under target/test-venv at the first run (MLServer has one of its own: it wants other versions; where it
cannot be installed the others are compared all the same). MLServer speaks the Open Inference Protocol alone: it is asked in that, and
compared with mlconsole asked in that. Each server is loaded alone, in turn, by the same
closed loop (a request a connection at a time, over plain http, kept alive where the server does, with a key). Two figures a server: requests a second, and
the CPU time its processes used for a request (from /proc, so that the load generator's share of a small machine does not matter).
Every answer is checked to be a 200, the first to say the same; the ratios compare mlconsole with each peer.
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
TICK = os.sysconf("SC_CLK_TCK")


class Case:
    """A model, and one request in the two forms it is asked in."""

    def __init__(self, name, model, body, inputs):
        self.name, self.model, self.score = name, model, json.dumps(body).encode()
        tensor = lambda name, shape, datatype, data: {"name": name, "shape": shape, "datatype": datatype, "data": data}
        self.v2 = json.dumps({"inputs": [tensor(*given) for given in inputs]}).encode()


def cases(driver, folder):
    small = folder / "small.onnx"
    subprocess.run([driver, "--model", small], check=True)
    row = [0.5, -1.25, 2.0, 0.125]
    yield Case("small MLP, 4-16-3", small, {"input_data": [row]}, [("x", [1, 4], "FP32", row)])
    restaurants = ROOT / "assets" / "restaurants"
    body = json.loads((restaurants / "sample-request.json").read_bytes())
    table = body["input_data"]
    column = lambda i: [row[i] for row in table["data"]]
    inputs = [(name, [len(table["data"])], "INT64", column(i)) for i, name in enumerate(table["columns"])]
    yield Case("recommender-v1", restaurants / "recommender-v1.onnx", body, inputs)


def environment(name, requirements):
    """The programs of the peers' virtual environment, made when missing."""
    folder = ROOT / "target" / "test-venv" / name
    wanted = (HERE / requirements).read_text()
    stamp = folder / "installed.txt"
    if not (stamp.exists() and stamp.read_text() == wanted):
        print(f"making the environment '{name}' (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", HERE / requirements], check=True)
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

    def __init__(self, port, path, key, body):
        self.port = port
        self.open()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        self.request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

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


def driver():
    """The program that makes the load, built when missing. A Python caller takes more of a small machine than a fast server does."""
    build = ["cargo", "bench", "--no-run", "--bench", "data_plane", "--message-format", "json"]
    lines = subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout.splitlines()
    return next(made for made in (json.loads(line).get("executable") for line in lines) if made and "data_plane" in made)


def measure(pid, place, arguments):
    """(requests a second, CPU microseconds a request) after a warm-up. `place` are a connection's arguments."""
    drive(place, min(2.0, arguments.seconds), arguments)
    before = cpu_seconds(pid)
    count = drive(place, arguments.seconds, arguments)
    return count / arguments.seconds, (cpu_seconds(pid) - before) / count * 1e6


def drive(place, seconds, arguments):
    """Answers within so many seconds."""
    connection = Connection(*place)
    connection.socket.close()
    with tempfile.NamedTemporaryFile() as request:
        request.write(connection.request)
        request.flush()
        settings = ["--seconds", str(seconds), "--connections", str(arguments.connections)]
        command = [arguments.driver, "--drive", f"127.0.0.1:{connection.port}", request.name, *settings]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return int(done.stdout.split()[-1])


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


def peer(command, settings, place, case, arguments, folder=HERE):
    """Runs one Python server under the load; returns its two figures and an answer."""
    with Server(command, env=os.environ | {"PEER_MODEL": str(case.model), "PEER_KEY": "k", **settings}, cwd=folder) as process:
        wait_until(lambda: Connection(*place).call(), process, command[0])
        answer = Connection(*place).call()
        return (*measure(process.pid, place, arguments), answer)


def mlserver(case, arguments):
    """MLServer with as many workers; None where it cannot be installed."""
    try:
        bin = environment("mlserver", "mlserver-requirements.txt")
    except subprocess.CalledProcessError as error:
        print(f"MLServer is not compared: it could not be installed here ({error})", file=sys.stderr)
        return None
    with tempfile.TemporaryDirectory() as scratch:
        folder, (http, grpc, metrics) = pathlib.Path(scratch), (free_port() for _ in range(3))
        ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
        settings = {"host": "127.0.0.1", "parallel_workers": arguments.instances, "debug": False, **ports}
        (folder / "settings.json").write_text(json.dumps(settings))
        (folder / "model-settings.json").write_text(json.dumps({"name": "model", "implementation": "mlserver_model.Model"}))
        path = {"PATH": f"{bin}:{os.environ['PATH']}", "PYTHONPATH": str(HERE)}
        place = (http, "/v2/models/model/infer", "k", case.v2)
        return peer([bin / "mlserver", "start", "."], path, place, case, arguments, folder)


DEPLOYMENT = """
name: blue
endpoint_name: compared
model: {{name: compared, version: 1, path: {model}}}
instance_type: Standard_DS3_v2
instance_count: {instances}
request_settings: {{max_concurrent_requests_per_instance: 8}}
"""


def mlconsole(case, arguments):
    """The same, by form of the request, for an endpoint with one deployment of the model on the plain-http listener."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        ready, data, file = folder / "ready.json", folder / "data", folder / "blue.yml"
        command = [arguments.binary, "serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--plain-http", "127.0.0.1:0", "--ready-file", ready]
        with Server(command) as process:
            wait_until(lambda: ready.exists() and ready.read_text().rstrip().endswith("}"), process, "mlconsole serve")

            def run(*words):
                done = subprocess.run([arguments.binary, *words, "--data-dir", data], capture_output=True, text=True)
                if done.returncode:
                    raise RuntimeError(f"mlconsole {' '.join(map(str, words))}: {done.stderr}")
                return done.stdout

            file.write_text(DEPLOYMENT.format(model=case.model, instances=arguments.instances))
            run("endpoint", "create", "--name", "compared")
            run("deployment", "create", "-f", file)
            run("traffic", "set", "compared", "blue=100", "--yes")
            key = json.loads(run("endpoint", "keys", "compared", "--output", "json"))["primaryKey"]
            plain = json.loads(ready.read_text())["plain_http"].removeprefix("http://")
            port, base = int(plain.rsplit(":", 1)[1]), "/endpoints/compared"
            infer = f"{base}/v2/models/compared/infer"
            places = {"score": (port, f"{base}/score", key, case.score), "v2": (port, infer, key, case.v2)}

            def figures(place):
                answer = Connection(*place).call()
                return (*measure(process.pid, place, arguments), answer)

            return {form: figures(place) for form, place in places.items()}


def values(answer):
    """All numbers of an answer by output, flat, whatever its form."""
    answer = json.loads(answer)
    answer = answer.get("outputs", answer)
    if isinstance(answer, list):
        answer = {output["name"]: output["data"] for output in answer}
    flat = lambda value: [number for part in value for number in flat(part)] if isinstance(value, list) else [value]
    return {name: flat(value) for name, value in answer.items()}


def same_answer(ours, theirs):
    """Both give the same outputs (to 1e-3)."""
    ours, theirs = values(ours), values(theirs)
    close = lambda a, b: len(a) == len(b) and all(abs(x - y) < 1e-3 for x, y in zip(a, b))
    return ours.keys() == theirs.keys() and all(close(ours[name], theirs[name]) for name in ours)


def compare(case, bin, arguments):
    ours = mlconsole(case, arguments)
    workers = str(arguments.instances)
    port, azure = free_port(), free_port()
    uvicorn = [bin / "uvicorn", "fastapi_app:app", "--host", "127.0.0.1", "--port", str(port), "--workers", workers, "--no-access-log"]
    azmlinfsrv = [bin / "azmlinfsrv", "--entry_script", "score.py", "--port", str(azure)]
    score = lambda port: (port, "/score", "k", case.score)
    peers = [
        ("FastAPI + ONNX Runtime", "score", peer(uvicorn, {}, score(port), case, arguments)),
        ("azureml-inference-server-http", "score", peer(azmlinfsrv, {"WORKER_COUNT": workers}, score(azure), case, arguments)),
        ("MLServer", "v2", mlserver(case, arguments)),
    ]
    print(f"{case.name}, JSON over plain http, {arguments.connections} connections, {workers} instances or workers, {arguments.seconds:g} s each")
    print(f"{'server':32} {'requests/s':>12} {'CPU µs/request':>15} {'requests/s ratio':>17} {'CPU ratio':>10}")
    for form, figures in ours.items():
        print(f"{f'mlconsole, {form}':32} {figures[0]:12.0f} {figures[1]:15.1f}")
    for name, form, theirs in peers:
        if theirs is None:
            print(f"{name:32} not installed")
            continue
        rate, cpu, answer = ours[form]
        if not same_answer(answer, theirs[2]):
            sys.exit(f"{name} answers something else: {theirs[2][:200]} instead of {answer[:200]}")
        print(f"{name:32} {theirs[0]:12.0f} {theirs[1]:15.1f} {rate / theirs[0]:17.1f} {theirs[1] / cpu:10.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "mlconsole")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--instances", type=int, default=os.cpu_count(), help="instances of mlconsole, workers of the peers")
    parser.add_argument("--driver", help="the benchmark data_plane, built (by default it is built)")
    arguments = parser.parse_args()
    if not arguments.binary.exists():
        sys.exit(f"{arguments.binary} is not there: cargo build --release")
    arguments.binary = arguments.binary.resolve()
    arguments.driver = arguments.driver or driver()
    bin = environment("peers", "requirements.txt")
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases(arguments.driver, pathlib.Path(scratch)):
            compare(case, bin, arguments)


if __name__ == "__main__":
    main()
