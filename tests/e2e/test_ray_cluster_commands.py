"""The commands of ray_cluster.yaml, run for real: a head and a worker on this machine.

Each node has a home of its own and runs its commands as Ray would, with what `_REPLACED` says.
"""

import ctypes
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import requests
import yaml

from tests.support.processes import BIN, PATIENCE_S, ROOT, clean_environment, free_port, wait_until
from tests.support.servers import missing

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

_FILE = yaml.safe_load((ROOT / "ray_cluster.yaml").read_text(encoding="utf-8"))
_PYTHON = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
_VENV = "$HOME/.venv-study"
_SITE = f"{_VENV}/lib/{_PYTHON.name}/site-packages"

_MAKE_ENVIRONMENT = (
    f'{{ {_PYTHON} -m venv "{_VENV}"'
    f' && echo {sysconfig.get_path("purelib")} > "{_SITE}/these.pth" && for name in ray mlflow;'
    f' do sed "1s|.*|#!{_VENV}/bin/python|" {BIN}/$name > "{_VENV}/bin/$name"'
    f' && chmod +x "{_VENV}/bin/$name"; done; }}'
)

# What a test cannot have, what it has instead, and why. Texts are patterns.
_REPLACED = (
    (
        r"(?<=\|\| )python3\.11 -m venv \S+",
        _MAKE_ENVIRONMENT,
        "the packages of this Python are on the new one's path, for all of them anew are 6 GB",
    ),
    (r"python3\.11 (?=-c)", f"{_PYTHON} ", "those packages are for the Python that runs the tests"),
    (r".* 'boto3>=[^']*'", "true", "nobody asks AWS for anything, and it is large"),
    (r"--autoscaling-config=\S+", "", "nobody asks AWS for anything"),
    (r"raise SystemExit\(not (torch\.cuda\.is_available\(\))\)", r"\1", "there is no GPU"),
    (r"ray stop", "true", "it ends every Ray of the machine, those of other people and the head's"),
)

_COMMON = ("initialization_commands", "setup_commands")
_SECRETS = ("password", "postgres-password", "secret-key")


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

    def secret(self, name):
        return (self.home / "mlflow" / name).read_text(encoding="utf-8").strip()

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
                timeout=PATIENCE_S,
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
        # What an ended one leaves comes to us, and can be waited for then.
        while processes := started():
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    # PostgreSQL gives its shared memory back if it may end by itself.
                    quits = process.name() == "postgres"
                    process.send_signal(signal.SIGQUIT if quits else signal.SIGKILL)
            psutil.wait_procs(processes, timeout=1)

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
    with _children() as processes:
        head.run(*_COMMON, "head_setup_commands")
        # The same command has made the head's, with the same packages.
        (worker.home / ".venv-study").symlink_to(head.home / ".venv-study")
        worker.run(*_COMMON, "worker_setup_commands", but=["pip install"])
        head.run("head_start_ray_commands")
        worker.run("worker_start_ray_commands", RAY_HEAD_IP="127.0.0.1")
        yield SimpleNamespace(
            folder=folder,
            head=head,
            worker=worker,
            token=token,
            processes=processes,
            dashboard=f"http://127.0.0.1:{dashboard}",
            mlflow=f"http://127.0.0.1:{mlflow}/api/2.0/mlflow/experiments",
            ports={dashboard, mlflow},
            secrets={"token": token} | {name: head.secret(name) for name in _SECRETS},
        )
    shutil.rmtree(folder)


def test_what_is_replaced_is_in_the_file():
    commands = [
        command for phase, value in _FILE.items() if "commands" in phase for command in value
    ]
    for pattern, _, reason in _REPLACED:
        assert reason
        assert any(re.search(pattern, command) for command in commands), pattern


def test_the_dashboard_answers_only_with_the_token(cluster):
    assert requests.get(f"{cluster.dashboard}/api/version", timeout=PATIENCE_S).status_code == 401
    assert _ray(cluster, "/api/version", token=secrets.token_hex(32)).status_code == 403
    assert _ray(cluster, "/api/version").ok


def test_mlflow_answers_only_with_the_password_and_by_its_own_name(cluster):
    assert _mlflow(cluster, password=None).status_code == 401
    assert _mlflow(cluster, password=cluster.token).status_code == 401
    assert _mlflow(cluster).ok
    assert _mlflow(cluster, host="study.example.org:5000").status_code == 403


def test_a_worker_joins_and_only_it_has_room_for_trials(cluster):
    def alive():
        answer = _ray(cluster, "/api/v0/nodes").json()
        return [node for node in answer["data"]["result"]["result"] if node["state"] == "ALIVE"]

    wait_until(lambda: len(alive()) == 2, "two nodes", every_s=0.5)
    nodes = alive()
    cpus = {node["is_head_node"]: node["resources_total"].get("CPU", 0) for node in nodes}
    assert cpus[True] == 0
    assert cpus[False] > 0


