"""The stored network of a trial: its download from MLflow, and its registration there."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from mlflow.exceptions import MlflowException
from safetensors import SafetensorError

from models.portable import DESCRIPTION, TENSORS
from study.errors import BadInputError, NotFoundError, TrackingError, echo
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.reader import read_study
from study.results.record import TrialRecord
from study.results.retrained_run import choose_retrained
from study.results.stored_study import StoredStudy
from study.tracking import tags
from study.tracking.artifacts import artifacts_in, current_location, download
from study.tracking.store import client, translated
from study.tracking.tags import NETWORK_FOLDER

if TYPE_CHECKING:
    from models.network import Network

_ALIAS: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,254}")
_VERSION: Final = re.compile(r"v\d+", re.IGNORECASE)


@final
@dataclass(frozen=True, slots=True)
class FetchedNetwork:
    """The network of a trial, in a folder for `models.load_network`."""

    study: StoredStudy
    record: TrialRecord
    folder: Path

    @classmethod
    def of_trial(
        cls, study: StoredStudy, trial: int | None, to: Path, *, retrained: bool
    ) -> "FetchedNetwork":
        """Downloads the network of a trial, by default the best, to `to`.

        With `retrained`, that of its last retraining. Raises NotFoundError if there is no such trial, or
        its network was not kept: only trials on the front when they end keep theirs. Raises
        TrackingError if the store has lost it.
        """
        home = study.home
        record = choose_retrained(study, trial, home) if retrained else study.trial(trial)
        folder = download_network(record.run_id, home, to)
        if folder is None:
            kept = [other for other in study.front() if is_kept(other.run_id, home)]
            have = ", ".join(str(other.trial) for other in kept)
            raise NotFoundError(
                f"the weights of trial {record.trial} of study {study.spec.name!r} were not kept: only "
                f"trials on the front when they end keep theirs, such as {have or 'none yet'}"
            )
        fetched = cls(study, record, folder)
        for file in (TENSORS, DESCRIPTION):
            if not (folder / file).is_file():
                raise fetched._damage(f"{file} is missing")
        return fetched

    def load(self) -> "Network":
        """Loads the network. Raises TrackingError if its files are damaged."""
        from models.storage import load_network  # noqa: PLC0415  # imports torch

        with self.undamaged():
            return load_network(self.folder)

    @contextmanager
    def undamaged(self) -> Iterator[None]:
        """Converts errors of reading the folder to TrackingError."""
        try:
            yield
        except (OSError, ValueError, LookupError, TypeError, SafetensorError) as error:
            raise self._damage(str(error).replace(f"{self.folder}/", "")) from error

    def _damage(self, reason: str) -> TrackingError:
        return TrackingError(
            f"the stored network of trial {self.record.trial} of study {self.study.spec.name!r} is "
            f"damaged (artifacts of run {self.record.run_id}): {reason}"
        )


def download_network(run_id: str, home: Home, to: Path) -> Path | None:
    """Downloads the network of a run to `to`; returns None if it has none.

    Raises TrackingError if the run has a model whose artifacts are gone.
    """
    location = model_location(run_id, home)
    if location is None:
        return None
    with translated(home):
        if not artifacts_in(location, NETWORK_FOLDER, home):
            raise TrackingError(
                f"the network of run {run_id} was kept as a model, but its artifacts in {location} are "
                "gone"
            )
        try:
            return download(location, NETWORK_FOLDER, to, home)
        except OSError as error:
            raise TrackingError(f"the artifacts in {location} cannot be read: {error}") from error


def model_location(run_id: str, home: Home) -> str | None:
    """The artifact location of the model of a run; None if it has none."""
    store = client(home)
    with translated(home):
        model_id = store.get_run(run_id).data.tags.get(tags.MODEL_TAG)
        if model_id is None:
            return None
        # Not as models:/..., which MLflow always resolves in the store of its environment.
        return current_location(store.get_logged_model(model_id).artifact_location, home)


def is_kept(run_id: str, home: Home) -> bool:
    """Whether the network of a run was kept."""
    with translated(home):
        return tags.MODEL_TAG in client(home).get_run(run_id).data.tags


@checked_keywords
def promote(
    name: str,
    trial: int,
    alias: str,
    *,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
) -> str:
    """Registers the model of a trial under the name of the study, and assigns the alias to it.

    The alias moves from the trial that had it; a registered trial keeps its version. Returns the URI
    for MLflow, `models:/NAME@ALIAS`. Raises BadInputError for an alias that MLflow rejects,
    NotFoundError if there is no such trial or its model was not kept.
    """
    if not _ALIAS.fullmatch(alias) or _VERSION.fullmatch(alias) or alias == "latest":
        raise BadInputError(
            "an alias has at most 255 letters, digits, '_' and '-', starts with a letter, and is "
            f"neither 'latest' nor a version such as 'v1', got {echo(alias)}"
        )
    place = Home.find(home, tracking_uri)
    record = read_study(name, place).trial(trial)
    store = client(place)
    with translated(place):
        model_id = store.get_run(record.run_id).data.tags.get(tags.MODEL_TAG)
        if model_id is None:
            raise NotFoundError(
                f"the model of trial {trial} of study {name!r} was not kept: only trials on the front "
                "when they end keep theirs"
            )
        _register(name, place)
        versions = list(
            store.search_model_versions(f"name = '{name}' and run_id = '{record.run_id}'")
        )
        # Not as models:/..., as above.
        source = current_location(store.get_logged_model(model_id).artifact_location, place)
        if source.startswith("file:"):  # in a home that was moved, earlier versions lead nowhere
            versions = [one for one in versions if one.source == source]
        if versions:
            version = versions[0]
        else:
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
            name, description=f"Networks of the study {name}; each alias refers to one of them."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


@checked_keywords
def load_model(
    name: str,
    trial: int | None = None,
    *,
    retrained: bool = False,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
) -> "Network":
    """Loads the trained network of a trial with all replicates, on the CPU, in evaluation mode.

    By default that of the best trial; with `retrained`, that of its last retraining. Raises
    NotFoundError if there is no such trial or its weights were not kept: only trials on the front when
    they end keep theirs. Raises TrackingError if the stored weights are lost or damaged.
    """
    study = read_study(name, Home.find(home, tracking_uri))
    with tempfile.TemporaryDirectory() as folder:
        return FetchedNetwork.of_trial(study, trial, Path(folder), retrained=retrained).load()
