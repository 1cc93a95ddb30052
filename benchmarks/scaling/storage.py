"""What a trial leaves behind, for benchmarks/scaling: bytes and rows, counted in a real small study.

Digits, trials of 15 epochs that run to their end. Run twice, the second time with more trials: what
grows from one to the other is that of trials, the rest is there once.
"""

import io
import json
import sqlite3
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from study import StudySpec, environment
from study.home import Home
from study.results import answers
from study.runner import driver

_FIRST, _THEN = 4, 12
_REPLICATES, EPOCHS = 3, 15
_LOOK_EVERY_S: Final = 0.05


def measure() -> dict[str, Any]:
    environment.prepare()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = Home(folder=folder, tracking_uri=f"sqlite:///{folder}/mlflow.db")
        largest: dict[str, int] = {}
        over = threading.Event()
        watch = threading.Thread(target=_watch, args=(home, largest, over))
        watch.start()
        before = _run(home, _FIRST)
        after = _run(home, _THEN)
        over.set()
        watch.join()
        records = answers.records("storage", home=home)
    more = _THEN - _FIRST
    found: dict[str, Any] = {
        "trials": _THEN,
        "epochs": EPOCHS,
        "replicates": _REPLICATES,
        "a_trial": {key: (after[key] - before[key]) / more for key in after},
        "once": {key: before[key] - _FIRST * (after[key] - before[key]) / more for key in after},
    }
    # The spool of the first run is sent, and gone.
    found["a_trial"]["spool_bytes"] = after["spool_bytes"] / more
    found["once"]["spool_bytes"] = 0.0
    parameters = {str(one.trial): one.trainable_parameters or 0 for one in records}
    found["checkpoint_bytes_a_parameter"] = max(
        size / (parameters[number] * _REPLICATES) for number, size in largest.items()
    )
    return found


def _run(home: Home, trials: int) -> dict[str, float]:
    spec = StudySpec.from_dict(
        {
            "name": "storage",
            "dataset": {"name": "digits", "validation_size": 300},
            "families": ["dann-lrf", "dann-r", "vann"],
            "replicates": _REPLICATES,
            "space": {"somata": [64, 128], "dendrites": [4, 8], "synapses": 16},
            "stopping": {"scheduler": "none"},
            "budget": {"trials": trials, "epochs": EPOCHS},
        }
    )
    driver.run(spec, home=home, console=Console(file=io.StringIO()))
    study = home.study_folder("storage")
    database = home.database
    assert database is not None  # noqa: S101  # it is SQLite
    with sqlite3.connect(database) as connection:
        found = {
            f"rows_{table}": float(
                connection.execute(f"select count(*) from {table}").fetchone()[0]  # noqa: S608  # names of ours
            )
            for table in ("runs", "metrics", "latest_metrics", "params", "tags")
        }
        connection.execute("vacuum")
    artifacts = list((home.folder / "artifacts").rglob("*"))
    models = [file for file in artifacts if "models" in file.parts]
    return found | {
        "database_bytes": float(database.stat().st_size),
        "journal_bytes": float(study.journal.stat().st_size),
        "spool_bytes": float(_size(study.spool.glob("*.jsonl"))),
        "model_bytes": float(_size(models)),
        "models": float(sum(file.name == "MLmodel" for file in models)),
    }


def _size(files: Any) -> int:  # noqa: ANN401  # paths
    return sum(file.stat().st_size for file in files if file.is_file())


def _watch(home: Home, largest: dict[str, int], over: threading.Event) -> None:
    """The most that each trial's checkpoint ever took."""
    trials = home.study_folder("storage").trials
    while not over.wait(_LOOK_EVERY_S):
        for file in trials.glob("*/checkpoint.safetensors"):
            try:
                size = file.stat().st_size
            except OSError:
                continue  # it was replaced
            number = file.parent.name.removeprefix("trial-")
            largest[number] = max(size, largest.get(number, 0))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure()) + "\n")
