import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paper.bootstrap import Estimate, difference, estimate, interaction, log_ratio


def outcomes(seed, mean, seeds=5, images=2000, seed_sd=0.0, image_sd=1.0, shared=None):
    generator = np.random.default_rng(seed)
    shared = np.zeros(images) if shared is None else shared
    return (
        mean
        + shared
        + seed_sd * generator.standard_normal((seeds, 1))
        + image_sd * generator.standard_normal((seeds, images))
    )


def test_without_differences_between_images_the_error_is_that_of_welch():
    first = np.repeat([[0.90], [0.91], [0.93], [0.94], [0.97]], 40, axis=1)
    second = np.repeat([[0.80], [0.84], [0.85]], 40, axis=1)
    found = estimate([first, second], difference, resamples=20_000)
    expected = stats.ttest_ind(first[:, 0], second[:, 0], equal_var=False)
    assert found.value == pytest.approx(0.10, abs=1e-12)
    assert found.freedom == pytest.approx(expected.df, rel=0.05)
    low, high = expected.confidence_interval()
    assert found.interval() == pytest.approx((low, high), abs=0.002)
    assert found.p_above(0) == pytest.approx(expected.pvalue / 2, rel=0.1)


def test_without_differences_between_seeds_the_error_is_that_of_a_paired_test_over_images():
    generator = np.random.default_rng(0)
    rows = generator.random((2, 3000)) < [[0.9], [0.88]]
    first, second = (np.repeat(row[None].astype(float), 4, axis=0) for row in rows)
    found = estimate([first, second], difference, resamples=4000)
    paired = stats.ttest_rel(first[0], second[0])
    assert found.error == pytest.approx(abs(found.value / paired.statistic), rel=0.05)
    assert found.freedom > 1000


def test_what_networks_have_in_common_on_an_image_is_no_error_of_their_difference():
    shared = np.random.default_rng(1).standard_normal(2000)
    pair = [outcomes(place, 1.0, image_sd=0.01, shared=shared) for place in range(2)]
    alone = estimate([pair[0], np.zeros((5, 2000))], difference)
    assert estimate(pair, difference).error < alone.error / 20


@pytest.mark.slow
def test_its_interval_covers_the_true_difference_as_often_as_it_says():
    hits = []
    for trial in range(200):
        pair = [
            outcomes(2 * trial + place, mean, 5, 300, seed_sd=0.05)
            for place, mean in enumerate((1.3, 1.0))
        ]
        low, high = estimate(pair, difference, seed=trial, resamples=300).interval()
        hits.append(low <= 0.3 <= high)
    assert 0.90 <= np.mean(hits) <= 0.99


def test_ratios_and_interactions_are_those_of_the_means():
    networks = [outcomes(place, mean) for place, mean in enumerate((4.0, 2.0, 3.0, 2.5))]
    means = [one.mean() for one in networks]
    assert estimate(networks[:2], log_ratio).value == pytest.approx(np.log(means[0] / means[1]))
    expected = (means[0] - means[1]) - (means[2] - means[3])
    assert estimate(networks, interaction).value == pytest.approx(expected)


@given(scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
@settings(max_examples=10, deadline=None)
def test_a_difference_scales_with_its_unit_and_ignores_a_shift(scale, shift):
    pair = [outcomes(place, 1.0 + place, images=100) for place in range(2)]
    found = estimate(pair, difference, resamples=200)
    moved = estimate([scale * one + shift for one in pair], difference, resamples=200)
    assert moved.value == pytest.approx(scale * found.value, rel=1e-6, abs=1e-9)
    assert moved.error == pytest.approx(scale * found.error, rel=1e-6)


def test_what_has_no_variance_is_certain():
    same = np.ones((3, 50))
    found = estimate([same, 0 * same], difference)
    assert (found.value, found.error) == (1.0, 0.0)
    assert (found.p_above(0.5), found.p_above(1.0)) == (0.0, 1.0)
    assert (found.p_below(0.5), found.p_below(1.5)) == (1.0, 0.0)


def test_both_p_of_a_bound_are_complementary():
    found = Estimate(value=0.3, error=0.2, freedom=7)
    assert found.p_above(0.1) + found.p_below(0.1) == pytest.approx(1)
    low, _ = found.interval()
    assert found.p_above(low) == pytest.approx(0.025)


def test_one_seed_and_other_images_are_refused():
    with pytest.raises(ValueError, match=r"got \[1, 5\] seeds and \[2000\] images"):
        estimate([outcomes(0, 1.0, 1), outcomes(1, 1.0)], difference)
    with pytest.raises(ValueError, match=r"\[100, 2000\] images"):
        estimate([outcomes(0, 1.0, images=100), outcomes(1, 1.0)], difference)
