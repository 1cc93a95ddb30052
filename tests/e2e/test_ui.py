"""The MLflow UI of a home, served and asked like a browser asks it."""

import socket

import pytest
import requests

from tests.support.command import study_command
from tests.support.processes import PATIENCE_S

pytestmark = pytest.mark.slow


def test_the_ui_serves_the_studies(ui):
    assert "<title>MLflow</title>" in requests.get(ui.address, timeout=PATIENCE_S).text
    answer = requests.get(
        f"{ui.address}/api/2.0/mlflow/experiments/get-by-name",
        params={"experiment_name": "small"},
        timeout=PATIENCE_S,
    ).json()
    assert answer["experiment"]["name"] == "small"


def test_a_taken_port_is_refused(small_study):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = study_command("ui", "--home", small_study.home, "--port", port)
    assert done.returncode == 2
    assert f"got --port {port}, which is in use" in done.stderr
