"""Replays a search on a table of recorded learning curves, with asynchronous workers.

The clock is simulated: an epoch of a configuration takes 1 + macs / (median macs of the table) units
of time, the 1 for what a training step costs whatever the network is. So small networks overtake large
ones, and a method has to decide while others still train, as on a cluster. A search is charged
epochs, though, whatever their time: that is the budget in which the literature on early stopping counts.

What a search has found are the trials that it COMPLETED, trained to the last epoch: those are what
a study hands out. The same with all epochs of all trials, stopped ones included, is recorded beside it
as `anytime`.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.search.replay_table import Configuration, Metrics, Space, Table, hypervolume


class Method(Protocol):
    """A search. A key is any number of the method's own that tells its trials apart."""

    def ask(self) -> tuple[int, Configuration] | None:
        """The next trial; None: there is none now. It is asked again after each epoch."""

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:
        """Told after each epoch, from 1; whether the trial goes on, unless it was the last.

        `metrics` has val_accuracy, val_accuracy_sem, trainable_parameters and macs.
        """

    def end(self, key: int, *, finished: bool) -> None:
        """The trial has ended: `finished` at its last epoch, or stopped by its method before."""


MethodFactory: TypeAlias = Callable[[Space, int], Method]
"""Makes a method from what it may know and the seed of the search."""


@dataclass(kw_only=True)
class Trace:
    """How a search went. Arrays (epochs spent,): shares of the table's hypervolume, 0..1."""

    hypervolume: NDArray[np.float32]
    anytime: NDArray[np.float32]
    trials: int = 0
    completed: int = 0
    repeats: int = 0
    """Trials of a configuration that had been tried before."""


@dataclass
class Front:
    """The points that no other dominates, and the share of the hypervolume that they reach."""

    full: float
    share: float = 0.0
    _points: list[tuple[float, float]] = field(default_factory=list)

    def add(self, point: tuple[float, float]) -> None:
        x, y = point
        if any(a <= x and b <= y for a, b in self._points):
            return
        self._points = [(a, b) for a, b in self._points if a < x or b < y]
        self._points.append(point)
        self.share = hypervolume(self._points) / self.full


@dataclass
class _Trial:
    key: int
    row: int
    epoch: int = 0


def replay(method: Method, table: Table, *, limit: int, workers: int = 8) -> Trace:
    """Runs the method until `limit` epochs are spent, or it proposes nothing and nothing runs.

    What a method that ended early had found counts for the epochs that it left.
    """
    duration = 1 + table.macs / np.median(table.macs)
    trace = Trace(
        hypervolume=np.zeros(limit, dtype=np.float32), anytime=np.zeros(limit, dtype=np.float32)
    )
    complete, anytime = Front(table.hypervolume), Front(table.hypervolume)
    tried: set[int] = set()
    # Epochs under way by the time they end; the count decides between equal times.
    under_way: list[tuple[float, int, _Trial]] = []
    count = itertools.count()
    now, spent = 0.0, 0

    def go_on(trial: _Trial) -> None:
        heapq.heappush(under_way, (now + duration[trial.row], next(count), trial))

    while spent < limit:
        while len(under_way) < workers and (asked := method.ask()) is not None:
            key, configuration = asked
            row = table.row(configuration)
            trace.trials += 1
            trace.repeats += row in tried
            tried.add(row)
            go_on(_Trial(key, row))
        if not under_way:
            break
        now, _, trial = heapq.heappop(under_way)
        trial.epoch += 1
        goes_on = method.report(trial.key, trial.epoch, table.metrics(trial.row, trial.epoch))
        finished = trial.epoch == table.epochs
        point = tuple(table.costs[trial.row, trial.epoch - 1].tolist())
        anytime.add(point)
        if finished:
            complete.add(point)
            trace.completed += 1
        if finished or not goes_on:
            method.end(trial.key, finished=finished)
        else:
            go_on(trial)
        trace.hypervolume[spent], trace.anytime[spent] = complete.share, anytime.share
        spent += 1
    trace.hypervolume[spent:], trace.anytime[spent:] = complete.share, anytime.share
    return trace
