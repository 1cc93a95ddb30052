import json

import numpy as np
import pandas as pd
import pytest

from paper.effects import EFFECTS, Cell, cells, effects, planned_cells
from paper.estimate import DIFFERENCE, estimate
from paper.plan import Plan

IMAGES = 1000


def cell(inputs, dendrites, size, *, linear=False, learned=False, matched="parameters"):
    return Cell(inputs, dendrites, linear, learned, size, matched)


def outcomes(seed, accuracy, seeds=8, images=IMAGES):
    generator = np.random.default_rng(seed)
    return (generator.random((seeds, images)) < accuracy).astype(float)


def factorial(accuracy):
    """All cells of two sizes, with the accuracy that a function gives them."""
    every = [
        Cell(inputs, dendrites, linear, learned, size)
        for inputs in ("all", "random", "local", "shared")
        for dendrites in (1, 2, 4, 8)
        for linear in (False, True)
        for learned in (False, True)
        for size in ("3k", "10k")
        if not learned or inputs in ("random", "local")
        if not linear or inputs != "shared"
    ]
    return {cell: outcomes(place, accuracy(cell)) for place, cell in enumerate(every)}


def measured(found):
    """The effects of a factorial of which all planned cells are there."""
    return effects(found, found)


def of_sizes(found, size=None):
    return {one.name.split(":")[0].split(",")[0]: one for one in found if one.size == size}


def test_locality_alone_is_found_and_nothing_else():
    local = {"all": 0.5, "random": 0.5, "local": 0.6, "shared": 0.6}
    found = measured(factorial(lambda cell: local[cell.inputs]))
    for size in (None, "3k", "10k"):
        own = of_sizes(found, size)
        assert own["locality"].value == pytest.approx(0.1, abs=0.02)
        assert own["locality"].low > 0.07
        assert own["locality"].p < 0.001
        assert own["sharing"].low < 0 < own["sharing"].high
        assert own["nonlinear instead of linear branches"].p > 0.05
    assert of_sizes(found)["locality"].pairs == 2 * of_sizes(found, "3k")["locality"].pairs


def test_linear_branches_count_where_there_are_several():
    found = measured(factorial(lambda cell: 0.5 - 0.2 * (cell.linear and cell.dendrites == 1)))
    nonlinear = of_sizes(found)["nonlinear instead of linear branches"]
    assert nonlinear.low < 0 < nonlinear.high


def test_what_nonlinearity_adds_to_branches_is_the_difference_of_both_effects():
    found = measured(factorial(lambda cell: 0.5 + 0.1 * (cell.dendrites == 4 and not cell.linear)))
    own = {one.name: one for one in found if one.size is None}
    nonlinear, linear, added = (
        own[name]
        for name in (
            "4 branches instead of 1, nonlinear",
            "4 branches instead of 1, linear",
            "4 branches instead of 1, nonlinear minus linear",
        )
    )
    assert nonlinear.value == pytest.approx(0.1, abs=0.02)
    assert linear.low < 0 < linear.high
    assert added.value == pytest.approx(nonlinear.value - linear.value)
    assert added.high - added.low > nonlinear.high - nonlinear.low
    assert added.pairs == nonlinear.pairs == linear.pairs


@pytest.mark.parametrize(
    ("inputs", "name"),
    [("shared", "shared weights, equal parameters"), ("all", "all inputs, nonlinear")],
)
def test_branches_of_other_inputs_than_drawn_ones_have_effects_of_their_own(inputs, name):
    found = measured(
        factorial(
            lambda cell: (
                0.5 + 0.2 * (cell.inputs == inputs and cell.dendrites == 4 and not cell.linear)
            )
        )
    )
    own = {one.name: one for one in found if one.size is None}
    for others in (
        *("4 branches instead of 1, nonlinear", "4 branches instead of 1, nonlinear minus linear"),
        *("8 branches instead of 4, nonlinear", "nonlinear instead of linear branches"),
    ):
        assert own[others].low < 0 < own[others].high
    assert own[f"4 branches instead of 1, {name}"].value == pytest.approx(0.2, abs=0.03)


