"""How much memory trials that are packed onto a node hold of their data set, for benchmarks/scaling.

A study of trials that all run at once, each with its part of the CPU that Ray counts, on
a data set of a few megabytes and on a large one, stopped when every trial has reported an epoch. What
the large one takes more, of all workers together, is what they hold of it; Linux says how much a process
holds alone, and counts a shared page in parts (PSS).
"""

import io
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import psutil
import ray
from rich.console import Console

from study import StudySpec, environment
from study.home import Home
from study.runner import driver
from study.runner.callback import TrialCallback

WORKERS: Final = 8
_SIDE, _CHANNELS, _CLASSES = 64, 3, 4
_IMAGE_BYTES: Final = _CHANNELS * _SIDE**2
_FEW: Final = 1000  # images of validation and test each
_EVERY_S: Final = 0.3
MB: Final = 1e6


@final
class Watch:
    """Looks at the workers once every trial has reported an epoch, and then stops the study."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.held: dict[str, float] = {}
        self._reported: set[int] = set()
        self._over = threading.Event()
        heard = TrialCallback.on_trial_result

        def on_trial_result(own: TrialCallback, trial: Any, result: Any, **named: object) -> None:  # noqa: ANN401
            heard(own, trial, result, **named)
            self._reported.add(trial.config["number"])

        TrialCallback.on_trial_result = on_trial_result  # type: ignore[assignment,method-assign]  # seen

    @contextmanager
    def looking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(_EVERY_S):
            if len(self._reported) < self._workers:
                continue
            held = [held_by(process.pid) for process in worker_processes("Trainable")]
            names = ("pss_mb", "private_mb", "rss_mb")
            self.held = {name: sum(one[name] for one in held) for name in names}
            self.held["workers"] = len(held)
            os.kill(os.getpid(), signal.SIGINT)
            return


def worker_processes(name: str) -> list[psutil.Process]:
    """The workers of this process's Ray that run a Trainable whose name has this part."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any(name in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def held_by(pid: int) -> dict[str, float]:
    """Megabytes of a process: in parts where they are shared, alone, and mapped."""
    try:
        memory = psutil.Process(pid).memory_full_info()
    except psutil.Error:  # it has ended
        return dict.fromkeys(("pss_mb", "private_mb", "rss_mb"), 0.0)
    return {
        "pss_mb": memory.pss / MB,
        "private_mb": memory.uss / MB,
        "rss_mb": memory.rss / MB,
    }


def study_of(images: int, folder: Path, workers: int) -> dict[str, float]:
    """What the workers of a study of so many training images held, each in a trial of its own."""
    generator = np.random.default_rng(0)
    shape = (images + _FEW, _SIDE, _SIDE, _CHANNELS)
    arrays: dict[str, Any] = {
        "x": generator.integers(0, 256, shape, dtype=np.uint8),
        "y": np.arange(len(range(images + _FEW))) % _CLASSES,
        "x_test": generator.integers(0, 256, (_FEW, *shape[1:]), dtype=np.uint8),
        "y_test": np.arange(_FEW) % _CLASSES,
    }
    np.savez(folder / "data.npz", **arrays)
    del arrays
    spec = StudySpec.from_dict(
        {
            "name": "memory",
            "dataset": {"path": str(folder / "data.npz"), "name": "npz", "validation_size": _FEW},
            "families": ["vann"],
            "replicates": 1,
            "sampler": "random",
            "space": {"somata": 2, "dendrites": 1, "batch_size": 64},
            "stopping": {"scheduler": "none"},
            "budget": {"trials": workers, "epochs": 100_000},
            "resources": {"cpus": 1 / workers},
        }
    )
    watch = Watch(workers)
    home = Home(folder=folder, tracking_uri=f"sqlite:///{folder}/mlflow.db")
    with watch.looking():
        driver.run(spec, home=home, console=Console(file=io.StringIO()))
    return watch.held


def measure(megabytes: float, workers: int = WORKERS) -> dict[str, Any]:
    """Runs both studies on a machine that Ray takes for one with a single CPU."""
    environment.prepare()
    ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    found: dict[str, Any] = {"workers": workers}
    large = int(megabytes * MB / _IMAGE_BYTES)
    try:
        for name, images in {"small": _FEW, "large": large}.items():
            with tempfile.TemporaryDirectory() as folder:
                found[name] = study_of(images, Path(folder), workers)
    finally:
        ray.shutdown()
    more = (large - _FEW) * _IMAGE_BYTES / MB
    found["more_mb"] = more
    for kind in ("pss", "private", "rss"):
        taken = found["large"][f"{kind}_mb"] - found["small"][f"{kind}_mb"]
        found[f"copies_{kind}"] = taken / more
    return found


if __name__ == "__main__":
    print(json.dumps(measure(float(sys.argv[1]), *map(int, sys.argv[2:]))))
