"""Serves the MLflow UI of a home, on this machine only."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Final

from study.errors import BadInputError, StudyError
from study.home import Home
from study.report.mlflow_page import runs_page
from study.results.reader import study_experiments

_HOST: Final = "127.0.0.1"
_FIRST_PORT: Final = 5000
_START_S: Final = 300.0  # one that ends is noticed at once
_CLOSED: Final = {
    # Jobs run code on the machine of the server, as the assistant would outside a container; the
    # gateway calls others.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_ASSISTANT_SANDBOX": "true",
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
    # Foreign names, foreign origins and foreign frames are refused.
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
    "MLFLOW_SERVER_X_FRAME_OPTIONS": "SAMEORIGIN",
}
_OPENED: Final = ("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "MLFLOW_SERVER_ALLOWED_HOSTS")


def serve(home: Home, port: int | None, say: Callable[[str], None]) -> None:
    """Runs the server until Ctrl-C, and says its address once it answers.

    A home whose records are on a server has a UI already: its address is said.
    Raises BadInputError if there are no records yet or the port is taken, StudyError if the server
    ends.
    """
    database = home.database
    if database is None:
        say(f"the records are on a server, which has the UI: {home.shown_uri}")
        return
    if not database.exists():
        raise BadInputError(f"there are no studies in {home.folder} yet; `study run` makes one")
    port = _port(port)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", home.tracking_uri]
    command += ["--host", _HOST, "--port", str(port), "--workers", "1"]
    # A page that gives its own name this machine's address would otherwise be answered.
    command += ["--allowed-hosts", f"{_HOST}:{port},localhost:{port}"]
    log = (home.folder / "ui.log").open("w", encoding="utf-8")
    server = subprocess.Popen(  # noqa: S603  # our own interpreter, arguments as a list
        command,
        cwd=home.folder,
        env=_settings(),
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    address = f"http://{_HOST}:{port}"
    # Said outright: where a shell started the command in the background, Ctrl-C is ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        _wait(server, address)
        say(f"MLflow UI: {address} (Ctrl-C ends it)")
        for name, experiment in study_experiments(home).items():
            say(f"  {name}: {address}/{runs_page(experiment.experiment_id, experiment.tags)}")
        if server.wait() != 0:
            raise StudyError(f"the MLflow server ended, see {log.name}")
    except KeyboardInterrupt:
        say("ended")
    finally:
        server.terminate()
        server.wait()
        log.close()


def _settings() -> dict[str, str]:
    """The environment of the server: what is for this machine alone is not opened by a setting."""
    kept = {name: value for name, value in os.environ.items() if name not in _OPENED}
    return kept | _CLOSED


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _port(wanted: int | None) -> int:
    """The wanted port if it is free; without a wish the first free one from 5000."""
    candidates = range(_FIRST_PORT, _FIRST_PORT + 100) if wanted is None else [wanted]
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((_HOST, port))
                return port
    raise BadInputError(f"the port must be free, got --port {wanted}, which is in use")


def _wait(server: "subprocess.Popen[bytes]", address: str) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise StudyError("the MLflow server ended before it answered, see ui.log in the home")
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5):  # noqa: S310  # our own address
            return
        time.sleep(0.2)
    raise StudyError(f"the MLflow server must answer within {_START_S:g} s, it does not")
