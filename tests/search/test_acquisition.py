import moocore
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from study.search.acquisition import Improvement, reference_of

LEARNED = np.array([True, False])
# Costs, less is better; the first is learned, the second known.
POINTS = np.array([[1.0, 10.0], [2.0, 5.0], [3.0, 0.0], [4.0, 8.0], [5.0, 9.0]])
REFERENCE = np.array([3.0, 11.0])


def expected(costs, deviations, points=POINTS):
    return Improvement(points, REFERENCE).expected(np.array(costs), np.array(deviations))


def test_a_certain_improvement_is_the_area_that_is_won():
    # The box: from (1, 0) to (3, 11). In shares of it
    # (1.5, 2) wins what lies right of it, above it, and below the staircase of the front.
    gain = expected([[1.5, 2.0]], [[0.0, 0.0]])[0]
    width, height = 2.0, 11.0
    won = (2.0 - 1.5) * (10 - 2) + (3.0 - 2.0) * (5 - 2)
    assert gain == pytest.approx(won / (width * height))


def test_what_is_dominated_for_certain_or_beyond_the_reference_wins_nothing():
    gains = expected([[2.5, 6.0], [3.5, 0.0], [1.0, 10.0]], [[0.0, 0.0]] * 3)
    assert gains.tolist() == [0.0, 0.0, 0.0]


def test_what_may_be_better_wins_something_and_the_more_the_less_is_known():
    gains = expected([[2.5, 6.0]] * 3, [[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]])
    assert 0 == gains[0] < gains[1] < gains[2]


def test_what_is_taken_for_granted_is_won_only_once():
    improvement = Improvement(POINTS, REFERENCE)
    point = np.array([[1.5, 2.0]])
    improvement.believe(point)
    assert improvement.expected(point, np.zeros((1, 2)))[0] == 0


def test_the_reference_is_what_is_stated_or_what_nine_of_ten_networks_reach():
    typical = np.column_stack([np.linspace(0, 10, 101), np.linspace(0, 8, 101)])
    nothing = np.full(2, np.nan)
    assert reference_of(POINTS, typical, LEARNED, nothing) == pytest.approx([9.0, 11.0])
    stated = np.array([2.5, np.nan])
    assert reference_of(POINTS, typical, LEARNED, stated) == pytest.approx([2.5, 11.0])


def test_of_what_misses_the_reference_the_closest_has_the_least_shortfall():
    improvement = Improvement(POINTS, np.array([0.5, 11.0]))  # better than all that is known
    costs, deviations = np.array([[0.6, 1.0], [0.9, 1.0], [0.9, 1.0]]), np.zeros((3, 2))
    deviations[2, 0] = 0.3
    assert not improvement.expected(costs[:2], deviations[:2]).any()
    missed = improvement.shortfall(costs, deviations)
    assert missed[1] > missed[0] > missed[2] == 0


@pytest.mark.parametrize("objectives", [3, 5, 8])
def test_a_large_front_of_many_objectives_stands_for_itself_by_some_points(objectives):
    points = np.abs(np.random.default_rng(0).standard_normal((200, objectives)))
    points = 1 - points / np.linalg.norm(points, axis=1, keepdims=True)
    improvement = Improvement(points, np.full(objectives, 1.1))
    nothing = np.zeros((1, objectives))
    gains = improvement.expected(points, np.zeros_like(points))
    assert 5 <= (gains == 0).sum() <= 90  # of the points that stand for it nothing more can be won
    best = points[[np.argmax(gains)]] - 0.001
    improvement.believe(best)
    assert improvement.expected(best, nothing)[0] == 0


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_the_expectation_is_the_mean_of_what_may_come(seed, objectives, count):
    generator = np.random.default_rng(seed)
    points = generator.uniform(0, 1, size=(count, objectives))
    reference = np.full(objectives, 1.1)
    means = generator.uniform(0, 1, size=(1, objectives))
    deviations = generator.uniform(0, 0.3, size=(1, objectives)) * generator.integers(
        2, size=objectives
    )
    # In shares of the box from the best values to the reference.
    low = points.min(axis=0)
    box = np.prod(reference - low)
    before = moocore.hypervolume(points, ref=reference)
    drawn = means + deviations * generator.standard_normal((1000, objectives))
    gains = [
        (moocore.hypervolume(np.vstack([points, one]), ref=reference) - before) / box
        for one in drawn
    ]
    expected = Improvement(points, reference).expected(means, deviations)[0]
    assert expected == pytest.approx(np.mean(gains), abs=5 * np.std(gains) / 30 + 1e-3)
