"""The figures, from rows made by hand."""

import itertools
import json
import math

import pandas as pd
import pytest

from models import FAMILIES
from paper.drawing import COLOURS, SYMBOLS
from paper.effects import EFFECTS
from paper.figures import TITLES, figures
from paper.plan import RACE_SEED
from paper.ratio import configurations, ratios
from paper.size_figures import on_front

VERDICTS = [
    {
        "id": "depth-dann-r",
        "group": "Suppl. Fig. 6: depth",
        "value": 0.01,
        "low": 0.0,
        "high": 0.02,
        "is_ratio": False,
    },
    {
        "id": "dropout-0.5-helps",
        "group": "Suppl. Fig. 3: dropout of the vanilla network",
        "value": 1.1,
        "low": 1.05,
        "high": 1.2,
        "is_ratio": True,
    },
    {"id": "all-cables-r", "group": "Fig. 4: structure", "value": None, "low": None, "high": None},
]
UNTRAINED = {"learning_rate": 0.0}
MEASURES = ("dendrites_entropy", "dendrites_silhouette", "synapses_weight_range")
EFFECT = {"size": None, "value": 0.01, "low": 0.0, "high": 0.02}


def row(study, family, trial, size, accuracy, *, stage="test", seed=5, settings=None, **more):
    return {
        "data": "fashion_mnist",
        "study": study,
        "stage": stage,
        "trial": trial,
        "seed": seed,
        "family": family,
        "settings": json.dumps(
            {
                "family": family,
                "dendrites": 2 if FAMILIES[family].has_dendrites else None,
                "synapses": 4 if FAMILIES[family].counts_synapses else None,
            }
            | {"learning_rate": 1e-3, "somata": 8}
            | (settings or {})
        ),
        "trainable_parameters": size,
        "macs": size,
        "stored_bytes": 4 * size,
        "val_accuracy": accuracy,
        "test_accuracy": accuracy,
        "test_loss": 1 - accuracy,
        "val_loss_curve": [0.5, 0.4, 0.6],
        "train_loss_curve": [0.5, 0.4, 0.3],
        "diagnostics": json.dumps({f"layer1_{name}": 1.0 for name in MEASURES}),
    } | more


@pytest.fixture(scope="module")
def rows():
    made = [
        row("table1-vann", "vann", 0, 1000, 0.80),
        row("table1-vann", "vann", 1, 10000, 0.90),
        row("table1-vann", "vann", 1, 10000, 0.92, seed=6),
        row("table1-dann-r", "dann-r", 0, 500, 0.80),
        row("table1-dann-r", "dann-r", 1, 20000, 0.95, settings={"somata": 16}),
        row("table1-dann-lrf", "dann-lrf", 2, 100, 0.70),
        row("structure", "sann", 0, 500, 0.75),
        row("representation-untrained", "vann", 0, 9, 0.1, stage="search", settings=UNTRAINED),
        row("representation-3-epochs", "vann", 0, 1000, 0.5, stage="search"),
        *(
            row(f"bound-10k-{family}", family, 0, 9000 + place, 0.8 + place / 100)
            for place, family in enumerate(sorted(set(COLOURS) - {"pdann"}))
        ),
        *(
            row("noise-vann", "vann", 0, 1000, 0.8 - noise / 5, settings={"noise": noise})
            for noise in (0, 0.5, 1.0)
        ),
        row("table2-vann", "vann", 0, 1000, 0.3, settings={"learning_rate": 1e-3}),
        row("table1-vann", "vann", 0, 10, 0.9, data="mnist"),  # of which no figure is
    ]
    search = [one | {"stage": "search", "seed": 0} for one in made if one["stage"] == "test"]
    return pd.DataFrame([*made, *search])


@pytest.fixture(scope="module")
def drawn(rows):
    return figures((rows, VERDICTS, [EFFECT | {"name": name} for name in EFFECTS]))


def test_each_question_has_a_figure_of_points_alone(drawn):
    assert list(drawn) == list(TITLES)
    for name, figure in drawn.items():
        assert all(trace.mode == "markers" for trace in figure.data), name


def test_no_two_families_share_a_colour(drawn):
    assert len(set(COLOURS.values())) == len(COLOURS) == len(set(SYMBOLS.values()))
    for figure in drawn.values():
        shown = {(one.name.split(",")[0], one.marker.color) for one in figure.data if one.name}
        for (family, colour), (other, same) in itertools.combinations(sorted(shown), 2):
            assert (family == other) == (colour == same)


