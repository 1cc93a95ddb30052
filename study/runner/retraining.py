"""Retrains a configuration with other seeds, to confirm what the search measured; records it once."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from models.architecture import Architecture
from models.building import build
from models.counting import count_macs, count_parameters
from models.network import Network
from models.storage import save_network
from study import environment
from study.errors import BadInputError, StudyError, TrackingError
from study.home import Home
from study.results.answers import choose
from study.results.reader import read_study
from study.results.record import TrialRecord
from study.results.retrained_run import (
    ENDED_AT,
    Retrained,
    Retraining,
    find_run,
    retrained,
    write_run,
)
from study.spec.study_spec import StudySpec
from study.study_folder import EXAMPLE, HISTORY, NETWORK, only_driver
from study.tracking.store import client, translated
from study.training.dataset import Dataset, Split, load_dataset
from study.training.evaluation import Estimate, evaluate
from study.training.noise import with_training_noise
from study.training.train import EpochMetrics, NonFiniteLossError, keep_freed_memory, train

_FAILURES: Final = (MlflowException, RequestException, SQLAlchemyError, OSError)


def retrain_into(  # noqa: PLR0913, PLR0917  # what, from what, on what, where, and who looks on
    wanted: Retraining,
    record: TrialRecord,
    spec: StudySpec,
    dataset: Dataset,
    folder: Path,
    on_epoch: Callable[[EpochMetrics, int], None],
) -> None:
    """Trains, tests, and leaves the network, the history and some images in the folder.

    The folder is there when all is in it. `on_epoch` is called after each epoch, with how many there
    will be at most. Raises StudyError if a replicate diverges.
    """
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    architecture = Architecture(**record.architecture)
    try:
        network = build(architecture, dataset.image_shape, dataset.classes, wanted.seeds(spec))
    except ValueError as error:
        raise BadInputError(f"{error} (trial {record.trial} on {dataset.name})") from error
    settings = wanted.settings(record)
    network, on_device = network.to(device), with_training_noise(dataset, settings.noise).to(device)
    if wanted.full:
        on_device = replace(on_device, train=_joined(on_device.train, on_device.validation))
    history: list[dict[str, float]] = []
    try:
        for epoch in train(network, on_device, settings):
            history.append(_metrics(network, epoch, history, full=wanted.full))
            on_epoch(epoch, wanted.epochs)
    except NonFiniteLossError as error:
        raise StudyError(f"trial {record.trial} cannot be retrained: {error}") from error
    accuracy, loss = evaluate(network, on_device.test)
    history[-1] |= Estimate.over(accuracy).named("test_accuracy")
    history[-1] |= Estimate.over(loss).named("test_loss")
    unfinished = folder.with_name(folder.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    save_network(network, unfinished / NETWORK)
    np.save(unfinished / EXAMPLE, dataset.test.images[:2].numpy(), allow_pickle=False)
    (unfinished / HISTORY).write_text(json.dumps(history), encoding="utf-8")
    unfinished.rename(folder)


def _joined(first: Split, second: Split) -> Split:
    return Split(torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels]))


def _metrics(
    network: Network, epoch: EpochMetrics, before: Sequence[dict[str, float]], *, full: bool
) -> dict[str, float]:
    """As those of a trial; where validation images are trained on, nothing is said of them."""
    metrics: dict[str, Any] = {
        "trainable_parameters": count_parameters(network),
        "macs": count_macs(network),
        "epochs": epoch.epoch,
        "seconds": epoch.seconds + (before[-1]["seconds"] if before else 0.0),
        "epoch/seconds": epoch.seconds,
        ENDED_AT: time.time(),
        **epoch.train_loss.named("epoch/train_loss"),
    }
    if not full:
        metrics |= epoch.kept_accuracy.named("val_accuracy")
        metrics |= epoch.kept_loss.named("val_loss")
        metrics |= epoch.val_accuracy.named("epoch/val_accuracy")
        metrics |= epoch.val_loss.named("epoch/val_loss")
    return metrics


@environment.RECORDS
def retrain(  # noqa: PLR0913  # each setting has a name of its own
    name: str,
    trial: int,
    replicates: int,
    epochs: int | None = None,
    *,
    full: bool = False,
    data: Path | None = None,
    home: Home | None = None,
    say: Callable[[str], None] = lambda _: None,
    on_epoch: Callable[[EpochMetrics, int], None] = lambda *_: None,
) -> Retrained:
    """Trains a trial's configuration with so many seeds that the search did not use, on this machine.

    `epochs` are by default the study's. With `full` it trains on the validation images too and keeps
    the last weights. `data` says where the data set is now: dataset.root, or the npz file. What was
    trained before is not trained again, but read. `say` hears what is done, `on_epoch` each epoch, and
    of how many it is.

    Raises NotFoundError if there is no such trial, BadInputError if a trial with patience is to be
    trained with `full` and `epochs` are not given, DataError if its data set is not here, StudyError
    if a replicate diverges, and TrackingError if the result cannot be recorded; it is kept then, and
    the same call records it.
    """
    home = home or Home.find()
    stored = read_study(name, home)
    record = choose(stored, trial)
    patience = record.training["patience"]
    if full and epochs is None and patience:
        raise BadInputError(
            "`epochs` (--epochs) must be given where a trial with patience is trained in full, for no "
            f"validation images are left to stop it by, got none and patience={patience} (key "
            f"space.patience); trial {trial} trained {record.epochs}"
        )
    wanted = Retraining(
        trial=trial,
        replicates=replicates,
        epochs=stored.spec.budget.epochs if epochs is None else epochs,
        full=full,
    )
    store = client(home)
    with translated(home):
        run = find_run(store, stored.parent.info.experiment_id, wanted)
    if run is not None:
        return retrained(run, wanted, record, new=False)
    place = home.study_folder(name) / "retrained" / wanted.label()
    result = place / "result"
    dataset = None if result.exists() else _dataset(stored.spec, data)
    with _held(place):
        if dataset is None:
            say(f"it was trained before, and is recorded now, from {result}")
        else:
            say(_announcement(wanted, record, stored.spec, dataset))
            retrain_into(wanted, record, stored.spec, dataset, result, on_epoch)
        try:
            run = write_run(store, stored.parent, wanted, record, stored.spec, result)
        except _FAILURES as error:
            raise TrackingError(
                f"the tracking store {home.shown_uri} must take what was trained: {error}; the "
                f"result is kept in {result}, and the same command records it without training again"
            ) from error
        shutil.rmtree(result)
    return retrained(run, wanted, record, new=True)


@contextmanager
def _held(place: Path) -> Iterator[None]:
    """Holds the folder for this process; what is empty in the end goes."""
    try:
        with only_driver(place):
            try:
                yield
            finally:
                # Only whoever holds it takes it away.
                if not (place / "result").exists():
                    shutil.rmtree(place, ignore_errors=True)
                    with suppress(OSError):
                        for folder in list(place.parents)[:3]:
                            folder.rmdir()
    except OSError as error:
        raise StudyError(f"the folder {place} cannot be written: {error}") from error


def _dataset(spec: StudySpec, data: Path | None) -> Dataset:
    """The data set of the search, with its split."""
    found = spec.dataset
    if data is not None:
        found = found.model_copy(update={"path" if found.name == "npz" else "root": data})
    return load_dataset(found, spec.seed)


def _announcement(
    wanted: Retraining, record: TrialRecord, spec: StudySpec, dataset: Dataset
) -> str:
    seeds = wanted.seeds(spec)
    label = Architecture(**record.architecture).label()
    most = "at most " if wanted.settings(record).patience else ""
    images, rest = len(dataset.train.labels), ""
    if wanted.full:
        images += len(dataset.validation.labels)
        rest = (
            ", those of validation included; nothing is left to choose an epoch by, so the last "
            "weights are kept"
        )
    return (
        f"training trial {wanted.trial}, {label}: {most}{wanted.epochs} epochs, "
        f"{wanted.replicates} replicates with the seeds {seeds[0]} to {seeds[-1]}, on {images:,} "
        f"images{rest}"
    )
