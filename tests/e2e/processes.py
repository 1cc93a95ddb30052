"""What the whole paths share: where things are, and a new user's environment."""

import os
import socket
import sys
from pathlib import Path

from mlflow import MlflowClient

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent


def clean_environment(**changes):
    """The environment of a new user: nothing of a study, of MLflow or of a Ray cluster is set."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAY_", "MLFLOW_", "STUDY_"))
    }
    return kept | {"PATH": f"{BIN}:{os.environ['PATH']}"} | changes


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def trial_runs(home, name):
    """The MLflow runs of a study's trials, the newest first."""
    client = MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name(name).experiment_id
    return client.search_runs([experiment], filter_string="tags.`study.role` = 'trial'")
