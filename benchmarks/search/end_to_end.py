"""Seconds until a study's front reaches a hypervolume, beside the script of researcher.py.

    python -m benchmarks.search.end_to_end --root data --goal 0.6 [--seeds 5] [--minutes 60]

`study run` on studies/fashion_mnist.toml's space and the script are run in turn on this machine, both
with two processes that train, two replicates a point, every epoch in MLflow, until their front reaches
the goal or time is over. Both keep an Optuna journal, from which it is read when a trial was complete.
The clock starts with the command. Writes benchmarks/results/end_to_end.json after each run, and goes on
where it was stopped.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from benchmarks.machine import describe
from study.search.pareto import hypervolume

ROOT: Final = Path(__file__).parents[2]
RESULT: Final = ROOT / "benchmarks" / "results" / "end_to_end.json"
OBJECTIVES: Final = {"val_accuracy": "maximize", "trainable_parameters": "minimize"}
_POLL_S: Final = 2.0
_STOP_S: Final = 120.0


def study_command(folder: Path, root: Path, seed: int) -> tuple[list[str], Path]:
    """The command of a study without a limit, and its journal."""
    spec = ROOT / "studies/fashion_mnist.toml"
    settings = [f"dataset.root={root}", f"seed={seed}", "budget.trials=1000000"]
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


def growth(trials: list[FrozenTrial], start: float) -> Iterator[tuple[float, float]]:
    """The hypervolume after each complete trial, and its seconds after the start."""
    ends = sorted(
        (one.datetime_complete.timestamp(), one.number)
        for one in trials
        if one.state == TrialState.COMPLETE and one.datetime_complete is not None
    )
    points = []
    for ended, number in ends:
        trial = trials[number]
        size = trial.user_attrs.get("trainable_parameters", trial.values[1])
        points.append([trial.values[0], size])
        yield ended - start, hypervolume(points, OBJECTIVES)


def trials_of(journal: Path) -> list[FrozenTrial]:
    """The trials of a journal; none, if it has no study yet."""
    if not journal.exists():
        return []
    storage = JournalStorage(JournalFileBackend(str(journal)))
    names = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=names[0], storage=storage).trials if names else []


def run(name: str, root: Path, seed: int, goal: float, seconds: float) -> dict[str, Any]:
    """One run: the seconds to the goal, None if it was not reached, and how the front grew."""
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
                if grown and grown[-1][1] >= goal:
                    break
            if process.poll() not in {None, 0}:
                raise subprocess.CalledProcessError(process.returncode, command)
        finally:
            _stop(process)
    reached = [after for after, volume in grown if volume >= goal]
    return {
        "seed": seed,
        "seconds": round(reached[0], 1) if reached else None,
        "trials": len(grown),
        "growth": [(round(after, 1), round(volume, 4)) for after, volume in grown],
    }


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a command and all of its session: first as Ctrl-C does."""
    for sent in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, sent)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("data"))
    parser.add_argument("--goal", type=float, required=True, help="hypervolume, 0..1")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=60, help="at most, of a run")
    arguments = parser.parse_args()
    stored: dict[str, Any] = {"machine": describe(), "goal": arguments.goal, "runs": {}}
    if RESULT.exists():
        stored = json.loads(RESULT.read_text(encoding="utf-8"))
    for seed in range(arguments.seeds):
        for name in COMMANDS:
            runs = stored["runs"].setdefault(name, {})
            if str(seed) in runs:
                continue
            root, goal = arguments.root.resolve(), stored["goal"]
            runs[str(seed)] = run(name, root, seed, goal, 60 * arguments.minutes)
            print(name, seed, runs[str(seed)]["seconds"], flush=True)
            RESULT.write_text(json.dumps(stored) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
