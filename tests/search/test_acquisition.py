import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.search.acquisition import Improvement, normals, reference_of

LEARNED = np.array([True, False])
# Costs, less is better; the first is learned, the second known.
POINTS = np.array([[1.0, 10.0], [2.0, 5.0], [3.0, 0.0], [4.0, 8.0], [5.0, 9.0]])
REFERENCE = np.array([3.0, 11.0])


def expected(costs, deviations, points=POINTS):
    samples = normals(1)[:, [0, 0]]
    return Improvement(points, REFERENCE).expected(np.array(costs), np.array(deviations), samples)


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
    samples = normals(1)[:, [0, 0]]
    point = np.array([[1.5, 2.0]])
    improvement.believe(point[0])
    assert improvement.expected(point, np.zeros((1, 2)), samples)[0] == 0


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
    assert not improvement.expected(costs[:2], deviations[:2], normals(1)[:, [0, 0]]).any()
    missed = improvement.shortfall(costs, deviations)
    assert missed[1] > missed[0] > missed[2] == 0


@given(st.integers(1, 4))
def test_samples_cover_the_normal_distribution(dimensions):
    samples = normals(dimensions)
    assert samples.shape[1] == dimensions
    assert np.abs(samples.mean(axis=0)).max() < 0.35
    assert ((samples > 0).mean(axis=0) == 0.5).all()
    assert np.isfinite(samples).all()
