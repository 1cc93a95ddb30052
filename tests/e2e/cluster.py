"""A Ray cluster on machines of its own, with the MLflow server that keeps its records.

The machines are a head without CPUs for trials, workers, one for MLflow with basic-auth on
PostgreSQL, and the desk at which a user sits. All see one folder, as they would see a shared disk.
Each worker has a supervisor that starts Ray again when it ends, as systemd would.
"""

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from hosts import switch
from processes import BIN, clean_environment
from servers import mlflow_server, postgres

# The head believes a worker dead after some 4 s of silence, and a worker a head after 10.
_HASTE = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
}
_NODE = ("--disable-usage-stats", "--object-store-memory=100000000", "--block")
_AGAIN = 'while true; do "$@"; sleep 1; done'
_NODES = """
import json, sys, urllib.request
address, token = sys.argv[1:]
headers = {"Authorization": f"Bearer {token}"}
request = urllib.request.Request(f"{address}/nodes?view=summary", headers=headers)
nodes = json.load(urllib.request.urlopen(request, timeout=10))["data"]["summary"]
print(json.dumps(sorted(node["ip"] for node in nodes if node["raylet"]["state"] == "ALIVE")))
"""
_NUMBERS = {"desk": 1, "records": 2, "head": 3, "worker1": 4, "worker2": 5}


class Cluster:
    """Machines by their names; `records` is MLflow's address, `store` its database behind it."""

    def __init__(self, cables, folder, store):
        self._switch = cables
        self._folder = folder
        self._token = secrets.token_hex(32)
        self.password = secrets.token_hex(16)
        self.store = store
        self.home = folder / "home"
        self._machines = {}
        desk, records = self._machine("desk"), self._machine("records")
        self.desk = desk
        self.records = f"http://{records.address}:5000"
        command, settings = mlflow_server(folder, store, self.password)
        command += ["--host", records.address, "--port", "5000"]
        command += ["--allowed-hosts", f"{records.address}:5000"]
        records.start(*command, log=folder / "records.log", **settings)
        self.start_head()
        for name in ("worker1", "worker2"):
            self.start_worker(name)
        desk.wait_for(f"{self.records}/health")
        self.wait_for_head()
        self.wait_for_nodes("head", "worker1", "worker2")

    def _machine(self, name):
        machine = self._machines[name] = self._switch.machine(name, _NUMBERS[name])
        return machine

    def machine(self, name):
        return self._machines[name]

    def _ray_start(self, machine, *options):
        temporary = self._folder / machine.name
        command = [BIN / "ray", "start", f"--node-ip-address={machine.address}", *_NODE, *options]
        settings = _HASTE | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self._token}
        return [*command, f"--temp-dir={temporary}"], settings | {"HOME": str(temporary)}

    def start_head(self):
        """A head on a machine that has just been switched on."""
        head = self._machine("head")
        command, settings = self._ray_start(head, "--head", "--num-cpus=0", "--dashboard-host=0.0.0.0")
        settings |= {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": self.password}
        head.start(*command, log=self._folder / "head.log", **settings)
        self.address = f"http://{head.address}:8265"

    def wait_for_head(self):
        self.desk.wait_for(f"{self.address}/api/version", self._token)

    def start_worker(self, name):
        """A worker with one CPU on a machine that has just been switched on."""
        worker = self._machine(name)
        head = f"--address={self.machine('head').address}:6379"
        command, settings = self._ray_start(worker, head, "--num-cpus=1")
        command = ["sh", "-c", _AGAIN, "again", *command]
        worker.start(*command, log=self._folder / f"{name}.log", **settings)

    def _settings(self, password=True):
        settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self._token}
        if password:
            settings |= {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": self.password}
        return settings | {"HOME": str(self._folder / "desk")}

    def study(self, *arguments, password=True, **options):
        """Runs `study` at the desk; returns the finished process."""
        settings = self._settings(password)
        return self.desk.run(BIN / "study", *arguments, check=False, **settings, **options)

    @contextmanager
    def following(self, *arguments):
        """`study` at the desk while the context lasts."""
        with subprocess.Popen(
            self.desk.command(BIN / "study", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean_environment(**self._settings()),
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def wait_for_nodes(self, *names):
        """Waits until these and no others are the machines that the head believes alive."""
        wanted = sorted(self.machine(name).address for name in names)
        for _ in range(60):
            done = self.desk.run(sys.executable, "-c", _NODES, self.address, self._token, check=False)
            if done.returncode == 0 and json.loads(done.stdout) == wanted:
                return
            time.sleep(1)
        pytest.fail(f"the nodes must be {wanted}, got {done.stdout or done.stderr}")


@contextmanager
def cluster():
    # Short, for Ray makes sockets below it and their paths are limited.
    folder = Path(tempfile.mkdtemp(prefix="study-"))
    try:
        with postgres() as store, switch() as cables:
            yield Cluster(cables, folder, store)
    finally:
        shutil.rmtree(folder)
