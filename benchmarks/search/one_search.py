"""One search of a method on a table, as the numbers that benchmarks/search keeps of it.

Apart from `__main__.py`, for the processes in which searches are replayed do not import that.
"""

import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search.methods import make
from benchmarks.search.replay import replay
from benchmarks.search.replay_table import Table
from benchmarks.search.summary import GOAL


def search(  # noqa: PLR0913, PLR0917  # mapped over
    name: str,
    seed: int,
    path: str,
    quantile: float,
    limit: int,
    workers: int,
    epochs: Sequence[int],
) -> dict[str, Any]:
    """One search, as numbers; `epochs` are those at which its trace is kept."""
    table = _table(path, quantile)
    start = time.perf_counter()
    method = make(name, table.space, seed)
    trace = replay(method, table, limit=limit, workers=workers)
    return {
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 2),
        "trials": trace.trials,
        "completed": trace.completed,
        "repeats": trace.repeats,
        "epochs_to_goal": _first(trace.hypervolume >= GOAL),
        "anytime_epochs_to_goal": _first(trace.anytime >= GOAL),
        "hypervolume": [round(float(trace.hypervolume[epoch - 1]), 4) for epoch in epochs],
        "anytime": [round(float(trace.anytime[epoch - 1]), 4) for epoch in epochs],
    }


@cache
def _table(path: str, quantile: float) -> Table:
    return Table.load(Path(path), quantile)


def _first(reached: np.ndarray) -> int | None:
    """The epochs spent when it was reached; None: never."""
    return int(np.argmax(reached)) + 1 if reached.any() else None
