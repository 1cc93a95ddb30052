"""A study on many simulated workers, without Ray, for benchmarks/overhead and benchmarks/scaling.

Searcher, halving and journal are those of a study; time is simulated. What a decision computes passes
on the simulated clock too, as there is one driver: it decides on one thing after another.
"""

import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from benchmarks.overhead.phases import resident_mb
from benchmarks.overhead.trial import metrics
from models.architecture import Architecture
from study import StudySpec
from study.search.budget import BudgetSpent
from study.search.scheduler import Halving
from study.search.searcher import StudySearcher
from study.search.space import known_metrics
from study.search.storage import SearchStorage

_TRIAL_S: Final = 60.0  # the mean of a trial that is not stopped


@final
class Clock:
    """Simulated seconds, and those of the timer while a decision is computed.

    `busy` are the seconds that the driver has decided for by now.
    """

    def __init__(self, timer: Callable[[], float] = time.perf_counter) -> None:
        self.busy = 0.0
        self._timer = timer
        self._now = 0.0
        self._started: float | None = None

    def __call__(self) -> float:
        return self._now + (0.0 if self._started is None else self._timer() - self._started)

    def spend(self, seconds: float) -> None:
        """The driver is busy for so long."""
        self._now, self.busy = self._now + seconds, self.busy + seconds

    def wait_until(self, moment: float) -> None:
        """Nothing happens before; a driver that is late is not early again."""
        self._now = max(self._now, moment)

    def decide(self, call: Any, *arguments: Any) -> tuple[Any, float]:  # noqa: ANN401  # any decision
        """What the call gives, and its seconds."""
        self._started = self._timer()
        found = call(*arguments)
        seconds = self._timer() - self._started
        self._started = None
        self.spend(seconds)
        return found, seconds


@dataclass
class _Costs:
    """The decisions about the last trials, in seconds by kind."""

    asks: list[float] = field(default_factory=list)
    reports: list[float] = field(default_factory=list)
    tells: list[float] = field(default_factory=list)
    latest: float = 0.0

    def summary(self) -> dict[str, dict[str, float]]:
        """Median, 99th percentile and longest, in microseconds."""
        kinds = {"ask": self.asks, "report": self.reports, "tell": self.tells}
        return {
            kind: {
                "median": 1e6 * float(np.median(seconds)),
                "p99": 1e6 * float(np.quantile(seconds, 0.99)),
                "max": 1e6 * max(seconds),
                "mean": 1e6 * float(np.mean(seconds)),
            }
            for kind, seconds in kinds.items()
            if seconds
        }


@dataclass(order=True)
class _Epoch:
    """One epoch of a trial, by the moment at which it ends; `order` decides between equal ones."""

    due: float
    order: int
    key: str = field(compare=False)
    config: dict[str, Any] = field(compare=False)
    seconds: float = field(compare=False)
    number: int = field(compare=False, default=1)

    def report(self) -> dict[str, Any]:
        reached = metrics(self.config, self.number)
        last = self.config["training"]["epochs"]
        return {"epochs": [reached], "finished": self.number == last, "failure": None}


@final
class Simulation:
    """A study with its journal in a folder, on so many simulated workers.

    `trial_s` is the mean of a trial that is not stopped, `event_s` what Tune takes by itself for the
    start of a trial or one of its reports.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what a study and its workers are
        self,
        spec: StudySpec,
        workers: int,
        folder: Path,
        trial_s: float = _TRIAL_S,
        event_s: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        self.ended = 0
        self.trained_s = 0.0  # of all workers together
        self._trial_s, self._event_s = trial_s, event_s
        self._clock = clock or Clock()
        self._searcher = StudySearcher(
            spec,
            SearchStorage(spec, folder / "search.journal"),
            BudgetSpent(spec),
            _known,
            clock=self._clock,
        )
        self._halving = Halving(spec)
        self._idle, self._stopped = workers, 0
        self._chance = np.random.default_rng(0)
        self._count = itertools.count()
        self._epochs: list[_Epoch] = []
        self._costs = _Costs()

    def step(self) -> bool:
        """Asks for all idle workers, and hears of the next epoch; whether a trial ended by it."""
        while self._idle and self._ask():
            self._idle -= 1
        epoch = heapq.heappop(self._epochs)
        self._clock.wait_until(epoch.due)
        self._costs.latest = max(self._costs.latest, self._clock() - epoch.due)
        self.trained_s += epoch.seconds
        self._clock.spend(self._event_s)
        report = epoch.report()
        if not report["finished"] and self._goes_on(epoch, report):
            epoch.due, epoch.number = self._clock() + epoch.seconds, epoch.number + 1
            heapq.heappush(self._epochs, epoch)
            return False
        searcher = self._searcher
        self._costs.tells.append(
            self._clock.decide(searcher.on_trial_complete, epoch.key, report)[1]
        )
        self.ended, self._idle = self.ended + 1, self._idle + 1
        self._stopped += not report["finished"]
        return True

    def _ask(self) -> bool:
        order = next(self._count)
        config, seconds = self._clock.decide(self._searcher.suggest, str(order))
        if not isinstance(config, dict):
            return False
        self._costs.asks.append(seconds)
        self._clock.spend(self._event_s)
        epochs = config["training"]["epochs"]
        epoch_s = self._trial_s / epochs * self._chance.uniform(0.3, 1.7)
        due = self._clock() + epoch_s
        heapq.heappush(self._epochs, _Epoch(due, order, str(order), config, epoch_s))
        return True

    def _goes_on(self, epoch: _Epoch, report: dict[str, Any]) -> bool:
        enter, number = self._halving.enter, epoch.config["number"]
        goes_on, seconds = self._clock.decide(enter, number, epoch.number, report["epochs"][-1])
        if goes_on:
            seconds += self._clock.decide(self._searcher.on_trial_result, epoch.key, report)[1]
        self._costs.reports.append(seconds)
        return bool(goes_on)

    def summary(self) -> dict[str, Any]:
        """The decisions since the last window began."""
        return self._costs.summary() | {
            "memory_mb": resident_mb(),
            "stopped_share": self._stopped / self.ended,
            "latest_s": self._costs.latest,
            "simulated_s": self._clock(),
        }

    def begin_window(self) -> None:
        self._costs = _Costs()


def _known(network: Architecture) -> dict[str, float]:
    return dict(known_metrics(network, (1, 8, 8), 10))
