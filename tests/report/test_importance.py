import math

import pytest

from models import FAMILIES
from study.report.importance import importance_section, importances
from study.spec.study_spec import StudySpec
from tests.support.stored_study import record, trial

MADE = {
    "name": "made",
    "dataset": "digits",
    "families": ["dann-r", "vann", "cnn"],
    "space": {
        "somata": [8, 16, 32],
        "dendrites": [1, 2, 4],
        "synapses": [4, 10, 30],
        "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
    },
}
SPEC = StudySpec.from_dict(MADE)


def records(count, spec=SPEC):
    """Trials whose accuracy the learning rate alone decides, all of one size."""
    made = []
    for number in range(count):
        name = spec.families[number % len(spec.families)]
        synapses = [4, 10, 30][number % 3] if FAMILIES[name].counts_synapses else None
        if FAMILIES[name].synapses == "convolution":
            synapses = math.isqrt(synapses) ** 2
        place = (0.618034 * number) % 1
        changes = {
            "family": name,
            "dendrites": [1, 2, 4][(number // 3) % 3] if FAMILIES[name].has_dendrites else None,
            "synapses": synapses,
            "learning_rate": 10 ** (-3 + 2 * place),
        }
        made.append(record(number, trial(0.9 - abs(place - 0.7), **changes), spec))
    return made


def test_what_decides_is_found_and_the_shares_add_up():
    shares = importances(SPEC, records(90))
    assert next(iter(shares)) == "learning_rate"
    assert set(shares) == {"family", "somata", "dendrites", "synapses", "learning_rate"}
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    panel = importance_section(SPEC, records(90))
    assert "best 9 trials" in panel.text
    assert list(panel.figure.data[0].y)[-1] == "learning rate"


def test_one_objective_and_few_trials_will_do_with_a_caution():
    spec = StudySpec.from_dict(MADE | {"objectives": {"val_accuracy": "maximize"}})
    assert next(iter(importances(spec, records(15, spec)))) == "learning_rate"
    text = importance_section(spec, records(15, spec)).text
    assert "best 5 trials" in text
    assert "only an indication" in text


def test_only_complete_trials_of_the_space_count():
    assert importances(SPEC, records(11)) == {}
    assert importance_section(SPEC, records(11)).figure is None
    other = {"space": MADE["space"] | {"somata": [64, 128]}}
    assert importances(StudySpec.from_dict(MADE | other), records(90)) == {}
    stopped = [type(one)(**(one.to_dict() | {"state": "PRUNED"})) for one in records(90)]
    assert importances(SPEC, stopped) == {}
