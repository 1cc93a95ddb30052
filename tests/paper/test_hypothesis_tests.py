import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from paper.estimate import Estimate
from paper.hypothesis_tests import (
    Published,
    from_published,
    holm,
    p_different,
    p_equivalent,
    slope,
    trend,
)

OURS = [0.894, 0.896, 0.893, 0.897, 0.895]


def test_agreement_is_welchs_test_of_both_bounds():
    published = Published(mean=0.8929, sd=0.0037)
    found = from_published(OURS, published)
    # As scipy has it, of the published standard deviation with ddof 1.
    theirs = (published.mean, published.sd * np.sqrt(5 / 4), 5)
    for tolerance, alternative in ((-0.005, "greater"), (0.005, "less")):
        moved = (theirs[0] + tolerance, *theirs[1:])
        expected = stats.ttest_ind_from_stats(
            np.mean(OURS), np.std(OURS, ddof=1), 5, *moved, equal_var=False, alternative=alternative
        ).pvalue
        p = found.p_above(tolerance) if alternative == "greater" else found.p_below(tolerance)
        assert p == pytest.approx(expected)


def test_a_vague_publication_makes_agreement_harder_not_easier():
    """The sequential vanilla network: 28.46 +- 9.50 % published, 33.58 % measured, within 2 points."""
    ours = [0.30, 0.33, 0.34, 0.35, 0.359]
    vague = from_published(ours, Published(mean=0.28458, sd=0.09499))
    sharp = from_published(ours, Published(mean=0.33, sd=0.001))
    assert p_equivalent(vague, 0.02) > 0.5
    assert p_equivalent(sharp, 0.02) < p_equivalent(vague, 0.02)
    assert p_different(vague, 0.02) > 0.05  # neither agrees nor differs: undecided


def test_agreement_and_difference_exclude_each_other():
    close, far = (Estimate(value=value, error=0.001, freedom=8) for value in (0.0, 0.02))
    assert p_equivalent(close, 0.005) < 0.025 < p_different(close, 0.005)
    assert p_different(far, 0.005) < 0.025 < p_equivalent(far, 0.005)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(p):
    corrected = holm(p)
    assert all(one <= other <= 1 for one, other in zip(p, corrected, strict=True))
    assert all(
        other <= min(1, len(p) * one) + 1e-12 for one, other in zip(p, corrected, strict=True)
    )
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_holm_of_a_known_family():
    # Holm's own steps: 4 x 0.005, 3 x 0.01, then 2 x 0.03, and 0.04, which may not fall below it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_a_trend_over_sizes_is_found_and_none_is_not():
    sizes = np.geomspace(1e4, 1e7, 15)
    generator = np.random.default_rng(0)
    rising = 0.34 + 0.01 * np.log10(sizes) + 0.003 * generator.standard_normal(15)
    found = trend(sizes, rising)
    assert found.correlation == pytest.approx(stats.spearmanr(sizes, rising).statistic)
    assert found.p_rises < 0.001
    assert found.p_falls > 0.99
    assert 0.025 < trend(sizes, generator.standard_normal(15)).p_rises < 0.975


def test_few_configurations_have_the_exact_p_of_all_permutations():
    found = trend([1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.p_rises == pytest.approx(1 / 120)
    assert found.p_falls == pytest.approx(1.0)
    with pytest.raises(ValueError, match="`configurations >= 5` must hold, got 4"):
        trend([1, 2, 3, 4], [1, 2, 3, 4])


def test_a_difference_is_two_sided():
    found = Estimate(value=0.3, error=0.2, freedom=7)
    assert p_different(found, 0.0) == pytest.approx(2 * stats.t.sf(1.5, 7))


def test_a_slope_is_that_of_a_regression_and_needs_three_configurations():
    sizes, values = [1.0, 2.0, 4.0, 8.0], [1.0, 1.3, 1.5, 2.2]
    expected = stats.linregress(np.log(sizes), np.log(values))
    assert slope(sizes, values).p_above(0) == pytest.approx(expected.pvalue / 2)
    with pytest.raises(ValueError, match="configurations >= 3"):
        slope(sizes[:2], values[:2])
    with pytest.raises(ValueError, match="seeds >= 2"):
        from_published([0.9], Published(mean=0.9, sd=0.01))
