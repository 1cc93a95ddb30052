"""The commands of ray_cluster.yaml, run for real: a head and a worker on this machine.

Each node has a home of its own and runs its commands as Ray would, with what `_REPLACED` says.
"""

import ctypes
import os
import re
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import requests
import yaml
from processes import BIN, ROOT, clean_environment, free_port
from servers import missing

pytestmark = pytest.mark.slow

_FILE = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text(encoding="utf-8"))
_PYTHON = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
_VENV = "$HOME/.venv-study"
_SITE = f"{_VENV}/lib/{_PYTHON.name}/site-packages"

# What a test cannot have, what it has instead, and why. Texts are patterns.
_REPLACED = (
    (
        r"(?<=\|\| )python3\.11 -m venv \S+",
        f'{{ {_PYTHON} -m venv "{_VENV}" && echo {sysconfig.get_path("purelib")} > "{_SITE}/these.pth"'
        f" && for name in ray mlflow; do"
        f' sed "1s|.*|#!{_VENV}/bin/python|" {BIN}/$name > "{_VENV}/bin/$name"'
        f' && chmod +x "{_VENV}/bin/$name"; done; }}',
        "the packages of this Python are on the new one's path, for all of them anew are 6 GB",
    ),
    (r"python3\.11 (?=-c)", f"{_PYTHON} ", "those packages are for the Python that runs the tests"),
    (r" 'boto3>=[^']*'", "", "nobody asks AWS for anything"),
    (r"--autoscaling-config=\S+", "", "nobody asks AWS for anything"),
    (r"test -x /sbin/mount\.nfs4", "true", "a mount needs root"),
    (r"STUDY_NFS=.*", "mkdir -p /mnt/study", "there is no NFS server"),
    (r"mountpoint -q /mnt/study \|\| sudo mount /mnt/study", "true", "see above"),
    (r'sudo chown "\$\(id -un\)" /mnt/study', "true", "a folder that is nobody else's"),
    (r"/mnt/study", "$HOME/../shared", "a folder for both nodes"),
    (r"raise SystemExit\(not (torch\.cuda\.is_available\(\))\)", r"\1", "there is no GPU"),
    (r"ray stop", "true", "it ends every Ray of the machine, those of other people and the head's"),
)


class Node:
    """A machine of the cluster: a home, and ports that are free here."""

    def __init__(self, folder, name, ports):
        self.home = folder / name
        # Ray puts sockets below it, and their paths are limited.
        (self.home / "ray").mkdir(parents=True)
        (self.home / ".bashrc").touch()
        (self.home / "dendritic-study").symlink_to(ROOT)
        self._ports = ports
        self._environment = clean_environment(
            HOME=str(self.home), RAY_TMPDIR=f"{self.home}/ray", PYTHONDONTWRITEBYTECODE="1"
        )
        self._environment.pop("PYTHONPATH", None)  # the file installs this folder itself

    def receive(self, token):
        """As `ray up` does with file_mounts, the mode included."""
        file = self.home / ".ray/auth_token"
        file.parent.mkdir()
        file.write_text(token, encoding="utf-8")

    def run(self, *phases, but=(), **variables):
        """Runs the commands of the phases, except those with a word of `but` in them."""
        exports = "".join(f"export {name}={value}; " for name, value in variables.items())
        for phase in phases:
            for command in _FILE[phase]:
                if not any(word in command for word in but):
                    self._run(exports + self._replaced(command))

    def _replaced(self, command):
        for pattern, instead, _ in _REPLACED:
            command = re.sub(pattern, instead, command)
        for port, free in self._ports.items():  # those of the file may be taken
            command = re.sub(rf"(?<=[=: ]){port}\b", str(free), command)
        # Those that Ray itself would choose, too.
        own = f"--dashboard-agent-listen-port={free_port()} "
        if "--head" in command:
            own += f"--ray-client-server-port={free_port()} "
        return command.replace("ray start ", f"ray start {own}")

    def _run(self, command):
        shell = f"source ~/.bashrc; export OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore && ({command})"
        log = self.home / "commands.log"
        with log.open("a") as output:
            print("$", command, file=output, flush=True)
            done = subprocess.run(
                [*_ordinary_user(), "bash", "--login", "-c", "-i", shell],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                cwd=self.home,
                start_new_session=True,
                timeout=200,
                check=False,
            )
        assert done.returncode == 0, log.read_text(encoding="utf-8")[-5000:]


def _ordinary_user():
    """PostgreSQL refuses root; this Python's folder may be one that only root enters."""
    if os.geteuid() != 0:
        return ()
    return (
        *("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
    )


@contextmanager
def _children():
    """What the context starts, daemons included; it ends with the context."""
    adopt = 36  # PR_SET_CHILD_SUBREAPER: orphans become children of this process
    me = psutil.Process()
    others = set(me.children())

    def started():
        mine = list(set(me.children()) - others)
        for child in mine.copy():
            with suppress(psutil.NoSuchProcess):
                mine += child.children(recursive=True)
        return mine

    def end():
        for _ in range(3):  # what an ended one leaves comes to us
            processes = started()
            for process in processes:
                # PostgreSQL gives its shared memory back if it is not killed.
                with suppress(psutil.NoSuchProcess):
                    process.terminate()
            _, alive = psutil.wait_procs(processes, timeout=10)
            for process in alive:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(alive)

    libc = ctypes.CDLL(None)
    libc.prctl(adopt, 1, 0, 0, 0)
    try:
        yield SimpleNamespace(all=started, end=end)
    finally:
        end()
        libc.prctl(adopt, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def cluster():
    if not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        missing("PostgreSQL", "postgresql")
    if shutil.which("curl") is None:
        missing("curl", "curl")
    folder = Path(f"/tmp/study-nodes-{os.getpid()}")  # noqa: S108  # short, see Node
    folder.mkdir()
    token = secrets.token_hex(32)
    gcs, dashboard, mlflow = free_port(), free_port(), free_port()
    head = Node(folder, "head", {6379: gcs, 8076: free_port(), 8265: dashboard, 5000: mlflow})
    worker = Node(folder, "worker", {6379: gcs, 8076: free_port()})
    for node in (head, worker):
        node.receive(token)
    if os.geteuid() == 0:
        for file in (folder, *folder.rglob("*")):
            if not file.is_symlink():
                shutil.chown(file, "postgres", "postgres")
    common = ("initialization_commands", "setup_commands")
    with _children() as processes:
        with ThreadPoolExecutor() as both:
            setups = [
                both.submit(head.run, *common, "head_setup_commands"),
                both.submit(worker.run, *common, "worker_setup_commands"),
            ]
            for setup in setups:
                setup.result()
        head.run("head_start_ray_commands", RAY_CLOUD_INSTANCE_ID="head")
        worker.run("worker_start_ray_commands", RAY_HEAD_IP=socket.gethostbyname(socket.gethostname()))
        yield SimpleNamespace(
            head=head,
            worker=worker,
            token=token,
            processes=processes,
            dashboard=f"http://127.0.0.1:{dashboard}",
            mlflow=f"http://127.0.0.1:{mlflow}",
            ports={dashboard, mlflow},
        )
    shutil.rmtree(folder)