def test_networks_with_learned_wiring_are_in_pairs_of_that_effect_alone():
    found = measured(factorial(lambda cell: 0.5 + 0.2 * (cell.learned and cell.inputs == "local")))
    own = {one.name: one for one in found if one.size is None}
    assert own["learned instead of drawn wiring, local inputs"].value == pytest.approx(
        0.2, abs=0.02
    )
    assert own["learned instead of drawn wiring, random inputs"].p > 0.05
    assert own["locality: local instead of random inputs"].low < 0.01


def test_shared_weights_at_equal_macs_are_compared_with_the_local_network():
    pair = {
        cell("shared", 4, "10k", matched="macs"): outcomes(0, 0.4),
        cell("local", 4, "10k"): outcomes(1, 0.6),
    }
    found = [one for one in measured(pair) if one.size == "10k"]
    assert [one.name for one in found] == ["sharing, equal multiply-accumulates"]
    assert found[0].value == pytest.approx(-0.2, abs=0.05)


def test_an_effect_is_given_where_all_its_planned_pairs_are_there():
    whole = factorial(lambda cell: 0.6 if cell.inputs in ("local", "shared") else 0.5)
    name = "locality: local instead of random inputs"
    part = {cell: one for cell, one in whole.items() if cell.size == "3k" or cell.inputs != "local"}
    given = {(one.name, one.size): one for one in effects(part, whole)}
    assert (name, "3k") in given
    assert not {(name, "10k"), (name, None)} & given.keys()
    # Effects that are not there yet count, so that p stay when they come.
    few = {cell: one for cell, one in part.items() if cell.inputs in ("local", "random")}
    (alone,) = [one for one in effects(few, whole) if (one.name, one.size) == (name, "3k")]
    (among,) = [one for one in measured(whole) if (one.name, one.size) == (name, "3k")]
    assert 1e-9 < alone.p == pytest.approx(among.p, rel=1e-9, abs=0)


def test_an_effect_is_of_the_cells_of_the_plan():
    planned = planned_cells(Plan.read())
    assert len(set(planned)) == len(planned)
    found = {one: outcomes(place, 0.5, images=50) for place, one in enumerate(planned)}
    assert {one.name for one in effects(found, planned)} == set(EFFECTS)


def test_cells_are_read_from_the_benchmark_file():
    correct = np.arange(16) % 2 == 0
    rows = [
        {
            "study": study,
            "stage": stage,
            "trial": 0,
            "seed": seed,
            "family": family,
            "settings": json.dumps({"dendrites": 4, "dendrite_slope": 1.0, "rewiring": rewiring}),
            "images": len(correct),
            "correct": np.packbits(correct).tobytes(),
        }
        for study, stage, family, rewiring, seed in (
            ("factorial-10k", "test", "dann-lrf", 0.3, 2),
            ("factorial-10k", "test", "dann-lrf", 0.3, 1),
            ("factorial-10k", "search", "dann-lrf", 0.3, 0),
            ("factorial-macs-30k", "test", "dann-conv", 0.0, 1),
            ("factorial-macs-30k", "test", "dann-conv", 0.0, 2),
            ("table1-vann", "test", "vann", 0.0, 7),
        )
    ]
    found = cells(pd.DataFrame(rows))
    assert list(found) == [
        cell("local", 4, "10k", linear=True, learned=True),
        cell("shared", 4, "30k", linear=True, matched="macs"),
    ]
    assert found[cell("local", 4, "10k", linear=True, learned=True)].shape == (2, 16)
    assert found[cell("local", 4, "10k", linear=True, learned=True)][0].tolist() == correct.tolist()
    others = pd.DataFrame(rows[:3])  # of another cell, one seed alone
    with pytest.raises(ValueError, match=r"the same seeds, got \[\(1,\), \(1, 2\)\]"):
        cells(pd.concat([others, pd.DataFrame(rows[3:4])]))


def test_the_p_of_an_effect_is_two_sided():
    pair = {
        cell("shared", 4, "10k", matched="macs"): outcomes(0, 0.50),
        cell("local", 4, "10k"): outcomes(1, 0.51),
    }
    (found,) = [one for one in measured(pair) if one.size == "10k"]
    expected = estimate(list(pair.values()), DIFFERENCE, same_seeds=True)
    assert found.p == pytest.approx(2 * min(expected.p_above(0), expected.p_below(0)))
    assert found.p < 1
