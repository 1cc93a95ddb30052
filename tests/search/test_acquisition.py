import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.search.acquisition import Improvement, normals

LEARNED = np.array([True, False])
# Costs, less is better: typical is 3 of the learned one, the range of the known one is 0 to 10.
POINTS = np.array([[1.0, 10.0], [2.0, 5.0], [3.0, 0.0], [4.0, 8.0], [5.0, 9.0]])
TYPICAL = np.array([[2.0, 7.0], [3.0, 2.0], [9.0, 5.0]])


def expected(costs, deviations, points=POINTS):
    samples = normals(1)[:, [0, 0]]
    return Improvement(points, LEARNED, TYPICAL).expected(
        np.array(costs), np.array(deviations), samples
    )


def test_a_certain_improvement_is_the_area_that_is_won():
    # The box: learned from 1 to the median 3, known from 0 to a tenth beyond 10. In shares of it
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
    improvement = Improvement(POINTS, LEARNED, TYPICAL)
    samples = normals(1)[:, [0, 0]]
    point = np.array([[1.5, 2.0]])
    improvement.believe(point[0])
    assert improvement.expected(point, np.zeros((1, 2)), samples)[0] == 0


@given(st.integers(1, 4))
def test_samples_cover_the_normal_distribution(dimensions):
    samples = normals(dimensions)
    assert samples.shape[1] == dimensions
    assert np.abs(samples.mean(axis=0)).max() < 0.35
    assert ((samples > 0).mean(axis=0) == 0.5).all()
    assert np.isfinite(samples).all()
