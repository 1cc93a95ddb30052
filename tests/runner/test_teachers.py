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
from study.runner.teachers import keep_logits, kept_logits, logits_of_study, teacher_logits
from study.tracking.tags import DATA_TAG, WITHOUT_TEST_TAG
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
    found = teacher_logits(["none", f"{NAME}/1", both], dataset, home)
    images = torch.cat([dataset.train.images, dataset.validation.images])
    outputs = [load_model(NAME, trial, home=home).eval()(images) for trial in (0, 1)]
    assert list(found) == [f"{NAME}/1", both]
    np.testing.assert_allclose(
        found[f"{NAME}/1"], outputs[1].mean(dim=0).detach(), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        found[both], torch.stack(outputs).mean(dim=(0, 1)).detach(), rtol=1e-4, atol=1e-6
    )
    file, digest = tmp_path / "teachers.safetensors", dataset.sha256()
    keep_logits(file, found, digest)
    nowhere = Home.find(tmp_path / "nowhere", None)
    again = teacher_logits([both], dataset, nowhere, kept_logits(file, digest))
    assert np.array_equal(again[both], found[both])
    # Other arrays, also as many of the same name, have logits of their own.
    other = replace(dataset, train=replace(dataset.train, images=255 - dataset.train.images))
    assert kept_logits(file, other.sha256()) == kept_logits(file, None) == {}


def test_a_study_keeps_them_in_its_folder_and_in_the_store(home, dataset):
    store, parent = MlflowClient(home.tracking_uri), read_study(NAME, home).parent.info.run_id
    store.set_tag(parent, DATA_TAG, dataset.sha256())
    assert logits_of_study(read_study(NAME, home)) == {}
    file, logits = home.study_folder(NAME).teachers, np.ones((500, 10), np.float32)
    file.parent.mkdir(parents=True)
    keep_logits(file, {"gone/0": logits}, dataset.sha256())
    assert np.array_equal(logits_of_study(read_study(NAME, home))["gone/0"], logits)
    store.log_artifact(parent, str(file))
    file.unlink()
    assert np.array_equal(logits_of_study(read_study(NAME, home))["gone/0"], logits)


@pytest.mark.parametrize(
    ("teacher", "changes", "message"),
    [
        ("nobody/0", {}, r"teacher nobody/0: no study 'nobody'"),
        (f"{NAME}/9", {}, rf"teacher {NAME}/9: .*\(key space.teacher\)"),
        (f"{NAME}/2", {}, rf"teacher {NAME}/2: the weights of trial 2 .* were not kept"),
        (f"{NAME}/0", {"classes": 11}, r"must be those of the data, \(1, 8, 8, 11\), got \(1, 8"),
    ],
)
def test_a_teacher_that_cannot_teach_is_refused(teacher, changes, message, home, dataset):
    with pytest.raises(BadInputError, match=message):
        teacher_logits([teacher], replace(dataset, **changes), home)


def test_a_teacher_has_not_seen_validation_images(home, dataset):
    store, parent = MlflowClient(home.tracking_uri), read_study(NAME, home).parent.info.run_id
    store.set_tag(parent, WITHOUT_TEST_TAG, "0" * 64)
    with pytest.raises(BadInputError, match="so that it has not seen validation images, got 0000"):
        teacher_logits([f"{NAME}/0"], dataset, home, data=dataset.without_test().sha256())
    assert teacher_logits([f"{NAME}/0"], dataset, home, data="0" * 64)
