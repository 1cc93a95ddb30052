import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from models import build, load_network
from study.errors import BadInputError, NotFoundError, StudyError, TrackingError
from study.home import Home
from study.results import answers
from study.results.export import FILES, export_model
from study.results.network import load_model
from study.study_folder import DISTRIBUTIONS
from study.tracking import tags
from study.tracking.tags import NETWORK_FOLDER
from study.training.dataset import load_dataset
from study.training.evaluation import evaluate
from tests.support.recorded_study import NAME, architecture, record_study


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return record_study(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def exported(home, tmp_path_factory):
    return export_model(NAME, tmp_path_factory.mktemp("out") / "deep" / "network", 1, home=home)


def images(count):
    return np.random.default_rng(0).integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)


def test_a_loaded_network_reproduces_its_stored_test_accuracy_exactly(home):
    record = answers.records(NAME, home=home)[1]
    accuracy, loss = evaluate(load_model(NAME, 1, home=home), load_dataset("digits").test)
    assert accuracy.mean().item() == record.test_accuracy
    assert loss.mean().item() == record.test_loss


def test_the_distributions_lie_beside_a_stored_network(home):
    record = answers.records(NAME, home=home)[1]
    store = MlflowClient(home.tracking_uri)
    model_id = store.get_run(record.run_id).data.tags[tags.MODEL_TAG]
    paths = [file.path for file in store.list_logged_model_artifacts(model_id)]
    assert DISTRIBUTIONS in paths


def test_the_best_on_the_front_is_loaded_by_default(home):
    assert load_model(NAME, home=home).architecture == architecture(1)


def test_an_export_has_the_network_and_what_it_says_it_has(exported):
    assert {file.name for file in exported.iterdir()} == set(FILES)
    expected = build(architecture(1), (1, 8, 8), 10, [0, 1])
    batch = torch.from_numpy(images(3))
    assert torch.equal(load_network(exported)(batch), expected(batch))
    assert [file.name for file in exported.parent.iterdir()] == [exported.name]


def test_the_history_has_settings_seeds_data_and_metrics_with_errors(exported, home):
    history = json.loads((exported / "training.json").read_text())
    record = answers.records(NAME, home=home)[1]
    assert (history["study"], history["trial"], history["run_id"]) == (NAME, 1, record.run_id)
    assert history["architecture"] == record.architecture
    assert history["training"]["learning_rate"] == 0.01
    assert history["training"]["epochs_trained"] == 2
    assert history["seeds"] == [0, 1]
    assert history["dataset"]["name"] == "digits"
    assert history["dataset"]["train_size"] == 400
    assert history["metrics"]["test_accuracy"] == {
        "mean": record.test_accuracy,
        "sem": record.test_accuracy_sem,
    }


def test_the_card_says_what_it_is_how_good_and_whom_to_cite(exported, home):
    card = (exported / "README.md").read_text()
    record = answers.records(NAME, home=home)[1]
    shown = f"{100 * record.test_accuracy:.2f} ± {100 * record.test_accuracy_sem:.2f}"
    for text in ("# dann-r D2 S8 K4", f"| test | {shown} |", "`digits`", "2,000 trainable", "943"):
        assert text in card
    for file in FILES:
        assert f"`{file}`" in card


def test_the_example_runs_without_torch_and_the_packages(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "elsewhere")
    np.save(tmp_path / "images.npy", images(3))
    assert len((folder / "example.py").read_text().splitlines()) == 12
    code = "import runpy, sys\nfor name in ('torch', 'study', 'models'): sys.modules[name] = None\n"
    code += "sys.path.insert(0, 'elsewhere')\nrunpy.run_path('elsewhere/example.py')"
    for arguments, count in (((), 1), (("images.npy",), 3)):
        command = [sys.executable, "-c", code, *arguments]
        output = subprocess.check_output(command, text=True, cwd=tmp_path).splitlines()
        assert len(output) == count
        assert all(line.startswith("class ") for line in output)
    plain = subprocess.check_output([sys.executable, folder / "example.py"], text=True)
    assert plain.startswith("class ")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "network.json").unlink(), "network.json is missing"),
        (lambda folder: (folder / "network.safetensors").unlink(), "safetensors is missing"),
        (lambda folder: _truncate(folder / "network.safetensors"), "does not hold the network"),
        (lambda folder: _truncate(folder / "network.json"), "does not describe a network"),
        (shutil.rmtree, r"was kept as a model, but its artifacts in .*/m-\w+/.* are gone"),
    ],
)
def test_damage_is_an_error_of_the_store_and_nothing_is_written(damage, message, home, tmp_path):
    stored = stored_network(home, 1)
    aside = shutil.copytree(stored, tmp_path / "aside")
    damage(stored)
    try:
        with pytest.raises(TrackingError, match=message) as caught:
            export_model(NAME, tmp_path / "out", 1, home=home)
        assert "\n" not in str(caught.value)
        assert "fetched" not in str(caught.value)  # a folder that is gone by then
        with pytest.raises(TrackingError, match=message):
            load_model(NAME, 1, home=home)
    finally:
        shutil.rmtree(stored, ignore_errors=True)
        shutil.copytree(aside, stored)
    assert not (tmp_path / "out").exists()


def stored_network(home, trial):
    """The folder in which the store keeps the network of a trial."""
    store = MlflowClient(home.tracking_uri)
    run = store.get_run(answers.records(NAME, home=home)[trial].run_id)
    location = store.get_logged_model(run.data.tags["study.model"]).artifact_location
    return Path(location.removeprefix("file://")) / NETWORK_FOLDER


def _truncate(file):
    file.write_bytes(file.read_bytes()[:50])


def test_what_is_not_there_is_said_with_what_is(home, tmp_path):
    with pytest.raises(NotFoundError, match="has trials 0 to 2, got trial 9"):
        load_model(NAME, 9, home=home)
    with pytest.raises(NotFoundError, match=r"weights of trial 2 .* not kept.* such as 0, 1"):
        export_model(NAME, tmp_path / "out", 2, home=home)
    with pytest.raises(NotFoundError, match="no study 'mad'"):
        export_model("mad", tmp_path / "out", None, home=home)
    empty = Home(folder=tmp_path, tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(NotFoundError, match="it has: none yet"):
        load_model(NAME, home=empty)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_or_cannot_be_written_is_refused(home, exported, tmp_path):
    with pytest.raises(BadInputError, match="must not exist, got"):
        export_model(NAME, exported, 1, home=home)
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="cannot be written"):
        export_model(NAME, tmp_path / "file" / "out", 1, home=home)
