import json

import numpy as np
import pandas as pd
import pytest

from paper.bootstrap import difference, estimate
from paper.effects import EFFECTS, Cell, cells, contrast, effects

IMAGES = 1000


def cell(inputs, dendrites, size, *, linear=False, learned=False, matched="parameters"):
    return Cell(inputs, dendrites, linear, learned, size, matched)


def outcomes(seed, accuracy, seeds=4, images=IMAGES):
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


def of_sizes(found, size=None):
    return {one.name.split(":")[0].split(",")[0]: one for one in found if one.size == size}


def test_locality_alone_is_found_and_nothing_else():
    local = {"all": 0.5, "random": 0.5, "local": 0.6, "shared": 0.6}
    found = effects(factorial(lambda cell: local[cell.inputs]))
    for size in (None, "3k", "10k"):
        own = of_sizes(found, size)
        assert own["locality"].value == pytest.approx(0.1, abs=0.02)
        assert own["locality"].low > 0.07
        assert own["locality"].p < 0.001
        assert own["sharing"].low < 0 < own["sharing"].high
        assert own["nonlinear instead of linear branches"].p > 0.05
    assert of_sizes(found)["locality"].pairs == 2 * of_sizes(found, "3k")["locality"].pairs


def test_linear_branches_count_where_there_are_several():
    found = effects(factorial(lambda cell: 0.5 - 0.2 * (cell.linear and cell.dendrites == 1)))
    nonlinear = of_sizes(found)["nonlinear instead of linear branches"]
    assert nonlinear.low < 0 < nonlinear.high


def test_what_nonlinearity_adds_to_branches_is_the_difference_of_both_effects():
    found = effects(factorial(lambda cell: 0.5 + 0.1 * (cell.dendrites == 4 and not cell.linear)))
    own = {one.name: one for one in found if one.size is None}
    nonlinear, linear, added = (
        own[name]
        for name in (
            "4 branches instead of 1, nonlinear",
            "4 branches instead of 1, linear",
            "what nonlinearity adds to 4 branches",
        )
    )
    assert nonlinear.value == pytest.approx(0.1, abs=0.02)
    assert linear.low < 0 < linear.high
    assert added.value == pytest.approx(nonlinear.value - linear.value)
    assert added.high - added.low > nonlinear.high - nonlinear.low
    assert added.pairs == nonlinear.pairs == linear.pairs


def test_shared_weights_have_no_part_in_what_nonlinearity_adds():
    found = effects(
        factorial(lambda cell: 0.5 + 0.2 * (cell.inputs == "shared" and cell.dendrites == 4))
    )
    own = {one.name: one for one in found if one.size is None}
    added = own["what nonlinearity adds to 4 branches"]
    assert added.low < 0 < added.high
    assert own["4 branches instead of 1, shared weights"].value == pytest.approx(0.2, abs=0.03)


def test_networks_with_learned_wiring_are_in_pairs_of_that_effect_alone():
    found = effects(factorial(lambda cell: 0.5 + 0.2 * (cell.learned and cell.inputs == "local")))
    own = {one.name: one for one in found if one.size is None}
    assert own["learned instead of drawn wiring"].value == pytest.approx(0.1, abs=0.02)
    assert own["locality: local instead of random inputs"].low < 0.01


def test_shared_weights_at_equal_macs_are_compared_with_the_local_network():
    pair = {
        cell("shared", 4, "10k", matched="macs"): outcomes(0, 0.4),
        cell("local", 4, "10k"): outcomes(1, 0.6),
    }
    found = [one for one in effects(pair) if one.size == "10k"]
    assert [one.name for one in found] == ["sharing, equal multiply-accumulates"]
    assert found[0].value == pytest.approx(-0.2, abs=0.05)


def test_its_error_is_that_of_the_bootstrap():
    shared = np.random.default_rng(9).random(IMAGES)
    pair = [
        (shared + np.random.default_rng(place).normal(0, 0.05, (6, 1)) < limit).astype(float)
        for place, limit in enumerate((0.8, 0.6))
    ]
    names = [cell("local", dendrites, "3k") for dendrites in (2, 1)]
    found = contrast(dict(zip(names, pair, strict=True)), [1, -1])
    drawn = estimate(pair, difference, resamples=4000)
    assert found.value == pytest.approx(drawn.value)
    assert found.error == pytest.approx(drawn.error, rel=0.1)


def test_one_seed_has_no_error():
    with pytest.raises(ValueError, match=r"got \[1\]"):
        contrast({cell("local", 1, "3k"): outcomes(0, 0.5, seeds=1)}, [1])


def test_cells_are_read_from_the_benchmark_file():
    correct = np.arange(16) % 2 == 0
    rows = [
        {
            "study": study,
            "stage": stage,
            "family": family,
            "settings": json.dumps({"dendrites": 4, "dendrite_slope": 1.0, "rewiring": rewiring}),
            "images": len(correct),
            "correct": np.packbits(correct).tobytes(),
        }
        for study, stage, family, rewiring in (
            ("factorial-10k", "test", "dann-lrf", 0.3),
            ("factorial-10k", "test", "dann-lrf", 0.3),
            ("factorial-10k", "search", "dann-lrf", 0.3),
            ("factorial-macs-30k", "test", "dann-conv", 0.0),
            ("table1-vann", "test", "vann", 0.0),
        )
    ]
    found = cells(pd.DataFrame(rows))
    assert list(found) == [
        cell("local", 4, "10k", linear=True, learned=True),
        cell("shared", 4, "30k", linear=True, matched="macs"),
    ]
    assert found[cell("local", 4, "10k", linear=True, learned=True)].shape == (2, 16)
    assert found[cell("local", 4, "10k", linear=True, learned=True)][0].tolist() == correct.tolist()


def test_every_effect_has_a_pair_in_the_full_factorial():
    full = factorial(lambda _: 0.5)
    full |= {
        cell._replace(matched="macs"): one for cell, one in full.items() if cell.inputs == "shared"
    }
    assert {one.name for one in effects(full)} == set(EFFECTS)
