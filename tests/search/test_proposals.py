"""The default sampler where a part of the space fails: it must learn which, and still come close."""

import math

import pytest
from optuna.trial import TrialState

from study.search.proposals import Proposals
from study.spec.study_spec import StudySpec

SIZES = [8, 16, 32, 64, 128, 256]
LARGEST = 20_000


def spec(seed):
    rate = {"low": 1e-4, "high": 1e-1, "log": True}
    space = {"somata": SIZES, "dendrites": {"low": 1, "high": 16}, "learning_rate": rate}
    table = {"name": "a", "dataset": "digits", "families": ["dann-r", "vann"], "seed": seed}
    return StudySpec.from_dict(table | {"space": space})


def counted(params):
    read = 65 if params["family"] == "vann" else 17
    parameters = params["somata"] * (read * params["dendrites"] + 11) + 10
    return {"trainable_parameters": parameters, "macs": parameters}


def too_fast(params):
    return params["learning_rate"] > 1e-2


def too_large(params):
    return counted(params)["trainable_parameters"] > LARGEST


def accuracy(params):
    """What fails would be the most accurate."""
    size = math.log10(counted(params)["trainable_parameters"])
    return 0.5 + 0.05 * (math.log10(params["learning_rate"]) + 4) + 0.05 * size


@pytest.mark.slow
@pytest.mark.parametrize("fails", [too_fast, too_large])
def test_where_trials_fail_few_more_are_proposed(fails):
    failed, reached = [], []
    proposals = Proposals(spec(seed=0), 0, counted, clock=None)
    for number in range(35):
        params = proposals.propose(number).configuration.params
        failed.append(fails(params))
        if fails(params):
            proposals.tell(number, TrialState.FAIL, None, {})
            continue
        metrics = {"epochs": 15, "val_accuracy": accuracy(params), **counted(params)}
        proposals.report(number, metrics)
        proposals.tell(number, TrialState.COMPLETE, [accuracy(params), metrics["macs"]], {})
        reached.append(params["learning_rate"] if fails is too_fast else metrics["macs"])
    assert 0 < sum(failed[:10]) < 10
    assert sum(failed[10:]) / len(failed[10:]) <= 0.3
    # It still comes close to what fails, where the best is.
    assert max(reached) > 0.9 * (1e-2 if fails is too_fast else LARGEST)
