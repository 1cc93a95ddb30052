"""What a report costs Tune's loop, for benchmarks/tracking: one callback, one store, one process.

The hooks are called as Tune calls them, one trial after another, with the same metrics. Tune adds
nine numbers of its own to each result, which Ray's callback sends too; they are left out here.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ray.tune import Callback
from ray.tune.experiment import Trial
from rich.console import Console

from models import Architecture
from study import StudySpec, environment
from study.home import Home
from study.runner import resume
from study.runner.callback import TrialCallback
from study.runner.kept_checkpoints import KeptCheckpoints
from study.runner.observer import StudyObserver
from study.runner.progress import Progress
from study.runner.scoreboard import Scoreboard
from study.runner.stopper import StudyStopper
from study.search.budget import BudgetSpent
from study.search.storage import SearchStorage
from study.search.trial import EndedTrial, Outcome, TrialConfig, last_metrics
from study.tracking.spool import waiting
from study.tracking.store import client
from study.tracking.tracker import Tracker
from study.training.settings import TrainingSettings

NAMES: Final = (
    *("trainable_parameters", "macs", "seconds", "val_accuracy", "val_accuracy_sem", "val_loss"),
    *("val_loss_sem", "epoch/train_loss", "epoch/val_accuracy", "epoch/val_accuracy_sem"),
    *("epoch/val_loss", "epoch/val_loss_sem"),
)


def metrics_of(number: int, epoch: int) -> dict[str, float]:
    draw = random.Random(1000 * number + epoch)  # noqa: S311  # numbers to be stored
    return {"epochs": epoch} | {name: draw.random() for name in NAMES}


def config_of(number: int) -> dict[str, Any]:
    architecture = Architecture(family="dann-lrf", dendrites=4, somata=128, synapses=16)
    training = TrainingSettings(epochs=20, learning_rate=0.01)
    trial = TrialConfig(
        number=number, architecture=architecture, training=training, seeds=(0, 1, 2)
    )
    return trial.to_dict()


def reports(
    callback: Callback, trials: int, epochs: int, kind: str, end: Callable[[Trial], None]
) -> Iterator[float]:
    """Calls the hooks; the seconds that each report takes."""
    for number in range(trials):
        config = config_of(number) if kind == "ours" else config_of(number)["training"]
        trial = Trial("trial", config=config, trial_id=f"{number}", stub=True)
        callback.on_trial_start(iteration=0, trials=[trial], trial=trial)
        for epoch in range(1, epochs + 1):
            metrics = metrics_of(number, epoch)
            result: dict[str, Any] = metrics | {"training_iteration": epoch, "config": config}
            if kind == "ours":
                last = epoch == epochs
                result |= {"epochs": [metrics], "finished": last, "failure": None, "notice": None}
                result |= {"hostname": "host", "pid": 1, "replicates": {}, "curves": {}}
            trial.update_last_result(result)
            start = time.perf_counter()
            callback.on_trial_result(iteration=epoch, trials=[trial], trial=trial, result=result)
            yield time.perf_counter() - start
        end(trial)


def ours(home: Home, trials: int, epochs: int) -> dict[str, Any]:
    spec = StudySpec.from_dict({"name": "ours", "dataset": "digits", "families": ["dann-lrf"]})
    folder = home.study_folder("ours")
    resume.store_spec(folder, spec)
    storage = SearchStorage(spec, folder.journal)
    tracker = Tracker(folder, home)
    tracker.start({})
    tracker.wait_until_ready()
    budget = BudgetSpent(spec)
    board = Scoreboard(spec, budget)
    progress = Progress(board, Console(quiet=True))
    kept = KeptCheckpoints(spec, storage, folder.trials)
    observer = StudyObserver(tracker, board, progress, StudyStopper(), kept)
    callback = TrialCallback(tracker, StudyStopper(), observer)

    def end(trial: Trial) -> None:
        number, metrics = trial.config["number"], last_metrics(trial.last_result)
        point = [metrics[name] for name in spec.objectives]
        changes = budget.end(number, epochs, point)
        done = Outcome(state="COMPLETE")
        observer.on_end(
            EndedTrial(number=number, outcome=done, metrics=metrics, point=point, changes=changes)
        )

    start = time.perf_counter()
    taken = list(reports(callback, trials, epochs, "ours", end))
    while waiting(folder.spool):
        time.sleep(0.02)
    wall = time.perf_counter() - start
    tracker.close("FINISHED", print)
    return {"taken": taken, "wall": wall}


def rays(home: Home, trials: int, epochs: int) -> dict[str, Any]:
    from ray.air.integrations.mlflow import MLflowLoggerCallback  # noqa: PLC0415  # only here

    client(home).search_experiments()  # makes a new store, which takes seconds
    callback = MLflowLoggerCallback(tracking_uri=home.tracking_uri, experiment_name="rays")
    callback.setup()

    def end(trial: Trial) -> None:
        callback.on_trial_complete(iteration=epochs, trials=[trial], trial=trial)

    start = time.perf_counter()
    taken = list(reports(callback, trials, epochs, "rays", end))
    return {"taken": taken, "wall": time.perf_counter() - start}


def measure(kind: str, uri: str | None, trials: int, epochs: int) -> dict[str, Any]:
    environment.prepare()
    with tempfile.TemporaryDirectory() as folder:
        home = Home.find(Path(folder), uri)
        found = (ours if kind == "ours" else rays)(home, trials, epochs)
        taken = sorted(found["taken"])
        points = (len(NAMES) + 1) * trials * epochs
        return {
            "reports": len(taken),
            "median_ms": 1e3 * taken[len(taken) // 2],
            "mean_ms": 1e3 * sum(taken) / len(taken),
            "p99_ms": 1e3 * taken[int(0.99 * len(taken))],
            "points_a_second": points / found["wall"],
        }


if __name__ == "__main__":
    which, store, count, length = sys.argv[1:]
    uri = None if store == "sqlite" else store
    print(json.dumps(measure(which, uri, int(count), int(length))))
