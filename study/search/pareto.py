"""Dominance, fronts and hypervolume over points of several objectives (on the library moocore).

A point is one value an objective, in the order of `objectives`; all values are finite.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, final

import moocore
import numpy as np
from numpy.typing import NDArray

from study.search.difference import is_real
from study.spec.metrics import Direction, metric_of

Point = Sequence[float]

_MOST_EXACT: Final = 6  # objectives
_ROWS: Final = 128  # points that are compared with all others at once


def on_front(points: Sequence[Point], objectives: Mapping[str, Direction]) -> list[bool]:
    """For each point, whether no other dominates it; points that are equal stand or fall together.

    A point dominates another if it is at least as good in every objective and better in one.
    """
    if not points:
        return []
    maximise = [direction == "maximize" for direction in objectives.values()]
    kept = moocore.is_nondominated(_array(points), maximise=maximise, keep_weakly=True)
    return [bool(flag) for flag in kept]


def confident_front(
    points: Sequence[Point], errors: Sequence[Point], objectives: Mapping[str, Direction]
) -> list[bool]:
    """For each point, whether no other dominates it by more than the standard errors.

    `errors` has a standard error for each value of each point, 0 for what is known exactly. A point
    dominates another with confidence if, in every objective in which either has a standard error, it
    is better and the difference is real (`study.search.difference`); if in every other it is at least
    as good; and if it is better in one. Without errors this is `on_front`; with them no point of that
    front is missing.
    """
    if not points:
        return []
    signs = np.array([1.0 if way == "maximize" else -1.0 for way in objectives.values()])
    values, sems = _array(points) * signs, _array(errors)
    # Whatever a point dominates, one with values as high and errors as small dominates too.
    strongest = moocore.is_nondominated(np.hstack([-values, sems]), keep_weakly=False)
    best, best_sems = values[strongest], sems[strongest]
    kept = np.array(on_front(points, objectives))
    others = np.flatnonzero(~kept)
    for start in range(0, len(others), _ROWS):
        rows = others[start : start + _ROWS, None]
        ahead = best - values[rows]
        exact = (best_sems == 0) & (sems[rows] == 0)
        surely = (ahead > 0) & is_real(ahead, best_sems, sems[rows])
        holds = (surely | (exact & (ahead >= 0))).all(axis=2)
        kept[rows[:, 0]] = ~(holds & (ahead > 0).any(axis=2)).any(axis=1)
    return [bool(flag) for flag in kept]


def knee(points: Sequence[Point], objectives: Mapping[str, Direction]) -> int:
    """The place of the knee among the points of a front: where giving way in one gains least in others.

    It is the point farthest, on the good side, from the plane through the ends of the front; of two
    objectives, from the straight line between its ends (I. Das, Structural Optimization 18, 107-115,
    1999). Each objective is on the scale of its box (`study.spec.metrics`: counts logarithmic) and then
    stretched to the front's own range. Of equally far points the first; where the front bulges the
    other way, one of its ends. There must be a point.
    """
    costs = np.array([_costs(point, objectives) for point in points])
    low, spread = costs.min(axis=0), np.ptp(costs, axis=0)
    scaled = (costs - low) / np.where(spread > 0, spread, 1.0)
    # The ends are the unit vectors, so the plane is where the costs add up to one.
    return int(np.argmin(scaled.sum(axis=1).round(12)))


def keep_best(
    points: Sequence[Point], objectives: Mapping[str, Direction], count: int
) -> list[bool]:
    """For each point, whether it is among the best `count`, or on the front.

    Best are those of the lowest non-dominated rank; of the rank that does not fit as a whole, those
    farthest from what is kept already, one after another (an epsilon-net, arXiv 2106.12639, 3.2).
    The front is kept even if it is larger. Points that are equal stand or fall together, and count
    once. The order of the points makes no difference.
    """
    if not points:
        return []
    costs = np.array([_costs(point, objectives) for point in points])
    values = _array(points)
    ranks = pareto_ranks(points, objectives)
    kept = ranks == 0
    for rank in range(1, int(ranks.max()) + 1):
        room = count - len(np.unique(values[kept], axis=0))
        if room <= 0:
            break
        offered = ranks == rank
        kept |= offered if offered.sum() <= room else _spread(costs, kept, offered, room)
    return [bool(flag) for flag in kept]


def is_kept(
    point: Point, others: Sequence[Point], objectives: Mapping[str, Direction], count: int
) -> bool:
    """Whether `keep_best` keeps a point among all; cheaper, for mostly its rank decides."""
    points = [point, *others]
    ranks = pareto_ranks(points, objectives)
    rank = ranks[0]
    if rank == 0:
        return True
    better = np.flatnonzero(ranks < rank)
    if len(better) >= count and len({tuple(points[index]) for index in better}) >= count:
        return False
    if len(np.flatnonzero(ranks <= rank)) <= count:
        return True
    return keep_best(points, objectives, count)[0]


def pareto_ranks(points: Sequence[Point], objectives: Mapping[str, Direction]) -> NDArray[np.int64]:
    """The non-dominated rank of each point, 0 for the front; there must be a point."""
    maximise = [direction == "maximize" for direction in objectives.values()]
    ranks: NDArray[np.int64] = moocore.pareto_rank(_array(points), maximise=maximise)
    ranks -= ranks.min()
    return ranks


def _spread(
    costs: NDArray[np.float64], kept: NDArray[np.bool_], offered: NDArray[np.bool_], room: int
) -> NDArray[np.bool_]:
    """Of the offered points, up to `room` different ones: each the farthest from all kept before."""
    spread = np.ptp(costs, axis=0)
    scaled = (costs - costs.min(axis=0)) / np.where(spread > 0, spread, 1.0)
    # Sorted, so that of equally far points the choice does not depend on their order.
    candidates, place = np.unique(scaled[offered], axis=0, return_inverse=True)
    picked = np.zeros(len(candidates), dtype=bool)
    distances = _distances(candidates, scaled[kept]).min(axis=1)
    for _ in range(min(room, len(candidates))):
        farthest = int(np.argmax(distances))
        picked[farthest] = True
        distances = np.minimum(distances, _distances(candidates, candidates[[farthest]])[:, 0])
        distances[picked] = -1.0
    chosen = np.zeros_like(kept)
    chosen[offered] = picked[place]
    return chosen


def _distances(ones: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(ones[:, None] - others[None], axis=-1))


def hypervolume(points: Sequence[Point], objectives: Mapping[str, Direction]) -> float:
    """The share of the objectives' box that the points dominate, in 0..1; more is better.

    The box of each metric is fixed (`study.spec.metrics`), counts are on a logarithmic scale, and values
    beyond the box are clipped to it, so hypervolumes of studies with the same objectives compare.

    Exact up to six objectives. Of more, where 200 points take seconds, it is approximated within about a
    thousandth, in the same way each time (`moocore.hv_approx`, method `Rphi-FWE+`).
    """
    if not points:
        return 0.0
    costs, ones = _array([_costs(point, objectives) for point in points]), np.ones(len(objectives))
    if len(objectives) > _MOST_EXACT:
        return float(moocore.hv_approx(costs, ref=ones, method="Rphi-FWE+"))
    return float(moocore.hypervolume(costs, ref=ones))


@final
class Front:
    """The points that no other dominates, by the number of their trial, and their hypervolume."""

    def __init__(self, objectives: Mapping[str, Direction]) -> None:
        self._objectives = objectives
        self._points: dict[int, Point] = {}
        self._all: dict[int, Point] = {}
        self._hypervolume = 0.0

    @property
    def points(self) -> Mapping[int, Point]:
        """The objectives of each trial on the front, in the order in which they were added."""
        return self._points

    @property
    def hypervolume(self) -> float:
        """As `study.search.pareto.hypervolume`."""
        return self._hypervolume

    def remove(self, numbers: Collection[int]) -> dict[int, bool]:
        """Removes trials; returns what changed, as `add`."""
        before = self._points
        for number in numbers:
            self._all.pop(number, None)
        if before.keys().isdisjoint(numbers):
            return {}
        flags = on_front(list(self._all.values()), self._objectives)
        self._points = {
            number: point
            for (number, point), keep in zip(self._all.items(), flags, strict=True)
            if keep
        }
        self._hypervolume = hypervolume(list(self._points.values()), self._objectives)
        joined = dict.fromkeys(sorted(self._points.keys() - before.keys()), True)
        return joined | dict.fromkeys(sorted(before.keys() - self._points.keys()), False)

    def add(self, number: int, point: Point) -> dict[int, bool]:
        """Adds a trial; returns which trials joined the front (True) and which left it (False).

        It is compared with the front alone, for a dominated point stays dominated.
        """
        self._all[number] = point
        points = self._points | {number: point}
        flags = on_front(list(points.values()), self._objectives)
        kept = dict(zip(points, flags, strict=True))
        if not kept[number]:
            return {}
        self._points = {other: point for other, point in points.items() if kept[other]}
        self._hypervolume = hypervolume(list(self._points.values()), self._objectives)
        # The one that joined comes first, so that a reader in between finds no hole in the front.
        left = [other for other, keep in kept.items() if not keep]
        return {number: True} | dict.fromkeys(sorted(left), False)


def _costs(point: Point, objectives: Mapping[str, Direction]) -> list[float]:
    return [
        _cost(name, direction, value)
        for (name, direction), value in zip(objectives.items(), point, strict=True)
    ]


def _cost(name: str, direction: Direction, value: float) -> float:
    metric = metric_of(name)
    cost = metric.cost(value)
    return cost if direction == metric.direction else 1.0 - cost


def _array(points: Sequence[Point]) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"all values of a point must be finite, got {array.tolist()}")
    return array