def test_a_job_has_this_package_and_the_credentials(cluster):
    job = "; ".join(
        (
            "import os, requests, study",
            f"assert study.__file__.startswith('{ROOT}/')",
            "user, password = (os.environ['MLFLOW_TRACKING_' + x] for x in ('USERNAME', 'PASSWORD'))",
            f"create = '{cluster.mlflow}/create'",
            "assert create.startswith(os.environ['MLFLOW_TRACKING_URI'])",
            "requests.post(create, json={'name': 'kept'}, auth=(user, password)).raise_for_status()",
        )
    )
    entrypoint = f'python -c "{job}"'

    def submitted():
        """The job's id; a head that has only just started has no agent for jobs yet."""
        answer = _ray(cluster, "/api/jobs/", entrypoint=entrypoint)
        return answer.ok and answer.json()["submission_id"]

    job = wait_until(submitted, "that the job is taken", every_s=0.5)

    def ended():
        status = _ray(cluster, f"/api/jobs/{job}").json()
        return status["status"] in {"SUCCEEDED", "FAILED"} and status

    status = wait_until(ended, "the end of the job", every_s=0.5)
    assert status["status"] == "SUCCEEDED", status["message"]
    assert "kept" in _experiments(cluster)


def test_nothing_but_rays_own_ports_is_open_beyond_the_machine(cluster):
    found = set()
    for process in cluster.processes.all():
        with suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    address, port = connection.laddr
                    found.add(port)
                    if address != "127.0.0.1":
                        assert port not in cluster.ports
                        assert not re.search("mlflow|postgres|uvicorn", command), command
    assert cluster.ports <= found


def test_the_secrets_are_in_private_files_and_nowhere_else(cluster):
    for process in cluster.processes.all():
        with suppress(psutil.NoSuchProcess):
            command = " ".join(process.cmdline())
            assert not any(secret in command for secret in cluster.secrets.values())
    holders = set()
    for folder, folders, files in os.walk(cluster.folder):
        folders[:] = [name for name in folders if name not in {".venv-study", ".cache"}]
        for file in (Path(folder, name) for name in files):
            if not file.is_file() or file.is_symlink():
                continue
            content = b""
            with suppress(FileNotFoundError):  # of a database that runs
                content = file.read_bytes()
            if any(secret.encode() in content for secret in cluster.secrets.values()):
                holders.add(str(file.relative_to(cluster.folder)))
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    # Ray's sockets and logs are in folders that it opens to everybody.
    for node in (cluster.head, cluster.worker):
        assert list((node.home / ".ray/ray").glob("session_*/sockets"))
        assert stat.S_IMODE((node.home / ".ray").stat().st_mode) == 0o700
    assert holders == {
        *(f"head/mlflow/{name}" for name in _SECRETS),
        "head/.ray/auth_token",
        "worker/.ray/auth_token",
    }


def test_a_worker_has_nothing_of_mlflow(cluster):
    assert not (cluster.worker.home / "mlflow").exists()
    assert "MLFLOW" not in (cluster.worker.home / ".study-env").read_text()
    seen = 0
    for process in cluster.processes.all():
        with suppress(psutil.NoSuchProcess):
            settings = process.environ()
            if process.name() == "raylet" and settings["HOME"] == str(cluster.worker.home):
                seen += 1
                assert not any(name.startswith(("MLFLOW", "PG")) for name in settings)
    assert seen == 1


def test_setup_bears_repeating_and_a_stopped_head_comes_back(cluster):
    # What pip does a second time is its own business, and takes long.
    cluster.head.run(*_COMMON, "head_setup_commands", but=["pip install"])
    assert (cluster.head.home / ".study-env").read_text().count("MLFLOW_TRACKING_URI") == 1
    cluster.head.run("head_start_ray_commands", but=["ray start"])  # what runs stays
    cluster.processes.end()  # as a machine that is switched off
    cluster.head.run("head_start_ray_commands")
    assert all(cluster.head.secret(name) == cluster.secrets[name] for name in _SECRETS)
    assert _ray(cluster, "/api/version").ok
    assert "kept" in _experiments(cluster)


def _ray(cluster, path, token=None, **job):
    headers = {"Authorization": f"Bearer {cluster.token if token is None else token}"}
    call = requests.post if job else requests.get
    kwargs = {"json": job} if job else {}
    return call(cluster.dashboard + path, headers=headers, timeout=PATIENCE_S, **kwargs)


def _mlflow(cluster, password=..., host=None):
    password = cluster.secrets["password"] if password is ... else password
    return requests.get(
        f"{cluster.mlflow}/search?max_results=100",
        auth=None if password is None else ("study", password),
        headers={"Host": host} if host else {},
        timeout=PATIENCE_S,
    )


def _experiments(cluster):
    return {experiment["name"] for experiment in _mlflow(cluster).json()["experiments"]}
