"""Makes the SQLite store of a home: never seen half made, and read while it is written."""

import fcntl
import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient

from study.home import Home


def make_store(home: Home) -> None:
    """Makes the store if the home keeps its records itself and has none yet.

    MLflow makes its tables when a file is first opened, over a second or two, and fails if two do so
    at once. So they are made under another name, by one process, and then put in place.
    Its journal is a write-ahead log (https://sqlite.org/wal.html), which the file remembers: readers
    and the writer do not wait for each other.
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
