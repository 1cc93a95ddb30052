"""Does it search better? Searches replayed on a table of learning curves, ours beside its peers.

    python -m benchmarks.search NAME [--seeds 20] [--methods tpe ours] [--quantile 0.5] [--result FILE]

NAME is the table benchmarks/search/tables/NAME.npz, or a path. A search is measured by the hypervolume
of the trials that it completed, as a share of that of the whole table (replay_table.py, replay.py),
over the epochs that it spent. Prints a table; writes benchmarks/results/search.json and
docs/images/search_hypervolume.png (for which kaleido and a Chrome or Chromium must be there). With
--draw the stored result is shown again.
"""

import argparse
import json
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe
from benchmarks.search.figure import draw
from benchmarks.search.methods import METHODS, available
from benchmarks.search.one_search import search
from benchmarks.search.replay_table import Table
from benchmarks.search.summary import print_summary

HERE = Path(__file__).parent
RESULT = HERE.parent / "results" / "search.json"
PICTURE = HERE.parents[1] / "docs/images/search_hypervolume.png"
# Of the epochs of the whole table, where the traces are kept, evenly on a log scale.
POINTS = 70


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("table", help="NAME of benchmarks/search/tables/NAME.npz, or a path")
    parser.add_argument("--seeds", type=int, default=20, help="searches of each method")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=available())
    parser.add_argument("--limit-share", type=float, default=1.0, help="of all epochs of the table")
    parser.add_argument(
        "--quantile", type=float, default=0.5, help="of the error, where the box ends"
    )
    parser.add_argument(
        "--result", type=Path, default=RESULT, help="file; another one is not drawn"
    )
    parser.add_argument("--workers", type=int, default=8, help="simulated workers of a search")
    parser.add_argument("--jobs", type=int, default=2, help="searches replayed at once")
    parser.add_argument("--keep", action="store_true", help="keep stored searches of other methods")
    parser.add_argument("--draw", action="store_true", help="show the stored result")
    arguments = parser.parse_args()
    if not arguments.draw:
        result = measure(arguments)
        arguments.result.write_text(json.dumps(result) + "\n", encoding="utf-8")
    result = json.loads(arguments.result.read_text(encoding="utf-8"))
    print_summary(result)
    if arguments.result == RESULT:
        draw(result, PICTURE)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    path = _path(arguments.table)
    table = Table.load(path, arguments.quantile)
    limit = max(1, round(arguments.limit_share * table.all_epochs))
    stored = json.loads(RESULT.read_text(encoding="utf-8")) if arguments.keep else {"runs": {}}
    points = np.unique(np.geomspace(table.epochs, limit, POINTS).round().astype(int)).tolist()
    epochs = stored.get("epochs", points)
    tasks = list(product(arguments.methods, range(arguments.seeds)))
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in arguments.methods}
    # One thread a process: what they compute is small. Fresh processes, for Ray and Optuna have state.
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        settings = (str(path), arguments.quantile, limit, arguments.workers, epochs)
        arms = [(name, seed, *settings) for name, seed in tasks]
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
            "quantile": table.quantile,
        },
        "seeds": arguments.seeds,
        "workers": arguments.workers,
        "limit": limit,
        "epochs": epochs,
        "runs": {name: runs.get(name) or stored["runs"][name] for name in stored["runs"] | runs},
    }


def _path(name: str) -> Path:
    return Path(name) if name.endswith(".npz") else HERE / "tables" / f"{name}.npz"


if __name__ == "__main__":
    main()
