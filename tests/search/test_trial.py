import math

import pytest

from study.search.trial import WORKER_ENDED, Outcome, judge

DONE = {"epochs": [{"val_accuracy": 0.5, "macs": 10}], "finished": True, "failure": None}


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        (DONE, Outcome(state="COMPLETE")),
        (DONE | {"finished": False}, Outcome(state="PRUNED")),
        (DONE | {"failure": "it broke"}, Outcome(state="FAIL", reason="it broke")),
        (None, Outcome(state="FAIL", reason=WORKER_ENDED)),
    ],
)
def test_the_end_of_a_trial_is_judged_from_its_last_report(report, outcome):
    assert judge(report, ["val_accuracy", "macs"]) == outcome


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_an_objective_that_is_missing_or_not_finite_fails_the_trial(value):
    report = DONE | {"epochs": [{}, {"val_accuracy": value, "macs": 10}]}
    outcome = judge(report, ["val_accuracy", "macs"])
    assert outcome.state == "FAIL"
    assert f"the objective val_accuracy must be a finite number, got {value}" in outcome.reason
