"""The searcher that hands given trials to Tune, asked and told as Tune does."""

from dataclasses import replace

import pytest

from models import Architecture
from study.runner.given_trials import GivenTrials
from study.search.trial import TrialConfig
from study.training.settings import TrainingSettings

FINISHED = {"epochs": [{"epochs": 2, "val_accuracy": 0.5}], "finished": True}


@pytest.fixture
def ends():
    return []


@pytest.fixture
def trials(ends):
    architecture = Architecture(family="vann", dendrites=2, somata=8)
    training = TrainingSettings(epochs=2, learning_rate=0.01)
    first = TrialConfig(number=0, architecture=architecture, training=training, seeds=(3,))
    configs = [replace(first, number=number) for number in range(4)]
    return GivenTrials(
        configs, lambda config, outcome, _: ends.append((config.number, outcome.state)), lambda: 2
    )


def test_as_many_run_as_there_is_room_for_and_each_ends_once(trials, ends):
    assert [trials.suggest(key)["number"] for key in "ab"] == [0, 1]
    assert trials.suggest("c") is None
    for key, report in (("a", FINISHED), ("b", {"epochs": [], "finished": False})):
        trials.on_trial_complete(key, report)
        trials.on_trial_complete(key, report)
    assert ends == [(0, "COMPLETE"), (1, "PRUNED")]
    assert [trials.suggest(key)["number"] for key in "cd"] == [2, 3]
    assert trials.suggest("e") is None
    assert [config.number for config in trials.running] == [2, 3]
    for key in "cd":
        trials.on_trial_complete(key, FINISHED | {"failure": "it diverged"})
    assert ends[2:] == [(2, "FAIL"), (3, "FAIL")]
    assert trials.suggest("e") == "FINISHED"


def test_those_that_ran_out_of_memory_together_run_one_by_one_and_alone_one_fails(trials, ends):
    for key in "ab":
        trials.suggest(key)
    assert trials.on_lost_memory("it ran out") == [0, 1]
    assert (trials.left, ends) == (4, [])
    assert trials.suggest("c")["number"] == 0
    assert trials.suggest("d") is None
    assert trials.on_lost_memory("it ran out") == [0]
    assert ends == [(0, "FAIL")]
    assert trials.suggest("d")["number"] == 1


def test_a_trial_whose_worker_is_gone_is_handed_out_again_only_if_it_had_not_begun(trials):
    trials.begun.add(1)
    for key in "ab":
        trials.suggest(key)
        trials.on_trial_complete(key, error=True)
    assert (trials.is_left(0), trials.is_left(1)) == (True, False)
    for _ in range(3):
        while trials.suggest("again")["number"] != 0:
            trials.on_trial_complete("again", FINISHED)
        trials.on_trial_complete("again", error=True)
    assert not trials.is_left(0)
