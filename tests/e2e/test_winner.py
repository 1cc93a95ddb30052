"""The winner of a real study, taken home and asked from the command line."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import mlflow.pyfunc
import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

import study
from study import Home
from study.results import answers
from tests.support.command import study_command

pytestmark = pytest.mark.slow

LOCATIONS = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
}
"""Where MLflow's database has the places of artifacts."""


@pytest.fixture(scope="module")
def ask(small_study):
    def run(*arguments, status=0):
        done = study_command(*arguments, "--home", small_study.home)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if status == 0 else done.stderr

    return run


@pytest.fixture(scope="module")
def home(small_study):
    return Home.find(small_study.home)


@pytest.fixture(scope="module")
def winner(home):
    return answers.best_configs("small", home=home)[0]


def test_it_is_exported_into_a_folder_given_either_way(ask, winner, tmp_path):
    assert ask("export", "small", winner.trial, tmp_path / "one").strip() == str(tmp_path / "one")
    ask("export", "small", "--to", tmp_path / "two")
    first, second = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}
        for name in ("one", "two")
    )
    assert first == second
    output = subprocess.check_output([sys.executable, tmp_path / "one" / "example.py"], text=True)
    assert output.startswith("class ")
    message = ask("export", "small", 0, tmp_path / "a", "--to", tmp_path / "b", status=2)
    assert "the folder must be given once" in message
    assert "must not exist, got" in ask("export", "small", 0, tmp_path / "one", status=2)


def test_a_home_that_was_moved_answers_and_gives_its_networks(ask, small_study, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(small_study.home, moved)
    with closing(sqlite3.connect(moved / "mlflow.db")) as store, store:
        # The folder that was copied is still there, so the database has to name one that is not.
        for table, column in LOCATIONS.items():
            store.execute(
                f"update {table} set {column} = replace({column}, ?, ?)",  # noqa: S608  # own words
                (str(small_study.home), "/gone"),
            )
    best = study_command("best", "small", "--json", "--home", moved)
    assert (best.returncode, best.stdout) == (0, ask("best", "small", "--json"))
    done = study_command("export", "small", "--to", tmp_path / "network", "--home", moved)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "network/network.safetensors").exists()


def test_it_is_asked_with_pictures_and_arrays(ask, winner, tmp_path):
    test = study.load_dataset("digits").test
    np.savez(tmp_path / "test.npz", x=test.images.numpy()[:, 0], y=test.labels.numpy())
    Image.fromarray(test.images.numpy()[0, 0]).save(tmp_path / "one.png")
    files = [tmp_path / "test.npz", tmp_path / "one.png"]
    arrays, picture = json.loads(ask("predict", "small", *files, "--json"))
    assert arrays["accuracy"] == pytest.approx(winner.test_accuracy)
    assert picture["images"][0]["class"] == arrays["images"][0]["class"]
    assert f"accuracy {100 * winner.test_accuracy:.2f}" in ask("predict", "small", *files)
    assert "none.png" in ask("predict", "small", tmp_path / "none.png", status=2)


def test_mlflow_loads_every_front_member(home):
    store = MlflowClient(home.tracking_uri)
    images = study.load_dataset("digits").test.images.numpy()
    for record in answers.front("small", home=home):
        model_id = store.get_run(record.run_id).data.tags["study.model"]
        location = store.get_logged_model(model_id).artifact_location
        shares = mlflow.pyfunc.load_model(location).predict(images)
        assert shares.shape == (len(images), 10)
        assert (
            shares.argmax(axis=1) == study.load_dataset("digits").test.labels.numpy()
        ).mean() > (record.test_accuracy - 0.02)
