"""By how much a trial can be expected to improve the front: expected hypervolume improvement.

It is computed in closed form, as a sum over boxes that fill what the front does not dominate; each
objective is normally distributed, or known exactly (Yang et al., J. Global Optimization 75, 2019).
"""

from typing import Final, final

import moocore
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]

_QUANTILE: Final = 0.9  # nine of ten uniformly drawn trials reach the reference
_FAR: Final = 40.0  # deviations from a mean, beyond which the density is 0 in double precision
_MARGIN: Final = 0.1  # of the range of a known objective, by which the reference lies beyond it

# By the number of objectives, the most points of a front whose boxes are filled: about a thousand boxes,
# of which there are more than n ** (objectives / 2) for n points.
_MOST_POINTS: Final = {1: 1_000, 2: 1_000, 3: 90, 4: 24, 5: 12, 6: 8, 7: 6}
_FEWEST_POINTS: Final = 5


@final
class Improvement:
    """Expected improvements of a front in the box between its best values and a reference.

    `points`: (n, objectives), costs to be minimised. `reference`: (objectives,), the costs from which
    on nothing counts (`reference_of`). Of a front with more points than boxes can be filled for, those
    farthest apart stand for it.
    """

    def __init__(self, points: Array, reference: Array) -> None:
        self._low = points.min(axis=0)
        span = np.abs(reference - self._low)
        self._span = np.where(span > 0, span, 1.0)
        self._reference = self._scaled(reference)
        self._front = _nondominated(self._scaled(points))
        self._boxes = _boxes(_farthest_apart(self._front), self._reference)

    def believe(self, points: Array) -> None:
        """Adds points (n, objectives) to the front, as if they had been measured."""
        self._front = _nondominated(np.concatenate([self._front, self._scaled(points)]))
        self._boxes = _boxes(_farthest_apart(self._front), self._reference)

    def expected(self, costs: Array, deviations: Array) -> Array:
        """The expected improvement (n,) of trials.

        `costs`, `deviations`: (n, objectives), means and standard deviations; 0 for what is known.
        """
        means, spread = self._scaled(costs), deviations / self._span
        lows, highs = self._boxes
        gains = np.ones((len(means), len(lows)))
        for column in range(means.shape[1]):
            below, at = np.unique(highs[:, column], return_inverse=True)
            reached = _expected_below(means[:, column], spread[:, column], below)[:, at]
            above, at = np.unique(lows[:, column], return_inverse=True)
            missed = _expected_below(means[:, column], spread[:, column], above)[:, at]
            gains *= reached - missed
        return np.asarray(gains.sum(axis=1))

    def shortfall(self, costs: Array, deviations: Array) -> Array:
        """By how much trials (n,), two deviations better than expected, miss the reference."""
        beyond = self._scaled(costs - 2 * deviations) - self._reference
        return np.asarray(np.maximum(beyond, 0.0).sum(axis=1))

    def _scaled(self, points: Array) -> Array:
        return np.asarray((points - self._low) / self._span)


def reference_of(points: Array, typical: Array, learned: NDArray[np.bool_], stated: Array) -> Array:
    """The costs (objectives,) from which on nothing counts: those that are stated, where one is.

    `points`, `typical`: (n, objectives), the latter predicted of trials that are drawn uniformly from
    the space. `learned`: which objectives are predicted. `stated`: (objectives,), NaN where nothing
    is. By default a learned objective counts up to what nine of ten networks reach, and any other up
    to a tenth of its range beyond its worst, so small networks count and untrainable ones do not.
    """
    low, high = points.min(axis=0), np.maximum(points.max(axis=0), typical.max(axis=0))
    reached = np.quantile(typical, _QUANTILE, axis=0)
    default = np.where(learned, reached, high + _MARGIN * (high - low))
    return np.where(np.isnan(stated), default, stated)


def _nondominated(points: Array) -> Array:
    return np.asarray(points[moocore.is_nondominated(points)])


def _farthest_apart(front: Array) -> Array:
    """As many points of a front as `_MOST_POINTS` allows, its last one among them."""
    most = _MOST_POINTS.get(front.shape[1], _FEWEST_POINTS)
    if len(front) <= most:
        return front
    chosen = [len(front) - 1]
    distances = np.full(len(front), np.inf)
    while len(chosen) < most:
        distances = np.minimum(distances, np.linalg.norm(front - front[chosen[-1]], axis=1))
        chosen.append(int(np.argmax(distances)))
    return front[chosen]


def _boxes(front: Array, reference: Array) -> tuple[Array, Array]:
    """Disjoint boxes, their corners (n, objectives) each, that fill what no point of a front dominates.

    They reach from minus infinity to the reference. For each level of the last objective the points
    below it are a front of one objective less, which is filled in the same way.
    """
    front = front[(front < reference).all(axis=1)]
    order = np.argsort(front[:, -1], kind="stable")
    front = front[order]
    levels = np.concatenate([[-np.inf], front[:, -1], reference[-1:]])
    if front.shape[1] == 1:
        return levels[None, :1], levels[None, 1:2]
    lows, highs = [], []
    for index in range(len(front) + 1):
        if levels[index] == levels[index + 1]:
            continue
        below = front[:index, :-1]
        if len(below) > 1:
            below = below[moocore.is_nondominated(below)]
        low, high = _boxes(below, reference[:-1])
        lows.append(np.column_stack([low, np.full(len(low), levels[index])]))
        highs.append(np.column_stack([high, np.full(len(high), levels[index + 1])]))
    return np.concatenate(lows), np.concatenate(highs)


def _expected_below(means: Array, deviations: Array, bounds: Array) -> Array:
    """By how much normal variables (n,) are expected to lie below bounds (m,), (n, m); 0 where above."""
    distance = bounds[None] - means[:, None]
    distance = np.where(np.isfinite(distance), distance, -1e300)
    certain = np.maximum(distance, 0.0)
    spread = deviations[:, None]
    z = np.clip(distance / np.where(spread > 0, spread, 1.0), -_FAR, _FAR)
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    uncertain = np.where(z > -_FAR, distance * ndtr(z) + spread * density, 0.0)
    return np.where(spread > 0, uncertain, certain)
