"""The progress of a running study: trials by state, front, hypervolume, best trial, time left."""

import re
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final, final

from study.search.budget import BudgetSpent
from study.search.pareto import Front, Point
from study.spec.study_spec import StudySpec

_NUMBER: Final = re.compile(r"\S*\d\S*")
_LONGEST_REASON: Final = 160
_FEWEST_EPOCHS: Final = 4  # for a rate
_SIZES: Final = ("wiring_bits", "stored_bytes")


@final
class Failures:
    """Counts the reasons of failed trials; reasons that differ in numbers only are of one kind."""

    def __init__(self) -> None:
        self._kinds: Counter[str] = Counter()
        self._last: dict[str, str] = {}

    def add(self, reason: str) -> int:
        """Adds a reason; returns how many there are of its kind."""
        line = reason.strip().partition("\n")[0]
        kind = _NUMBER.sub("#", line)
        self._kinds[kind] += 1
        self._last[kind] = line
        return self._kinds[kind]

    def __str__(self) -> str:
        """The most common reason, and how many trials failed with it; empty without a reason."""
        if not self._kinds:
            return ""
        (kind, count), *others = self._kinds.most_common(2)
        line = self._last[kind]
        shown = line if len(line) <= _LONGEST_REASON else f"{line[: _LONGEST_REASON - 3]}..."
        return f"{count if others else 'all'} with {shown}"


@final
class Scoreboard:
    """Counts trials by state, those of earlier runs included; `budget` has the limits and the front.

    `running` are the trials that a worker has and their epochs, fewer trials than the searcher's where
    some wait for one: the screen shows them, and the driver records them as interrupted in the end.
    """

    def __init__(self, spec: StudySpec, budget: BudgetSpent) -> None:
        self.spec = spec
        self.trials = budget.trials
        self.front: Front = budget.front
        self.states: Counter[str] = Counter()
        self.running: dict[int, int] = {}
        self.failures = Failures()
        self.best_accuracy = 0.0
        self.last = ""
        self._labels: dict[int, str] = {}
        self._sizes: dict[int, dict[str, float]] = {}
        self._first_start: float | None = None
        self._ended_here = 0
        self._first_epoch: float | None = None
        self._epochs_here = 0  # after the first one

    def add_earlier(
        self,
        number: int,
        label: str,
        state: str | None,
        metrics: Mapping[str, float],
        point: Point | None,
    ) -> None:
        """Adds a trial of an earlier run; the other arguments are those of `end`.

        The state is None if another trial continues it, or will: both count as one.
        """
        self._labels[number] = label
        self._count(number, state, metrics, point)

    def begin(self, number: int, label: str) -> None:
        """Starts a trial, or continues it."""
        self._first_start = self._first_start or time.monotonic()
        self.running[number] = self.running.get(number, 0)
        self._labels[number] = label

    def epoch(self, number: int, epochs: int) -> None:
        """Adds an epoch of a running trial, which has been trained for so many."""
        if number not in self.running:
            return
        self.running[number] = epochs
        if self._first_epoch is None:
            self._first_epoch = time.monotonic()
        else:
            self._epochs_here += 1

    def end(
        self,
        number: int,
        state: str,
        metrics: Mapping[str, float],
        point: Point | None = None,
        *,
        goes_on: bool = False,
    ) -> None:
        """Ends a trial; `point` are its objectives if it is complete and satisfies the constraints.

        One that `goes_on` does not count, as another trial will continue it.
        """
        self.running.pop(number, None)
        self._ended_here += 1
        self._count(number, None if goes_on else state, metrics, point)
        self.last = f"trial {number} {state} {self._labels[number]}{self._describe(point)}"

    def label(self, number: int) -> str:
        """The label of a trial, such as `vann D2 S128`."""
        return self._labels[number]

    def size(self, number: int, metric: str) -> float | None:
        """The wiring bits or stored bytes of a complete trial; None if not known."""
        return self._sizes.get(number, {}).get(metric)

    @property
    def failed(self) -> str:
        """The number of failed trials, and their most common reason."""
        reason = str(self.failures)
        return f"{self.states['FAIL']} failed" + (f", {reason}" if reason else "")

    @property
    def ended(self) -> int:
        """The number of ended trials."""
        return self.states.total()

    @property
    def progress(self) -> str:
        """The number of ended trials, and that of all trials if known."""
        return f"{self.ended}" if self.trials is None else f"{self.ended} of {self.trials}"

    def best(self) -> tuple[float, str] | None:
        """The best value of the first objective so far, and its trial."""
        points = self.front.points
        if not points:
            return None
        sign = 1 if next(iter(self.spec.objectives.values())) == "maximize" else -1
        number = max(points, key=lambda number: sign * points[number][0])
        return points[number][0], f"trial {number} {self._labels[number]}"

    def seconds_left(self) -> float | None:
        """The time until the budget of trials is met, at the rate so far; None if unknown.

        It is the rate of trials; until the first one has ended, that of epochs, at which trials that end
        early take less.
        """
        if self._first_start is None or self.trials is None:
            return None
        now, left = time.monotonic(), max(0, self.trials - self.ended)
        if self._ended_here:
            return (now - self._first_start) / self._ended_here * left
        if self._first_epoch is None or self._epochs_here < _FEWEST_EPOCHS:
            return None
        epochs = left * self.spec.budget.epochs - sum(self.running.values())
        return (now - self._first_epoch) / self._epochs_here * max(0, epochs)

    @property
    def is_by_epochs(self) -> bool:
        """Whether the time left is by epochs, and so an upper bound."""
        return not self._ended_here

    def _count(
        self, number: int, state: str | None, metrics: Mapping[str, float], point: Point | None
    ) -> None:
        if state is not None:
            self.states[state] += 1
        if point is not None:
            self.best_accuracy = max(metrics.get("val_accuracy", 0.0), self.best_accuracy)
            self._sizes[number] = {name: metrics[name] for name in _SIZES if name in metrics}

    def _describe(self, point: Point | None) -> str:
        if point is None:
            return ""
        values = zip(self.spec.objectives, point, strict=True)
        return ": " + ", ".join(f"{name} {value:,.6g}" for name, value in values)
