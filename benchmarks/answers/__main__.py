"""How long answers take of studies with 1,000 and 10,000 trials.

    python -m benchmarks.answers
    python -m benchmarks.answers --trials 1000 --repetitions 3 --no-server

A store of two studies is made for each size (`store.py`), and asked through the functions that
the commands use: the SQLite file itself, and an MLflow server in front of it. `command` is the whole
process of `study best --limit 5 --json`, imports included. `pages` is what MLflow's own search takes of
the file for pages of several sizes, and for the five most accurate trials, ordered by MLflow. Medians.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.machine import describe
from study import environment

environment.prepare()

from mlflow import MlflowClient  # noqa: E402  # MLflow loads after its settings are made

from benchmarks.answers import store  # noqa: E402
from study.home import Home  # noqa: E402
from study.results import answers, comparison, mlflow_search, query  # noqa: E402

RESULT: Final = Path(__file__).parents[1] / "results" / "answers.json"
PAGES: Final = (5, 100, 1000, 5000)
NAMES: Final = ("first", "second")

Ask = Callable[[], object]


def main() -> None:
    options = _options()
    sizes = {}
    for trials in options.trials:
        with tempfile.TemporaryDirectory() as folder:
            home = store.make(Path(folder), list(NAMES), trials)
            sizes[str(trials)] = measure(home, options.repetitions, server=options.server)
        print_size(trials, sizes[str(trials)])
    result = {
        "machine": describe(),
        "repetitions": options.repetitions,
        "families": list(store.FAMILIES),
        "seconds": sizes,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def measure(home: Home, repetitions: int, *, server: bool) -> dict[str, Any]:
    """Median seconds of each question, by the way in which the store is asked."""
    found: dict[str, Any] = {"sqlite": medians(questions(home), repetitions)}
    found["command"] = medians({"best": lambda: _command(home)}, repetitions)
    found["mlflow"] = medians(_pages(home), min(3, repetitions))
    if server:
        with _served(home) as remote:
            found["server"] = medians(questions(remote), min(3, repetitions))
    return found


def questions(home: Home) -> dict[str, Ask]:
    """What is asked, by its name in the result."""
    name = NAMES[0]
    small = {"max_parameters": 5000, "family": "vann"}
    return {
        "best 5": lambda: answers.best_configs(name, limit=5, home=home),
        "best 5 of a family": lambda: answers.best_configs(name, limit=5, home=home, **small),
        "smallest": lambda: answers.smallest(name, home=home, min_accuracy=0.95),
        "pareto": lambda: answers.pareto_front(name, home),
        "pareto confident": lambda: answers.pareto_front(name, home, confident=True),
        "knee": lambda: answers.knee(name, home),
        "status": lambda: answers.status(name, home),
        "trials": lambda: answers.trials(name, home),
        "compare": lambda: comparison.compare(NAMES, home=home),
    }


def _pages(home: Home) -> dict[str, Ask]:
    client = MlflowClient(home.tracking_uri)
    experiment = client.get_experiment_by_name(NAMES[0]).experiment_id
    best = query.Query(states=("COMPLETE",), order=query.MOST_ACCURATE)

    def ordered() -> object:
        return client.search_runs(
            [experiment],
            filter_string=mlflow_search.filter_string(best, store.FAMILIES),
            order_by=mlflow_search.order_by(best),
            max_results=5,
        )

    def page(size: int) -> Ask:
        return lambda: client.search_runs([experiment], max_results=size)

    return {f"page of {size}": page(size) for size in PAGES} | {"best 5": ordered}


def _command(home: Home) -> None:
    command = [sys.executable, "-m", "study.cli", "best", NAMES[0], "--limit", "5", "--json"]
    subprocess.run(  # noqa: S603  # our own command
        [*command, "--home", str(home.folder)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


@contextmanager
def _served(home: Home) -> Iterator[Home]:
    """An MLflow server of one process in front of the store, and the home as another machine has it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", home.tracking_uri]
    with subprocess.Popen(  # noqa: S603  # as above
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            _wait_for(f"{uri}/health")
            yield Home(folder=home.folder, tracking_uri=uri)
        finally:
            server.terminate()


def _wait_for(address: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=2).close()  # noqa: S310  # our own server
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"the server must answer within a minute at {address}")


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
    print(f"{trials:,} trials, seconds: {', '.join(found)}")
    for name in found["sqlite"]:
        cells = [f"{one[name]:.2f}" if name in one else "" for one in found.values()]
        print(f"  {name:20}" + "".join(f"{cell:>10}" for cell in cells))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answers", description=__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--no-server", dest="server", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    main()
