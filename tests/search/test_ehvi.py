"""The sampler on a made-up truth: it must find the front with far fewer trials than chance."""

import numpy as np
import pytest

from study.search.ehvi import ExpectedImprovement
from study.spec.study_spec import StudySpec

FAMILIES = ["dann-r", "vann"]
SIZES = [8, 16, 32, 64, 128, 256]


def spec(**changes):
    table = {"name": "a", "dataset": "digits", "families": FAMILIES}
    space = {"somata": SIZES, "dendrites": {"low": 1, "high": 16}}
    return StudySpec.from_dict(table | {"space": space} | changes)


def counted(params):
    wide = 10 if params["family"] == "vann" else 1
    parameters = wide * params["somata"] * params["dendrites"] * 16
    return {"trainable_parameters": parameters, "macs": parameters - 10}


def accuracy(params):
    """More is better, with less and less gain; the wrong rate costs; vann wastes its parameters."""
    units = params["somata"] * params["dendrites"]
    off = abs(np.log10(params["learning_rate"]) + 2)
    return 1 - 0.5 * units**-0.35 - 0.05 * off


def draw(generator):
    return {
        "family": FAMILIES[generator.integers(2)],
        "somata": SIZES[generator.integers(len(SIZES))],
        "dendrites": int(generator.integers(1, 17)),
        "learning_rate": float(10 ** generator.uniform(-2.7, -1.7)),
    }


def told(wanted, trials):
    improvement = ExpectedImprovement(wanted, counted)
    for number, params in enumerate(trials):
        improvement.add(number, params)
        metrics = {"epochs": 15, "val_accuracy": accuracy(params)}
        improvement.report(number, metrics | counted(params))
        improvement.tell(number, complete=True)
    return improvement


def test_it_prefers_what_improves_the_front():
    generator = np.random.default_rng(0)
    improvement = told(spec(), [draw(generator) for _ in range(30)])
    candidates = [draw(generator) for _ in range(200)]
    chosen = [candidates[index] for index in improvement.rank(candidates, 5, 200)]
    assert len({str(params) for params in chosen}) == 5
    assert {params["family"] for params in chosen} == {"dann-r"}
    off = [abs(np.log10(params["learning_rate"]) + 2) for params in chosen]
    assert np.mean(off) < 0.15


def test_what_runs_is_not_proposed_again_nearby():
    generator = np.random.default_rng(1)
    improvement = told(spec(), [draw(generator) for _ in range(30)])
    candidates = [draw(generator) for _ in range(200)]
    (first,) = improvement.rank(candidates, 1, 200)
    improvement.add(99, candidates[first])
    twin = candidates[first] | {"learning_rate": candidates[first]["learning_rate"] * 1.001}
    (second,) = improvement.rank([twin, *candidates], 1, 201)
    assert second != 0


def test_what_short_trials_showed_counts_for_long_ones():
    generator = np.random.default_rng(2)
    improvement = told(spec(), [draw(generator) for _ in range(8)])
    for number in range(100, 160):
        params = draw(generator)
        improvement.add(number, params)
        early = accuracy(params) - 0.1
        improvement.report(number, {"epochs": 3, "val_accuracy": early})
        improvement.tell(number, complete=False)
    candidates = [draw(generator) for _ in range(200)]
    chosen = [candidates[index] for index in improvement.rank(candidates, 5, 200)]
    assert np.mean([abs(np.log10(params["learning_rate"]) + 2) for params in chosen]) < 0.2


def test_a_constraint_on_what_is_learned_steers_it():
    generator = np.random.default_rng(3)
    trials = [draw(generator) for _ in range(40)]
    candidates = [draw(generator) for _ in range(200)]
    wanted = spec(constraints=["val_accuracy >= 0.9"])
    chosen = [candidates[index] for index in told(wanted, trials).rank(candidates, 5, 200)]
    assert min(accuracy(params) for params in chosen) > 0.89


