"""One rung of successive halving: what trials reached at one epoch, and which of them go on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

from study.search.difference import favoured
from study.search.pareto import Point, is_kept, keep_best, pareto_ranks
from study.spec.metrics import Direction
from study.spec.study_spec import StudySpec

_GRACE: Final = 5  # one part in so many of a trial's epochs is the grace


def grace_epochs(spec: StudySpec) -> int:
    """The epochs before the first comparison."""
    return spec.stopping.grace_epochs or math.ceil(spec.budget.epochs / _GRACE)


def rung_epochs(spec: StudySpec) -> tuple[int, ...]:
    """The epochs after which trials are compared: the grace, times the factor again and again."""
    stopping = spec.stopping
    if stopping.scheduler == "none":
        return ()
    epochs = []
    reached = float(grace_epochs(spec))
    while math.ceil(reached) < spec.budget.epochs:
        epochs.append(math.ceil(reached))
        reached *= stopping.reduction_factor
    return tuple(dict.fromkeys(epochs))


def new_rung(spec: StudySpec) -> "Rung":
    """A rung of a spec, which no trial has reached."""
    objectives = dict(spec.objectives)
    if spec.stopping.scheduler == "asha":
        first = next(iter(objectives))
        objectives = {first: objectives[first]}
    return Rung(objectives, spec.stopping.reduction_factor)


@final
@dataclass(slots=True)
class Rung:
    """Keeps the best `1 / reduction_factor` of the trials that reached it, and its whole front.

    `objectives` are those that count here; what is known from the start (parameters, MACs) counts as
    much as what was learned by now, so a small network is compared as a small network.
    """

    objectives: Mapping[str, Direction]
    reduction_factor: float
    _points: dict[int, Point] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._points)

    def __contains__(self, number: int | None) -> bool:
        return number in self._points

    def enter(self, number: int, metrics: Mapping[str, float]) -> bool:
        """Adds a trial's metrics; returns whether it continues.

        It is compared with all trials that came before it; later ones are not waited for. It also
        continues if it would with the best values from which its own do not really differ
        (`study.search.difference`): every objective better by its standard error, `NAME_sem`. A
        second entry replaces the first. A trial without finite values continues, and fails by
        itself.
        """
        if not self.place(number, metrics):
            return True
        values = self._points[number]
        if self._keeps(number, values):
            return True
        errors = [metrics.get(f"{name}_sem", 0.0) for name in self.objectives]
        return any(errors) and self._keeps(number, self._favoured(values, errors))

    def place(self, number: int, metrics: Mapping[str, float]) -> bool:
        """Adds a trial's metrics without comparing it; returns whether all are finite numbers."""
        values = [metrics.get(name, math.nan) for name in self.objectives]
        if not all(map(math.isfinite, values)):
            return False
        self._points[number] = values
        return True

    def ranks(self) -> dict[int, int]:
        """The non-dominated rank of each trial, 0 for the front."""
        if not self._points:
            return {}
        ranks = pareto_ranks(list(self._points.values()), self.objectives)
        return dict(zip(self._points, ranks.tolist(), strict=True))

    def kept(self) -> set[int]:
        """The trials that would go on if all of them were compared at once."""
        points = list(self._points.values())
        flags = keep_best(points, self.objectives, self._quota)
        return {number for number, keep in zip(self._points, flags, strict=True) if keep}

    @property
    def _quota(self) -> int:
        return math.ceil(len(self._points) / self.reduction_factor)

    def _keeps(self, number: int, values: Point) -> bool:
        others = [point for other, point in self._points.items() if other != number]
        return is_kept(values, others, self.objectives, self._quota)

    def _favoured(self, values: Point, errors: Point) -> Point:
        entries = zip(values, errors, self.objectives.values(), strict=True)
        return [
            favoured(value, error, higher=direction == "maximize")
            for value, error, direction in entries
        ]