def test_the_points_are_the_configurations_that_were_run(drawn):
    by_family = {one.name: one for one in drawn["accuracy"].data}
    assert list(by_family["vann"].x) == [1000, 10000]
    assert list(by_family["vann"].y) == pytest.approx([80, 91])
    (responses,) = (one for one in drawn["responses"].data if one.xaxis == "x")
    assert list(responses.x) == [0, 1]
    assert drawn["responses"].layout.xaxis.ticktext == ("0", "3")
    assert list(drawn["noise"].data[0].x) == [0, 0.5, 1.0]


def test_overfitting_is_that_of_the_last_epoch(drawn):
    (gaps,) = (one for one in drawn["overfitting"].data if one.name == "vann" and one.showlegend)
    assert (list(gaps.x), list(gaps.y)) == ([1000, 10000], pytest.approx([0.3, 0.3]))


def test_learning_curves_are_those_of_the_size_of_the_largest_vann(drawn):
    curves = [one for one in drawn["overfitting"].data if not one.showlegend]
    assert [(one.name, one.marker.symbol, list(one.y)) for one in curves] == [
        (family, symbol, pytest.approx(loss))
        for family in ("dann-lrf", "dann-r", "vann")
        for open_, loss in (("", [0.5, 0.4, 0.6]), ("-open", [0.5, 0.4, 0.3]))
        for symbol in [f"{SYMBOLS[family]}{open_}"]
    ]
    assert all(list(one.x) == [1, 2, 3] for one in curves)


def test_efficiency_scores_are_those_of_the_paper(drawn):
    accuracy, loss = (one for one in drawn["efficiency"].data if one.name == "dann-lrf")
    assert (accuracy.y[0], loss.y[0]) == (
        pytest.approx(0.70),
        pytest.approx(0.30),
    )  # the least cost
    (vann, _) = (one for one in drawn["efficiency"].data if one.name == "vann")
    factor = math.log10(2 * 1000) / math.log10(2 * 100)  # the lowest loss is after two epochs
    assert vann.y[0] == pytest.approx(0.80 / factor)


def test_cables_are_compared_at_the_same_size(drawn):
    leads = drawn["cables"].data
    assert {one.name for one in leads} == {"dann-r, over shuffled cables"}
    assert all(list(one.x) == [500] for one in leads)
    factor = math.log10(2 * 500) / math.log10(2 * 100)
    assert [one.y[0] for one in leads] == pytest.approx([5, 0.05 / factor, -0.05 * factor])


def test_leads_in_losses_are_beside_those_in_accuracies(drawn):
    (depth,) = drawn["structure"].data
    (dropout,) = drawn["training"].data
    assert (list(depth.x), list(depth.y)) == (pytest.approx([1.0]), ["depth: dann-r"])
    assert list(dropout.x) == pytest.approx([10.0])
    assert list(dropout.error_x.array) == pytest.approx([10.0])


def test_without_results_there_is_no_figure(rows):
    assert figures((rows.iloc[:0], [], [])) == {}


def test_the_ratio_is_of_the_smallest_network_that_reaches_each_reference(rows):
    found = {(one.family, one.split, one.reference): one.value for one in ratios(rows)}
    assert found == {
        ("dann-r", split, reference): value
        for split in ("validation", "test")
        for reference, value in ((1000, 2.0), (10000, 0.5))
    }  # and none of dann-lrf, which reaches no vann


def test_a_configuration_is_measured_by_the_seeds_that_all_have():
    made = [
        row("table1-vann", "vann", 0, 1000, 0.4, seed=0),
        row("table1-vann", "vann", 0, 1000, 0.6, seed=1),
        row("table1-vann", "vann", 0, 1000, 0.9, seed=RACE_SEED + 3),
        row("early-stopping", "vann", 1, 1000, 0.7, seed=RACE_SEED + 3),
    ]
    means = configurations(pd.DataFrame(made), "fashion_mnist", "test_accuracy")
    assert means.set_index("study")["test_accuracy"].to_dict() == {
        "table1-vann": 0.5,
        "early-stopping": 0.7,
    }
    assert means["test_accuracy_error"].tolist() == pytest.approx([math.nan, 0.1], nan_ok=True)


def test_the_front_has_what_no_network_beats():
    means = pd.DataFrame({"macs": [10, 10, 20, 30, 40], "test_accuracy": [0.5, 0.6, 0.6, 0.8, 0.7]})
    assert on_front(means, "macs") == {1, 3}
