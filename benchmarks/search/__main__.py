"""Does it search better? Searches replayed on tables of learning curves, ours beside its peers.

    nice -n 19 python -m benchmarks.search tune [--jobs 2]
    nice -n 19 python -m benchmarks.search test [--seeds 50] [--methods ours tpe] [--minutes 60]
    python -m benchmarks.search show

protocol.toml says what is compared and how. `tune` runs every variant of every method on the tuning
tables, and writes tuned.json. `test` runs each method with the settings chosen there on the test
tables that are recorded, and adds to benchmarks/results/search.json. Either goes on where it was
stopped. `show` writes the tables of docs/search_benchmark.md and docs/images/search_hypervolume.png,
for which kaleido and a Chrome or Chromium must be there.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe
from benchmarks.search import protocol
from benchmarks.search.figure import draw
from benchmarks.search.measures import search
from benchmarks.search.summary import summary, write_between
from benchmarks.search.tuning import choose, key_of
from study.study_folder import replace_file

RESULT: Final = protocol.HERE.parent / "results" / "search.json"
PAGE: Final = protocol.HERE.parents[1] / "docs/search_benchmark.md"
PICTURE: Final = protocol.HERE.parents[1] / "docs/images/search_hypervolume.png"
_SAVE_S: Final = 20

Search = tuple[str, int, str, float, dict[str, Any]]
"""The arguments of `benchmarks.search.measures.search`."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("what", choices=["tune", "test", "show"])
    parser.add_argument("--methods", nargs="+", choices=protocol.METHODS, metavar="METHOD")
    parser.add_argument("--tables", nargs="+", choices=protocol.TEST["tables"], metavar="TABLE")
    parser.add_argument("--seeds", type=int, default=protocol.TEST["seeds"], help="of a test")
    parser.add_argument("--jobs", type=int, default=2, help="searches replayed at once")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no search after these")
    arguments = parser.parse_args()
    methods = arguments.methods or list(protocol.METHODS)
    if arguments.what == "tune":
        tune([name for name in methods if "like" not in protocol.METHODS[name]], arguments)
    elif arguments.what == "test":
        test(methods, arguments)
    if arguments.what != "tune":
        result = json.loads(RESULT.read_text(encoding="utf-8"))
        print(summary(result))
        if arguments.what == "show":
            write_between(summary(result), PAGE)
            draw(result, PICTURE)


def tune(methods: Sequence[str], arguments: argparse.Namespace) -> None:
    stored = _stored(protocol.TUNED, "areas")
    tuning = protocol.TUNING
    wanted = [
        (name, seed, table, tuning[f"{speed}limit"], settings)
        for speed in ("", "slow_")
        for seed in tuning[f"{speed}seeds"]
        for name in methods
        if protocol.is_slow(name) == bool(speed)
        for settings in protocol.variants(name)
        for table in tuning["tables"]
    ]
    areas = stored["areas"]

    def keep(one: Search, found: dict[str, Any]) -> None:
        name, seed, table, _, settings = one
        boxes = [box["area"] for box in found["boxes"].values()]
        of_variant = areas.setdefault(name, {}).setdefault(key_of(settings), {})
        of_variant.setdefault(table, {})[str(seed)] = round(sum(boxes) / len(boxes), 4)

    def is_known(one: Search) -> bool:
        name, seed, table, _, settings = one
        known = areas.get(name, {}).get(key_of(settings), {}).get(table, {})
        return str(seed) in known

    _run([one for one in wanted if not is_known(one)], keep, arguments, stored, protocol.TUNED)
    stored["chosen"] = {}
    for name, found in areas.items():
        try:
            stored["chosen"][name] = choose(name, found)
        except ValueError as error:
            print(error)
    _save(stored, protocol.TUNED)


def test(methods: Sequence[str], arguments: argparse.Namespace) -> None:
    stored = _stored(RESULT, "runs")
    runs = stored["runs"]
    wanted = [
        (name, seed, table, protocol.TEST["limit"], protocol.tuned(name))
        for slow in (False, True)
        for seed in range(arguments.seeds)
        for table in arguments.tables or protocol.recorded()
        for name in methods
        if protocol.is_slow(name) is slow
    ]

    def keep(one: Search, found: dict[str, Any]) -> None:
        name, seed, table, _, _ = one
        runs.setdefault(table, {}).setdefault(name, {})[str(seed)] = found

    def is_known(one: Search) -> bool:
        name, seed, table, _, _ = one
        return str(seed) in runs.get(table, {}).get(name, {})

    _run([one for one in wanted if not is_known(one)], keep, arguments, stored, RESULT)


def _run(
    wanted: Sequence[Search],
    keep: Callable[[Search, dict[str, Any]], None],
    arguments: argparse.Namespace,
    stored: dict[str, Any],
    to: Path,
) -> None:
    """Runs searches in processes, and keeps what they found; stores it every now and then."""
    # One thread a process: what they compute is small. Fresh processes, for Ray and Optuna have state.
    os.environ["OMP_NUM_THREADS"] = "1"
    until = time.monotonic() + 60 * arguments.minutes
    saved, left = time.monotonic(), iter(wanted)
    print(f"{len(wanted)} searches are left", flush=True)
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        running: dict[Future[dict[str, Any]], Search] = {}

        def begin(searches: Iterator[Search]) -> None:
            one = next(searches, None) if time.monotonic() < until else None
            if one is not None:
                running[pool.submit(search, *one)] = one

        for _ in range(arguments.jobs):
            begin(left)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                one, found = running.pop(future), future.result()
                keep(one, found)
                print(f"{one[2]} {one[1]}: {one[0]} {one[4]} {found['seconds']} s", flush=True)
                begin(left)
            if time.monotonic() > saved + _SAVE_S:
                _save(stored, to)
                saved = time.monotonic()
    _save(stored, to)


def _stored(path: Path, key: str) -> dict[str, Any]:
    """What was stored before; nothing, on this machine, if nothing was."""
    if path.exists():
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return stored
    return {"machine": describe(), key: {}}


def _save(stored: dict[str, Any], to: Path) -> None:
    replace_file(to, json.dumps(stored, separators=(",", ":")) + "\n", durably=False)


if __name__ == "__main__":
    main()
