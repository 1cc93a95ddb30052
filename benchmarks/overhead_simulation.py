"""A study on many simulated workers, for benchmarks/overhead.py: what a decision costs without Ray.

Searcher, halving and journal are those of a study; time is simulated. What a decision computes passes
on the simulated clock too, as there is one driver: it decides on one thing after another.
"""

import heapq
import itertools
import json
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import numpy as np
from overhead_ours import spec
from overhead_phases import resident_mb
from overhead_trial import EPOCHS, metrics

from models.architecture import Architecture
from study import environment
from study.halving import Halving
from study.ledger import Ledger
from study.search import StudySearcher
from study.space import known_metrics

_TRIAL_S: Final = 60.0  # the mean of a trial that is not stopped
_WINDOW: Final = 500  # ended trials up to a mark, whose decisions are summarised


@final
class Clock:
    """Simulated seconds, and the real ones while a decision is computed."""

    def __init__(self) -> None:
        self._now = 0.0
        self._started: float | None = None

    def __call__(self) -> float:
        return self._now + (0.0 if self._started is None else time.perf_counter() - self._started)

    def wait_until(self, moment: float) -> None:
        """Nothing happens before; a driver that is late is not early again."""
        self._now = max(self._now, moment)

    def decide(self, call: Any, *arguments: Any) -> tuple[Any, float]:  # noqa: ANN401  # any decision
        """What the call gives, and its seconds."""
        self._started = time.perf_counter()
        found = call(*arguments)
        seconds = time.perf_counter() - self._started
        self._now, self._started = self._now + seconds, None
        return found, seconds


@dataclass
class _Costs:
    """The decisions about the last trials, in seconds by kind."""

    asks: list[float] = field(default_factory=list)
    reports: list[float] = field(default_factory=list)
    tells: list[float] = field(default_factory=list)

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


def simulate(trials: int, sampler: str, workers: int, limit_s: float) -> dict[str, Any]:
    """Up to so many trials end, or until the simulation itself has taken `limit_s`."""
    environment.prepare()
    wanted = spec(trials, sampler, "pareto")
    clock = Clock()
    marks: dict[str, Any] = {}
    costs, seen = _Costs(), 0
    chance = np.random.default_rng(0)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(wanted, Path(folder) / "search.journal")
        searcher = StudySearcher(wanted, ledger, _known, clock)
        halving = Halving(wanted)
        events: list[tuple[float, int, str, dict[str, Any], int, float]] = []
        order = itertools.count()
        ids = map(str, itertools.count())
        idle, ended, stopped = workers, 0, 0
        lateness: defaultdict[str, float] = defaultdict(float)
        while ended < trials and time.monotonic() - begun < limit_s:
            while idle:
                key = next(ids)
                config, seconds = clock.decide(searcher.suggest, key)
                if not isinstance(config, dict):
                    break
                costs.asks.append(seconds)
                idle -= 1
                epoch_s = _TRIAL_S / EPOCHS * chance.uniform(0.3, 1.7)
                heapq.heappush(events, (clock() + epoch_s, next(order), key, config, 1, epoch_s))
            due, _, key, config, epoch, epoch_s = heapq.heappop(events)
            clock.wait_until(due)
            lateness["most"] = max(lateness["most"], clock() - due)
            reached = metrics(config, epoch)
            finished = epoch == EPOCHS
            report = {"epochs": [reached], "finished": finished, "failure": None, "notice": None}
            goes_on = False
            if not finished:
                goes_on, seconds = clock.decide(halving.enter, config["number"], epoch, reached)
                if goes_on:
                    seconds += clock.decide(searcher.on_trial_result, key, report)[1]
                costs.reports.append(seconds)
            if goes_on:
                again = (clock() + epoch_s, next(order), key, config, epoch + 1, epoch_s)
                heapq.heappush(events, again)
                continue
            costs.tells.append(clock.decide(searcher.on_trial_complete, key, report)[1])
            ended, stopped, idle = ended + 1, stopped + (not finished), idle + 1
            if ended in {1000, 5000, 10_000, trials} or time.monotonic() - begun >= limit_s:
                marks[str(ended)] = costs.summary() | {
                    "memory_mb": resident_mb(),
                    "stopped_share": stopped / ended,
                    "latest_s": lateness["most"],
                    "simulated_s": clock(),
                    "real_s": time.monotonic() - begun,
                }
            seen += 1
            if seen % _WINDOW == 0:
                costs = _Costs()
                lateness.clear()
    return {"sampler": sampler, "workers": workers, "trials": ended, "marks": marks}


def _known(network: Architecture) -> dict[str, float]:
    return dict(known_metrics(network, (1, 8, 8), 10))


if __name__ == "__main__":
    count, chosen, simulated, limit = sys.argv[1:]
    print(json.dumps(simulate(int(count), chosen, int(simulated), float(limit))))
