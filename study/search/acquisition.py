"""By how much a trial can be expected to improve the front: expected hypervolume improvement.

What is known of a network before training, its parameters and multiply-accumulates, is known exactly;
only what is learned is predicted, as a distribution.
"""

from typing import Final, final

import moocore
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

Array = NDArray[np.float64]

_SAMPLES: Final = 16
_REACHED: Final = 0.9  # the share of evenly drawn networks that reach the reference
_BEYOND: Final = 0.1  # the reference lies so much beyond the range of what is known


@final
class Improvement:
    """Expected improvements of a front in the box between its best values and a reference.

    `points`: (n, objectives), costs to be minimised. `reference`: (objectives,), the costs from which
    on nothing counts (`reference_of`).
    """

    def __init__(self, points: Array, reference: Array) -> None:
        self._low = points.min(axis=0)
        span = np.abs(reference - self._low)
        self._span = np.where(span > 0, span, 1.0)
        self._reference = self._scaled(reference)
        scaled = self._scaled(points)
        self._front = scaled[moocore.is_nondominated(scaled)]
        self._base = self._volume(self._front)

    def believe(self, point: Array) -> None:
        """Takes a point (objectives,) for granted from now on."""
        points = np.concatenate([self._front, self._scaled(point[None])])
        self._front = points[moocore.is_nondominated(points)]
        self._base = self._volume(self._front)

    def expected(self, costs: Array, deviations: Array, samples: Array) -> Array:
        """The expected improvement (n,) of trials.

        `costs`, `deviations`: (n, objectives), the latter 0 for what is known; `samples`: standard
        normal values, (samples, objectives).
        """
        scaled, spread = self._scaled(costs), deviations / self._span
        found = np.zeros(len(costs))
        for index in np.flatnonzero((scaled - 2 * spread < self._reference).all(axis=1)):
            if self._dominated(scaled[index] - 2 * spread[index]):
                continue
            outcomes = scaled[index] + spread[index] * samples
            found[index] = float(np.mean([self._gain(outcome) for outcome in outcomes]))
        return found

    def shortfall(self, costs: Array, deviations: Array) -> Array:
        """By how much trials (n,), as good as they may well be, miss the reference."""
        beyond = self._scaled(costs - 2 * deviations) - self._reference
        return np.asarray(np.maximum(beyond, 0.0).sum(axis=1))

    def _gain(self, point: Array) -> float:
        if (point >= self._reference).any() or self._dominated(point):
            return 0.0
        return self._volume(np.concatenate([self._front, point[None]])) - self._base

    def _dominated(self, point: Array) -> bool:
        return bool((self._front <= point).all(axis=1).any())

    def _volume(self, points: Array) -> float:
        return float(moocore.hypervolume(points, ref=self._reference))

    def _scaled(self, points: Array) -> Array:
        return np.asarray((points - self._low) / self._span)


def reference_of(points: Array, typical: Array, learned: NDArray[np.bool_], stated: Array) -> Array:
    """The costs (objectives,) from which on nothing counts: those that are stated, where one is.

    `points`, `typical`: (n, objectives), the latter predicted of trials that are drawn evenly from
    the space. `learned`: which objectives are predicted. `stated`: (objectives,), NaN where nothing
    is. By default a learned objective counts up to what nine of ten networks reach, and any other up
    to a tenth of its range beyond its worst, so small networks count and untrainable ones do not.
    """
    low, high = points.min(axis=0), np.maximum(points.max(axis=0), typical.max(axis=0))
    reached = np.quantile(typical, _REACHED, axis=0)
    default = np.where(learned, reached, high + _BEYOND * (high - low))
    return np.where(np.isnan(stated), default, stated)


def normals(dimensions: int) -> Array:
    """Standard normal values that cover the distribution evenly, shape (samples, dimensions)."""
    if dimensions == 1:
        shares = (np.arange(_SAMPLES)[:, None] + 0.5) / _SAMPLES
    else:
        edge = 0.5 / _SAMPLES
        shares = np.clip(qmc.Sobol(dimensions, seed=0).random(_SAMPLES), edge, 1 - edge)
    return np.asarray(norm.ppf(shares))