def test_trials_that_break_a_constraint_teach_it_where_it_is_kept():
    generator = np.random.default_rng(5)
    wanted = spec(constraints=["val_accuracy >= 0.93"])
    improvement = ExpectedImprovement(wanted, counted)
    poor = [params for params in map(draw, [generator] * 400) if accuracy(params) < 0.93][:30]
    for number, params in enumerate(poor):
        improvement.add(number, params)
        metrics = {"epochs": 15, "val_accuracy": accuracy(params)}
        improvement.report(number, metrics | counted(params))
        improvement.tell(number, complete=True, feasible=False)
    assert improvement.ready
    candidates = [draw(generator) for _ in range(300)]
    chosen = [candidates[index] for index in improvement.rank(candidates, 5, 300)]
    drawn = np.mean([accuracy(params) >= 0.93 for params in candidates])
    assert np.mean([accuracy(params) >= 0.93 for params in chosen]) > max(0.5, 2 * drawn)


def test_small_networks_count_unless_the_user_wants_accurate_ones():
    generator = np.random.default_rng(7)
    trials = [draw(generator) for _ in range(30)]
    trials = [params for params in trials if params["somata"] > 16]  # no small one is known yet
    candidates = [draw(generator) for _ in range(200)]

    def least_accurate(**changes):
        chosen = told(spec(**changes), trials).rank(candidates, 8, 200)
        return min(accuracy(candidates[index]) for index in chosen)

    median = np.median([accuracy(params) for params in candidates])
    assert least_accurate() < median - 0.03
    from_there = {"val_accuracy": {"goal": "maximize", "from": 0.92}}
    from_there["trainable_parameters"] = "minimize"
    assert least_accurate(objectives=from_there) > 0.91


@pytest.mark.parametrize(
    "objectives",
    [
        {"val_accuracy": "maximize"},
        {"val_loss": "minimize", "val_accuracy": "maximize", "macs": "minimize"},
        {"trainable_parameters": "minimize", "macs": "minimize"},
    ],
)
def test_any_objectives_will_do(objectives):
    generator = np.random.default_rng(4)
    improvement = ExpectedImprovement(spec(objectives=objectives), counted)
    for number in range(12):
        params = draw(generator)
        right = accuracy(params)
        improvement.add(number, params)
        metrics = {"val_accuracy": right, "val_loss": 1 - right, **counted(params)}
        improvement.report(number, metrics | {"epochs": 15})
        improvement.tell(number, complete=True)
    assert len(improvement.rank([draw(generator) for _ in range(50)], 3, 50)) == 3


def test_a_trial_that_ended_early_by_itself_counts_as_one_in_full():
    generator = np.random.default_rng(6)
    trials = [draw(generator) for _ in range(30)]
    candidates = [draw(generator) for _ in range(100)]
    in_full = told(spec(), trials)
    early = ExpectedImprovement(spec(), counted)
    for number, params in enumerate(trials):
        early.add(number, params)
        early.report(number, {"epochs": 4, "val_accuracy": accuracy(params)} | counted(params))
        early.tell(number, complete=True)
    assert early.ready
    assert early.front() == in_full.front()
    chosen = [candidates[index] for index in early.rank(candidates, 5, 100)]
    assert {params["family"] for params in chosen} == {"dann-r"}


def test_a_diagnostic_is_learned_from_what_complete_trials_showed():
    # Silence grows with somata here, so with it to be minimised few somata are proposed.
    wanted = spec(
        objectives={"layer1_somata_silent": "minimize"},
        diagnostics=["activity"],
        stopping={"scheduler": "none"},
    )
    generator = np.random.default_rng(3)
    improvement = ExpectedImprovement(wanted, counted)
    for number, params in enumerate(draw(generator) for _ in range(20)):
        improvement.add(number, params)
        improvement.report(number, {"epochs": 3, "val_accuracy": 0.5} | counted(params))
        silent = {"layer1_somata_silent": params["somata"] / 512}
        improvement.report(number, {"epochs": 15, "val_accuracy": 0.5} | silent | counted(params))
        improvement.tell(number, complete=True)
    candidates = [draw(generator) for _ in range(100)]
    chosen = [candidates[index] for index in improvement.rank(candidates, 3, 100)]
    assert {params["somata"] for params in chosen} <= {8, 16}
