"""The home of studies: a folder on this machine, and the MLflow store with the records.

The name of a study is that of its folder and of its MLflow experiment.
"""

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from study.errors import BadInputError
from study.study_folder import StudyFolder

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""The pattern of names, each of which is one step of a path, but never `..`."""

LONGEST_NAME: Final = 100
_PATTERN: Final = re.compile(NAME_PATTERN.removesuffix("$"))
_SQLITE: Final = "sqlite:///"

ALLOW_LOCAL_ARTIFACTS: Final = "STUDY_ALLOW_LOCAL_ARTIFACTS"
"""The environment variable that, set to 1, has the effect of `allow_local_artifacts`."""

# Passwords and tokens of an address: before the last @ of its host, and in its query.
_PASSWORD: Final = re.compile(r"(://[^/:@\s]*:)[^/\s]+@")
# Of databases, passwords may have slashes, and names of users an @.
_OF_DATABASE: Final = re.compile(
    r"(?<![\w+.-])((?!https?:)[a-z][a-z0-9+.-]*://[^:/\s]*:)[^\s]{0,2000}@", re.IGNORECASE
)
_TOKEN: Final = re.compile(r"(://)[^/:@\s]+@")
_KEY: Final = re.compile(r"(password=)[^&\s]+", re.IGNORECASE)


def is_name(text: str) -> bool:
    """Whether a study may have this name."""
    return len(text) <= LONGEST_NAME and _PATTERN.fullmatch(text) is not None


def checked_name(text: str) -> str:
    """The text, if it is a valid name; raises BadInputError otherwise."""
    if is_name(text):
        return text
    shown = text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."
    raise BadInputError(
        "the name of a study has letters, digits, '.', '_', '-' only, starts with a letter or digit, "
        f"and `length <= {LONGEST_NAME}` must hold, got {shown!r} of length {len(text)}"
    )


def checked_names(texts: list[str]) -> list[str]:
    """The texts, if all are valid names; raises BadInputError otherwise."""
    return [checked_name(text) for text in texts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folder of the studies, and the tracking URI of their records.

    By default the records are also in the folder: `mlflow.db` (SQLite) and `artifacts`.
    `allow_local_artifacts` lets an MLflow server set artifact locations on this machine, which are read
    and written (`study.tracking.artifacts`).
    """

    folder: Path
    tracking_uri: str
    allow_local_artifacts: bool = False

    @classmethod
    def find(
        cls,
        folder: "AnyHome" = None,
        tracking_uri: "AnyStore" = None,
        *,
        allow_local_artifacts: bool = False,
    ) -> "Home":
        """The given home, else that of $STUDY_HOME and $MLFLOW_TRACKING_URI, else `./runs`.

        $STUDY_ALLOW_LOCAL_ARTIFACTS=1 also allows local artifacts. Nothing is written. A tracking URI
        may be the path of an SQLite file.
        """
        if isinstance(folder, Home):
            if tracking_uri is None:
                return folder
            return cls.find(
                folder.folder,
                tracking_uri,
                allow_local_artifacts=allow_local_artifacts or folder.allow_local_artifacts,
            )
        place = Path(folder or os.environ.get("STUDY_HOME") or "runs").absolute()
        uri = (
            _uri(tracking_uri)
            or os.environ.get("MLFLOW_TRACKING_URI")
            or f"sqlite:///{place}/mlflow.db"
        )
        if uri.startswith("sqlite:"):
            if uri.removeprefix(_SQLITE) in ("", ":memory:") or not uri.startswith(_SQLITE):
                raise BadInputError(
                    "the records must be in a file, sqlite:///PATH, because several processes use them, "
                    f"got {uri} (option --tracking-uri)"
                )
            if {"?", "%"} & set(uri):
                raise BadInputError(
                    f"the path of the records, a URI of SQLite, must have neither ? nor %, got {uri} "
                    "(options --home, --tracking-uri)"
                )
            # A process that opens the file later may have another working directory.
            uri = _SQLITE + str(Path(uri.removeprefix(_SQLITE)).absolute())
        allowed = allow_local_artifacts or os.environ.get(ALLOW_LOCAL_ARTIFACTS) == "1"
        return cls(folder=place, tracking_uri=uri, allow_local_artifacts=allowed)

    @property
    def shown_uri(self) -> str:
        """The tracking URI without passwords, for output and records."""
        return without_passwords(self.tracking_uri)

    @property
    def database(self) -> Path | None:
        """The SQLite file of the records, None if they are on a server."""
        if not self.tracking_uri.startswith(_SQLITE):
            return None
        return Path(self.tracking_uri.removeprefix(_SQLITE))

    @property
    def is_served(self) -> bool:
        """Whether the records are on an MLflow server."""
        return urlsplit(self.tracking_uri).scheme in ("http", "https")

    @property
    def artifact_location(self) -> str | None:
        """The folder of artifacts, None if the server sets it."""
        database = self.database
        return None if database is None else (database.parent / "artifacts").absolute().as_uri()

    def has(self, file: Path) -> bool:
        """Whether a file is in the home, or is a folder that contains the home."""
        return file.is_relative_to(self.folder) or self.folder.is_relative_to(file)

    def study_folder(self, name: str) -> StudyFolder:
        """The folder of a study. Raises BadInputError for an invalid name."""
        return StudyFolder(self.folder / "studies" / checked_name(name), name)

    def studies(self) -> list[str]:
        """The names of the studies with a folder, in alphabetical order."""
        folder = self.folder / "studies"
        return sorted(one.name for one in folder.iterdir()) if folder.exists() else []

    def options(self) -> str:
        """The command-line options of this home, empty for the defaults.

        They always include a server: they may be used on another machine, as in the output of a job.
        """
        default = Home.find()
        parts = []
        if self.folder != default.folder:
            parts.append(f" --home {shlex.quote(str(self.folder))}")
        if self.is_served or self.tracking_uri != Home.find(self.folder).tracking_uri:
            parts.append(f" --tracking-uri {shlex.quote(self.shown_uri)}")
        if self.allow_local_artifacts and not default.allow_local_artifacts:
            parts.append(" --allow-local-artifacts")
        return "".join(parts)


AnyHome: TypeAlias = Home | str | os.PathLike[str] | None
"""A home, its folder, or None for the default home."""

AnyStore: TypeAlias = str | os.PathLike[str] | None
"""A tracking URI, the path of an SQLite file, or None for the default store."""


def _uri(text: str | os.PathLike[str] | None) -> str | None:
    """A tracking URI; a `Path`, or a text that ends in .db, is the file of an SQLite store."""
    if text is None or (isinstance(text, str) and not text.endswith(".db")):
        return text
    path = os.fspath(text)
    return path if "://" in path or path.startswith("sqlite:") else f"{_SQLITE}{path}"


def without_passwords(text: str) -> str:
    """A text with stars for passwords in addresses such as `http://user:password@host`."""
    text = _PASSWORD.sub(r"\1***@", _OF_DATABASE.sub(r"\1***@", text))
    text = _KEY.sub(r"\1***", text)
    return _TOKEN.sub(r"\1***@", text)
