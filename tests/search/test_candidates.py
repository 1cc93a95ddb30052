import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from study.search.sampler import Candidates
from study.search.surrogate import Encoding
from study.spec.study_spec import StudySpec

SPACE = {
    "somata": [16, 32, 64, 128],
    "dendrites": {"low": 1, "high": 32, "log": True},
    "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
    "dropout": {"low": 0, "high": 0.5},
    "schedule": ["cosine", "constant"],
}
SIZES = {"trainable_parameters": 1000, "macs": 100}


def spec():
    families = ["dann-r", "vann", "mlp"]
    return StudySpec.from_dict(
        {"name": "a", "dataset": "digits", "families": families, "space": SPACE}
    )


def candidates(seed=0):
    return Candidates(spec(), np.random.default_rng(seed))


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


def test_an_encoding_tells_settings_apart_and_keeps_their_distances():
    encoding = Encoding(spec())
    base = {"family": "dann-r", "somata": 16, "dendrites": 1, "learning_rate": 1e-3, "dropout": 0.0}
    base |= {"schedule": "cosine"}

    def row(**changes):
        return encoding.rows([base | changes], [SIZES])[0]

    def distance(**changes):
        return np.linalg.norm(row(**changes) - row())

    assert np.isclose(distance(somata=64), 2 * distance(somata=32))
    assert np.isclose(distance(somata=128), distance(dendrites=32))
    assert np.isclose(distance(learning_rate=1e-2), distance(learning_rate=1e-1) / 2)
    assert distance(family="vann") == distance(schedule="constant") > 0
    larger = encoding.rows([base], [SIZES | {"macs": 10_000}])[0]
    assert np.isclose(np.linalg.norm(larger - row()), 1.0)
    earlier = encoding.at_epoch(row(), 1)
    assert earlier[-1] < encoding.at_epoch(row(), 5)[-1] < row()[-1] == 0
