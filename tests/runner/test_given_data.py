import numpy as np
import pytest

from study.errors import BadInputError, SpecError
from study.home import Home
from study.runner.given_data import GivenData, spec_with_data
from study.spec.study_spec import StudySpec
from study.training.dataset import load_dataset

X = np.random.default_rng(0).integers(0, 256, (40, 4, 6), dtype=np.uint8)
Y = np.arange(40) % 4
TABLE = {"name": "mine", "families": ["dann-r"]}


def test_a_spec_needs_no_data_set_if_data_are_given(tmp_path):
    home = Home.find(tmp_path)
    spec = spec_with_data(TABLE, home)
    assert (spec.dataset.name, spec.dataset.path) == ("npz", home.study_folder("mine").data)
    named = StudySpec.from_dict(TABLE | {"dataset": {"name": "digits", "validation_size": 9}})
    kept = spec_with_data(named, home).dataset
    assert (kept.name, kept.validation_size) == ("npz", 9)
    for wrong, error in (({"families": []}, SpecError), (TABLE | {"name": "../x"}, BadInputError)):
        with pytest.raises(error):
            spec_with_data(wrong, home)
    assert list(tmp_path.iterdir()) == []


def test_given_data_are_stored_once_and_read_again_as_they_were(tmp_path):
    home = Home.find(tmp_path)
    spec = spec_with_data(TABLE | {"dataset": {"resize": 3, "validation_size": 8}}, home)
    folder = home.study_folder("mine")
    given = GivenData.of((X, Y), spec)
    given.store(folder)
    assert load_dataset(spec.dataset, spec.seed).sha256() == given.dataset.sha256()
    assert given.dataset.image_shape == (1, 3, 3)
    GivenData.of((X + 1, Y), spec).store(folder)  # nothing has been trained with the first yet
    assert load_dataset(spec.dataset, spec.seed).sha256() != given.dataset.sha256()
    folder.journal.touch()
    given.store(folder)
    assert load_dataset(spec.dataset, spec.seed).sha256() != given.dataset.sha256()
