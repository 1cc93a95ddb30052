"""What is measured of one search on a table, once it is replayed."""

import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.search.protocol import MEASURES, Settings, make, table_of
from benchmarks.search.replay import Trace, replay
from benchmarks.search.replay_table import Array, Seen, Table, hypervolume

POINTS: Final = 24
"""Where a trace is kept, evenly on a logarithmic scale of epochs from one trial to the limit."""
CHANCE: Final = 0.1
"""The accuracy of a user who has no network yet."""
_LATE: Final = 50  # proposals, of which the time to ask is told


def search(
    name: str, seed: int, table_name: str, limit: float, settings: Settings
) -> dict[str, Any]:
    """One search of a method, as numbers; it may spend the share `limit` of the table's epochs."""
    table = table_of(table_name)
    seen = table.seen_by(seed)
    start = time.process_time()
    method = make(name, table.space, seed, settings)
    epochs = round(limit * table.all_epochs)
    trace = replay(method, table, seen, limit=epochs, workers=MEASURES["workers"])
    return measured(table, seen, trace, epochs) | {
        "seed": seed,
        "seconds": round(time.process_time() - start, 1),
    }


def measured(table: Table, seen: Seen, trace: Trace, limit: int) -> dict[str, Any]:
    """The measures of a search that could spend `limit` epochs."""
    asked = [1000 * seconds for seconds in trace.ask_seconds] or [0.0]
    return {
        "trials": trace.trials,
        "completed": len(trace.rows),
        "failed": trace.failed,
        "ask_ms": round(float(np.mean(asked)), 3),
        "late_ask_ms": round(float(np.mean(asked[-_LATE:])), 3),
        "boxes": {
            f"{quantile:g}": _in_box(table, seen, trace, quantile, limit)
            for quantile in MEASURES["boxes"]
        },
        "regrets": [
            [round(regret, 5) for regret in _regrets(table, seen, trace, share)]
            for share in MEASURES["shares"]
        ],
    }


def points(table: Table, limit: int) -> list[int]:
    """The epochs at which traces are kept."""
    return [int(epoch) for epoch in np.geomspace(table.epochs, limit, POINTS).round()]


def _in_box(table: Table, seen: Seen, trace: Trace, quantile: float, limit: int) -> dict[str, Any]:
    shares = shares_of(table, seen, trace, quantile)
    (reached,) = np.nonzero(shares >= MEASURES["goal"])
    first = int(reached[0]) if reached.size else None
    by_epoch = _by_epoch(trace, shares, limit)
    regrets = np.log10(np.maximum(1 - by_epoch, MEASURES["least_regret"]))
    return {
        "epochs": None if first is None else trace.epochs[first],
        "macs": None if first is None else trace.macs[first],
        "area": round(float(regrets.mean()), 4),
        "trace": [round(float(by_epoch[epoch - 1]), 3) for epoch in points(table, limit)],
    }


def shares_of(table: Table, seen: Seen, trace: Trace, quantile: float) -> Array:
    """The share of the table's true hypervolume after each completed trial, (completed,)."""
    costs = table.costs(seen.truth, quantile)
    full = hypervolume(costs[~table.fails])
    shares, front = [], np.empty((0, 2))
    for row in trace.rows:
        point = costs[row]
        if not (front <= point).all(axis=1).any():
            front = np.vstack([front[~(front >= point).all(axis=1)], point])
            share = hypervolume(front) / full
        shares.append(share)
    return np.array(shares)


def _by_epoch(trace: Trace, shares: Array, limit: int) -> Array:
    """The share after each epoch, (limit,)."""
    ended = np.searchsorted(trace.epochs, np.arange(1, limit + 1), side="right")
    return np.concatenate([[0.0], shares])[ended]


def _regrets(table: Table, seen: Seen, trace: Trace, share: float) -> list[float]:
    """By how much the network that a user picks is less accurate than the best, for each size.

    The user picks the most accurate network up to a size, by what was seen of the completed trials.
    """
    count = int(np.searchsorted(trace.epochs, share * table.all_epochs, side="right"))
    rows = np.array(trace.rows[:count], dtype=np.int64)
    regrets = []
    for most in MEASURES["parameters"]:
        small: NDArray[np.bool_] = table.parameters <= most
        best = float(np.nanmax(np.where(small, seen.truth, np.nan)))
        found = rows[small[rows]]
        picked = found[np.argmax(seen.accuracy[found, -1])] if found.size else None
        regrets.append(best - (CHANCE if picked is None else float(seen.truth[picked])))
    return regrets
