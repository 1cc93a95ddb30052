"""A small finished study of the digits in a store: untrained networks with their true metrics."""

import math
from pathlib import Path

from models import Architecture, build, count_macs, count_parameters, save_network
from study import environment
from study.data import load_dataset
from study.evaluation import Estimate, evaluate
from study.home import Home
from study.outcome import Outcome
from study.spec import StudySpec
from study.tracking import Tracker
from study.train import TrainingSettings
from study.trial import NETWORK, TrialConfig

NAME = "made"
SPEC = {
    "name": NAME,
    "dataset": {"name": "digits", "train_size": 400, "validation_size": 100},
    "families": ["dann-r"],
    "replicates": 2,
    "budget": {"epochs": 2},
}
SOMATA = (16, 8, 32)
KEPT = (0, 1)
"""Trials that keep their network."""


def config(number):
    return TrialConfig(
        number=number,
        architecture=Architecture(family="dann-r", dendrites=2, somata=SOMATA[number], synapses=4),
        training=TrainingSettings(epochs=2, learning_rate=0.01),
        seeds=(0, 1),
    )


def record_study(folder: Path) -> Home:
    """Records the study in a new home below the folder."""
    environment.prepare()
    home = Home(folder=folder / "home", tracking_uri=f"sqlite:///{folder}/home/mlflow.db")
    spec = StudySpec.from_dict(SPEC)
    dataset = load_dataset(spec.dataset, spec.seed)
    tracker = Tracker(spec, home, "mine")
    tracker.start()
    tracker.wait_until_ready()
    for number in range(len(SOMATA)):
        trial = config(number)
        network = build(trial.architecture, dataset.image_shape, dataset.classes, trial.seeds)
        tracker.begin_trial(trial)
        # The last is worse than the others, and so not on the front.
        metrics = _metrics(network, dataset) | ({"val_accuracy": 0.0} if number == 2 else {})
        metrics |= {"val_accuracy": 0.1 + number / 100} if number in KEPT else {}
        metrics |= {"trainable_parameters": 1000 * (number + 1)}
        tracker.log_epoch(number, metrics, "host:1")
        save_network(network, folder / str(number) / NETWORK)
        outcome = Outcome(state="COMPLETE")
        tracker.end_trial(number, outcome, folder / str(number), on_front=number in KEPT)
    tracker.mark_front(dict.fromkeys(KEPT, True))
    tracker.close("FINISHED", {})
    return home


def _metrics(network, dataset):
    metrics = {"epochs": 2, "macs": count_macs(network)}
    metrics |= {"trainable_parameters": count_parameters(network)}
    for part, split in (("val", dataset.validation), ("test", dataset.test)):
        for kind, values in zip(("accuracy", "loss"), evaluate(network, split), strict=True):
            estimate = Estimate.over(values)
            assert not math.isnan(estimate.sem)
            metrics |= {f"{part}_{kind}": estimate.mean, f"{part}_{kind}_sem": estimate.sem}
    return metrics
