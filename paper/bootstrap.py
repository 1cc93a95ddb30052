"""Bootstrap over test images and seeds, for statistics of several networks on the same images.

The networks of a comparison share their test images, so these are resampled for all of them at once
(a paired bootstrap); the seeds of each network are resampled on their own. Of n seeds n - 1 are drawn,
which makes the variance that of a mean of n (Rao & Wu, J Am Stat Assoc 1988;83:231); for the images
the difference is nil.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Outcomes: TypeAlias = NDArray[np.float64]
"""A value for each seed of a network and each test image, shape (seeds, images)."""

Statistic: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""A statistic of the means of the networks: (networks, resamples) to (resamples,)."""

RESAMPLES: Final = 2000
_ROUNDING: Final = 1e-12  # an error below it is none


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value, its standard error, and the degrees of freedom of that."""

    value: float
    error: float
    freedom: float

    @classmethod
    def of_parts(
        cls, value: float, variances: Sequence[float], freedoms: Sequence[float]
    ) -> "Estimate":
        """A value whose squared error is a sum of independent variances, each of so much freedom.

        That of their sum is by Welch and Satterthwaite; without any variance it is infinite.
        """
        variance = sum(variances)
        weights = sum(part**2 / freedom for part, freedom in zip(variances, freedoms, strict=True))
        freedom = variance**2 / weights if weights > 0 else math.inf
        return cls(value=value, error=math.sqrt(variance), freedom=freedom)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Student's two-sided interval."""
        half = float(stats.t.ppf((1 + level) / 2, self.freedom)) * self.error
        return self.value - half, self.value + half

    def p_above(self, bound: float) -> float:
        """The one-sided p of the null hypothesis that the true value is at most `bound`."""
        if self.error == 0:
            return 0.0 if self.value > bound else 1.0
        return float(stats.t.sf((self.value - bound) / self.error, self.freedom))

    def p_below(self, bound: float) -> float:
        """The one-sided p of the null hypothesis that the true value is at least `bound`."""
        if self.error == 0:
            return 0.0 if self.value < bound else 1.0
        return float(stats.t.cdf((self.value - bound) / self.error, self.freedom))


def estimate(
    networks: Sequence[Outcomes],
    statistic: Statistic,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """The statistic of the networks with its bootstrap standard error over images and seeds.

    Each source of variance (the images, the seeds of each network) is also resampled alone: their
    variances weigh the degrees of freedom as Welch and Satterthwaite do. Raises ValueError for fewer
    than two seeds, or networks on different numbers of images.
    """
    images = {outcomes.shape[1] for outcomes in networks}
    seeds = [len(outcomes) for outcomes in networks]
    if len(images) != 1 or min(seeds) < 2:  # noqa: PLR2004  # one seed has no variance
        raise ValueError(
            "`seeds >= 2` and one number of images must hold, got "
            f"{seeds} seeds and {sorted(images)} images"
        )
    generator = np.random.default_rng(seed)
    fixed = [outcomes.mean(axis=1)[None] for outcomes in networks]
    drawn = _over_images(networks, generator, resamples)
    sources = range(len(networks))

    def resampled(means: Sequence[NDArray[np.float64]], seeds: Collection[int]) -> float:
        """The standard deviation of the statistic, of these means with these seeds resampled."""
        values = [
            (one * _seed_weights(one.shape[1], generator, resamples)).sum(axis=1)
            if place in seeds
            else np.broadcast_to(one.mean(axis=1), (resamples,))
            for place, one in enumerate(means)
        ]
        return float(statistic(np.stack(values)).std(ddof=1))

    alone = [resampled(drawn, ()), *(resampled(fixed, (source,)) for source in sources)]
    value = float(statistic(np.array([[one.mean()] for one in fixed]))[0])
    freedoms = [images.pop() - 1, *(count - 1 for count in seeds)]
    summed = Estimate.of_parts(value, [deviation**2 for deviation in alone], freedoms)
    error = resampled(drawn, sources)
    return replace(summed, error=error if error > _ROUNDING else 0.0)


def _over_images(
    networks: Sequence[Outcomes], generator: np.random.Generator, resamples: int
) -> list[NDArray[np.float64]]:
    """The mean of each seed over resampled images, the same for all networks: (resamples, seeds)."""
    stacked = np.concatenate(networks).T
    images = len(stacked)
    means = np.empty((resamples, stacked.shape[1]))
    for resample in range(resamples):
        times = np.bincount(generator.integers(0, images, images), minlength=images)
        means[resample] = times @ stacked / images
    ends = np.cumsum([len(outcomes) for outcomes in networks])[:-1]
    return np.split(means, ends, axis=1)


def _seed_weights(
    seeds: int, generator: np.random.Generator, resamples: int
) -> NDArray[np.float64]:
    """The weight of each seed in each resample, (resamples, seeds)."""
    return generator.multinomial(seeds - 1, np.full(seeds, 1 / seeds), resamples) / (seeds - 1)


def difference(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first network minus the second."""
    return np.asarray(means[0] - means[1])


def log_ratio(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of the first network over the second; intervals of ratios are its exponentials."""
    return np.asarray(np.log(means[0]) - np.log(means[1]))


def interaction(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """The difference of the first two networks minus that of the last two."""
    return np.asarray((means[0] - means[1]) - (means[2] - means[3]))
