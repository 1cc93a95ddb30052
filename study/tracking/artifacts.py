"""Where the artifacts of records may be. The store names the places, and could name any file."""

from pathlib import Path
from urllib.parse import urlsplit

from mlflow.utils.file_utils import local_file_uri_to_path

from study.errors import BadInputError
from study.home import Home


def own_folder(location: str, home: Home) -> Path:
    """The folder of an artifact location, without links.

    Raises BadInputError unless it is within the artifact folder of the home, which records in SQLite,
    and no link leads there from the home.
    """
    artifacts = (home.artifact_location or "").removesuffix("/")
    given = _path(artifacts)
    root = given.parent.resolve() / given.name
    place = _path(location)
    try:
        folder = place.resolve()
    except (OSError, RuntimeError, ValueError):  # a circle of links, no name of a file
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
    """Where artifacts are now that were stored at a location, in a home that may have been moved.

    A home that records in SQLite has its artifacts beside the database, which knows them by the folder
    in which they were stored. Where that is gone, they are looked for below the home's own.
    """
    if home.artifact_location is None or urlsplit(location).scheme not in ("", "file"):
        return location
    place, root = _path(location), _path(home.artifact_location)
    if place.exists():
        return location
    # The folder of a run or of a model is named by its ID, so it cannot be mistaken.
    moved = (root.joinpath(*place.parts[first:]) for first in range(1, len(place.parts) - 1))
    return next((folder.as_uri() for folder in moved if folder.exists()), location)


def _path(location: str) -> Path:
    return Path(local_file_uri_to_path(location))  # type: ignore[no-untyped-call]  # MLflow's
