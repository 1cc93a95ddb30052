"""A store with as many trials as one likes: the rows that a study leaves in MLflow, without training.

Through MLflow's API 10,000 trials take minutes to write, so the rows are put into its tables at once.
What a row holds is what a trial of studies/digits.toml leaves, without the history of its epochs,
which no answer reads. The table of trials is the sender's own.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import numpy as np
from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlParam, SqlRun, SqlTag
from sqlalchemy import create_engine, insert

from models.architecture import Architecture
from study import study_folder
from study.home import Home
from study.search.pareto import on_front
from study.search.trial import TrialConfig
from study.spec.study_spec import StudySpec
from study.tracking.store import client, make_store
from study.tracking.tags import (
    CONFIG_TAG,
    FRONT_TAG,
    IDENTITY_TAG,
    LAYOUT_TAG,
    NUMBER_TAG,
    PARENT_TAG,
    ROLE_TAG,
    RUN_STATUS,
    SPEC_TAG,
    STATE_TAG,
    WORKER_TAG,
)
from study.training.settings import TrainingSettings

STATES: Final = {
    "COMPLETE": 0.55,
    "PRUNED": 0.43,
    "FAIL": 0.01,
    "RUNNING": 0.01,
}
FAMILIES: Final = ("dann-lrf", "dann-r", "vann")
EPOCHS: Final = 20
START: Final = 1_700_000_000_000  # milliseconds since 1970

Row = dict[str, Any]


def make(folder: Path, names: list[str], trials: int) -> Home:
    """A home on SQLite with studies of so many trials each, all different, without tables of trials."""
    home = Home(folder=folder, tracking_uri=f"sqlite:///{folder}/mlflow.db")
    make_store(home)
    for seed, name in enumerate(names):
        add(home, home.tracking_uri, name, trials, seed)
    return home


def spec_of(name: str) -> StudySpec:
    """The spec of a study of that name."""
    return StudySpec.from_dict({"name": name, "dataset": "digits", "families": list(FAMILIES)})


def add(home: Home, database: str, name: str, trials: int, seed: int = 0) -> None:
    """Adds a study of so many trials to the store of a home, whose rows are in the database."""
    spec = spec_of(name)
    store = client(home)
    experiment = store.create_experiment(
        name, home.artifact_location, tags={LAYOUT_TAG: study_folder.LAYOUT}
    )
    parent = _parent(store, experiment, spec)
    draw = np.random.default_rng(seed)
    states = draw.choice(list(STATES), trials, p=list(STATES.values()))
    configs = [_config(number, draw) for number in range(trials)]
    metrics = [_metrics(one, state, draw) for one, state in zip(configs, states, strict=True)]
    points = {
        number: [metrics[number][objective] for objective in spec.objectives]
        for number in range(trials)
        if states[number] == "COMPLETE"
    }
    flags = on_front(list(points.values()), spec.objectives)
    front = {number for number, keep in zip(points, flags, strict=True) if keep}
    rows: dict[Any, list[Row]] = {SqlRun: [], SqlTag: [], SqlParam: [], SqlLatestMetric: []}
    for number, config in enumerate(configs):
        run = {"run_uuid": UUID(bytes=draw.bytes(16)).hex}
        label = f"{number} {config.architecture.label()}"
        tags = {
            PARENT_TAG: parent,
            ROLE_TAG: "trial",
            NUMBER_TAG: str(number),
            CONFIG_TAG: json.dumps(config.to_dict()),
            STATE_TAG: str(states[number]),
            FRONT_TAG: "true" if number in front else "false",
            WORKER_TAG: "host:1",
            "mlflow.runName": label,
        }
        settings = asdict(config.architecture) | asdict(config.training)
        settings |= {"dataset": spec.dataset.name, "replicates": len(config.seeds)}
        rows[SqlRun].append(run | _run(label, int(experiment), number, states[number]))
        rows[SqlTag] += [run | {"key": key, "value": value} for key, value in tags.items()]
        rows[SqlParam] += [
            run | {"key": key, "value": str(value)}
            for key, value in settings.items()
            if value is not None
        ]
        rows[SqlLatestMetric] += [
            run
            | {
                "key": key,
                "value": float(value),
                "timestamp": START,
                "step": EPOCHS,
                "is_nan": False,
            }
            for key, value in metrics[number].items()
        ]
    engine = create_engine(database)
    with engine.begin() as connection:
        for table, content in rows.items():
            connection.execute(insert(table), content)
    engine.dispose()


def _parent(store: MlflowClient, experiment: str, spec: StudySpec) -> str:
    tags = {
        ROLE_TAG: "study",
        IDENTITY_TAG: spec.name,
        SPEC_TAG: json.dumps(spec.to_dict()),
    }
    return str(store.create_run(experiment, run_name=spec.name, tags=tags).info.run_id)


def _run(label: str, experiment: int, number: int, state: str) -> Row:
    return {
        "name": label,
        "experiment_id": experiment,
        "status": RUN_STATUS[state],
        "start_time": START + 1000 * number,
        "end_time": None if state == "RUNNING" else START + 1000 * number + 5000,
        "lifecycle_stage": "active",
        "artifact_uri": "file:///none",
        "source_type": "UNKNOWN",
        "user_id": "unknown",
    }


def _config(number: int, draw: np.random.Generator) -> TrialConfig:
    family = str(draw.choice(FAMILIES))
    return TrialConfig(
        number=number,
        architecture=Architecture(
            family=family,
            dendrites=int(draw.integers(1, 17)),
            somata=int(draw.integers(8, 513)),
            synapses=None if family == "vann" else int(draw.choice([8, 16, 32])),
        ),
        training=TrainingSettings(
            epochs=EPOCHS, learning_rate=round(float(draw.uniform(0.002, 0.02)), 6)
        ),
        seeds=(0, 1, 2),
    )


def _metrics(config: TrialConfig, state: str, draw: np.random.Generator) -> dict[str, float]:
    """As many metrics as a real trial has; accuracy grows with the parameters, and is noisy."""
    shape = config.architecture
    inputs = 64 if shape.synapses is None else shape.synapses
    assert shape.dendrites is not None  # noqa: S101  # see `_config`
    parameters = shape.somata * (shape.dendrites * (inputs + 2) + 11) + 10
    counts: dict[str, float] = {"trainable_parameters": parameters, "macs": parameters - 100}
    if state == "FAIL":
        return counts
    error = 0.02 + 2.0 / np.sqrt(parameters) * draw.lognormal(0.0, 0.3)
    accuracy = float(np.clip(1 - error, 0.1, 0.999))
    learned = {"val_accuracy": accuracy, "val_loss": 3 * error, "epoch/val_accuracy": accuracy}
    learned |= {"epoch/val_loss": 3 * error, "epoch/train_loss": error}
    if state == "COMPLETE":
        learned |= {"test_accuracy": accuracy - 0.003, "test_loss": 3 * error + 0.01}
    sems = {f"{name}_sem": float(draw.uniform(0.001, 0.006)) for name in learned}
    epochs = EPOCHS if state == "COMPLETE" else int(draw.integers(4, EPOCHS))
    spent = {"epochs": epochs, "seconds": 0.3 * epochs, "epoch/seconds": 0.3, "threads": 1}
    return counts | learned | sems | spent
