"""mlconsole against azureml-inference-server-http, the server inside Azure's images: the same scoring script, the same environment,
the same load, in one run.

    python3 benches/script/compare.py [--binary target/release/mlconsole] [--seconds 5] [--rounds 3]

One worker each. The load is a closed loop (a request a connection at a time, plain http), by one client and by eight. Figures: requests a
second, time of an answer (median, 99th percentile), time from start to ready, resident memory (of the official server: its master and its
worker; of mlconsole: the worker, as the workspace itself serves all deployments; its own memory is told too). The two take turns; each figure is
the median of the rounds, and the ratios are ours to theirs. Makes a virtual environment under target/test-venv at the first run.
"""

import argparse
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "peers"))

from compare import Connection, family, free_port  # noqa: E402

SERVER = "azureml-inference-server-http==1.5.1"
SCRIPT = "import json\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    return json.loads(data)\n"
BODY = json.dumps({"input_data": [[0.5, -1.25, 2.0, 0.125]]}).encode()
DEPLOYMENT = f"""
name: blue
endpoint_name: bench
code_configuration: {{code: ./code, scoring_script: score.py}}
environment:
  conda_file: {{dependencies: [pip, pip: ["{SERVER}"]]}}
instance_type: Standard_DS3_v2
instance_count: 1
request_settings: {{max_concurrent_requests_per_instance: 16, request_timeout_ms: 30000}}
"""


def resident(pids):
    """Mebibytes that processes have in memory together."""
    pages = 0
    for pid in pids:
        try:
            pages += int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            pass
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def load(place, clients, seconds):
    """(requests a second, times in ms) of a closed loop."""
    times, until = [[] for _ in range(clients)], time.perf_counter() + seconds

    def client(mine):
        connection = Connection(*place)
        while (now := time.perf_counter()) < until:
            connection.call()
            mine.append((time.perf_counter() - now) * 1000)

    threads = [threading.Thread(target=client, args=(mine,)) for mine in times]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = sorted(sum(times, []))
    return len(every) / (time.perf_counter() - began), every


def measured(place, seconds):
    load(place, 1, min(1.0, seconds))
    figures = {}
    for clients in (1, 8):
        rate, times = load(place, clients, seconds)
        figures[f"requests/s, {clients} client{'s' * (clients > 1)}"] = rate
        figures[f"median ms, {clients} client{'s' * (clients > 1)}"] = times[len(times) // 2]
        figures[f"p99 ms, {clients} client{'s' * (clients > 1)}"] = times[len(times) * 99 // 100]
    return figures


def official(bin, folder, seconds):
    """One life of the official server."""
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AZUREML", "AML_"))}
    command = [bin / "azmlinfsrv", "--entry_script", "score.py", "--port", str(port)]
    began = time.perf_counter()
    server = subprocess.Popen(
        command, cwd=folder / "code", env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    place = (port, "/score", "none", BODY)
    try:
        while True:
            try:
                Connection(*place).call()
                break
            except (OSError, RuntimeError):
                if server.poll() is not None:
                    raise SystemExit("azmlinfsrv ended")
                time.sleep(0.002)
        start = (time.perf_counter() - began) * 1000
        figures = measured(place, seconds)
        return {**figures, "start to ready, ms": start, "memory, MiB": resident(family(server.pid))}
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


class Workspace:
    """mlconsole with the deployment."""

    def __init__(self, binary, bin, folder):
        self.binary, self.folder = binary, folder
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AZUREML", "AML_", "MLCONSOLE"))}
        self.environ.update(MLCONSOLE_DATA_DIR=str(folder / "data"), XDG_CONFIG_HOME=str(folder), PATH=f"{bin}:{os.environ['PATH']}")
        ready = folder / "ready.json"
        listen = ["--listen", "127.0.0.1:0", "--plain-http", "127.0.0.1:0", "--ready-file", ready]
        self.server = subprocess.Popen([binary, "serve", *listen], env=self.environ, stderr=subprocess.DEVNULL)
        while not (ready.exists() and ready.read_text().rstrip().endswith("}")):
            time.sleep(0.01)
        self.port = int(json.loads(ready.read_text())["plain_http"].rsplit(":", 1)[1])
        (folder / "endpoint.yml").write_text("name: bench\nauth_mode: key\n")
        (folder / "deployment.yml").write_text(DEPLOYMENT)
        self.run("endpoint", "create", "-f", "endpoint.yml")
        print("building the deployment's environment", file=sys.stderr)
        self.run("deployment", "create", "-f", "deployment.yml", "--all-traffic")
        self.key = json.loads(self.run("endpoint", "keys", "bench", "-o", "json"))["primaryKey"]

    def run(self, *arguments):
        command = [self.binary, *arguments]
        return subprocess.run(command, env=self.environ, cwd=self.folder, check=True, stdout=subprocess.PIPE, text=True).stdout

    def life(self, seconds):
        """One life of a worker: as long as the official server's, from its start."""
        self.run("deployment", "restart", "bench", "blue")
        line = [line for line in self.run("deployment", "logs", "bench", "blue").splitlines() if " is ready after " in line][-1]
        pid, start = line.split("(process ")[1].split(",")[0], line.split(" is ready after ")[1].split(" ms")[0]
        figures = measured((self.port, "/endpoints/bench/score", self.key, BODY), seconds)
        return {**figures, "start to ready, ms": float(start), "memory, MiB": resident(family(int(pid)))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/mlconsole")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    venv = ROOT / "target/test-venv/script-bench"
    if not (venv / "bin/azmlinfsrv").exists():
        print("making the environment 'script-bench' (once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        subprocess.run([venv / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", SERVER, "uv"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "code").mkdir()
        (folder / "code/score.py").write_text(SCRIPT)
        workspace = Workspace(arguments.binary.resolve(), venv / "bin", folder)
        try:
            theirs, ours = [], []
            for _ in range(arguments.rounds):
                theirs.append(official(venv / "bin", folder, arguments.seconds))
                ours.append(workspace.life(arguments.seconds))
            print(f"{'':28}{'azmlinfsrv':>12}{'mlconsole':>12}{'ratio':>8}")
            for name in theirs[0]:
                a, b = (statistics.median(life[name] for life in lives) for lives in (theirs, ours))
                print(f"{name:28}{a:12.2f}{b:12.2f}{b / a:8.2f}")
            print(f"the workspace itself has {resident([workspace.server.pid]):.0f} MiB")
        finally:
            workspace.server.terminate()
            workspace.server.wait()


if __name__ == "__main__":
    main()
