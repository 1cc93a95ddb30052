import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from paper.estimate import DIFFERENCE, INTERACTION, Estimate, estimate


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
    found = estimate([first, second], DIFFERENCE)
    expected = stats.ttest_ind(first[:, 0], second[:, 0], equal_var=False)
    assert found.value == pytest.approx(0.10, abs=1e-12)
    assert found.freedom == pytest.approx(expected.df)
    low, high = expected.confidence_interval()
    assert found.interval() == pytest.approx((low, high))
    assert found.p_above(0) == pytest.approx(expected.pvalue / 2)


def test_without_differences_between_seeds_the_error_is_that_of_a_paired_test_over_images():
    generator = np.random.default_rng(0)
    rows = generator.random((2, 3000)) < [[0.9], [0.88]]
    first, second = (np.repeat(row[None].astype(float), 4, axis=0) for row in rows)
    found = estimate([first, second], DIFFERENCE)
    paired = stats.ttest_rel(first[0], second[0])
    assert found.error == pytest.approx(abs(found.value / paired.statistic), rel=0.01)
    assert found.freedom > 1000


def test_what_networks_have_in_common_on_an_image_is_no_error_of_their_difference():
    shared = np.random.default_rng(1).standard_normal(2000)
    pair = [outcomes(place, 1.0, image_sd=0.01, shared=shared) for place in range(2)]
    alone = estimate([pair[0], np.zeros((5, 2000))], DIFFERENCE)
    assert estimate(pair, DIFFERENCE).error < alone.error / 20


@pytest.mark.parametrize(("seed_sd", "image_sd"), [(0.02, 1.0), (0.0, 1.0), (0.1, 0.1)])
def test_its_error_is_right_and_its_interval_covers_as_often_as_it_says(seed_sd, image_sd):
    shared = np.random.default_rng(0).standard_normal((400, 2, 200))
    found = [
        estimate(
            [
                outcomes(2 * trial + place, mean, 8, 200, seed_sd, image_sd, own[place])
                for place, mean in enumerate((1.3, 1.0))
            ],
            DIFFERENCE,
        )
        for trial, own in enumerate(0.2 * shared)
    ]
    spread = np.std([one.value for one in found])
    assert np.mean([one.error**2 for one in found]) ** 0.5 == pytest.approx(spread, rel=0.15)
    hits = [low <= 0.3 <= high for low, high in (one.interval() for one in found)]
    assert 0.92 <= np.mean(hits) <= 0.985


@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.8])
def test_seeds_that_networks_have_in_common_are_judged_by_their_difference(correlation):
    generator = np.random.default_rng(0)
    covariance = 0.05**2 * np.array([[1, correlation], [correlation, 1]])
    found = []
    for _ in range(400):
        of_seeds = generator.multivariate_normal([1.3, 1.0], covariance, size=8)
        networks = [own[:, None] + 0.1 * generator.standard_normal((8, 200)) for own in of_seeds.T]
        found.append(estimate(networks, DIFFERENCE, same_seeds=True))
    spread = np.std([one.value for one in found])
    assert np.mean([one.error**2 for one in found]) ** 0.5 == pytest.approx(spread, rel=0.15)
    hits = [low <= 0.3 <= high for low, high in (one.interval() for one in found)]
    assert 0.92 <= np.mean(hits) <= 0.985


def test_an_error_is_at_least_that_over_images():
    # Seeds that happen to be equally accurate, each on images of its own.
    own = np.eye(4).repeat(25, axis=1)
    found = estimate([own, np.zeros((4, 100))], DIFFERENCE)
    assert found.interval() == (found.value, found.value)
    assert found.error == 0  # all images are as difficult, and all seeds as accurate
    halved = np.where(np.arange(100) < 50, own, 0.0)
    by_image = halved.mean(axis=0)
    found = estimate([halved, np.zeros((4, 100))], DIFFERENCE)
    assert found.error >= by_image.std(ddof=1) / 10


def test_the_error_of_a_ratio_is_that_of_its_parts():
    pair = [outcomes(place, mean, image_sd=0.5) for place, mean in enumerate((4.0, 2.0))]
    scaled = [one / one.mean() for one in pair]
    found = estimate(pair, DIFFERENCE, logarithms=True)
    assert found.error == pytest.approx(estimate(scaled, DIFFERENCE).error)


def test_ratios_and_interactions_are_those_of_the_means():
    networks = [outcomes(place, mean) for place, mean in enumerate((4.0, 2.0, 3.0, 2.5))]
    means = [one.mean() for one in networks]
    assert estimate(networks[:2], DIFFERENCE, logarithms=True).value == pytest.approx(
        np.log(means[0] / means[1])
    )
    expected = (means[0] - means[1]) - (means[2] - means[3])
    assert estimate(networks, INTERACTION).value == pytest.approx(expected)


@given(scale=st.floats(0.1, 10), shift=st.floats(-5, 5))
@settings(max_examples=10, deadline=None)
def test_a_difference_scales_with_its_unit_and_ignores_a_shift(scale, shift):
    pair = [outcomes(place, 1.0 + place, images=100) for place in range(2)]
    found = estimate(pair, DIFFERENCE)
    moved = estimate([scale * one + shift for one in pair], DIFFERENCE)
    assert moved.value == pytest.approx(scale * found.value, rel=1e-6, abs=1e-9)
    assert moved.error == pytest.approx(scale * found.error, rel=1e-6)


def test_what_has_no_variance_is_certain():
    same = np.ones((3, 50))
    found = estimate([same, 0 * same], DIFFERENCE)
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
        estimate([outcomes(0, 1.0, 1), outcomes(1, 1.0)], DIFFERENCE)
    with pytest.raises(ValueError, match=r"\[100, 2000\] images"):
        estimate([outcomes(0, 1.0, images=100), outcomes(1, 1.0)], DIFFERENCE)
