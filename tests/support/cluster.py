"""A Ray cluster on machines of its own, with the MLflow server that keeps its records.

The machines are a head without CPUs for trials, workers, one for MLflow with basic-auth on
PostgreSQL, and the desk at which a user sits. They share nothing but their network.
Each worker has a supervisor that starts Ray again when it ends, as systemd would.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from tests.support.hosts import switch
from tests.support.processes import BIN, clean_environment, wait_until
from tests.support.servers import mlflow_server, postgres

# The head believes a worker dead after some 6 s of silence, and a worker a head after 10.
_HASTE = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
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
_NUMBERS = {"desk": 1, "records": 2, "head": 3}


class Cluster:
    """Machines by their names, of which the desk and the head are there from the start.

    `home` is where studies are by default, on the disk of the head as the tests see it; `place` is where
    each machine has its own disk.
    """

    def __init__(self, cables, folder, *options, **settings):
        self._switch = cables
        self.folder = folder
        self._token = secrets.token_hex(32)
        self._user = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self._token}
        self.place = cables.place
        self._user["HOME"] = str(self.place)
        # The compiled engine is installed, too.
        self._user["XDG_CACHE_HOME"] = os.environ.get("XDG_CACHE_HOME") or str(
            Path.home() / ".cache"
        )
        self._head = options, settings
        self._machines = {}
        self.home = self.disk("head") / "dendritic-study/runs"
        self.desk = self._machine("desk")
        self.start_head()

    def _machine(self, name):
        number = _NUMBERS.get(name) or 10 + int(name.removeprefix("worker"))
        machine = self._machines[name] = self._switch.machine(name, number)
        return machine

    def machine(self, name):
        return self._machines[name]

    def disk(self, name):
        """The disk of a machine, as the tests see it, whether the machine lives or not."""
        return self._switch.disks / name

    def _start_ray(self, machine, *options, before=(), **settings):
        settings |= _HASTE | self._user
        temporary = f"--temp-dir={self.place / 'ray'}"
        command = (*before, BIN / "ray", "start", *_NODE, temporary, *options)
        machine.start(*command, log=self.folder / f"{machine.name}.log", **settings)

    def start_head(self):
        """A head on a machine that has just been switched on."""
        head = self._machine("head")
        options, settings = self._head
        options = ("--head", "--num-cpus=0", "--dashboard-host=0.0.0.0", *options)
        self._start_ray(head, *options, **settings)
        self.address = f"http://{head.address}:8265"

    def wait_for_head(self):
        self.desk.wait_for(f"{self.address}/api/version", self._token)

    def start_worker(self, name, **settings):
        """A worker with one CPU, such as `worker1`, on a machine that has just been switched on."""
        head = f"--address={self.machine('head').address}:6379"
        supervised = ("sh", "-c", _AGAIN, "supervisor")
        machine = self._machine(name)
        self._start_ray(machine, head, "--num-cpus=1", before=supervised, **settings)

    def start_records(self, store):
        """MLflow's server on a store, on a machine of its own; whoever asks gives a password."""
        machine = self._machine("records")
        self.records = f"http://{machine.address}:5000"
        self.store, self.password = store, secrets.token_hex(16)
        self.user = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": self.password}
        command, settings = mlflow_server(self.folder, store, self.password)
        command += ["--host", machine.address, "--port", "5000"]
        command += ["--allowed-hosts", f"{machine.address}:5000"]
        machine.start(*command, log=self.folder / "records.log", **settings)

    def study(self, *arguments, **settings):
        """Runs `study` at the desk; returns the finished process."""
        return self.desk.run(BIN / "study", *arguments, check=False, **self._user | settings)

    @contextmanager
    def following(self, *arguments, **settings):
        """`study` at the desk while the context lasts."""
        with subprocess.Popen(
            self.desk.command(BIN / "study", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean_environment(**self._user | settings),
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run_on_head(self, *arguments, **settings):
        """Runs a program on the head, with the cluster as its $RAY_ADDRESS; returns its exit status."""
        head = self.machine("head")
        address = {"RAY_ADDRESS": f"{head.address}:6379"}
        own = self._user | address | settings
        return subprocess.call(head.command(*arguments), env=clean_environment(**own))

    def nodes(self):
        """The addresses of the nodes that the head believes alive; none while it does not answer."""
        done = self.desk.run(sys.executable, "-c", _NODES, self.address, self._token, check=False)
        return json.loads(done.stdout or "[]")

    def wait_for_nodes(self, *names):
        """Waits until these and no others are the machines that the head believes alive."""
        wanted = sorted(self.machine(name).address for name in names)
        wait_until(lambda: self.nodes() == wanted, f"the nodes {names}", every_s=0.5)


@contextmanager
def cluster_with_records():
    """A cluster of a head and two workers that answer, with an MLflow server on PostgreSQL."""
    with postgres() as store, machines() as (cables, folder):
        made = Cluster(cables, folder)
        made.start_records(store)
        made.wait_for_head()  # Ray's processes have half a minute to start
        for name in ("worker1", "worker2"):
            made.start_worker(name)
        made.wait_for_nodes("head", "worker1", "worker2")
        made.desk.wait_for(f"{made.records}/health")
        yield made


@contextmanager
def machines():
    """A switch for the machines of a cluster, and the folder of their logs and disks."""
    # Short, for Ray makes sockets below it and their paths are limited.
    folder = Path(tempfile.mkdtemp(prefix="study-"))
    try:
        with switch(folder) as cables:
            yield cables, folder
    finally:
        shutil.rmtree(folder)
