"""Retrains a trial's configuration with other seeds, to confirm what the search measured.

It is trained as any trial is, by a `TrialWorker` with checkpoints, and recorded once, as a run with a
role of its own, which no answer counts as a trial.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from models.building import build
from study import environment
from study.errors import BadInputError, StudyError, TrackingError
from study.home import Home
from study.results.answers import choose
from study.results.reader import read_study
from study.results.record import TrialRecord
from study.results.retrained_run import Retrained, Retraining, find_run, retrained, write_run
from study.runner.trial_worker import TrialWorker
from study.search.trial import WORKER_DIED, TrialConfig
from study.spec.sections import Resources
from study.spec.study_spec import StudySpec
from study.study_folder import HISTORY, StudyFolder, trial_folder
from study.tracking.store import client, translated
from study.training.dataset import Dataset, Split, load_dataset

_FAILURES: Final = (MlflowException, RequestException, SQLAlchemyError, OSError)

Say = Callable[[str], None]
Step = Callable[[], dict[str, Any]]
"""Trains a step; returns the report of `study.runner.trial_worker`."""


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
    say: Say = lambda _: None,
    on_epoch: Callable[[Mapping[str, float], int], None] = lambda *_: None,
) -> Retrained:
    """Trains a trial's configuration with `replicates` seeds that the search did not use.

    Where $RAY_ADDRESS names a cluster it is trained there, with the resources of a trial, else in this
    process. `epochs` are by default the study's. With `full` it trains on the validation images too and
    keeps the last weights. `data` says where the data set is now: dataset.root, or the npz file. The
    same retraining is done once: a finished one is read, one that was interrupted continues from its
    checkpoint. `say` takes messages; `on_epoch` each epoch's metrics, and the number of epochs.

    Raises NotFoundError if there is no such trial, BadInputError if a trial with patience is to be
    trained with `full` and `epochs` are not given, or if its network does not fit the data, DataError
    if its data set is not here, ClusterError if the cluster does not answer, StudyError if a replicate
    diverges or the worker dies, and TrackingError if the result cannot be recorded; it is kept then,
    and the same call records it.
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
    place = home.study_folder(name).retraining(wanted.label())
    folder = trial_folder(place.path, trial)
    dataset = None if (folder / HISTORY).exists() else _dataset(stored.spec, data, full=full)
    with _held(place):
        if dataset is None:
            say(f"it was trained before, and is recorded now, from {folder}")
        else:
            config = wanted.config(record, stored.spec)
            _check_fits(config, dataset)
            say(_announcement(wanted, record, stored.spec, dataset))
            settings = {
                "dataset_name": dataset.name,
                "classes": dataset.classes,
                "arrays": dataset.to_arrays(),
                "rungs": (),
                "store": str(place.path),
            }
            worker = (
                _worker_on_cluster(config, settings, stored.spec.resources, home, say)
                if os.environ.get("RAY_ADDRESS")
                else _worker_here(config, settings)
            )
            _train(config, worker, folder, say, lambda epoch: on_epoch(epoch, wanted.epochs))
            if not (folder / HISTORY).exists():
                raise StudyError(f"trial {trial} was retrained, but cannot be stored in {folder}")
        try:
            run = write_run(store, stored.parent, wanted, record, stored.spec, folder)
        except _FAILURES as error:
            raise TrackingError(
                f"the tracking store {home.shown_uri} must take what was trained: {error}; the "
                f"result is kept in {folder}, and the same command records it without training again"
            ) from error
        shutil.rmtree(folder)
    return retrained(run, wanted, record, new=True)


def _train(
    config: TrialConfig,
    worker: AbstractContextManager[Step],
    folder: Path,
    say: Say,
    on_epoch: Callable[[Mapping[str, float]], None],
) -> None:
    """Trains to the end. Raises StudyError with the reason if that fails."""
    with worker as step:
        over = False
        while not over:
            report = step()
            if report["failure"]:
                shutil.rmtree(folder, ignore_errors=True)
                raise StudyError(f"trial {config.number} cannot be retrained: {report['failure']}")
            if report["notice"]:
                say(report["notice"])
            for epoch in report["epochs"]:
                on_epoch(epoch)
            over = report["done"]


