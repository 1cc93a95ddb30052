"""The MLflow UI of a home, served and asked like a browser asks it."""

import signal
import socket
import subprocess

import pytest
import requests
from processes import BIN, PATIENCE_S, clean_environment, free_port

pytestmark = pytest.mark.slow


def test_the_ui_serves_the_studies_and_says_its_address(small_study):
    port = free_port()
    command = [BIN / "study", "ui", "--home", small_study.home, "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=clean_environment()
    ) as server:
        line = server.stdout.readline()
        address = f"http://127.0.0.1:{port}"
        assert line == f"MLflow UI: {address} (Ctrl-C ends it)\n"
        assert "<title>MLflow</title>" in requests.get(address, timeout=PATIENCE_S).text
        found = requests.get(
            f"{address}/api/2.0/mlflow/experiments/get-by-name",
            params={"experiment_name": "small"},
            timeout=PATIENCE_S,
        ).json()
        assert found["experiment"]["name"] == "small"
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=PATIENCE_S) == 0


def test_a_taken_port_is_refused(small_study, study_command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = study_command("ui", "--home", small_study.home, "--port", port)
    assert done.returncode == 2
    assert f"got --port {port}, which is in use" in done.stderr
