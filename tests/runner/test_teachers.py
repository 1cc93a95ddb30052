"""The logits of teachers, from a real store."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from study.errors import BadInputError
from study.home import Home
from study.results.network import load_model
from study.results.reader import read_study
from study.runner.teachers import keep_logits, teacher_logits
from study.tracking.tags import DATA_TAG
from study.training.dataset import load_dataset
from tests.support.recorded_study import NAME, SPEC, record_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return record_study(tmp_path_factory.mktemp("teachers"))


@pytest.fixture(scope="module")
def dataset():
    return load_dataset(SPEC["dataset"])


def test_they_are_the_mean_over_trials_and_replicates_and_kept(home, dataset, tmp_path):
    both = f"{NAME}/0 + {NAME}/1"
    file = tmp_path / "teachers.safetensors"
    found = teacher_logits(["none", f"{NAME}/1", both], dataset, home, file)
    outputs = [load_model(NAME, trial, home=home).eval()(dataset.train.images) for trial in (0, 1)]
    assert list(found) == [f"{NAME}/1", both]
    np.testing.assert_allclose(
        found[f"{NAME}/1"], outputs[1].mean(dim=0).detach(), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        found[both], torch.stack(outputs).mean(dim=(0, 1)).detach(), rtol=1e-4, atol=1e-6
    )
    keep_logits(file, found)
    nowhere = Home.find(tmp_path / "nowhere", None)
    again = teacher_logits([both], dataset, nowhere, file)
    assert np.array_equal(again[both], found[both])
    # Of other images, such as those of a retraining in full, they are computed.
    fewer = replace(dataset, train=dataset.validation)
    assert len(teacher_logits([both], fewer, home, file)[both]) == len(dataset.validation.labels)


@pytest.mark.parametrize(
    ("teacher", "changes", "message"),
    [
        ("nobody/0", {}, r"teacher nobody/0: no study 'nobody'"),
        (f"{NAME}/9", {}, rf"teacher {NAME}/9: .*\(key space.teacher\)"),
        (f"{NAME}/2", {}, rf"teacher {NAME}/2: the weights of trial 2 .* were not kept"),
        (f"{NAME}/0", {"classes": 11}, r"must be those of the data, \(1, 8, 8, 11\), got \(1, 8"),
    ],
)
def test_a_teacher_that_cannot_teach_is_refused(teacher, changes, message, home, dataset, tmp_path):
    with pytest.raises(BadInputError, match=message):
        teacher_logits([teacher], replace(dataset, **changes), home, tmp_path / "none")


def test_a_teacher_has_not_seen_validation_images(home, dataset, tmp_path):
    store, parent = MlflowClient(home.tracking_uri), read_study(NAME, home).parent.info.run_id
    store.set_tag(parent, DATA_TAG, "0" * 64)
    with pytest.raises(BadInputError, match="so that it has not seen validation images, got 0000"):
        teacher_logits([f"{NAME}/0"], dataset, home, tmp_path / "none", dataset.sha256())
    assert teacher_logits([f"{NAME}/0"], dataset, home, tmp_path / "none", "0" * 64)
