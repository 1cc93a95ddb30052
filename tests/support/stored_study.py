"""Writes studies into a real MLflow store as `study.tracking.tags` says, for tests."""

import json
import math
from dataclasses import asdict

from mlflow import MlflowClient
from mlflow.entities import Metric

from models import Architecture
from study import environment, study_folder
from study.home import Home
from study.results.record import TrialRecord
from study.spec.study_spec import StudySpec
from study.tracking.tags import (
    CONFIG_TAG,
    LAYOUT_TAG,
    NUMBER_TAG,
    PARENT_TAG,
    REASON_TAG,
    ROLE_TAG,
    RUN_STATUS,
    SPEC_TAG,
    STATE_TAG,
)
from study.training.settings import TrainingSettings
from tests.support.empty_store import put_empty_store


def make_home(folder):
    environment.prepare()
    home = Home(folder=folder / "home", tracking_uri=f"sqlite:///{folder}/mlflow.db")
    put_empty_store(home)
    return home


def trial(accuracy, somata=16, *, state="COMPLETE", epochs=4, **changes):
    """What `write_study` takes for a trial."""
    return {
        "accuracy": accuracy,
        "family": "dann-r",
        "dendrites": 2,
        "somata": somata,
        "synapses": 4,
        "learning_rate": 0.01,
        "state": state,
        "epochs": epochs,
        "sem": 0.01,
        "reason": None,
    } | changes


def write_study(home, spec, trials, *, status="FINISHED", tags=None, hypervolumes=()):
    """One parent with its hypervolumes, and a child with its curves for each of the trials."""
    spec = StudySpec.from_dict(spec)
    client = MlflowClient(home.tracking_uri)
    experiment = client.create_experiment(
        spec.name,
        artifact_location=(home.database.parent / "artifacts").as_uri(),
        tags={LAYOUT_TAG: study_folder.LAYOUT},
    )
    parent = client.create_run(
        experiment,
        run_name=spec.name,
        tags={ROLE_TAG: "study", SPEC_TAG: json.dumps(spec.to_dict())} | (tags or {}),
    ).info.run_id
    for step, value in enumerate(hypervolumes, start=1):
        client.log_metric(parent, "hypervolume", value, timestamp=60_000 * step, step=step)
    for number, made in enumerate(trials):
        _write_trial(client, (experiment, parent), number, made, spec)
    if status != "RUNNING":
        client.set_terminated(parent, status)
    return parent


def config_of(number, made, spec):
    """The architecture and the training settings of a trial, and its seeds, as the store has them."""
    architecture = Architecture(
        family=made["family"],
        dendrites=made["dendrites"],
        somata=made["somata"],
        synapses=made["synapses"],
    )
    training = TrainingSettings(epochs=spec.budget.epochs, learning_rate=made["learning_rate"])
    return {
        "number": number,
        "architecture": asdict(architecture),
        "training": asdict(training),
        "seeds": list(range(spec.replicates)),
    }


def record(number, made, spec, *, on_front=False):
    """The trial as it is read back, without a store."""
    config = config_of(number, made, spec)
    values = dict.fromkeys(TrialRecord.__dataclass_fields__) | {
        "trial": number,
        "run_id": f"run{number}",
        "state": made["state"],
        "reason": made["reason"],
        "feasible": True if made["state"] == "COMPLETE" else None,
        "family": made["family"],
        "architecture": config["architecture"],
        "training": config["training"],
        "replicates": spec.replicates,
        "trainable_parameters": 100 * made["somata"],
        "val_accuracy": made["accuracy"],
        "val_accuracy_sem": made["sem"],
        "epochs": made["epochs"],
        "on_front": on_front,
        "diagnostics": {},
    }
    return TrialRecord(**values)


def _write_trial(client, where, number, made, spec):
    experiment, parent = where
    config = config_of(number, made, spec)
    tags = {
        PARENT_TAG: parent,
        ROLE_TAG: "trial",
        NUMBER_TAG: str(number),
        CONFIG_TAG: json.dumps(config),
        STATE_TAG: made["state"],
    }
    if made["reason"] is not None:
        tags[REASON_TAG] = made["reason"]
    run = client.create_run(experiment, run_name=str(number), tags=tags).info.run_id
    metrics = [
        Metric("trainable_parameters", 100.0 * made["somata"], 1, 0),
        Metric("macs", 90.0 * made["somata"], 1, 0),
    ]
    for epoch in range(1, made["epochs"] + 1):
        accuracy = made["accuracy"] * (1 - math.exp(-epoch)) / (1 - math.exp(-made["epochs"]))
        values = {"epochs": epoch, "val_accuracy": accuracy, "epoch/val_accuracy": accuracy}
        values |= {"val_loss": 1 - accuracy, "epoch/val_loss": 1 - accuracy, "seconds": epoch}
        if made["sem"] is not None:
            values |= {"val_accuracy_sem": made["sem"], "epoch/val_accuracy_sem": made["sem"]}
        if epoch == made["epochs"] and made["state"] == "COMPLETE":
            values["test_accuracy"] = accuracy - 0.01
        metrics += [Metric(key, float(value), epoch, epoch) for key, value in values.items()]
    client.log_batch(run, metrics)
    client.set_terminated(run, RUN_STATUS[made["state"]])
