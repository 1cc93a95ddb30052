"""The Pareto front of a running study, shared by budget and scoreboard; short, for it is one value."""

from collections.abc import Mapping
from typing import final

from study.search.pareto import Point, hypervolume, on_front
from study.spec.metrics import Direction


@final
class Front:
    """The points that no other dominates, by the number of their trial, and their hypervolume."""

    def __init__(self, objectives: Mapping[str, Direction]) -> None:
        self._objectives = objectives
        self._points: dict[int, Point] = {}
        self._hypervolume = 0.0

    @property
    def points(self) -> Mapping[int, Point]:
        """The objectives of each trial on the front, in the order in which they were added."""
        return self._points

    @property
    def hypervolume(self) -> float:
        """As `study.search.pareto.hypervolume`."""
        return self._hypervolume

    def add(self, number: int, point: Point) -> dict[int, bool]:
        """Adds a trial; returns which trials joined the front (True) and which left it (False).

        It is compared with the front alone, for a dominated point stays dominated.
        """
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