@contextmanager
def _worker_here(config: TrialConfig, settings: Mapping[str, Any]) -> Iterator[Step]:
    """A worker in this process, with all that this machine has."""
    worker = TrialWorker(**settings, threads=torch.get_num_threads(), gpus=1)
    worker.begin(config.to_dict())
    # Not closed: an interruption may come within an epoch, so the last checkpoint is what counts.
    yield worker.step


@contextmanager
def _worker_on_cluster(
    config: TrialConfig, settings: Mapping[str, Any], resources: Resources, home: Home, say: Say
) -> Iterator[Step]:
    """A worker as an actor on the cluster that $RAY_ADDRESS names, with the resources of a trial."""
    import ray  # noqa: PLC0415  # takes a second, and is needed here alone

    from study.cluster.ray_runtime import find_capacity, ray_runtime  # noqa: PLC0415  # as above
    from study.cluster.shared_storage import check_shared  # noqa: PLC0415  # as above

    with ray_runtime() as alone:
        check_shared(home.folder)
        share = find_capacity(resources, alone=alone).share
        if share.notice is not None:
            say(share.notice)
        actor_class = ray.remote(TrialWorker).options(num_cpus=share.cpus, num_gpus=share.gpus)
        actor: Any = actor_class.remote(
            **settings, threads=max(1, int(share.cpus)), gpus=share.gpus
        )
        try:
            ray.get(actor.begin.remote(config.to_dict()))
            yield lambda: ray.get(actor.step.remote())
        except ray.exceptions.RayActorError as error:
            raise StudyError(
                f"{WORKER_DIED}: {error}; the same command continues from its last checkpoint"
            ) from error
        finally:
            with suppress(ray.exceptions.RayError):
                ray.get(actor.close.remote())


@contextmanager
def _held(place: StudyFolder) -> Iterator[None]:
    """Holds the folder for this process; it stays while a trial's folder is in it, to be continued."""
    try:
        with place.only_driver():
            try:
                yield
            finally:
                # Only the process that holds it deletes it.
                if not any(place.path.glob("trial-*")):
                    shutil.rmtree(place.path, ignore_errors=True)
                    with suppress(OSError):
                        for folder in list(place.path.parents)[:3]:
                            folder.rmdir()
    except OSError as error:
        raise StudyError(f"the folder {place.path} cannot be written: {error}") from error


def _dataset(spec: StudySpec, data: Path | None, *, full: bool) -> Dataset:
    """The data set of the search, with its split; in full, validation images are trained on too."""
    place = spec.dataset
    if data is not None:
        place = place.model_copy(update={"path" if place.name == "npz" else "root": data})
    dataset = load_dataset(place, spec.seed)
    if not full:
        return dataset
    parts = (dataset.train, dataset.validation)
    images, labels = (
        torch.cat([getattr(part, kind) for part in parts]) for kind in ("images", "labels")
    )
    return replace(dataset, train=Split(images, labels))


def _check_fits(config: TrialConfig, dataset: Dataset) -> None:
    """Raises BadInputError if the network cannot be built for the images, as of another data set."""
    try:
        build(config.architecture, dataset.image_shape, dataset.classes, config.seeds[:1])
    except ValueError as error:
        raise BadInputError(f"{error} (trial {config.number} on {dataset.name})") from error


def _announcement(
    wanted: Retraining, record: TrialRecord, spec: StudySpec, dataset: Dataset
) -> str:
    seeds = wanted.seeds(spec)
    most = "at most " if wanted.settings(record).patience else ""
    rest = ""
    if wanted.full:
        rest = (
            ", those of validation included; nothing is left to choose an epoch by, so the last "
            "weights are kept"
        )
    return (
        f"training trial {wanted.trial}, {record.label()}: {most}{wanted.epochs} epochs, "
        f"{wanted.replicates} replicates with the seeds {seeds[0]} to {seeds[-1]}, on "
        f"{len(dataset.train.labels):,} images{rest}"
    )
