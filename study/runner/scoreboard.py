"""How a running study stands: trials by state, the front so far, its hypervolume, the time left."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import final

from study.search.pareto import Point, hypervolume, on_front
from study.spec.constraint import all_kept, violations
from study.spec.study_spec import StudySpec


@final
class Scoreboard:
    """Counts and ranks what the driver hears, trials of earlier runs of the study included.

    `trials` is how many may end, None if another limit ends the study.
    """

    def __init__(self, spec: StudySpec, trials: int | None) -> None:
        self.spec = spec
        self.trials = trials
        self.states: Counter[str] = Counter()
        self.running: dict[int, str] = {}
        self.front: set[int] = set()
        self.hypervolume = 0.0
        self.best_accuracy = 0.0
        self.last = ""
        self._labels: dict[int, str] = {}
        self._points: dict[int, Point] = {}
        self._first_start: float | None = None
        self._ended_here = 0

    def add_earlier(
        self, number: int, state: str, label: str, metrics: Mapping[str, float]
    ) -> None:
        """A trial that ended before this run of the study."""
        self._labels[number] = label
        self._count(number, state, metrics)

    def begin(self, number: int, label: str) -> None:
        """A trial starts."""
        self._first_start = self._first_start or time.monotonic()
        self.running[number] = label
        self._labels[number] = label

    def end(self, number: int, state: str, metrics: Mapping[str, float]) -> dict[int, bool]:
        """A trial ended; the trials that came to the front by it, or left it."""
        self.running.pop(number, None)
        self._ended_here += state != "INFEASIBLE"
        before = self.front
        self._count(number, state, metrics)
        self.last = f"trial {number} {state} {self._labels[number]}{self._describe(number)}"
        # Those that came first: whoever reads in between finds no hole in the front.
        came, left = self.front - before, before - self.front
        return dict.fromkeys(sorted(came), True) | dict.fromkeys(sorted(left), False)

    @property
    def ended(self) -> int:
        """Trials that ended in any way, those left out that cost no training."""
        return self.states.total() - self.states["INFEASIBLE"]

    @property
    def progress(self) -> str:
        """How many trials ended, and of how many if that is known."""
        return f"{self.ended}" if self.trials is None else f"{self.ended} of {self.trials}"

    def best(self) -> tuple[float, str] | None:
        """The best value of the first objective so far, and the trial that has it."""
        if not self._points:
            return None
        sign = 1 if next(iter(self.spec.objectives.values())) == "maximize" else -1
        number = max(self._points, key=lambda number: sign * self._points[number][0])
        return self._points[number][0], f"trial {number} {self._labels[number]}"

    def seconds_left(self) -> float | None:
        """The time until the budget of trials is met, at the pace so far."""
        if self._first_start is None or not self._ended_here or self.trials is None:
            return None
        pace = (time.monotonic() - self._first_start) / self._ended_here
        return pace * max(0, self.trials - self.ended)

    def _count(self, number: int, state: str, metrics: Mapping[str, float]) -> None:
        self.states[state] += 1
        broken = violations(self.spec.constraints, metrics)
        if state == "COMPLETE" and all_kept(broken):
            self._points[number] = [metrics[name] for name in self.spec.objectives]
            self._rank(number)
            accuracy = metrics.get("val_accuracy", 0.0)
            self.best_accuracy = max(accuracy, self.best_accuracy)

    def _rank(self, number: int) -> None:
        """Ranks a new point against the front: whoever is dominated once is so for ever."""
        numbers = [*sorted(self.front), number]
        points = [self._points[one] for one in numbers]
        kept = on_front(points, self.spec.objectives)
        self.front = {one for one, keep in zip(numbers, kept, strict=True) if keep}
        front_points = [self._points[one] for one in self.front]
        self.hypervolume = hypervolume(front_points, self.spec.objectives)

    def _describe(self, number: int) -> str:
        if number not in self._points:
            return ""
        values = zip(self.spec.objectives, self._points[number], strict=True)
        return ": " + ", ".join(f"{name} {value:,.6g}" for name, value in values)
