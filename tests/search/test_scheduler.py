from types import SimpleNamespace

import pytest

from models import Architecture
from study.search.scheduler import Halving
from study.search.trial import TrialConfig
from study.spec.study_spec import StudySpec
from study.training.settings import TrainingSettings

SPEC = StudySpec.from_dict(
    {
        "name": "a",
        "dataset": "digits",
        "families": ["vann"],
        "budget": {"epochs": 16},
        "stopping": {"grace_epochs": 2},
    }
)


def metrics(epochs, accuracy):
    return {"epochs": epochs, "val_accuracy": accuracy, "trainable_parameters": 100}


def told(halving, number, reached, *, planned=16, continues=None, finished=False, **more):
    """What the scheduler decides on a report, told as by Tune, which ends a trial that is `done`."""
    architecture = Architecture(family="vann", dendrites=2, somata=8)
    training = TrainingSettings(epochs=planned, learning_rate=0.01)
    config = TrialConfig(
        number=number, architecture=architecture, training=training, seeds=(0,), continues=continues
    )
    trial = SimpleNamespace(config=config.to_dict())
    result = {"epochs": [reached], "finished": finished, "failure": None, "done": finished} | more
    if result["done"]:
        return halving.on_trial_complete(None, trial, result)
    return halving.on_trial_result(None, trial, result)


def ends(halving, number, reached, **more):
    return told(halving, number, reached, finished=True, **more)


def test_a_trial_that_ended_early_by_itself_is_compared_with_at_the_rungs_after_its_end():
    halving = Halving(SPEC)  # rungs after 2, 4 and 8 epochs
    assert not ends(halving, 0, metrics(3, 0.9))
    assert halving.enter(1, 2, metrics(2, 0.5))
    assert not halving.enter(1, 4, metrics(4, 0.5))
    assert not halving.enter(2, 8, metrics(8, 0.8))


def test_a_trial_in_full_changes_nothing_at_a_rung():
    halving = Halving(SPEC)
    assert not ends(halving, 0, metrics(16, 0.9))
    assert all(halving.enter(1, epoch, metrics(epoch, 0.1)) for epoch in (2, 4, 8))


@pytest.mark.parametrize(
    ("reached", "more"),
    [
        (metrics(3, 0.9), {"finished": False, "done": True}),  # it is stopped
        (metrics(3, 0.9), {"failure": "it diverged"}),
        ({"epochs": 3, "val_accuracy": 0.9}, {}),  # without a size it fails
    ],
)
def test_a_trial_that_is_not_complete_is_at_no_rung_after_its_end(reached, more):
    halving = Halving(SPEC)
    told(halving, 0, reached, **({"finished": True} | more))
    assert halving.enter(1, 4, metrics(4, 0.5))


def test_a_complete_trial_that_was_planned_for_fewer_epochs_comes_to_the_rung_at_its_end_only():
    halving = Halving(SPEC)
    ends(halving, 0, metrics(4, 0.9), planned=4)
    assert not halving.enter(1, 4, metrics(4, 0.5))
    assert halving.enter(1, 8, metrics(8, 0.5))


def test_a_trial_is_compared_once_at_a_rung_however_often_it_reports_it():
    """Again after the loss of its worker; and as the trial that it continues, which stopped there."""
    halving = Halving(SPEC)
    assert told(halving, 0, metrics(2, 0.5)) == "CONTINUE"
    assert told(halving, 1, metrics(2, 0.9)) == "CONTINUE"
    assert told(halving, 2, metrics(2, 0.6)) == "CONTINUE"
    assert told(halving, 0, metrics(2, 0.5)) == "CONTINUE"  # by now it would be stopped
    assert told(halving, 3, metrics(2, 0.4)) == "STOP"
    assert told(halving, 4, metrics(2, 0.4), continues=3) == "CONTINUE"
    assert "4 after 2" in halving.debug_string()
    assert told(halving, 0, metrics(4, 0.6)) == "CONTINUE"
    assert told(halving, 4, metrics(4, 0.5), continues=3) == "STOP"
