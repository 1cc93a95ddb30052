"""Turns what goes wrong between us and an MLflow store into one line that says which store, and why."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import requests
from mlflow.exceptions import MlflowException
from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from study.errors import BadInputError, TrackingError
from study.home import Home, without_passwords

_PATIENCE_S: Final = 10.0
# As MLflow says that a server with passwords refused a request (mlflow/utils/rest_utils.py).
_REFUSAL: Final = re.compile(r"\berror code 40[13]\b|^PERMISSION_DENIED\b")


@contextmanager
def translated(home: Home) -> Iterator[None]:
    """Turns errors of MLflow and of the database into TrackingError, and of a wrong URI into bad input.

    Of a store that cannot be reached the message says for how long that was tried.
    """
    start = time.monotonic()
    try:
        yield
    except UnsupportedModelRegistryStoreURIException as error:
        raise BadInputError(
            "the tracking URI must be http://, https://, sqlite:/// or another database's, "
            f"got {home.shown_uri}"
        ) from error
    except (MlflowException, SQLAlchemyError, requests.RequestException) as error:
        unreachable = _unreachable(error)
        if _REFUSAL.search(str(error)):
            raise TrackingError(
                f"the tracking store {home.shown_uri} must let this user in, whose name and password "
                "it takes from $MLFLOW_TRACKING_USERNAME and $MLFLOW_TRACKING_PASSWORD: "
                f"{_first_line(error)}"
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
    """Raises TrackingError if a server takes no connection, or gives no answer, within ten seconds.

    MLflow would wait for one that is silent for a minute; one that refuses it asks again for some
    seconds, which is left to it.
    """
    if not home.tracking_uri.startswith(("http://", "https://")):
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


def _unreachable(error: BaseException) -> str | None:
    """Why no connection came about, in the system's words; None if one did."""
    for link in _chain(error):
        if isinstance(link, ConnectionError | TimeoutError | socket.gaierror):
            return str(link.strerror or link)
    return None


def _first_line(error: Exception) -> str:
    # The database's own words, without the statement, where it is a database's error.
    words = next((link.orig for link in _chain(error) if isinstance(link, DBAPIError)), error)
    return without_passwords(str(words).strip().partition("\n")[0])


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it came from."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__
