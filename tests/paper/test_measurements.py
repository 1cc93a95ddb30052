from dataclasses import replace

import pytest

from paper.measurements import TrialFilter, UndecidableError
from tests.support.made_measurements import made_measurements_of, made_trial

SMALL = made_trial(0, "dann-r", 1000, 0.80, 0.99)
LARGE = made_trial(1, "dann-r", 9000, 0.90, 0.10)
EQUAL = made_trial(2, "vann", 5000, 0.90, 0.50, settings={"layers": 2})
MEASUREMENTS = made_measurements_of(SMALL, LARGE, EQUAL)


@pytest.mark.parametrize(
    ("wanted", "trial"),
    [
        (TrialFilter(where={}), 2),  # as accurate as trial 1, and smaller
        (TrialFilter(families=("dann-r",), where={}), 1),  # of validation, though not of test
        (TrialFilter(families=("dann-r", "vann"), where={"layers": 1}), 1),
        (TrialFilter(where={"layers": 2, "schedule": "constant"}), 2),
        (TrialFilter(where={}, max_parameters=1000), 0),
    ],
)
def test_validation_chooses(wanted, trial):
    assert MEASUREMENTS.best(wanted).trial == trial


def test_what_is_not_there_is_said():
    wanted = TrialFilter(families=("dann-r", "vann"), where={"layers": 3}, max_parameters=8000)
    with pytest.raises(UndecidableError) as caught:
        MEASUREMENTS.best(wanted)
    assert str(caught.value) == (
        "no trial of dann-r or vann with at most 8,000 parameters where layers = 3"
    )


def test_a_trial_without_a_number_is_never_chosen():
    nan = made_trial(3, "dann-r", 10, float("nan"), 0.9)
    none = replace(SMALL, trial=4, val_accuracy=None)
    assert made_measurements_of(nan, none, SMALL).best(TrialFilter(where={})).trial == 0


def test_a_retraining_is_believed_rather_than_the_search():
    again = made_trial(1, "dann-r", 9000, 0.85, 0.84, replicates=10, test_accuracy_sem=0.002)
    measurements = made_measurements_of(SMALL, LARGE, retrained=[again])
    found = measurements.sample(LARGE, "test_accuracy")
    assert (found.mean, found.sem, found.seeds, found.retrained) == (0.84, 0.002, 10, True)
    found = measurements.sample(SMALL, "test_accuracy")
    assert (found.mean, found.seeds, found.retrained) == (0.99, 5, False)
    assert measurements.searched(LARGE, "test_accuracy").mean == 0.10


def test_a_retraining_that_lacks_a_metric_leaves_the_search_to_say():
    again = made_trial(1, "dann-r", 9000, 0.85, 0.84, test_loss=None, replicates=10)
    found = made_measurements_of(LARGE, retrained=[again]).sample(LARGE, "test_loss")
    assert (found.mean, found.seeds) == (0.90, 5)


def test_a_diagnostic_is_a_metric_with_its_standard_error():
    measured = replace(SMALL, diagnostics={"silhouette": 0.3, "silhouette_sem": 0.1})
    measurements = made_measurements_of(measured)
    found = measurements.sample(measured, "silhouette")
    assert (found.mean, found.sem) == (0.3, 0.1)
    with pytest.raises(UndecidableError, match=r"trial 0 \(dann-r\) has no kurtosis"):
        measurements.sample(measured, "kurtosis")
