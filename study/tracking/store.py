"""The MLflow store of a home: its SQLite file, if there is no server, and its errors."""

import fcntl
import re
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import requests
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT
from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException
from mlflow.utils import get_results_from_paginated_fn
from requests.exceptions import HTTPError, RequestException
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from study import environment
from study.errors import UNWRITABLE, BadInputError, TrackingError
from study.home import Home, without_passwords
from study.tracking.artifacts import StoreClient

_PATIENCE_S: Final = 10.0

# MLflow's message if a server with passwords refuses a request (mlflow/utils/rest_utils.py).
_REFUSAL: Final = re.compile(r"\berror code 40[13]\b|^PERMISSION_DENIED\b")
_PASSING: Final = (401, 403, 408, 429)  # HTTP: wrong credentials, a busy server
_REFUSALS: Final = ("INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "INVALID_STATE")
_DOUBTFUL_TRIES: Final = 20  # a minute and a half
# The last one is also said of a full disk, where the index of the write-ahead log has no room.
_SQLITE_FULL: Final = (
    "database or disk is full",
    "attempt to write a readonly database",
    "disk I/O error",
)
_SQLITE_CLOSED: Final = "unable to open database file"


@contextmanager
def translated(home: Home) -> Iterator[None]:
    """Converts errors of MLflow and the database to TrackingError, those of the URI to BadInputError.

    Within this context the libraries have the settings for records (`study.environment`). The message
    about an unreachable store states for how long it was tried.
    """
    start = time.monotonic()
    try:
        with environment.RECORDS:
            yield
    except UnsupportedModelRegistryStoreURIException as error:
        raise BadInputError(
            "the tracking URI must be http://, https://, sqlite:/// or another database's, "
            f"got {home.shown_uri}"
        ) from error
    except (ModuleNotFoundError, ArgumentError) as error:
        raise BadInputError(
            "the tracking URI must be that of a store whose package is installed, got "
            f"{home.shown_uri}: {_first_line(error)}"
        ) from error
    except (MlflowException, SQLAlchemyError, requests.RequestException) as error:
        unreachable = _unreachable(error)
        if _REFUSAL.search(str(error)):
            raise TrackingError(
                f"the tracking store {home.shown_uri} must accept the credentials in "
                "$MLFLOW_TRACKING_USERNAME and $MLFLOW_TRACKING_PASSWORD, or in "
                f"$MLFLOW_TRACKING_TOKEN: {_first_line(error)}"
            ) from error
        if unreachable is None:
            raise TrackingError(
                f"the tracking store {home.shown_uri} must answer: {_first_line(error)}"
            ) from error
        seconds = time.monotonic() - start
        raise TrackingError(
            f"the tracking store {home.shown_uri} must answer, but could not be reached for "
            f"{seconds:.0f} s: {unreachable}"
        ) from error


def check_reachable(home: Home) -> None:
    """Raises TrackingError if a server does not respond within ten seconds, or a file does not open.

    MLflow would wait a minute for the server. Refused connections pass here: MLflow repeats those for
    some seconds.
    """
    if home.database is not None and home.database.exists():
        _check_opens(home.database, home)
    if not home.is_served:
        return
    try:
        requests.get(f"{home.tracking_uri.rstrip('/')}/health", timeout=_PATIENCE_S)
    except requests.Timeout:
        raise TrackingError(
            f"the tracking store {home.shown_uri} must answer, but did not within "
            f"{_PATIENCE_S:.0f} s"
        ) from None
    except requests.RequestException:
        return


def _check_opens(database: Path, home: Home) -> None:
    """Raises TrackingError if SQLite cannot open the database, as in a folder that is read-only."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.DatabaseError as error:
        if _SQLITE_CLOSED not in str(error):
            return
        raise TrackingError(
            f"the database {database} must be readable, and its folder writable, because SQLite creates "
            f"files beside it even for queries: {error}; a copy of {home.folder} can be queried instead "
            "(--home COPY)"
        ) from error


def _unreachable(error: BaseException) -> str | None:
    """The system's reason for a failed connection; None for other errors."""
    for link in _chain(error):
        if isinstance(link, ConnectionError | TimeoutError | socket.gaierror):
            return str(link.strerror or link)
    return None


def _first_line(error: Exception) -> str:
    # The message of a database error, without the statement.
    cause = next((link.orig for link in _chain(error) if isinstance(link, DBAPIError)), error)
    return without_passwords(str(cause).strip().partition("\n")[0])


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and its causes."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def make_store(home: Home) -> None:
    """Creates the SQLite file of a home without a server, if it does not exist.

    MLflow creates the tables when it first opens a file, in a second or two, and fails if two processes
    do so at once. Therefore one process creates them under another name, and renames the file. A
    write-ahead log (https://sqlite.org/wal.html) lets readers and the writer work concurrently.
    """
    database = home.database
    if database is None:
        return
    if database.exists():
        _write_ahead(database)
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with _neighbour(database, ".lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if database.exists():
            return
        new = _neighbour(database, ".new")
        new.unlink(missing_ok=True)
        MlflowClient(tracking_uri=f"sqlite:///{new}").search_experiments()
        _write_ahead(new)
        new.replace(database)


def _write_ahead(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _neighbour(database: Path, ending: str) -> Path:
    return database.with_name(database.name + ending)


def is_permanent(error: Exception, tries: int) -> bool:
    """Whether repeating the request is useless after this number of tries."""
    if isinstance(error, MlflowException):
        if error.error_code in _REFUSALS:
            return True
        status = error.get_http_status_code()  # type: ignore[no-untyped-call]  # MLflow's
    elif isinstance(error, HTTPError) and error.response is not None:
        status = error.response.status_code
    else:
        passing = TrackingError | RequestException | SQLAlchemyError | sqlite3.Error | OSError
        return not isinstance(error, passing)
    # Such responses also come from proxies and databases while a server restarts.
    doubtful = 400 <= status < 500 and status not in _PASSING  # noqa: PLR2004  # HTTP's
    return doubtful and tries >= _DOUBTFUL_TRIES


def in_a_line(error: Exception) -> str:
    """The type and first line of an error, without passwords."""
    return without_passwords(f"{type(error).__name__}: {error}".partition("\n")[0])


def unwritable(error: Exception, home: Home) -> bool:
    """Whether this machine cannot write: the disk is full, or permission is missing."""
    refused = isinstance(error, OSError) and error.errno in UNWRITABLE
    # SQLite's messages, passed on by SQLAlchemy and MLflow.
    embedded = home.database is not None
    return refused or (embedded and any(text in str(error) for text in _SQLITE_FULL))


def client(home: Home) -> MlflowClient:
    """A client of the store of a home. Raises BadInputError if its URI is no store's."""
    with translated(home):
        return StoreClient(home)


def all_runs(store: MlflowClient, experiment_id: str, where: str = "") -> list[Run]:
    """All runs of an experiment that pass MLflow's filter, the oldest first.

    In this order, new runs do not move others to another page.
    """
    order = ["attributes.start_time ASC"]
    runs: list[Run] = get_results_from_paginated_fn(  # type: ignore[no-untyped-call]  # MLflow's
        lambda size, token: store.search_runs(
            [experiment_id], where, order_by=order, max_results=size, page_token=token
        ),
        SEARCH_MAX_RESULTS_DEFAULT,
    )
    return runs
