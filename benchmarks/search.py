"""Does it search better? Searches replayed on a table of learning curves, ours beside its peers.

    python benchmarks/search.py NAME [--seeds 20] [--methods tpe ours] [--limit-share 1.0] [--jobs 2]

NAME is the table benchmarks/tables/NAME.npz, or a path. A search is measured by the hypervolume of
the trials that it completed, as a share of that of the whole table (replay_table.py, replay.py), over
the epochs that it spent. Prints a table; writes benchmarks/results/search.json and
docs/search_hypervolume.png (for which kaleido and a Chrome or Chromium must be there). With --draw the
stored result is shown again.
"""

import argparse
import importlib.util
import json
import os
import pkgutil
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe
from replay import replay
from replay_table import Table
from search_figure import draw
from search_summary import GOAL, print_summary

HERE = Path(__file__).parent
RESULT = HERE / "results" / "search.json"
PICTURE = HERE.parent / "docs" / "search_hypervolume.png"
# Where each method is made; what stands before a bracket is the name that its variants share.
METHODS = {
    "ours": "replay_ours:ours",
    "random": "peers:random",
    "random (no repeats)": "peers:random_without_repeats",
    "tpe": "peers:tpe",
    "tpe (no repeats)": "peers:tpe_without_repeats",
    "tpe+asha": "peers_asha:stock",
    "tpe+asha (pruned)": "peers_asha:pruned",
    "tpe+asha (pruned, no repeats)": "peers_asha:pruned_without_repeats",
    "nsga2 (20)": "peers:nsga2_of_20",
    "nsga2 (50)": "peers:nsga2_of_50",
    "nsga2 (20, no repeats)": "peers:nsga2_without_repeats",
    "moasha": "peers_moasha:moasha",
    "moasha (no repeats)": "peers_moasha:moasha_without_repeats",
    "moasha (as released)": "peers_moasha:moasha_as_released",
}
# Slow, and by a defect no rival (peers_moasha.py): run where it is named.
ON_REQUEST = ("moasha (as released)",)
# Of the epochs of the whole table, where the traces are kept, evenly on a log scale.
POINTS = 70


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", help="NAME of benchmarks/tables/NAME.npz, or a path")
    parser.add_argument("--seeds", type=int, default=20, help="searches of each method")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=_available())
    parser.add_argument("--limit-share", type=float, default=1.0, help="of all epochs of the table")
    parser.add_argument("--workers", type=int, default=8, help="simulated workers of a search")
    parser.add_argument("--jobs", type=int, default=2, help="searches replayed at once")
    parser.add_argument("--keep", action="store_true", help="keep stored searches of other methods")
    parser.add_argument("--draw", action="store_true", help="show the stored result")
    arguments = parser.parse_args()
    if not arguments.draw:
        result = measure(arguments)
        RESULT.write_text(json.dumps(result) + "\n", encoding="utf-8")
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    print_summary(result)
    draw(result, PICTURE)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    path = _path(arguments.table)
    table = Table.load(path)
    limit = max(1, round(arguments.limit_share * table.all_epochs))
    stored = json.loads(RESULT.read_text(encoding="utf-8")) if arguments.keep else {"runs": {}}
    points = np.unique(np.geomspace(table.epochs, limit, POINTS).round().astype(int)).tolist()
    epochs = stored.get("epochs", points)
    tasks = list(product(arguments.methods, range(arguments.seeds)))
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.methods}
    # One thread a process: what they compute is small. Fresh processes, for Ray and Optuna have state.
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        arms = [(name, seed, str(path), limit, arguments.workers, epochs) for name, seed in tasks]
        for (name, _), run in zip(tasks, pool.map(search, *zip(*arms, strict=True)), strict=True):
            runs[name].append(run)
            if len(runs[name]) == arguments.seeds:
                seconds = statistics.fmean(one["seconds"] for one in runs[name])
                print(f"{name}: {seconds:.1f} s a search", flush=True)
    return {
        "machine": stored.get("machine", describe()),
        "table": {
            "name": path.stem,
            "configurations": len(table.configurations),
            "all_epochs": table.all_epochs,
            "front": table.front_size,
        },
        "seeds": arguments.seeds,
        "workers": arguments.workers,
        "limit": limit,
        "epochs": epochs,
        "runs": {name: runs.get(name) or stored["runs"][name] for name in stored["runs"] | runs},
    }


def search(  # noqa: PLR0913, PLR0917  # mapped over
    name: str, seed: int, path: str, limit: int, workers: int, epochs: Sequence[int]
) -> dict[str, Any]:
    """One search, as numbers; `epochs` are those at which its trace is kept."""
    table = _table(path)
    start = time.perf_counter()
    method = pkgutil.resolve_name(METHODS[name])(table.space, seed)
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
def _table(path: str) -> Table:
    return Table.load(Path(path))


def _first(reached: np.ndarray) -> int | None:
    """The epochs spent when it was reached; None: never."""
    return int(np.argmax(reached)) + 1 if reached.any() else None


def _path(name: str) -> Path:
    return Path(name) if name.endswith(".npz") else HERE / "tables" / f"{name}.npz"


def _available() -> list[str]:
    return [
        name
        for name, where in METHODS.items()
        if name not in ON_REQUEST and importlib.util.find_spec(where.partition(":")[0])
    ]


if __name__ == "__main__":
    main()
