"""Artifacts of records, and checks of their locations, which a store could set to any file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, final
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.entities import FileInfo, Run
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path

from study.errors import BadInputError
from study.home import Home

# Schemes of locations on this machine, and of those that MLflow resolves through the store.
_LOCAL: Final = ("", "file", "runs", "models")


def check_location(location: str, home: Home) -> None:
    """Raises BadInputError if a server sets a location on this machine, unless this is allowed."""
    refused = home.is_served and not home.allow_local_artifacts
    if refused and urlsplit(location).scheme in _LOCAL:
        raise BadInputError(
            f"an artifact location of the server {home.shown_uri} must be on a server, got "
            f"{location!r}: files of this machine would be read and written there; "
            "--allow-local-artifacts allows it for a server that you trust"
        )


def artifacts_in(location: str, folder: str, home: Home) -> list[FileInfo]:
    """Lists a folder at an artifact location of a record."""
    check_location(location, home)
    return list_artifacts(f"{location}/{folder}", tracking_uri=home.tracking_uri)


def download(location: str, path: str, to: Path, home: Home) -> Path:
    """Downloads a file or a folder at an artifact location to `to`; returns the path of the copy."""
    check_location(location, home)
    copy = download_artifacts(
        artifact_uri=f"{location}/{path}", dst_path=str(to), tracking_uri=home.tracking_uri
    )
    return Path(copy)


@final
class StoreClient(MlflowClient):
    """MLflow's client for a home, which stores artifacts only at locations that `check_location` allows.

    It reads each location once, since a server could change it later.
    """

    def __init__(self, home: Home) -> None:
        super().__init__(tracking_uri=home.tracking_uri)
        self._home = home
        self._locations: dict[str, str] = {}

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: dict[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        run = super().create_run(experiment_id, start_time, tags, run_name)
        self._locations[run.info.run_id] = str(run.info.artifact_uri)
        return run

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        self._of_run(run_id).log_artifact(local_path, artifact_path)  # type: ignore[no-untyped-call]  # MLflow's

    def log_artifacts(self, run_id: str, local_dir: str, artifact_path: str | None = None) -> None:
        self._of_run(run_id).log_artifacts(local_dir, artifact_path)  # type: ignore[no-untyped-call]  # MLflow's

    def log_model_artifact(
        self, model_id: str, local_path: str, artifact_path: str | None = None
    ) -> None:
        self._of_model(model_id).log_artifact(local_path, artifact_path)  # type: ignore[no-untyped-call]  # MLflow's

    def _of_run(self, run_id: str) -> ArtifactRepository:
        return self._opened(run_id, lambda: str(self.get_run(run_id).info.artifact_uri))

    def _of_model(self, model_id: str) -> ArtifactRepository:
        return self._opened(model_id, lambda: self.get_logged_model(model_id).artifact_location)

    def _opened(self, record: str, location: Callable[[], str]) -> ArtifactRepository:
        if record not in self._locations:
            self._locations[record] = location()
        place = current_location(self._locations[record], self._home)
        return get_artifact_repository(place, tracking_uri=self._home.tracking_uri)


def own_folder(location: str, home: Home) -> Path:
    """The folder of an artifact location, without links.

    Raises BadInputError unless it is within the artifact folder of the home, which records in SQLite,
    and is not reached through a link.
    """
    artifacts = (home.artifact_location or "").removesuffix("/")
    given = _path(artifacts)
    root = given.parent.resolve() / given.name
    place = _path(location)
    try:
        folder = place.resolve()
    except (OSError, RuntimeError, ValueError):  # a cycle of links, an invalid name
        folder = place
    below = folder.relative_to(root.parent).parts if folder.is_relative_to(root) else ()
    local = urlsplit(location).scheme in ("", "file") and place.is_absolute()
    if not (local and below and place.parts[-len(below) :] == below):
        leads = f", which is {folder}" if local and folder != place else ""
        raise BadInputError(
            f"an artifact location must be within {artifacts}, and neither be nor pass through a "
            f"symbolic link, got {location}{leads}"
        )
    return folder


def current_location(location: str, home: Home) -> str:
    """The present location of the artifacts of a record, in a home that may have been moved or copied.

    A home that records in SQLite has its artifacts beside the database, which stores the folder where
    they were first written. MLflow's folder of a run is `RUN_ID/artifacts`, that of a model
    `models/MODEL_ID/artifacts`. That of this home is used unless only the stored one exists. Raises
    BadInputError like `check_location`.
    """
    check_location(location, home)
    if home.artifact_location is None or urlsplit(location).scheme not in ("", "file"):
        return location
    stored, root = _path(location), _path(home.artifact_location)
    if stored.is_relative_to(root) or stored.name != "artifacts":
        return location
    is_model = stored.parts[-3:-2] == ("models",)
    own = root.joinpath(*stored.parts[-3 if is_model else -2 :])
    return location if stored.exists() and not own.exists() else own.as_uri()


def _path(location: str) -> Path:
    return Path(local_file_uri_to_path(location))  # type: ignore[no-untyped-call]  # MLflow's
