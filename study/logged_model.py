"""The network of a trial as a LoggedModel of MLflow, which any machine can load and serve."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric

from study.portable_model import write_portable
from study.trial import EXAMPLE


def log_model(
    store: MlflowClient, experiment_id: str, run_id: str, name: str, network: Path
) -> str:
    """Stores the network in a folder, unless the run has one already; the LoggedModel's id."""
    found = store.search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
    # One that is not ready was cut off.
    model = found[0] if found else None
    if model is None:
        model = store.create_logged_model(
            experiment_id, name, run_id, model_type="image classifier"
        )
    if model.status != LoggedModelStatus.READY:
        example = np.load(network.parent / EXAMPLE, allow_pickle=False)
        with tempfile.TemporaryDirectory() as folder:
            write_portable(network, example, Path(folder) / "model", model.model_id)
            store.log_model_artifacts(model.model_id, str(Path(folder) / "model"))
        store.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
        store.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    return str(model.model_id)


def with_model(metrics: Sequence[Metric], model_id: str) -> list[Metric]:
    """The same metrics, as the model's too: those of the kept weights."""
    return [
        Metric(
            metric.key,
            metric.value,
            metric.timestamp,
            metric.step,
            model_id=None if metric.key.startswith("epoch/") else model_id,
        )
        for metric in metrics
    ]
