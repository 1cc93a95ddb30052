import itertools

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.errors import SpecError
from study.search.grid import grid
from study.search.space import suggest
from study.spec.study_spec import StudySpec


def spec(families=("dann-r", "mlp"), seed=0, **space):
    table = {"name": "a", "dataset": "digits", "families": list(families), "seed": seed}
    fixed = {"dendrites": 2, "learning_rate": 0.01}
    return StudySpec.from_dict(table | {"sampler": "grid", "space": fixed | space})


@given(st.sets(st.integers(1, 64), min_size=1, max_size=4), st.integers(1, 4))
@settings(deadline=None)
def test_a_grid_is_every_configuration_once(somata, most):
    found = grid(spec(somata=sorted(somata), dendrites={"low": 1, "high": most + 1}))
    expected = set(itertools.product(["dann-r"], somata, range(1, most + 2)))
    expected |= {("mlp", size, None) for size in somata}
    seen = []
    for answers in found:
        network, _ = suggest(optuna.trial.FixedTrial(answers), spec(somata=sorted(somata)))
        seen.append((network.family, network.somata, answers.get("dendrites")))
    if len(somata) == 1:
        # A setting with one value is not asked for.
        assert len(found) == len(expected)
    else:
        assert len(seen) == len(expected)
        assert set(seen) == expected


def test_kernels_of_the_same_side_are_one_configuration():
    assert len(grid(spec(("cnn",), somata=8, synapses=[4, 8, 9, 12]))) == 2
    assert len(grid(spec(("cnn", "dann-r"), somata=8, synapses=[4, 8, 9, 12]))) == 2 + 4


def test_regrowth_counts_only_with_rewiring():
    places = ["local", "gradient", "anywhere"]
    table = {"somata": [8, 16], "rewiring": [0, 0.1, 0.3], "regrowth": places}
    assert len(grid(spec(("dann-r", "mlp"), **table))) == 2 * (1 + 2 * 3) + 2


def test_settings_of_a_teacher_count_only_with_one():
    found = grid(spec(somata=[8, 16], teacher=["none", "a/1"], temperature=[2, 4, 8]))
    assert len(found) == 2 * 2 * (1 + 3)
    many = list(range(1, 100))
    with pytest.raises(SpecError, match=r"got 1\.97e\+06"):
        grid(
            spec(
                ("mlp",),
                somata=many,
                batch_size=many,
                temperature=[*many, 100],
                teacher=["none", "a/1", "a/2"],
            )
        )


def test_its_order_is_the_seeds():
    sizes = list(range(8, 40))
    first = grid(spec(somata=sizes))
    assert first == grid(spec(somata=sizes))
    other = grid(spec(somata=sizes, seed=1))
    assert first != other
    assert sorted(map(str, first)) == sorted(map(str, other))


def test_a_grid_of_real_numbers_is_refused():
    with pytest.raises(SpecError, match=r"got ranges for space.learning_rate \(key sampler\)"):
        spec(learning_rate={"low": 0.1, "high": 0.2})


def test_a_grid_that_nobody_could_wait_for_is_refused():
    wide = {"low": 1, "high": 400}
    with pytest.raises(
        SpecError, match=r"configurations of the grid <= 100000. must hold, got 160400"
    ):
        grid(spec(somata=wide, dendrites=wide))
