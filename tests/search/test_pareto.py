import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.search.difference import is_real
from study.search.pareto import Front, confident_front, hypervolume, knee, on_front
from study.spec.metrics import METRICS

OBJECTIVES = {"val_accuracy": "maximize", "trainable_parameters": "minimize"}
points = st.lists(
    st.tuples(st.integers(0, 10).map(lambda n: n / 10), st.integers(100, 10**8)), max_size=25
)


def dominates(one, other):
    at_least = one[0] >= other[0] and one[1] <= other[1]
    return at_least and one != other


@given(points)
def test_the_front_is_what_no_other_point_dominates(found):
    expected = [not any(dominates(other, point) for other in found) for point in found]
    assert on_front(found, OBJECTIVES) == expected


@given(points)
def test_with_three_objectives_too(found):
    three = [(accuracy, parameters, parameters % 7) for accuracy, parameters in found]
    objectives = OBJECTIVES | {"macs": "minimize"}

    def dominates_all(one, other):
        return one[0] >= other[0] and one[1] <= other[1] and one[2] <= other[2] and one != other

    expected = [not any(dominates_all(other, point) for other in three) for point in three]
    assert on_front(three, objectives) == expected


@given(points)
def test_hypervolume_is_the_area_under_the_staircase(found):
    costs = sorted((1 - accuracy, (math.log10(count) - 2) / 6) for accuracy, count in found)
    area, height = 0.0, 1.0
    for accuracy_cost, count_cost in costs:
        if count_cost < height:
            area += (1 - accuracy_cost) * (height - count_cost)
            height = count_cost
    assert hypervolume(found, OBJECTIVES) == pytest.approx(area, abs=1e-9)


@given(points, points)
def test_more_points_never_lessen_the_hypervolume(some, more):
    assert hypervolume(some + more, OBJECTIVES) >= hypervolume(some, OBJECTIVES) - 1e-12


def test_of_many_objectives_the_hypervolume_is_near_the_exact_one():
    names = ("val_accuracy", *(f"val_accuracy_at_noise_{sigma}" for sigma in ("025", "050", "075")))
    names += ("accuracy_efficiency", "accuracy_per_decade", "layer1_somata_neighbourhood_hit")
    objectives = dict.fromkeys(names, "maximize")
    assert hypervolume([(0.8,) * 7], objectives) == pytest.approx(0.8**7, rel=2e-3)
    boxes = [tuple(0.9 if place == one else 0.5 for place in range(7)) for one in (0, 1)]
    exact = 2 * 0.9 * 0.5**6 - 0.5**7
    assert hypervolume(boxes, objectives) == pytest.approx(exact, rel=2e-3)


def test_equal_points_are_on_the_front_together():
    assert on_front([(0.5, 100), (0.5, 100), (0.4, 100)], OBJECTIVES) == [True, True, False]


def test_nothing_has_no_front_and_no_volume():
    assert on_front([], OBJECTIVES) == []
    assert hypervolume([], OBJECTIVES) == 0.0


def test_a_direction_may_be_turned_round():
    backwards = {"val_accuracy": "minimize"}
    assert on_front([(0.2,), (0.9,)], backwards) == [True, False]
    assert hypervolume([(0.2,)], backwards) == pytest.approx(0.8)


def test_points_must_be_finite():
    with pytest.raises(ValueError, match="must be finite, got"):
        on_front([(math.nan, 1)], OBJECTIVES)


@pytest.mark.parametrize("name", METRICS)
def test_costs_run_from_zero_at_best_to_one_at_worst(name):
    metric = METRICS[name]
    assert metric.cost(metric.best) == 0.0
    assert metric.cost(metric.worst) == 1.0
    assert 0 < metric.cost(abs(metric.best * metric.worst) ** 0.5 or 0.5) < 1
    beyond = metric.worst * 2 if metric.direction == "minimize" else metric.worst - 1
    assert metric.cost(beyond) == 1.0


errors = st.sampled_from([0.0, 0.03, 0.1])
accuracies = st.integers(0, 20).map(lambda n: n / 20)
noisy = st.lists(st.tuples(accuracies, st.integers(100, 110), accuracies, errors, errors))
NOISY = OBJECTIVES | {"val_loss": "minimize"}


@given(noisy)
def test_the_confident_front_is_what_no_other_point_dominates_beyond_the_errors(found):
    def is_ahead(lead, error, other):
        exact = not (error or other)
        return lead >= 0 if exact else lead > 0 and is_real(lead, error, other)

    def dominates_surely(one, other):
        leads = (one[0] - other[0], other[1] - one[1], other[2] - one[2])
        sure = map(is_ahead, leads, (one[3], 0.0, one[4]), (other[3], 0.0, other[4]))
        return all(sure) and max(leads) > 0

    values = [one[:3] for one in found]
    kept = confident_front(values, [(one[3], 0.0, one[4]) for one in found], NOISY)
    assert kept == [not any(dominates_surely(other, one) for other in found) for one in found]
    for certain, plain in zip(kept, on_front(values, NOISY), strict=True):
        assert certain or not plain


@given(points)
def test_without_errors_the_confident_front_is_the_front(found):
    exact = [(0.0, 0.0)] * len(found)
    assert confident_front(found, exact, OBJECTIVES) == on_front(found, OBJECTIVES)


@pytest.mark.parametrize(
    ("front", "expected"),
    [
        ([(0.5, 1000)], 0),
        # From 100 to 10,000 a decade gains 0.4, the next 0.05.
        ([(0.5, 100), (0.9, 1000), (0.95, 10_000)], 1),
        ([(0.5, 100), (0.6, 1000), (0.9, 3000), (0.95, 10_000)], 2),
        # Nothing between the ends is better than the line between them.
        ([(0.5, 100), (0.6, 1000), (0.95, 10_000)], 0),
        ([(0.5, 100), (0.5, 100)], 0),
    ],
)
def test_the_knee_is_farthest_from_the_line_between_the_ends(front, expected):
    assert knee(front, OBJECTIVES) == expected


def test_the_knee_of_three_objectives_is_farthest_from_the_plane_through_the_ends():
    objectives = OBJECTIVES | {"macs": "minimize"}
    ends = [(0.9, 10_000, 10_000), (0.5, 100, 10_000), (0.5, 10_000, 100)]
    assert knee([*ends, (0.8, 300, 300)], objectives) == 3


def test_a_trial_that_joins_the_front_drives_out_those_that_it_dominates():
    front = Front(OBJECTIVES)
    assert front.add(0, (0.8, 1000)) == {0: True}
    assert front.add(1, (0.7, 2000)) == {}
    assert front.add(2, (0.7, 500)) == {2: True}
    assert list(front.add(3, (0.9, 400)).items()) == [(3, True), (0, False), (2, False)]
    assert front.points == {3: (0.9, 400)}


@given(
    st.lists(
        st.tuples(st.integers(0, 10).map(lambda n: n / 10), st.integers(100, 10**6)), max_size=25
    )
)
def test_added_one_by_one_trials_make_the_front_of_all(found):
    front, members = Front(OBJECTIVES), {}
    for number, point in enumerate(found):
        members |= front.add(number, point)
    kept = {number for number, keep in enumerate(on_front(found, OBJECTIVES)) if keep}
    assert set(front.points) == kept == {number for number, here in members.items() if here}
    assert abs(front.hypervolume - hypervolume(found, OBJECTIVES)) < 1e-12
