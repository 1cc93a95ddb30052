"""The commands about a network, up to their exit status."""

import json
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from study.results import answers
from study.tracking.tags import NETWORK_FOLDER
from tests.support.command import study_command
from tests.support.recorded_study import KEPT, NAME, record_study

WINNER = KEPT[-1]


@pytest.fixture
def home(tmp_path):
    return record_study(tmp_path)


def ask(home, *arguments, status=0):
    done = study_command(*arguments, "--home", home.folder)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


def test_a_network_is_retrained_once(home):
    before = answers.records(NAME, home=home)
    arguments = ("retrain", NAME, WINNER, "--replicates", 2, "--epochs", 2)
    first = ask(home, *arguments)
    assert f"training trial {WINNER}, " in first
    assert "epoch 2/2 | " in first
    assert "trained now" in first
    found = json.loads(ask(home, *arguments, "--json"))
    assert (found["record"]["replicates"], found["new"]) == (2, False)
    assert f"{100 * found['record']['test_accuracy']:.2f} ± " in first
    assert answers.records(NAME, home=home) == before  # it is no trial of the search


def test_damage_ends_in_a_line_and_status_1(home, tmp_path):
    store = MlflowClient(home.tracking_uri)
    run_id = answers.records(NAME, home=home)[WINNER].run_id
    model_id = store.get_run(run_id).data.tags["study.model"]
    location = store.get_logged_model(model_id).artifact_location
    stored = Path(location.removeprefix("file://")) / NETWORK_FOLDER
    np.savez(tmp_path / "one.npz", x=np.zeros((1, 8, 8), np.uint8))
    file = stored / "network.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    for command in (
        ("export", NAME, WINNER, tmp_path / "out"),
        ("predict", NAME, tmp_path / "one.npz", "--trial", WINNER),
    ):
        message = ask(home, *command, status=1)
        assert message.startswith("error: the stored network of trial ")
        assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()
