"""Retrains a trial's configuration with other seeds, to confirm the results of the search.

It runs and is recorded as any trial, in a folder of its own, with a role that no answer counts as a
trial.
"""

import json
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import final

import torch

from models.building import outline
from study import environment
from study.cluster.ray_runtime import on_cluster, whole_machine
from study.errors import BadInputError, StudyError, TrackingError, TrialFailedError
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.reader import read_study
from study.results.record import TrialRecord
from study.results.retrained_run import Retrained, Retraining, find_run, retrained
from study.results.stored_study import StoredStudy
from study.runner.observer import Observer, Values
from study.runner.resume import store_spec
from study.runner.single_trial import CONTINUES, run_trial
from study.runner.stopper import StudyStopper
from study.runner.sync import send_waiting
from study.runner.teachers import logits_of_study, teacher_logits
from study.search.trial import Outcome, TrialConfig
from study.spec.study_spec import StudySpec
from study.study_folder import StudyFolder
from study.tracking.store import client, translated
from study.training.dataset import Dataset, load_dataset
from study.training.split import Split

Notify = Callable[[str], None]
OnEpoch = Callable[[Mapping[str, float], int], None]


@environment.RECORDS
@environment.RAY
@checked_keywords
def retrain(  # noqa: PLR0913  # each setting has a name of its own
    name: str,
    trial: int,
    replicates: int,
    epochs: int | None = None,
    *,
    full: bool = False,
    data: Path | str | None = None,
    notify: Notify = lambda _: None,
    on_epoch: OnEpoch = lambda *_: None,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
) -> Retrained:
    """Trains a trial's configuration with `replicates` seeds that the search did not use.

    The training uses all of this machine, or the resources of a trial if $RAY_ADDRESS names a cluster or
    Ray is initialised already. `epochs` are by default the study's.
    With `full` it trains on the validation images too and keeps the last weights. `data` is the current
    place of the data set: dataset.root, or the path of own data. The same retraining is done once: a
    finished one is read, an interrupted one continues from its checkpoint. `notify` is called with
    messages, `on_epoch` with the metrics of each epoch and the number of epochs.

    Raises NotFoundError if there is no such trial, BadInputError if a trial with patience is to be
    trained with `full` and `epochs` are not given, if its network does not fit the data, if neither the
    logits of its teacher are kept with the study nor the teacher is stored, or if the
    study's driver confirms it with the same seeds now, DataError
    if its data set is not here, ClusterError if the cluster does not answer, TrialFailedError if a
    replicate diverges, StudyError if the worker dies, and TrackingError if the result cannot be
    recorded; it is kept then, and the same call records it.
    """
    home = Home.find(home, tracking_uri)
    stored = read_study(name, home)
    record = stored.trial(trial)
    patience = record.training["patience"]
    if full and epochs is None and patience:
        raise BadInputError(
            "`epochs` (--epochs) must be given to retrain a trial with patience in full, because no "
            f"validation images remain for early stopping, got none and patience={patience} (key "
            f"space.patience); trial {trial} trained {record.epochs}"
        )
    wanted = Retraining(
        trial=trial,
        replicates=replicates,
        epochs=stored.spec.budget.epochs if epochs is None else epochs,
        full=full,
    )

    def finished(*, new: bool) -> Retrained | None:
        with translated(home):
            run = find_run(client(home), stored.parent.info.experiment_id, wanted)
        return None if run is None else retrained(run, record, new=new)

    result = finished(new=False)
    if result is not None:
        return result
    with _locked(home.study_folder(name).of_retraining(wanted.label())) as folder:
        _check_not_confirmed(home.study_folder(name), folder, wanted)
        if folder.retraining() is not None:
            send_waiting(folder, home, notify)
            result = finished(new=True)
        if result is not None:
            notify(f"trained before, recorded now from {folder.path}")
        else:
            dataset = _dataset(stored, None if data is None else Path(data), full=full)
            config = wanted.config(record, stored.spec)
            _check_fits(config, dataset)
            teachers = [config.training.teacher]
            logits = teacher_logits(teachers, dataset, home, logits_of_study(stored))
            notify(_announcement(wanted, record, stored.spec, dataset))
            store_spec(folder, stored.spec)
            folder.store_retrainings([wanted.to_dict()])
            resources = stored.spec.resources
            if not on_cluster():
                resources = whole_machine().model_copy(update={"engine": resources.engine})
            observer = _Observer(wanted, notify, on_epoch)
            outcome, stop = run_trial(folder, home, config, dataset, resources, logits, observer)
            _raise_unless_complete(outcome, stop, folder)
            result = finished(new=True)
        if result is None:
            raise TrackingError(f"{home.shown_uri} must have the run of the retraining, got none")
        shutil.rmtree(folder.path)
    return result


