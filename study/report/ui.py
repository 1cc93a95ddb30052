"""Serves the MLflow UI of a home, on this machine only."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from study.errors import BadInputError, StudyError
from study.home import Home
from study.report.mlflow_page import runs_page
from study.report.ui_authentication import SECRET, new_secret
from study.results.local_port import HOST, listen
from study.results.reader import study_experiments

_FIRST_PORT: Final = 5000
_LOG: Final = "ui.log"  # beside the database
_CLOSED: Final = {
    # Jobs, and the assistant outside a container, run code on this machine; the gateway calls other
    # servers.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_ASSISTANT_SANDBOX": "true",
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
    # Requests of other origins, and frames in other pages, are rejected.
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "false",
    "MLFLOW_SERVER_X_FRAME_OPTIONS": "SAMEORIGIN",
}
_OPENED: Final = ("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", "MLFLOW_SERVER_ALLOWED_HOSTS")


def serve(home: Home, port: int | None, notify: Callable[[str], None]) -> None:
    """Runs the server until Ctrl-C, and passes its links to `notify` once it responds.

    If the records are on a server, which has a UI, only its address is passed. Raises BadInputError if
    there are no records yet or the port cannot be used, StudyError if the server ends.
    """
    database = home.database
    if database is None:
        if not home.is_served:
            raise BadInputError(
                f"`study ui` shows records of SQLite, got {home.shown_uri}: start MLflow's own server "
                "on that database (mlflow server --backend-store-uri URI)"
            )
        notify(f"the records are on a server, which has the UI: {home.shown_uri}")
        return
    if not database.exists():
        raise BadInputError(f"there are no studies in {home.folder} yet; `study run` creates one")
    secret = new_secret()
    with listen(port, _FIRST_PORT) as listening:
        address = f"http://{HOST}:{listening.getsockname()[1]}"
        server = _start(home.tracking_uri, database.parent, listening, secret)
    # Also for SIGINT, which is ignored in a command that a shell started in the background.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        studies = study_experiments(home)
        codes = (f"{address}/?token={line.strip()}" for line in server.stdout or ())
        link = next(codes, None)
        if link is not None:
            notify(f"MLflow UI: {link} (Ctrl-C ends it)")
            for name, experiment in studies.items():
                notify(f"  {name}: {link}{runs_page(experiment.experiment_id, experiment.tags)}")
            notify(f"for programs: MLFLOW_TRACKING_URI={address} MLFLOW_TRACKING_TOKEN={secret}")
        for renewed in codes:
            notify(f"a browser signed in; the link for another one: {renewed}")
        raise StudyError(f"the MLflow server ended, see {database.parent / _LOG}")
    except KeyboardInterrupt:
        notify("ended")
    finally:
        server.terminate()
        server.wait()


def _start(
    tracking_uri: str, folder: Path, listening: socket.socket, secret: str
) -> "subprocess.Popen[str]":
    with (folder / _LOG).open("w", encoding="utf-8") as log:
        return subprocess.Popen(  # noqa: S603  # our own interpreter, arguments as a list
            [
                *(sys.executable, "-m", "study.report.ui_server"),
                *(tracking_uri, str(listening.fileno())),
            ],
            cwd=folder,
            env=_settings() | {SECRET: secret},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            pass_fds=[listening.fileno()],
            start_new_session=True,  # without Ctrl-C of the terminal: this process ends it
        )


def _settings() -> dict[str, str]:
    """The environment of the server, without settings that would open it to other machines."""
    kept = {name: value for name, value in os.environ.items() if name not in _OPENED}
    return kept | _CLOSED


def _stop(*_: object) -> None:
    raise KeyboardInterrupt
