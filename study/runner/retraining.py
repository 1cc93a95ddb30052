"""Retrains a trial's configuration with other seeds, to confirm what the search measured.

It runs and is recorded as any trial, in a folder of its own, with a role that no answer counts as a
trial.
"""

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, final

import torch
from ray.exceptions import RayActorError

from models.building import build
from study import environment
from study.cluster.capacity import TrialResources
from study.cluster.ray_runtime import find_capacity, on_cluster, ray_runtime, whole_machine
from study.cluster.shared_storage import check_shared
from study.errors import BadInputError, StudyError, TrackingError
from study.home import Home
from study.results.answers import choose
from study.results.reader import read_study
from study.results.record import TrialRecord
from study.results.retrained_run import Retrained, Retraining, find_run, retrained
from study.runner.callback import TrialCallback
from study.runner.resume import store_spec
from study.runner.stopper import StudyStopper
from study.runner.sync import send_waiting
from study.runner.trainable import lack_of_memory, tuner
from study.search.trial import WORKER_DIED, Outcome, TrialConfig, judge
from study.spec.sections import Resources
from study.spec.study_spec import StudySpec
from study.study_folder import StudyFolder
from study.tracking.store import client, translated
from study.tracking.tracker import Tracker
from study.training.dataset import Dataset, Split, load_dataset

_CONTINUES: Final = "the same command continues from its last checkpoint"

Say = Callable[[str], None]
OnEpoch = Callable[[Mapping[str, float], int], None]


@environment.RECORDS
@environment.RAY
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
    on_epoch: OnEpoch = lambda *_: None,
) -> Retrained:
    """Trains a trial's configuration with `replicates` seeds that the search did not use.

    Ray runs on this machine, all of which the training gets, unless $RAY_ADDRESS names a cluster or Ray
    is initialised already: there it gets the resources of a trial. `epochs` are by default the study's.
    With `full` it trains on the validation images too and keeps the last weights. `data` is the current
    place of the data set: dataset.root, or the npz file. The same retraining is done once: a finished
    one is read, an interrupted one continues from its checkpoint. `say` takes messages; `on_epoch` each
    epoch's metrics, and the number of epochs.

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

    def finished(*, new: bool) -> Retrained | None:
        with translated(home):
            run = find_run(client(home), stored.parent.info.experiment_id, wanted)
        return None if run is None else retrained(run, wanted, record, new=new)

    found = finished(new=False)
    if found is not None:
        return found
    with _locked(home.study_folder(name).of_retraining(wanted.label())) as folder:
        if folder.retraining() is not None:
            send_waiting(folder, home, say)
            found = finished(new=True)
        if found is not None:
            say(f"it was trained before, and is recorded now, from {folder.path}")
        else:
            dataset = _dataset(stored.spec, data, full=full)
            config = wanted.config(record, stored.spec)
            _check_fits(config, dataset)
            say(_announcement(wanted, record, stored.spec, dataset))
            store_spec(folder, stored.spec)
            folder.store_retraining(wanted.identity())
            resources = stored.spec.resources if on_cluster() else whole_machine()
            observer = _Observer(wanted, say, on_epoch)
            _train(folder, home, config, dataset, resources, observer)
            found = finished(new=True)
        shutil.rmtree(folder.path)
    if found is None:
        raise TrackingError(f"{home.shown_uri} must have the run of the retraining, got none")
    return found


@final
class _Observer:
    """Hands messages and epochs on to the caller."""

    def __init__(self, wanted: Retraining, say: Say, on_epoch: OnEpoch) -> None:
        self._wanted = wanted
        self._on_epoch = on_epoch
        self.say = say

    def begin(self, config: TrialConfig) -> None:
        """The training was announced before Ray started."""

    def epoch(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Of validation images that were trained on nothing is recorded."""
        self._on_epoch(metrics, self._wanted.epochs)
        hidden = "val_" if self._wanted.full else None
        return {key: metrics[key] for key in metrics if hidden is None or hidden not in key}

    def fail(self, config: TrialConfig, reason: str) -> None:
        """The Tuner's result has the error."""

    def update(self) -> None:
        """Nothing changes on the screen between epochs."""


