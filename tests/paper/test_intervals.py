import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paper.intervals import Interval, Sample, of_difference, of_mean, of_ratio

FIRST, SECOND = [0.90, 0.92, 0.91, 0.89, 0.93], [0.85, 0.89, 0.90, 0.84]


def sample(values):
    return Sample(mean=sum(values) / len(values), sem=float(stats.sem(values)), seeds=len(values))


def test_a_mean_worked_by_hand():
    # Student's quantile of four degrees of freedom is 2.776, so 0.9 -/+ 2.776 * 0.01.
    found = of_mean(Sample(mean=0.9, sem=0.01, seeds=5))
    assert found.value == 0.9
    assert found.low == pytest.approx(0.8722, abs=5e-5)
    assert found.high == pytest.approx(0.9278, abs=5e-5)


def test_a_mean_is_as_scipy_has_it():
    expected = stats.ttest_1samp(FIRST, 0).confidence_interval(0.95)
    assert of_mean(sample(FIRST)).low == pytest.approx(expected.low)
    assert of_mean(sample(FIRST)).high == pytest.approx(expected.high)


def test_a_difference_is_welchs():
    expected = stats.ttest_ind(FIRST, SECOND, equal_var=False).confidence_interval(0.95)
    found = of_difference(sample(FIRST), sample(SECOND))
    assert found.value == pytest.approx(0.04)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_a_ratio_worked_by_hand():
    # Relative errors 0.03 and 0.04 of five seeds each: 0.05 together, and Welch's degrees of freedom are
    # 0.05^4 / ((0.03^4 + 0.04^4) / 4) = 7.418, of which the quantile is 2.338.
    found = of_ratio(Sample(mean=0.3, sem=0.009, seeds=5), Sample(mean=0.4, sem=0.016, seeds=5))
    assert found.value == pytest.approx(0.75)
    quantile = stats.t.ppf(0.975, 625e-8 / ((81e-8 + 256e-8) / 4))
    assert quantile == pytest.approx(2.338, abs=5e-4)
    assert found.low == pytest.approx(0.75 * math.exp(-quantile * 0.05))
    assert found.high == pytest.approx(0.75 * math.exp(quantile * 0.05))


def test_a_ratio_to_nothing_is_none():
    with pytest.raises(ValueError, match=r"means above zero, got 0.3 and 0"):
        of_ratio(Sample(mean=0.3, sem=0.01, seeds=5), Sample(mean=0, sem=0.0, seeds=5))


def test_a_single_seed_has_no_bounds():
    one, many = Sample(mean=0.9, sem=None, seeds=1), Sample(mean=0.8, sem=0.01, seeds=5)
    assert of_mean(one) == Interval(0.9, None, None)
    for pair in ((one, many), (many, one)):
        assert of_difference(*pair).low is of_ratio(*pair).high is None


def test_seeds_that_agree_leave_no_doubt():
    same = Sample(mean=0.9, sem=0.0, seeds=2)
    assert of_difference(same, same) == Interval(0.0, 0.0, 0.0)
    assert of_ratio(same, same) == Interval(1.0, 1.0, 1.0)


errors = st.floats(1e-150, 10)
seeds = st.integers(2, 30)


@given(errors, errors, seeds, seeds)
def test_a_difference_is_about_itself_and_wider_than_with_a_normal_distribution(a, b, n, m):
    found = of_difference(Sample(mean=0.5, sem=a, seeds=n), Sample(mean=0.5, sem=b, seeds=m))
    assert found.low <= 0 <= found.high
    assert found.high >= 1.9599 * math.hypot(a, b)
