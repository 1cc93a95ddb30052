"""MLflow's empty store, made once: its tables take more than a second, and few tests ask how."""

import functools
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from study.embedded_store import make_store
from study.home import Home


def put_empty_store(home):
    """The store of a home as `make_store` makes it."""
    home.database.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(home.database)) as copy, closing(sqlite3.connect(_made())) as made:
        made.backup(copy)
    make_store(home)  # readers and the writer do not wait for each other


@functools.cache
def _made():
    folder = Path(tempfile.mkdtemp(prefix="study-empty-store-"))
    home = Home(folder=folder, tracking_uri=f"sqlite:///{folder}/mlflow.db")
    make_store(home)
    return home.database
