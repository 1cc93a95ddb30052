"""Confidence intervals of 95 % of means, differences and ratios over few networks."""

import math
from dataclasses import dataclass
from typing import Final, final

from scipy.special import stdtrit

LEVEL: Final = 0.95
_QUANTILE: Final = (1 + LEVEL) / 2


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The mean over `seeds`, and its standard error, None for one seed.

    `retrained` says whether the seeds are others than those that the search chose by.
    """

    mean: float
    sem: float | None
    seeds: int
    retrained: bool = False


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """A value between its bounds; without bounds where a side of it has a single seed."""

    value: float
    low: float | None
    high: float | None


def of_mean(sample: Sample) -> Interval:
    """Student's interval of a mean."""
    sem = _known_error(sample)
    return _around(sample.mean, None if sem is None else half_width(sem, sample.seeds - 1))


def of_difference(first: Sample, second: Sample) -> Interval:
    """Welch's interval of the first mean minus the second; the variances may differ."""
    return _around(
        first.mean - second.mean, _welch(first, second, _known_error(first), _known_error(second))
    )


def of_ratio(first: Sample, second: Sample) -> Interval:
    """The interval of the first mean over the second: Welch's, of the difference of their logarithms.

    The standard error of a logarithm is the relative one (delta method). Raises ValueError for means
    that are not above zero.
    """
    if not (first.mean > 0 and second.mean > 0):
        raise ValueError(f"a ratio needs means above zero, got {first.mean:g} and {second.mean:g}")
    errors = [
        None if (sem := _known_error(one)) is None else sem / one.mean for one in (first, second)
    ]
    half = _welch(first, second, *errors)
    ratio = first.mean / second.mean
    if half is None:
        return Interval(ratio, None, None)
    return Interval(ratio, ratio * math.exp(-half), ratio * math.exp(half))


def half_width(error: float, freedom: float) -> float:
    """Half of Student's interval of an estimate with this standard error and degrees of freedom."""
    return float(stdtrit(freedom, _QUANTILE)) * error


def _known_error(sample: Sample) -> float | None:
    return sample.sem if sample.seeds > 1 else None


def _around(value: float, half: float | None) -> Interval:
    return (
        Interval(value, None, None) if half is None else Interval(value, value - half, value + half)
    )


def _welch(first: Sample, second: Sample, error: float | None, other: float | None) -> float | None:
    """Half the interval of a difference, with the degrees of freedom of Welch and Satterthwaite."""
    if error is None or other is None:
        return None
    if error == other == 0:
        return 0.0
    # As shares of the larger, whose squares do not vanish.
    largest = max(error, other)
    a, b = (error / largest) ** 2, (other / largest) ** 2
    freedom = (a + b) ** 2 / (a**2 / (first.seeds - 1) + b**2 / (second.seeds - 1))
    return half_width(math.hypot(error, other), freedom)