@final
class _Observer(Observer):
    """Passes messages and epochs to the caller; an error is raised by `run_trial`."""

    def __init__(self, wanted: Retraining, notify: Notify, on_epoch: OnEpoch) -> None:
        super().__init__(notify)
        self._wanted = wanted
        self._on_epoch = on_epoch

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        """Shows an epoch of the only trial."""
        del number
        self._on_epoch(metrics, self._wanted.epochs)

    def recorded(self, metrics: Mapping[str, Values]) -> Mapping[str, Values]:
        """The metrics without those of validation images that were trained on."""
        full = self._wanted.full
        return {name: metrics[name] for name in metrics if not (full and "val_" in name)}


def _raise_unless_complete(outcome: Outcome, stop: StudyStopper, folder: StudyFolder) -> None:
    """Raises TrialFailedError for a training that failed, StudyError for one that was stopped.

    After a signal, that has its effect.
    """
    if outcome.state == "FAIL":
        shutil.rmtree(folder.path)
        raise TrialFailedError(f"the trial cannot be retrained: {outcome.reason}")
    if outcome.state == "PRUNED":
        if stop.signal_number is not None:
            signal.raise_signal(stop.signal_number)
        raise StudyError(f"the retraining was stopped: {stop.reason}; {CONTINUES}")


@contextmanager
def _locked(folder: StudyFolder) -> Iterator[StudyFolder]:
    """Locks the folder; in the end removes it, and empty folders above, if it has no retraining."""
    try:
        with folder.only_driver():
            try:
                yield folder
            finally:
                # Only the process that has the lock may delete the folder.
                if folder.retraining() is None:
                    shutil.rmtree(folder.path, ignore_errors=True)
                    with suppress(OSError):
                        for parent in list(folder.path.parents)[:3]:
                            parent.rmdir()
    except OSError as error:
        raise StudyError(f"the folder {folder.path} cannot be written: {error}") from error


def _check_not_confirmed(study: StudyFolder, own: StudyFolder, wanted: Retraining) -> None:
    """Raises BadInputError if the driver of the study trains the trial with the same seeds now.

    The lock is taken before: of a confirmation and a retraining, the one that starts later sees the
    other.
    """
    others = [one for one in study.retrainings() if one.path != own.path]
    listed = any(wanted.to_dict() in json.loads(one.retraining() or "[]") for one in others)
    if listed and study.is_driven():
        raise BadInputError(
            f"trial {wanted.trial} is being confirmed with the same seeds by the study's driver; the "
            "same command reads the result when that has ended"
        )


def _dataset(stored: StoredStudy, data: Path | None, *, full: bool) -> Dataset:
    """The data set of the search, with its split; in full, validation images are trained on too.

    Test images that were withheld from the search are there.

    Raises DataError if its arrays are not those of the search.
    """
    spec = stored.spec
    place = spec.dataset
    if data is not None:
        place = place.model_copy(update={"root" if place.path is None else "path": data})
    dataset = load_dataset(place, spec.seed)
    dataset.check_is(stored.data, spec.name)
    if place.withhold_test:
        dataset = load_dataset(place.model_copy(update={"withhold_test": False}), spec.seed)
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
        outline(config.architecture, dataset.image_shape, dataset.classes, config.seeds[:1])
    except ValueError as error:
        raise BadInputError(f"{error} (trial {config.number} on {dataset.name})") from error


def _announcement(
    wanted: Retraining, record: TrialRecord, spec: StudySpec, dataset: Dataset
) -> str:
    seeds = wanted.seeds(spec)
    most = "at most " if wanted.settings(record).patience else ""
    rest = ""
    if wanted.full:
        rest = ", those of validation included; without validation the last weights are kept"
    return (
        f"training trial {wanted.trial}, {record.label()}: {most}{wanted.epochs} epochs, "
        f"{wanted.replicates} replicates with the seeds {seeds[0]} to {seeds[-1]}, on "
        f"{len(dataset.train.labels):,} images{rest}"
    )
