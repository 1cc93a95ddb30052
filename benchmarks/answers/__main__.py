"""How long answers take of studies with 1,000 and 10,000 trials.

    python -m benchmarks.answers
    python -m benchmarks.answers --trials 1000 --repetitions 3 --no-server

A store of two studies is made for each size (`store.py`), and asked through the functions that
the commands use: an SQLite file, and an MLflow server with PostgreSQL (whose programs must be on this
machine). `sender` is what the table of trials costs the process that keeps it: to make it of the runs
when it starts, and to store it, as every eight seconds. `fresh` asks the runs themselves. `command` is
the whole process of `study best --limit 5 --json`, imports included. Medians.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe
from study import environment
from tests.support.servers import postgres, tracking_server

environment.prepare()

from benchmarks.answers import store as answers_store  # noqa: E402  # MLflow loads after its settings are made
from study.home import Home  # noqa: E402
from study.results import answers, comparison, study_status  # noqa: E402
from study.tracking.trial_table import FILE  # noqa: E402
from study.tracking.writer import MlflowWriter  # noqa: E402

RESULT: Final = Path(__file__).parents[1] / "results" / "answers.json"
NAMES: Final = ("first", "second")

Ask = Callable[[], object]


def main() -> None:
    options = _options()
    sizes: dict[str, dict[str, Any]] = {}
    for trials in options.trials:
        with tempfile.TemporaryDirectory() as folder:
            home = answers_store.make(Path(folder), list(NAMES), trials)
            found = measure("sqlite", home, options.repetitions)
            found["command"] = medians({"best": partial(_command, home)}, options.repetitions)
        if options.server:
            found |= _measure_server(trials, options.repetitions)
        sizes[str(trials)] = found
        print_size(trials, sizes[str(trials)])
    result = {
        "machine": describe(),
        "repetitions": options.repetitions,
        "families": list(answers_store.FAMILIES),
        "seconds": sizes,
    }
    options.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def measure(store: str, home: Home, repetitions: int) -> dict[str, dict[str, float]]:
    """Median seconds of what the sender does, of each question, and of two asked of the runs."""
    fresh: dict[str, Ask] = {
        "status": lambda: study_status.status(NAMES[0], home=home, fresh=True),
        "trials": lambda: answers.trials(NAMES[0], home=home, fresh=True),
    }
    return {
        f"{store} sender": _store_tables(home, repetitions),
        store: medians(questions(home), repetitions),
        f"{store} fresh": medians(fresh, min(3, repetitions)),
    }


def _measure_server(trials: int, repetitions: int) -> dict[str, dict[str, float]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres() as database,
        tracking_server(Path(folder), database) as server,
    ):
        home = Home(folder=Path(folder), tracking_uri=server.uri)
        for seed, name in enumerate(NAMES):
            answers_store.add(home, database, name, trials, seed)
        return measure("server", home, repetitions)


def _store_tables(home: Home, repetitions: int) -> dict[str, float]:
    """Stores the table of each study; the median seconds of the last, and its bytes."""
    found = {}
    for name in NAMES:
        start = time.perf_counter()
        writer = MlflowWriter(answers_store.spec_of(name), home, home.study_folder(name))
        found["made of the runs"] = round(time.perf_counter() - start, 4)

        def store(writer: MlflowWriter = writer) -> None:
            assert writer._rows is not None  # noqa: S101, SLF001  # it is a search
            writer._rows.changed = True  # noqa: SLF001  # as if a trial had moved
            writer.store_table()

        found |= medians({"stored": store}, repetitions)
    files = [file for file in home.folder.rglob(FILE) if file.is_file()]
    found["bytes"] = max((file.stat().st_size for file in files), default=0)
    return found


def questions(home: Home) -> dict[str, Ask]:
    """What is asked, by its name in the result."""
    name = NAMES[0]
    small: dict[str, Any] = {"max_parameters": 5000, "family": "vann"}
    return {
        "best 5": lambda: answers.best_configs(name, limit=5, home=home),
        "best 5 of a family": lambda: answers.best_configs(name, limit=5, home=home, **small),
        "smallest": lambda: answers.smallest(name, home=home, min_accuracy=0.95),
        "pareto": lambda: answers.pareto_front(name, home=home),
        "pareto confident": lambda: answers.pareto_front(name, home=home, confident=True),
        "knee": lambda: answers.knee(name, home=home),
        "status": lambda: study_status.status(name, home=home),
        "trials": lambda: answers.trials(name, home=home),
        "compare": lambda: comparison.compare(NAMES, home=home),
    }


def _command(home: Home) -> None:
    command = [sys.executable, "-m", "study.cli", "best", NAMES[0], "--limit", "5", "--json"]
    subprocess.run(  # noqa: S603  # our own command
        [*command, "--home", str(home.folder)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def medians(asked: dict[str, Ask], repetitions: int) -> dict[str, float]:
    """Median seconds of each; once more before that, so that connections and caches are there."""
    found = {}
    for name, ask in asked.items():
        seconds = []
        for _ in range(repetitions + 1):
            start = time.perf_counter()
            ask()
            seconds.append(time.perf_counter() - start)
        found[name] = round(statistics.median(seconds[1:]), 4)
        print(f"  {name}: {found[name]:.3f} s", flush=True)
    return found


def print_size(trials: int, found: dict[str, Any]) -> None:
    print(f"{trials:,} trials, seconds:")
    for way, rows in found.items():
        print(f"  {way}: " + ", ".join(f"{name} {value:.3f}" for name, value in rows.items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--result", type=Path, default=RESULT)
    parser.add_argument("--no-server", dest="server", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    main()
