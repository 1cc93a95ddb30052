"""Real servers that end-to-end tests start, kill and start again: MLflow's, and PostgreSQL."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from tests.support.processes import clean_environment, free_port, wait_until


def wait_until_it_answers(address, process, log, **headers):
    """Until a server that was started gives its page; if it ends instead, its log is shown."""

    def answers():
        with suppress(requests.RequestException):
            return requests.get(address, headers=headers, timeout=10).ok
        return False

    try:
        wait_until(answers, f"an answer of {address}", process)
    except AssertionError as error:
        pytest.fail(f"{error}: {log.read_text()[-2000:]}")


_AUTHENTICATION = """[mlflow]
default_permission = NO_PERMISSIONS
database_uri = {store}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""


def mlflow_server(folder, store, password=None):
    """The command line of an MLflow server on a store, without its address, and its settings.

    With a password, that of `admin`, it lets nobody in without one.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += ["--backend-store-uri", store]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    if password is not None:
        users = folder / "basic_auth.ini"
        # A percent sign means something in an ini file.
        users.write_text(_AUTHENTICATION.format(store=store.replace("%", "%%")))
        command += ["--app-name", "basic-auth"]
        settings |= {
            "MLFLOW_AUTH_CONFIG_PATH": str(users),
            "MLFLOW_AUTH_ADMIN_USERNAME": "admin",
            "MLFLOW_AUTH_ADMIN_PASSWORD": password,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
            "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
        }
    return command, settings


class TrackingServer:
    """An MLflow server on a store; it comes back on the same port."""

    def __init__(self, folder, store):
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        command, self._settings = mlflow_server(folder, store)
        self._command = [*command, "--port", str(self.port)]
        self._process = None

    def start(self):
        """Starts it, unless it runs."""
        if self._process is not None:
            return
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                env=clean_environment(**self._settings),
                start_new_session=True,
            )
        wait_until_it_answers(f"{self.uri}/health", self._process, self._log)

    def hold(self):
        """It takes connections and answers none, until it goes on."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self):
        os.killpg(self._process.pid, signal.SIGCONT)

    def kill(self):
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@contextmanager
def tracking_server(folder, store):
    server = TrackingServer(folder, store)
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _programs():
    """The folder of PostgreSQL's programs, which Debian does not put on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else found[-1] if found else None


@contextmanager
def postgres():
    """The URI of an empty database of a PostgreSQL server of its own, on a socket file."""
    programs = _programs()
    if programs is None:
        missing("PostgreSQL", "postgresql")
    # As root it refuses to run; pytest's own folders are its user's alone.
    folder = Path(tempfile.mkdtemp(prefix="study-postgres-"))
    folder.chmod(0o755)  # the socket is for all
    data = folder / "data"
    owner = []
    if os.geteuid() == 0:
        owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres", "postgres")

    def program(name, *arguments):
        command = [*owner, programs / name, "-D", data, *arguments]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, cwd="/")

    program("initdb", "-U", "study", "-A", "trust", "-E", "UTF8")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    program("pg_ctl", "-w", "-l", data / "log", "-o", options, "start")
    try:
        yield f"postgresql+psycopg2://study@/postgres?host={folder}"
    finally:
        program("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


def missing(program, package):
    """Fails where all programs must be there, as in CI, and elsewhere skips the test."""
    text = f"{program} is not on this machine: `apt-get install {package}` adds it"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)
