"""What the end-to-end tests share: where things are, a new user's environment, ports, and patience."""

import os
import secrets
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent

PATIENCE_S = 1_800
"""How long anything may take before it counts as hanging. No test takes a machine's pace for granted."""

SMALL = (
    *("--set", "families=['dann-r']", "--set", "space.somata=[8,16]"),
    *("--set", "space.dendrites=[1,2]", "--set", "space.synapses=[4,8]"),
)
"""Changes to the digits' spec after which an epoch takes some hundredths of a second."""

# Outside of what systems give to connections by themselves (32768 and above on Linux), so that none
# takes a server's port before it starts, or while it is away; and of Ray's workers (10002 to 19999).
_PORTS = range(20_000, 32_768)


def clean_environment(**changes):
    """The environment of a new user: nothing of a study, of MLflow or of a Ray cluster is set."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAY_", "MLFLOW_", "STUDY_"))
    }
    return kept | {"PATH": f"{BIN}:{os.environ['PATH']}"} | changes


def free_port():
    """One that nothing listens on, drawn so that two who ask at once get different ones."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition, what, process=None, every_s=0.1):
    """The value of `condition` once it is true; `what` describes it for the message of a failure.

    A process that is given must live until then.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        lives = process is None or process.poll() is None
        if value := condition():
            return value
        assert lives, f"waited for {what}, but {process.args} ended with {process.returncode}"
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(every_s)


def ask(searcher, trial_id):
    """Asks a searcher until it answers, as Ray does: it has none while a proposal is computed."""
    return wait_until(lambda: searcher.suggest(trial_id), "a trial", every_s=0.002)


def stop(pid):
    """Stops a process: on return none of its threads does anything, until it is sent SIGCONT."""
    os.kill(pid, signal.SIGSTOP)

    def runs(thread):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            return thread.read_text().rpartition(")")[2].split()[0] not in "TZ"
        return False

    while any(map(runs, Path(f"/proc/{pid}/task").glob("*/stat"))):
        time.sleep(0.01)


def trial_runs(home, name):
    """The MLflow runs of a study's trials, the newest first."""
    client = MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name(name).experiment_id
    return client.search_runs([experiment], filter_string="tags.`study.role` = 'trial'")


def curve(home, run_id, metric="epoch/val_accuracy"):
    """The epochs of a run's curve, in order."""
    points = MlflowClient(home.tracking_uri).get_metric_history(run_id, metric)
    return sorted(point.step for point in points)
