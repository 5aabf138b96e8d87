"""Scoring scripts: mlconsole against azureml-inference-server-http, the server inside Azure's images, with one script in one run.

    python3 benches/script/compare.py [--binary target/release/mlconsole] [--seconds 3] [--rounds 3]

Both run the same trivial script, on the same version of that package. They take turns under the same closed loop over plain http
(the published server closes every connection, and binds every address of the machine while this runs), and the median over the
rounds counts. Ratios are mlconsole's figure over the server's: more requests a second, and less of all else, are better.
Start to ready is from the start of the process to the script's being served; memory is the proportional share (PSS) of all
processes that serve the script: of the published server its master and its workers, of mlconsole the workers.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))

from compare import ROOT, Connection, Server, driver, environment, family, free_port, wait_until  # noqa: E402

SCRIPT = """import json


def init():
    global weights
    weights = [0.5, -1.25, 2.0, 0.125]


def run(data):
    rows = json.loads(data)["input_data"]
    return [sum(w * x for w, x in zip(weights, row)) for row in rows]
"""
BODY = json.dumps({"input_data": [[0.5, -1.25, 2.0, 0.125]]}).encode()
ANSWER = b"[5.828125]"
# What is aimed at: (workers, clients, figure).
WANTED = {
    (1, 1, "rate"): 2.5,
    (1, 8, "rate"): 1.9,
    (2, 8, "rate"): 2.8,
    (1, 1, "p50"): 0.47,
    (1, 0, "start"): 0.9,
    (1, 0, "memory"): 0.7,
}


def pss(pids):
    """Bytes of memory that processes share among them."""
    total = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(r"^Pss: +(\d+)", text, re.M).group(1)) * 1024
    return total


class Published:
    """`azmlinfsrv` as published."""

    def __init__(self, bin, folder, workers, _):
        port = free_port()
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AML_", "AZUREML_"))}
        settings = {"env": variables | {"WORKER_COUNT": str(workers), "HOME": str(folder)}, "cwd": folder}
        began = time.monotonic()
        self.server = Server([bin / "azmlinfsrv", "--entry_script", folder / "score.py", "--port", str(port)], **settings)
        self.place = (port, "/score", "k", BODY)
        wait_until(lambda: Connection(*self.place).call() == ANSWER, self.server.process, "azmlinfsrv")
        self.start = time.monotonic() - began

    def memory(self):
        return pss(family(self.server.process.pid))

    def end(self):
        self.server.__exit__()


class Ours:
    """A deployment of `mlconsole serve`."""

    def __init__(self, _, folder, workers, binary):
        self.binary, self.data, ready = binary, folder / f"data-{workers}", folder / f"ready-{workers}.json"
        command = [
            binary,
            "serve",
            "--data-dir",
            self.data,
            "--listen",
            "127.0.0.1:0",
            "--plain-http",
            "127.0.0.1:0",
            "--ready-file",
            ready,
        ]
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLCONSOLE_"))}
        self.server = Server(command, env=variables)
        wait_until(lambda: ready.exists() and ready.read_text().rstrip().endswith("}"), self.server.process, "mlconsole serve")
        (folder / "model.txt").write_text("none")
        requirement = (HERE / "requirements.txt").read_text().strip()
        conda = {"dependencies": ["python=%d.%d" % sys.version_info[:2], "pip", {"pip": [requirement]}]}
        file = {
            "name": "blue",
            "endpoint_name": "compared",
            "model": {"name": "none", "version": "1", "path": "model.txt"},
            "code_configuration": {"code": "code", "scoring_script": "score.py"},
            "environment": {"name": "compared", "version": "1", "conda_file": conda},
            "environment_variables": {"WORKER_COUNT": str(workers)},
            "instance_type": "Standard_DS3_v2",
            "instance_count": 1,
            "request_settings": {"max_concurrent_requests_per_instance": 16, "request_timeout_ms": 30000},
        }
        (folder / "code").mkdir(exist_ok=True)
        (folder / "code" / "score.py").write_text(SCRIPT)
        (folder / "blue.yml").write_text(json.dumps(file))
        self.run("endpoint", "create", "--name", "compared")
        self.run("deployment", "create", "-f", folder / "blue.yml")
        self.run("traffic", "set", "compared", "blue=100", "--yes")
        key = json.loads(self.run("endpoint", "keys", "compared", "--output", "json"))["primaryKey"]
        plain = json.loads(ready.read_text())["plain_http"]
        self.place = (int(plain.rsplit(":", 1)[1]), "/endpoints/compared/score", key, BODY)
        answer = Connection(*self.place).call()
        assert answer == ANSWER, answer
        log = self.run("deployment", "logs", "compared", "blue")
        self.start = max(int(ms) / 1e3 for ms in re.findall(r"Worker \d+ \(process .*ready after (\d+) ms", log))

    def run(self, *words):
        done = subprocess.run([self.binary, *words, "--data-dir", self.data], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"mlconsole {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout

    def memory(self):
        return pss(family(self.server.process.pid)[1:])

    def end(self):
        self.server.__exit__()


def drive(place, clients, seconds, program):
    connection = Connection(*place)
    connection.socket.close()
    with tempfile.NamedTemporaryFile() as request:
        request.write(connection.request)
        request.flush()
        command = [
            program,
            "--drive",
            f"127.0.0.1:{place[0]}",
            request.name,
            "--seconds",
            str(seconds),
            "--connections",
            str(clients),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    _, p50, _, p99, _, count = done.stdout.split()
    return {"rate": int(count) / seconds, "p50": int(p50) / 1e3, "p99": int(p99) / 1e3}


UNITS = {"rate": "requests/s", "p50": "p50, ms", "p99": "p99, ms", "start": "start to ready, s", "memory": "memory, MB"}


def tell(workers, clients, figure, published, ours):
    theirs, mine = statistics.median(published), statistics.median(ours)
    what = f"{workers} worker{'s'[: workers > 1]}" + (f", {clients} client{'s'[: clients > 1]}" if clients else "")
    wanted = WANTED.get((workers, clients, figure))
    aim = "" if wanted is None else f"{'at least' if figure == 'rate' else 'at most'} {wanted}"
    print(f"{what:22} {UNITS[figure]:18} {theirs:11.2f} {mine:11.2f} {mine / theirs:8.2f}   {aim}")


def measure(workers, bin, folder, arguments):
    make = {"published": Published, "ours": Ours}
    servers = {}
    try:
        for who, kind in make.items():
            servers[who] = kind(bin, folder, workers, arguments.binary)
        for clients in (1, 8) if workers == 1 else (8,):
            seen = {who: [] for who in servers}
            for who, server in servers.items():
                drive(server.place, clients, 1, arguments.driver)
            for _ in range(arguments.rounds):
                for who, server in servers.items():
                    seen[who].append(drive(server.place, clients, arguments.seconds, arguments.driver))
            for figure in ("rate", "p50", "p99"):
                tell(workers, clients, figure, *([told[figure] for told in seen[who]] for who in make))
        tell(workers, 0, "memory", *([servers[who].memory() / 1e6] for who in make))
    finally:
        for server in servers.values():
            server.end()


def starts(bin, folder, arguments):
    """Each alone, in turn: a start takes all of a processor."""
    seen = {"published": [], "ours": []}
    for _ in range(arguments.rounds):
        for who, kind in (("published", Published), ("ours", Ours)):
            with tempfile.TemporaryDirectory(dir=folder) as apart:
                (pathlib.Path(apart) / "score.py").write_text(SCRIPT)
                server = kind(bin, pathlib.Path(apart), 1, arguments.binary)
                seen[who].append(server.start)
                server.end()
    tell(1, 0, "start", *seen.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "mlconsole")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--driver", help="the benchmark data_plane, built (by default it is built)")
    arguments = parser.parse_args()
    if not arguments.binary.exists():
        sys.exit(f"{arguments.binary} is not there: cargo build --release")
    arguments.binary = arguments.binary.resolve()
    arguments.driver = arguments.driver or driver()
    bin = environment("scripts", HERE / "requirements.txt")
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "score.py").write_text(SCRIPT)
        load = os.getloadavg()[0]
        print(f"{os.cpu_count()} processors, load {load:.1f} before; {arguments.rounds} rounds of {arguments.seconds:g} s")
        print(f"{'':22} {'':18} {'azmlinfsrv':>11} {'mlconsole':>11} {'ratio':>8}")
        for workers in (1, 2):
            measure(workers, bin, folder, arguments)
        starts(bin, folder, arguments)


if __name__ == "__main__":
    main()
