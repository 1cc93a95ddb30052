"""Tests of claims: agreement with a published value, trends over sizes, and Holm's correction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from paper.estimate import Estimate

LEVEL: Final = 0.025
"""The one-sided level of every test after Holm's correction; that of each half of an equivalence."""

_PERMUTATIONS: Final = 9_999


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A published mean over `seeds` networks; `sd` is divided by their number, as in the paper."""

    mean: float
    sd: float
    seeds: int = 5

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return self.sd / math.sqrt(self.seeds - 1)


def from_published(ours: Sequence[float], published: Published) -> Estimate:
    """Our mean over seeds minus the published one, with Welch's standard error.

    The test images are the same and the published outcomes on them are unknown, so the error is over
    seeds alone. Raises ValueError for fewer than two seeds.
    """
    if len(ours) < 2:  # noqa: PLR2004  # one seed has no variance
        raise ValueError(f"`seeds >= 2` must hold, got {len(ours)}")
    return Estimate.of_parts(
        float(np.mean(ours)) - published.mean,
        [float(stats.sem(ours)) ** 2, published.error**2],
        [len(ours) - 1, published.seeds - 1],
    )


def p_equivalent(found: Estimate, tolerance: float) -> float:
    """The p of two one-sided tests (TOST) of the null hypothesis |true value| >= tolerance.

    Schuirmann, J Pharmacokinet Biopharm 1987;15:657: the larger of the two p.
    """
    return max(found.p_above(-tolerance), found.p_below(tolerance))


def p_different(found: Estimate, tolerance: float) -> float:
    """The p of the null hypothesis |true value| <= tolerance: twice the smaller of the outer two."""
    return min(1.0, 2 * min(found.p_above(tolerance), found.p_below(-tolerance)))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Spearman's rank correlation of a value with the size, and its one-sided p."""

    correlation: float
    p_rises: float
    p_falls: float


def trend(sizes: ArrayLike, values: ArrayLike) -> Trend:
    """The trend of the mean value of each configuration with its number of parameters.

    The p are from permutations of the values among the configurations, exact for few of them. Raises
    ValueError for fewer than five, which no permutation could tell from chance.
    """
    x, y = np.asarray(sizes, dtype=float), np.asarray(values, dtype=float)
    if len(x) < 5:  # noqa: PLR2004  # as said
        raise ValueError(f"`configurations >= 5` must hold, got {len(x)}")
    ranks = stats.rankdata(x)

    def correlation(permuted: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
        centred = ranks - ranks.mean()
        other = stats.rankdata(permuted, axis=axis)
        other -= other.mean(axis=axis, keepdims=True)
        scale = np.sqrt((centred**2).sum() * (other**2).sum(axis=axis))
        sums = np.moveaxis(other, axis, -1) @ centred
        return np.asarray(sums / np.where(scale > 0, scale, 1))

    def p(alternative: Literal["greater", "less"]) -> float:
        return float(
            stats.permutation_test(
                (y,),
                correlation,
                permutation_type="pairings",
                vectorized=True,
                n_resamples=_PERMUTATIONS,
                alternative=alternative,
                rng=np.random.default_rng(0),
            ).pvalue
        )

    return Trend(correlation=float(correlation(y)), p_rises=p("greater"), p_falls=p("less"))


def slope(sizes: ArrayLike, values: ArrayLike) -> Estimate:
    """The slope of the logarithm of the mean value of each configuration over that of its size.

    Its error is that of least squares. Raises ValueError for fewer than three configurations.
    """
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.asarray(values, dtype=float))
    if len(x) < 3:  # noqa: PLR2004  # two have no residuals
        raise ValueError(f"`configurations >= 3` must hold, got {len(x)}")
    found = stats.linregress(x, y)
    return Estimate(value=float(found.slope), error=float(found.stderr), freedom=len(x) - 2)


def holm(p: Sequence[float]) -> list[float]:
    """The p of a family of claims, corrected by Holm's step-down method (Scand J Stat 1979;6:65)."""
    order = np.argsort(p, kind="stable")
    scaled = np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected.tolist()
