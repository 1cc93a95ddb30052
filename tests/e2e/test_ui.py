"""The MLflow UI of a home, served and asked like a browser asks it."""

import socket

import pytest
import requests
from mlflow import MlflowClient

from tests.support.command import study_command
from tests.support.processes import PATIENCE_S

pytestmark = pytest.mark.slow


def test_the_ui_serves_its_page_and_answers_programs(ui, monkeypatch):
    page = requests.get(ui.address, headers=ui.as_user, timeout=PATIENCE_S)
    assert "<title>MLflow</title>" in page.text
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", ui.secret)
    assert MlflowClient(ui.address).get_experiment_by_name("small").name == "small"


def test_a_taken_port_is_refused(small_study):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = study_command("ui", "--home", small_study.home, "--port", port)
    assert done.returncode == 2
    assert f"got --port {port}, which is in use" in done.stderr


def test_a_database_without_a_server_has_no_ui_of_its_own(tmp_path):
    store = ("--tracking-uri", "postgresql://study:secret@db/mlflow")
    done = study_command("ui", "--home", tmp_path, *store)
    assert done.returncode == 2
    assert "`study ui` shows records of SQLite, got postgresql://study:" in done.stderr
    assert "secret" not in done.stderr
