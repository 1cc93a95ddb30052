"""The stored network of a trial: fetched from MLflow, and registered there under a name."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlflow.exceptions import MlflowException
from safetensors import SafetensorError

from models.portable import DESCRIPTION, TENSORS
from study.errors import BadInputError, NotFoundError, TrackingError
from study.home import Home
from study.results.reader import read_study
from study.results.record import TrialRecord
from study.results.retrained_run import choose_retrained
from study.tracking import tags
from study.tracking.artifacts import artifacts_in, current_location, download
from study.tracking.store import client, translated
from study.tracking.tags import NETWORK_FOLDER

if TYPE_CHECKING:
    from models.network import Network

_ALIAS: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_VERSION: Final = re.compile(r"v\d+", re.IGNORECASE)


def fetch_network(
    name: str, record: TrialRecord, found: Sequence[TrialRecord], home: Home, to: Path
) -> Path:
    """Copies the network of a trial below `to`; the folder that `models.load_network` reads.

    `found` are the trials of the study. Raises NotFoundError if the network was not kept: only trials
    that are on the front when they end keep theirs. Raises TrackingError if it was, and the store
    does not have it any more.
    """
    folder = download_network(record.run_id, home, to)
    if folder is None:
        have = ", ".join(str(other.trial) for other in found if other.on_front)
        raise NotFoundError(
            f"the weights of trial {record.trial} of study {name!r} were not kept: trials keep them "
            f"that are on the front when they end, such as {have or 'none yet'}"
        )
    for file in (TENSORS, DESCRIPTION):
        if not (folder / file).is_file():
            raise _damage(name, record, f"{file} is missing")
    return folder


def download_network(run_id: str, home: Home, to: Path) -> Path | None:
    """The one place that knows how a run's network lies in MLflow; None if it has none.

    Raises TrackingError if the run has a model, and its artifacts are gone.
    """
    store = client(home)
    with translated(home):
        model_id = store.get_run(run_id).data.tags.get(tags.MODEL_TAG)
        if model_id is None:
            return None
        # Not as models:/..., which MLflow looks up in the store of its environment, whatever is given.
        location = current_location(store.get_logged_model(model_id).artifact_location, home)
        if not artifacts_in(location, NETWORK_FOLDER, home):
            raise TrackingError(
                f"the network of run {run_id} was kept as model {model_id}, but its artifacts in "
                f"{location} are gone"
            )
        try:
            return download(location, NETWORK_FOLDER, to, home)
        except OSError as error:
            raise TrackingError(f"the artifacts in {location} cannot be read: {error}") from error


@contextmanager
def undamaged(name: str, record: TrialRecord, folder: Path) -> Iterator[None]:
    """Turns the errors of reading the network in the folder into TrackingError."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _damage(name, record, str(error).replace(f"{folder}/", "")) from error


def _damage(name: str, record: TrialRecord, reason: str) -> TrackingError:
    return TrackingError(
        f"the stored network of trial {record.trial} of study {name!r} is damaged "
        f"(artifacts of run {record.run_id}): {reason}"
    )


def promote(name: str, trial: int, alias: str, home: Home | None = None) -> str:
    """Registers the model of a trial under the study's name, and points the alias at it.

    The alias leaves the trial that had it. A trial that is registered already keeps its version.
    Returns the URI by which MLflow loads it, `models:/NAME@ALIAS`. Raises BadInputError for an alias
    that MLflow does not take, NotFoundError if there is no such trial or its model was not kept.
    """
    if not _ALIAS.fullmatch(alias) or _VERSION.fullmatch(alias) or alias == "latest":
        raise BadInputError(
            "an alias has letters, digits, '_' and '-', starts with a letter, and is neither "
            f"'latest' nor a version such as 'v1', got {alias!r}"
        )
    home = home or Home.find()
    record = read_study(name, home).trial(trial)
    store = client(home)
    with translated(home):
        model_id = store.get_run(record.run_id).data.tags.get(tags.MODEL_TAG)
        if model_id is None:
            raise NotFoundError(
                f"the model of trial {trial} of study {name!r} was not kept: trials keep theirs that "
                "are on the front when they end"
            )
        _register(name, home)
        versions = store.search_model_versions(f"name = '{name}' and run_id = '{record.run_id}'")
        if versions:
            version = versions[0]
        else:
            # Not as models:/..., which MLflow looks up in the store of its environment.
            source = current_location(store.get_logged_model(model_id).artifact_location, home)
            version = store.create_model_version(
                name,
                source=source,
                run_id=record.run_id,
                tags={tags.NUMBER_TAG: str(trial)},
                model_id=model_id,
            )
        store.set_registered_model_alias(name, alias, version.version)
    return f"models:/{name}@{alias}"


def _register(name: str, home: Home) -> None:
    try:
        client(home).create_registered_model(
            name, description=f"Networks of the study {name}; an alias says which one is meant."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def load_model(
    name: str, trial: int | None = None, home: Home | None = None, *, retrained: bool = False
) -> "Network":
    """The trained network of a trial, on the CPU, in evaluation mode; all replicates are in it.

    By default that of the most accurate trial on the front; with `retrained`, as `study.retrain` left
    it last. Raises NotFoundError if there is no such
    trial, or if its weights were not kept: only trials that are on the front when they end keep them.
    Raises TrackingError if the store lost or damaged them.
    """
    home = home or Home.find()
    stored = read_study(name, home)
    record = choose_retrained(stored, trial, home) if retrained else stored.trial(trial)
    with tempfile.TemporaryDirectory() as folder:
        fetched = fetch_network(name, record, stored.records, home, Path(folder))
        return load_fetched(name, record, fetched)


def load_fetched(name: str, record: TrialRecord, folder: Path) -> "Network":
    """The network in a folder; raises TrackingError if its files are damaged."""
    from models.storage import load_network  # noqa: PLC0415  # torch loads only when it is needed

    with undamaged(name, record, folder):
        return load_network(folder)
