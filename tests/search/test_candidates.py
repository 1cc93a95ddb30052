from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from study.search.candidates import Candidates, share_of, value_at
from study.search.space import suggest
from study.spec.study_spec import StudySpec

SPACE = {
    "somata": [16, 32, 64, 128],
    "dendrites": {"low": 1, "high": 32, "log": True},
    "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
    "dropout": {"low": 0, "high": 0.5},
    "schedule": ["cosine", "constant"],
}


def spec():
    families = ["dann-r", "vann", "mlp"]
    return StudySpec.from_dict(
        {"name": "a", "dataset": "digits", "families": families, "space": SPACE}
    )


def candidates(seed=0):
    return Candidates(partial(suggest, spec=spec()), np.random.default_rng(seed))


def within(params):
    return (
        params["somata"] in SPACE["somata"]
        and 1 <= params.get("dendrites", 1) <= 32
        and 1e-3 <= params["learning_rate"] <= 1e-1
        and 0 <= params["dropout"] <= 0.5
        and ("dendrites" in params) == (params["family"] != "mlp")
    )


def test_what_is_drawn_is_spread_over_the_whole_space():
    source = candidates()
    drawn = [source.drawn().params for _ in range(2000)]
    assert all(map(within, drawn))
    assert {one["family"] for one in drawn} == {"dann-r", "vann", "mlp"}
    shares = [sum(one["somata"] == size for one in drawn) / 2000 for size in SPACE["somata"]]
    assert all(0.2 < share < 0.3 for share in shares)
    dendrites = {one["dendrites"] for one in drawn if "dendrites" in one}
    assert {1, 2, 3, 31, 32} <= dendrites
    rates = np.log10([one["learning_rate"] for one in drawn])
    assert abs(np.mean(rates < -2) - 0.5) < 0.05


@given(st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_what_is_near_shares_settings_and_stays_within_the_space(seed):
    source = candidates(seed)
    parent = source.drawn().params
    near = [source.near(parent).params for _ in range(30)]
    assert all(map(within, near))
    same = np.mean([one[name] == parent[name] for one in near for name in one if name in parent])
    assert 0.4 < same < 0.95


@pytest.mark.parametrize(
    ("distribution", "values"),
    [
        (IntDistribution(3, 9, step=3), {3, 6, 9}),
        (FloatDistribution(0.5, 1.5, step=0.5), {0.5, 1.0, 1.5}),
        (CategoricalDistribution([64, 16, 32]), {16, 32, 64}),
        (CategoricalDistribution(["a", None, True]), {"a", None, True}),
        (IntDistribution(1, 3, log=True), {1, 2, 3}),
    ],
)
def test_every_value_has_its_part_of_the_range(distribution, values):
    drawn = [value_at(distribution, share) for share in np.linspace(0, 0.9999, 100)]
    assert set(drawn) == values
    assert all(value_at(distribution, share_of(distribution, one)) == one for one in values)
    assert share_of(distribution, 1000) is None
