"""A small finished study of the digits in a store: untrained networks with their true metrics.

Written straight into MLflow, since a tracker takes seconds to start.
"""

import json
from dataclasses import asdict

import numpy as np
from mlflow import MlflowClient

from models import Architecture, build, count_macs, save_network
from study import environment, study_folder
from study.home import Home
from study.spec.study_spec import StudySpec
from study.study_folder import DISTRIBUTIONS, EXAMPLE, NETWORK
from study.tracking.logged_model import model_of, store_network
from study.tracking.tags import (
    CONFIG_TAG,
    IDENTITY_TAG,
    LAYOUT_TAG,
    MODEL_TAG,
    NUMBER_TAG,
    PARENT_TAG,
    ROLE_TAG,
    SPEC_TAG,
    STATE_TAG,
)
from study.training.dataset import load_dataset
from study.training.evaluation import Estimate, evaluate
from study.training.settings import TrainingSettings
from tests.support.empty_store import put_empty_store

NAME = "made"
SPEC = {
    "name": NAME,
    "dataset": {"name": "digits", "train_size": 400, "validation_size": 100},
    "families": ["dann-r"],
    "replicates": 2,
    "budget": {"epochs": 2},
}
SEEDS = [0, 1]
VAL_ACCURACY = (0.10, 0.11, 0.0)  # the last is worse than the others, and so not on the front
PARAMETERS = (1000, 2000, 3000)
KEPT = (0, 1)
"""Trials that keep their network."""


def architecture(trial):
    return Architecture(family="dann-r", dendrites=2, somata=(16, 8, 32)[trial], synapses=4)


def record_study(folder):
    """Records the study in a new home below the folder."""
    environment.prepare()
    home = Home(folder=folder / "home", tracking_uri=f"sqlite:///{folder}/home/mlflow.db")
    put_empty_store(home)
    store = MlflowClient(home.tracking_uri)
    experiment = store.create_experiment(
        NAME, home.artifact_location, tags={LAYOUT_TAG: study_folder.LAYOUT}
    )
    spec = StudySpec.from_dict(SPEC)
    tags = {ROLE_TAG: "study", SPEC_TAG: json.dumps(spec.to_dict())}
    parent = store.create_run(experiment, tags=tags | {IDENTITY_TAG: "mine"}).info.run_id
    dataset = load_dataset(spec.dataset, spec.seed)
    for trial in range(len(VAL_ACCURACY)):
        network = build(architecture(trial), dataset.image_shape, dataset.classes, SEEDS)
        config = {
            "architecture": asdict(network.architecture),
            "training": asdict(TrainingSettings(epochs=2, learning_rate=0.01)),
            "seeds": SEEDS,
        }
        tags = {
            PARENT_TAG: parent,
            ROLE_TAG: "trial",
            NUMBER_TAG: str(trial),
            CONFIG_TAG: json.dumps(config),
            STATE_TAG: "COMPLETE",
        }
        run = store.create_run(experiment, tags=tags).info.run_id
        metrics = _metrics(network, dataset) | {"val_accuracy": VAL_ACCURACY[trial]}
        for name, value in (metrics | {"trainable_parameters": PARAMETERS[trial]}).items():
            store.log_metric(run, name, value, step=2)
        if trial in KEPT:
            save_network(network, folder / str(trial) / NETWORK)
            np.save(folder / str(trial) / EXAMPLE, dataset.test.images[:2].numpy())
            (folder / str(trial) / DISTRIBUTIONS).write_text("{}")
            model = model_of(store, experiment, run, f"{trial}")
            store_network(store, model, folder / str(trial) / NETWORK, lambda: None)
            store.set_tag(run, MODEL_TAG, model.model_id)
        store.set_terminated(run)
    store.set_terminated(parent)
    return home


def _metrics(network, dataset):
    metrics = {"epochs": 2, "macs": count_macs(network)}
    for part, split in (("val", dataset.validation), ("test", dataset.test)):
        for kind, values in zip(("accuracy", "loss"), evaluate(network, split), strict=True):
            estimate = Estimate.over(values)
            metrics |= {f"{part}_{kind}": estimate.mean, f"{part}_{kind}_sem": estimate.sem}
    return metrics
