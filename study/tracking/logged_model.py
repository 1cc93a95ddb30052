"""The network of a trial as a LoggedModel of MLflow, which any machine can load and serve."""

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric

from study.study_folder import DISTRIBUTIONS, EXAMPLE, OUTCOMES

_FORBIDDEN: Final = re.compile(r"""[/:.%"']""")  # in the name of a LoggedModel
_PORTABLE: Final = "portable"  # in the folder of a trial: the files of its model not stored yet


def model_of(store: MlflowClient, experiment_id: str, run_id: str, name: str) -> LoggedModel:
    """The LoggedModel of a run, created if it has none; READY once its files are stored."""
    models = store.search_logged_models([experiment_id], f"source_run_id = '{run_id}'")
    if models:
        # A lost response can cause two; every process chooses the same one.
        return min(models, key=lambda model: (model.creation_timestamp, model.model_id))
    allowed = _FORBIDDEN.sub("_", name)
    return store.create_logged_model(experiment_id, allowed, run_id, model_type="image classifier")


def store_network(
    store: MlflowClient, model: LoggedModel, network: Path, sent: Callable[[], None]
) -> None:
    """Stores the network in a trial's folder as the LoggedModel, unless that is READY.

    `sent` is called after each file. After an error, the next call continues with the files left.
    """
    run_id = str(model.source_run_id)
    if model.status == LoggedModelStatus.READY:
        outputs = store.get_run(run_id).outputs
        linked = [] if outputs is None else [output.model_id for output in outputs.model_outputs]
        if model.model_id not in linked:
            store.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
        return
    folder = network.parent / _PORTABLE
    if not folder.exists():
        example = np.load(network.parent / EXAMPLE, allow_pickle=False)
        new = folder.with_name(f"{_PORTABLE}.new")
        shutil.rmtree(new, ignore_errors=True)
        from study.tracking.pyfunc_model import write_portable  # noqa: PLC0415  # its imports take a second

        write_portable(network, example, new, model.model_id)
        for name in (DISTRIBUTIONS, OUTCOMES):
            if (network.parent / name).exists():
                shutil.copy(network.parent / name, new)
        new.replace(folder)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = file.relative_to(folder).parent
        within = None if place == Path() else place.as_posix()
        store.log_model_artifact(model.model_id, str(file), within)
        file.unlink()
        sent()
    store.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    store.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])


def with_model(metrics: Sequence[Metric], model_id: str) -> list[Metric]:
    """The metrics, with those of the kept weights linked to the model."""
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
