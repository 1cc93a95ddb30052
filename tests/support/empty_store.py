"""MLflow's empty store, made once: its tables take more than a second, and few tests ask how."""

import functools
import tempfile
from pathlib import Path

from study.home import Home
from study.tracking.store import make_store


def put_empty_store(home):
    """The store of a home as `make_store` makes it."""
    home.database.parent.mkdir(parents=True, exist_ok=True)
    home.database.write_bytes(_made())


def put_empty_database(uri):
    """The same at an address of MLflow's, `sqlite:///FILE`."""
    put_empty_store(Home(folder=Path(), tracking_uri=uri))


def new_home(folder):
    """A home whose store is there, and empty."""
    home = Home.find(folder)
    put_empty_store(home)
    return home


@functools.cache
def _made():
    with tempfile.TemporaryDirectory() as folder:
        home = Home(folder=Path(folder), tracking_uri=f"sqlite:///{folder}/mlflow.db")
        make_store(home)
        return home.database.read_bytes()  # nothing of it is in the write-ahead log, which is new
