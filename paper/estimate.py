"""Weighted sums of the mean outcomes of networks, with standard errors over test images and seeds.

The networks of a comparison share their test images. An outcome is a sum of four effects: of the
network, its image, its seed, and of the seed on that image (their interaction). The variance over images
and that over seeds contain the interaction once each, hence it is subtracted once from their sum. A
bootstrap that resamples images and seeds counts it three times (Owen, Ann Appl Stat 2007;1:386).

Networks with the same seeds have the same order of batches, and those of the same sizes also wirings or
initial weights, so their outcomes are correlated: then the variance over seeds is that of the weighted
sum. Otherwise each network has a variance over its own seeds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Outcomes: TypeAlias = NDArray[np.float64]
"""A value for each seed of a network and each test image, shape (seeds, images)."""

DIFFERENCE: Final = (1.0, -1.0)
"""The weights of a network and its reference."""

INTERACTION: Final = (1.0, -1.0, -1.0, 1.0)
"""The weights of a difference, and of the one that is subtracted from it."""

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
        cls,
        value: float,
        variances: Sequence[float],
        freedoms: Sequence[float],
        least: float = 0.0,
    ) -> "Estimate":
        """A value whose squared error is a sum of independent variances, each of so much freedom.

        That of their sum, which is at least `least`, is by Welch and Satterthwaite; without any variance
        it is infinite.
        """
        variance = max(sum(variances), least)
        weights = sum(part**2 / freedom for part, freedom in zip(variances, freedoms, strict=True))
        freedom = variance**2 / weights if weights > 0 else math.inf
        return cls(value=value, error=math.sqrt(variance), freedom=freedom)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Student's two-sided interval."""
        if self.error == 0:
            return self.value, self.value
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
    weights: Sequence[float],
    *,
    same_seeds: bool = False,
    logarithms: bool = False,
) -> Estimate:
    """The weighted sum of the networks' means, or of the logarithms of their means.

    `same_seeds`: whether all networks were trained with the same seeds, in the same order. The error of
    logarithms is by the delta method; weighted by `DIFFERENCE`, they are the logarithm of a ratio. The
    error is at least that over images. The degrees of freedom are those of Welch and Satterthwaite.
    Raises ValueError for fewer than two seeds, or different numbers of images.
    """
    seeds = [len(outcomes) for outcomes in networks]
    images = {outcomes.shape[1] for outcomes in networks}
    if len(images) != 1 or min(seeds) < 2:  # noqa: PLR2004  # one seed has no variance
        raise ValueError(
            "`seeds >= 2` and one number of images must hold, got "
            f"{seeds} seeds and {sorted(images)} images"
        )
    count = images.pop()
    means = [float(outcomes.mean()) for outcomes in networks]
    value = sum(
        weight * (math.log(mean) if logarithms else mean)
        for weight, mean in zip(weights, means, strict=True)
    )
    slopes = [
        weight / mean if logarithms else weight for weight, mean in zip(weights, means, strict=True)
    ]
    parts = [slope * outcomes for slope, outcomes in zip(slopes, networks, strict=True)]
    by_image = sum(part.mean(axis=0) for part in parts)
    variances = [float(np.var(by_image, ddof=1)) / count]
    freedoms = [count - 1]
    for outcomes in [np.sum(parts, axis=0)] if same_seeds else parts:
        of_seeds, of_interaction = _variances(outcomes)
        variances += [of_seeds, -of_interaction]
        freedoms += [len(outcomes) - 1, (len(outcomes) - 1) * (count - 1)]
    summed = Estimate.of_parts(value, variances, freedoms, least=variances[0])
    return summed if summed.error > _ROUNDING else replace(summed, error=0.0)


def _variances(outcomes: Outcomes) -> tuple[float, float]:
    """Of a network's mean: the variance over its seeds, and what the interaction has in it."""
    seeds, images = outcomes.shape
    of_seed = outcomes.mean(axis=1, keepdims=True)
    rest = outcomes - of_seed - outcomes.mean(axis=0) + outcomes.mean()
    interaction = float((rest**2).sum()) / ((seeds - 1) * (images - 1))
    return float(np.var(of_seed, ddof=1)) / seeds, interaction / (seeds * images)
