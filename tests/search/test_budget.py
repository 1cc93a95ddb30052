import pytest

from study.search.budget import BudgetSpent, trials_allowed
from study.search.pareto import hypervolume
from study.spec.study_spec import StudySpec


def spec(sampler="random", **budget):
    table = {"name": "a", "dataset": "digits", "families": ["vann"], "sampler": sampler}
    return StudySpec.from_dict(table | {"budget": budget, "space": {"learning_rate": 0.01}})


@pytest.mark.parametrize(
    ("budget", "grid_size", "expected"),
    [
        ({}, None, 30),
        ({"trials": 7}, None, 7),
        ({"minutes": 5}, None, None),
        ({"total_epochs": 50}, None, None),
        ({"stagnation": 5}, None, None),
        ({}, 12, 12),
        ({"trials": 7}, 12, 7),
        ({"trials": 70}, 12, 12),
    ],
)
def test_how_many_trials_there_may_be(budget, grid_size, expected):
    sampler = "random" if grid_size is None else "grid"
    assert trials_allowed(spec(sampler, **budget), grid_size) == expected


def test_of_a_grid_of_unknown_size_no_default_is_told():
    assert trials_allowed(spec("grid")) is None
    assert trials_allowed(spec("grid", trials=9)) == 9


def test_running_trials_count_against_the_budget_of_trials():
    spent = BudgetSpent(spec(trials=2))
    assert spent.allows_another(1)
    assert not spent.allows_another(2)
    assert spent.met(2) is None
    spent.end(0, 15, [0.9, 100])
    spent.end(1, 3, None)
    assert spent.met() == "all 2 trials are done"


def test_the_budget_of_epochs_is_never_exceeded():
    spent = BudgetSpent(spec(epochs=10, total_epochs=35))
    assert spent.allows_another(2)
    assert not spent.allows_another(3)
    spent.end(0, 1, None)  # stopped early: the nine epochs that it left are free again
    assert spent.met(2) is None
    assert spent.allows_another(2)
    for number, running in ((1, 3), (2, 2), (3, 1)):
        assert spent.met(running) is None
        spent.end(number, 10, None)
    assert spent.met() == "31 of 35 epochs are trained"


def test_a_hypervolume_that_does_not_grow_ends_the_study():
    spent = BudgetSpent(spec(stagnation=3))
    for number, accuracy in enumerate((0.5, 0.6, 0.59, 0.60001)):
        spent.end(number, 15, [accuracy, 1000])
        assert spent.met() is None
    spent.end(4, 15, None)
    assert spent.met() == "the hypervolume has not grown over 3 trials"


def test_a_trial_that_continues_another_takes_its_place_whatever_it_reaches():
    spent, objectives = BudgetSpent(spec(trials=9)), spec().objectives
    spent.end(0, 15, [0.9, 1000])
    spent.end(1, 15, [0.8, 1000])  # hidden by trial 0
    found = spent.end(2, 5, [0.7, 1000], [0])  # worse than trial 0, which it continues
    assert list(found.items()) == [(1, True), (0, False)]
    assert spent.front.points == {1: [0.8, 1000]}
    assert spent.front.hypervolume == hypervolume([[0.8, 1000]], objectives)
    found = spent.end(3, 5, [0.95, 500], [1])
    assert list(found.items()) == [(3, True), (2, False), (1, False)]
    spent.end(4, 5, None, [3])  # it violates a constraint
    assert spent.front.hypervolume == hypervolume([[0.7, 1000]], objectives)


def test_a_study_that_goes_on_waits_for_its_front_to_grow_again():
    spent = BudgetSpent(spec(stagnation=2))
    for number, point in enumerate(([0.9, 1000], None, None)):
        spent.end(number, 15, point)
    assert spent.met() == "the hypervolume has not grown over 2 trials"
    spent.go_on()
    assert spent.met() is None
