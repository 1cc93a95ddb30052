"""Dominance, fronts and hypervolume over points of several objectives (on the library moocore).

A point is one value an objective, in the order of `objectives`; all values are finite.
"""

from collections.abc import Mapping, Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from study.metrics import METRICS, Direction

Point = Sequence[float]


def on_front(points: Sequence[Point], objectives: Mapping[str, Direction]) -> list[bool]:
    """For each point, whether no other dominates it; points that are equal stand or fall together.

    A point dominates another if it is at least as good in every objective and better in one.
    """
    if not points:
        return []
    maximise = [direction == "maximize" for direction in objectives.values()]
    kept = moocore.is_nondominated(_array(points), maximise=maximise, keep_weakly=True)
    return [bool(flag) for flag in kept]


def hypervolume(points: Sequence[Point], objectives: Mapping[str, Direction]) -> float:
    """The share of the objectives' box that the points dominate, in 0..1; more is better.

    The box of each metric is fixed (`study.metrics`), counts are on a logarithmic scale, and values
    beyond the box are clipped to it, so hypervolumes of studies with the same objectives compare.
    """
    if not points:
        return 0.0
    costs = [
        [
            _cost(name, direction, value)
            for (name, direction), value in zip(objectives.items(), point, strict=True)
        ]
        for point in points
    ]
    return float(moocore.hypervolume(_array(costs), ref=np.ones(len(objectives))))


def _cost(name: str, direction: Direction, value: float) -> float:
    cost = METRICS[name].cost(value)
    return cost if direction == METRICS[name].direction else 1.0 - cost


def _array(points: Sequence[Point]) -> NDArray[np.float64]:
    array = np.asarray(points, dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"all values of a point must be finite, got {array.tolist()}")
    return array
