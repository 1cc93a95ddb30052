"""Confirms what a search found: trains a configuration anew, once, and records it with the study."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mlflow.exceptions import MlflowException
from requests.exceptions import RequestException
from sqlalchemy.exc import SQLAlchemyError

from models.architecture import Architecture
from study.errors import BadInputError, StudyError, TrackingError
from study.home import Home
from study.results.answers import choose
from study.results.reader import client, read_study, translated
from study.results.record import TrialRecord
from study.results.retrained_run import Retrained, find_run, retrained, write_run
from study.runner.retraining import Retraining, retrain_into
from study.spec.study_spec import StudySpec
from study.study_folder import only_driver
from study.training.dataset import Dataset, load_dataset
from study.training.train import EpochMetrics

_FAILURES: Final = (MlflowException, RequestException, SQLAlchemyError, OSError)


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
