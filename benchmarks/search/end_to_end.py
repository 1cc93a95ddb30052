"""Seconds until a study's front reaches a hypervolume, beside the script of researcher.py.

    python -m benchmarks.search.end_to_end --root data [--seeds 5] [--minutes 10]

`study run` on studies/fashion_mnist.toml's space and the script are run in turn on this machine, both
with two processes that train, two replicates a point, every epoch in MLflow, until their front reaches
the goal or time is over. The hypervolume is the share that the front dominates of the accuracies
from 80 to 100 % and the sizes from 1,000 to 1,000,000 parameters, on a logarithmic scale; the study is
told the 80 % (key `from`). Both keep an Optuna journal, from which it is read when a trial was complete.
The clock starts with the command. Writes benchmarks/results/end_to_end.json after each run, and goes on
where it was stopped.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import moocore
import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from benchmarks import markdown
from benchmarks.machine import describe

ROOT: Final = Path(__file__).parents[2]
RESULT: Final = ROOT / "benchmarks" / "results" / "end_to_end.json"
ACCURACIES: Final = (0.8, 1.0)
SIZES: Final = (1e3, 1e6)
BEST: Final = 0.4331
"""The hypervolume of all that both found with another seed (101), in 2.5 and 8 minutes."""
_DIGITS: Final = 4
GOAL: Final = round(0.95 * BEST, _DIGITS)
_POLL_S: Final = 2.0
_STOP_S: Final = 120.0


def study_command(folder: Path, root: Path, seed: int) -> tuple[list[str], Path]:
    """The command of a study without a limit, and its journal."""
    spec = ROOT / "studies/fashion_mnist.toml"
    settings = [f"dataset.root={root}", "dataset.withhold_test=true", f"seed={seed}"]
    settings += ["space.weight_decay=0"]  # as in the script
    settings += ["budget.trials=1000000"]
    settings += [f'objectives.val_accuracy={{goal="maximize", from={ACCURACIES[0]}}}']
    settings += ['objectives.trainable_parameters="minimize"']
    command = [sys.executable, "-m", "study.cli", "run", str(spec), "--home", str(folder)]
    for setting in settings:
        command += ["--set", setting]
    return command, folder / "studies/fashion_mnist/search.journal"


def researcher_command(folder: Path, root: Path, seed: int) -> tuple[list[str], Path]:
    """The command of the script, and its journal."""
    command = [sys.executable, "-m", "benchmarks.search.researcher", "--root", str(root)]
    command += ["--folder", str(folder / "search"), "--seed", str(seed), "--minutes", "100000"]
    return command, folder / "search/search.journal"


COMMANDS: Final = {"study": study_command, "researcher": researcher_command}


def hypervolume(points: list[tuple[float, float]]) -> float:
    """The share that points, each an accuracy and a size, dominate of the box, in 0..1."""
    accuracies, sizes = np.array(points).T
    low, high = ACCURACIES
    errors = (high - accuracies) / (high - low)
    scaled = np.log(sizes / SIZES[0]) / np.log(SIZES[1] / SIZES[0])
    costs = np.clip(np.column_stack([errors, scaled]), 0.0, 1.0)
    return float(moocore.hypervolume(costs, ref=np.ones(2)))


def growth(trials: list[FrozenTrial], start: float) -> Iterator[tuple[float, float]]:
    """The hypervolume after each complete trial, to four digits, and its seconds after the start."""
    ends = sorted(
        (one.datetime_complete.timestamp(), one.number)
        for one in trials
        if one.state == TrialState.COMPLETE and one.datetime_complete is not None
    )
    points: list[tuple[float, float]] = []
    for ended, number in ends:
        trial = trials[number]
        size = trial.user_attrs.get("trainable_parameters", trial.values[1])
        points.append((trial.values[0], size))
        yield ended - start, round(hypervolume(points), _DIGITS)


def trials_of(journal: Path) -> list[FrozenTrial]:
    """The trials of a journal; none, if it has no study yet."""
    if not journal.exists():
        return []
    storage = JournalStorage(JournalFileBackend(str(journal)))
    names = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=names[0], storage=storage).trials if names else []


def run(name: str, root: Path, seed: int, seconds: float) -> dict[str, Any]:
    """One run, of at most so many seconds, and how its front grew."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command, journal = COMMANDS[name](Path(folder), root, seed)
        start = time.time()
        process = subprocess.Popen(  # noqa: S603  # our own
            command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True
        )
        grown: list[tuple[float, float]] = []
        try:
            while process.poll() is None and time.time() < start + seconds:
                time.sleep(_POLL_S)
                grown = list(growth(trials_of(journal), start))
                if grown and grown[-1][1] >= GOAL:
                    break
            if process.poll() not in {None, 0}:
                raise subprocess.CalledProcessError(process.returncode, command)
        finally:
            _stop(process)
    return {
        "limit": seconds,
        "growth": [(round(after, 1), volume) for after, volume in grown],
    }


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a command by a signal that it can handle, then all that is left of its session."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def table(result: dict[str, Any]) -> list[str]:
    """The rows of docs/search_benchmark.md: seconds to the goal, and the script's as a multiple of ours.

    Where the script did not reach the goal, its cells are lower bounds; so is a median of such cells or
    larger ones.
    """
    runs = result["runs"]
    seeds = sorted(runs["study"], key=int)
    ours, theirs = ([seconds_to_goal(runs[name][seed]) for seed in seeds] for name in COMMANDS)
    ends = [runs["researcher"][seed]["limit"] for seed in seeds]
    bounds = [min(pair) for pair in zip(theirs, ends, strict=True)]
    ratios = [bound / own for own, bound in zip(ours, bounds, strict=True)]
    marks = ["> " if math.isinf(seconds) else "" for seconds in theirs]
    return markdown.table(
        f"| | {' | '.join(f'seed {seed}' for seed in seeds)} | median |",
        [
            _cells("`study run`, s", ours, [""] * len(seeds), ".0f"),
            _cells("script, s", bounds, marks, ".0f"),
            _cells("script / `study run`", ratios, marks, ".1f"),
        ],
    )


def seconds_to_goal(one: dict[str, Any]) -> float:
    """When a run's front reached the goal, infinite if it never did."""
    return next((after for after, volume in one["growth"] if volume >= GOAL), math.inf)


def _cells(title: str, values: list[float], marks: list[str], form: str) -> list[str]:
    order = np.argsort(values)[: len(values) // 2 + 1]
    cells = [f"{mark}{value:{form}}" for mark, value in zip(marks, values, strict=True)]
    return [title, *cells, f"{max(marks[place] for place in order)}{values[order[-1]]:{form}}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=10, help="at most, of a run")
    arguments = parser.parse_args()
    stored: dict[str, Any] = {"machine": describe(), "runs": {}}
    if RESULT.exists():
        stored = json.loads(RESULT.read_text(encoding="utf-8"))
    for seed in range(arguments.seeds):
        for name in COMMANDS:
            runs = stored["runs"].setdefault(name, {})
            if str(seed) in runs:
                continue
            root = arguments.root.resolve()
            runs[str(seed)] = run(name, root, seed, 60 * arguments.minutes)
            print(name, seed, seconds_to_goal(runs[str(seed)]), flush=True)
            RESULT.write_text(json.dumps(stored) + "\n", encoding="utf-8")
    print("\n".join(table(stored)))


if __name__ == "__main__":
    main()