def _train(  # noqa: PLR0913, PLR0917  # what is trained, where, and how it is shown
    folder: StudyFolder,
    home: Home,
    config: TrialConfig,
    dataset: Dataset,
    resources: Resources,
    observer: _Observer,
) -> None:
    """Trains to the end, and records it. Raises StudyError if that fails.

    After a signal it stops at the next report, and then the signal has its effect.
    """
    stop = StudyStopper()
    with _recorded(Tracker(folder, home), config, observer.say) as (tracker, end):
        with stop.on_signals(observer.say) as install, ray_runtime() as alone:
            install()
            share = find_capacity(resources, alone=alone).share
            check_shared(home.folder)
            if share.notice is not None:
                observer.say(share.notice)
            tracker.wait_until_ready()
            callback = TrialCallback(tracker, stop, observer)
            outcome = _run(folder, config, dataset, share, callback, stop)
        if outcome.state == "PRUNED":
            observer.say(f"stopped: {stop.reason}; {_CONTINUES}")
        else:
            end(outcome)
    if outcome.state == "FAIL":
        shutil.rmtree(folder.path)
        raise StudyError(f"trial {config.number} cannot be retrained: {outcome.reason}")
    if outcome.state == "PRUNED":
        if stop.signal_number is not None:
            signal.raise_signal(stop.signal_number)
        raise StudyError(f"the retraining was stopped: {stop.reason}; {_CONTINUES}")


def _run(  # noqa: PLR0913, PLR0917  # the parts of one run of Ray Tune
    folder: StudyFolder,
    config: TrialConfig,
    dataset: Dataset,
    share: TrialResources,
    callback: TrialCallback,
    stop: StudyStopper,
) -> Outcome:
    """Runs the trial with Ray Tune; its outcome is PRUNED if it was stopped.

    Raises StudyError if its workers die.
    """
    folder.trials.mkdir(exist_ok=True)
    settings = {
        "dataset_name": dataset.name,
        "classes": dataset.classes,
        "arrays": dataset.to_arrays(),
        "rungs": (),
    }
    try:
        result = tuner(
            folder,
            settings=settings,
            share=share,
            callback=callback,
            stop=stop,
            config=config.to_dict(),
        ).fit()[0]
    except RuntimeError as error:
        reason = lack_of_memory(error)
        if reason is None:
            raise
        raise StudyError(f"{reason}; {_CONTINUES}") from error
    finally:
        shutil.rmtree(folder.tune, ignore_errors=True)
    if result.error is not None:
        died = WORKER_DIED if isinstance(result.error, RayActorError) else "Ray Tune failed"
        raise StudyError(f"{died}: {result.error}; {_CONTINUES}") from result.error
    return judge(result.metrics or {}, objectives=())


@contextmanager
def _recorded(
    tracker: Tracker, config: TrialConfig, say: Say
) -> Iterator[tuple[Tracker, Callable[[Outcome], None]]]:
    """Opens the tracker, and closes it; gives it with a function that ends the trial.

    A trial that is not ended is interrupted.
    """
    outcomes: list[Outcome] = []
    tracker.start({})
    tracker.begin_trial(config)
    try:
        yield tracker, outcomes.append
    except BaseException:
        tracker.interrupt_trial(config.number)
        try:
            tracker.close("KILLED", say)
        except TrackingError as error:
            say(f"error: {error}")  # what ended the training is raised
        raise
    if outcomes:
        tracker.end_trial(config.number, outcomes[0], keep_network=True)
    else:
        tracker.interrupt_trial(config.number)
    tracker.close("FINISHED", say)


@contextmanager
def _locked(folder: StudyFolder) -> Iterator[StudyFolder]:
    """Locks the folder; removes it at last, and empty folders above it, if nothing is stored there."""
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
