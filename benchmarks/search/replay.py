"""Replays a search on a table of recorded learning curves, with asynchronous workers.

The clock is simulated: an epoch of a configuration takes 1 + macs / (median macs of the table) units
of time, the 1 for what a training step costs whatever the network is. So small networks overtake large
ones, and a method has to decide while others still train, as on a cluster. What a search spends is
counted in epochs and in multiply-accumulates, whatever their time.

What a search has found are the trials that it COMPLETED, trained to the last epoch: those are what
a study hands out.
"""

import heapq
import itertools
import time
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np

from benchmarks.search.replay_table import Configuration, Metrics, Seen, Table

Ending: TypeAlias = Literal["COMPLETE", "PRUNED", "FAIL"]


class Method(Protocol):
    """A search. A key is any number of the method's own that tells its trials apart."""

    def ask(self) -> tuple[int, Configuration] | None:
        """The next trial; None: there is none now. It is asked again after each epoch."""

    def report(self, key: int, epoch: int, metrics: Metrics) -> bool:
        """Told after each epoch, from 1; whether the trial goes on, unless it was the last.

        `metrics` has val_accuracy, val_accuracy_sem, trainable_parameters and macs.
        """

    def end(self, key: int, ending: Ending) -> None:
        """The trial has ended: COMPLETE at its last epoch, PRUNED by its method before, or FAIL."""


@dataclass(kw_only=True)
class Trace:
    """How a search went; the lists of completed trials have one entry a trial, in their order."""

    rows: list[int] = field(default_factory=list)
    """Of the table: which configurations were completed."""
    epochs: list[int] = field(default_factory=list)
    """What all trials together had spent by then."""
    macs: list[float] = field(default_factory=list)
    """The same in multiply-accumulates of one image, summed over epochs."""
    ask_seconds: list[float] = field(default_factory=list)
    """Processor seconds of each proposal, in the order of trials."""
    trials: int = 0
    failed: int = 0


@dataclass
class _Trial:
    key: int
    row: int
    epoch: int = 0


def replay(method: Method, table: Table, seen: Seen, *, limit: int, workers: int = 8) -> Trace:
    """Runs the method until `limit` epochs are spent, or it proposes nothing and nothing runs.

    Raises ValueError where a method proposes a configuration twice, or one that is not in the table.
    """
    duration = 1 + table.macs / np.median(table.macs)
    trace = Trace()
    tried: set[int] = set()
    # Epochs under way by the time they end; the count decides between equal times.
    under_way: list[tuple[float, int, _Trial]] = []
    count = itertools.count()
    now, macs = 0.0, 0.0

    def go_on(trial: _Trial) -> None:
        heapq.heappush(under_way, (now + duration[trial.row], next(count), trial))

    for spent in range(1, limit + 1):
        while len(under_way) < workers and (asked := _ask(method, trace)) is not None:
            key, configuration = asked
            row = table.space.row(configuration)
            if row is None or row in tried:
                raise ValueError(f"a proposal must be new and in the table, got {configuration}")
            trace.trials += 1
            tried.add(row)
            go_on(_Trial(key, row))
        if not under_way:
            break
        now, _, trial = heapq.heappop(under_way)
        row, trial.epoch = trial.row, trial.epoch + 1
        macs += table.macs[row]
        if table.fails[row]:
            trace.failed += 1
            method.end(trial.key, "FAIL")
            continue
        metrics = {
            "val_accuracy": float(seen.accuracy[row, trial.epoch - 1]),
            "val_accuracy_sem": float(seen.error[row, trial.epoch - 1]),
            **table.space.sizes[row],
        }
        goes_on = method.report(trial.key, trial.epoch, metrics)
        if trial.epoch == table.epochs:
            trace.rows.append(row)
            trace.epochs.append(spent)
            trace.macs.append(macs)
            method.end(trial.key, "COMPLETE")
        elif not goes_on:
            method.end(trial.key, "PRUNED")
        else:
            go_on(trial)
    return trace


def _ask(method: Method, trace: Trace) -> tuple[int, Configuration] | None:
    start = time.process_time()
    asked = method.ask()
    if asked is not None:
        trace.ask_seconds.append(time.process_time() - start)
    return asked
