"""What an error of the tracking store means for what was to be sent."""

from typing import Final

from mlflow.exceptions import MlflowException
from requests.exceptions import HTTPError, RequestException
from sqlalchemy.exc import SQLAlchemyError

from study.errors import UNWRITABLE, TrackingError
from study.home import Home, without_passwords

_PASSING: Final = (401, 403, 408, 429)  # HTTP: credentials can be put right, and a server gets free
_REFUSALS: Final = ("INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "INVALID_STATE")
_DOUBTFUL_TRIES: Final = 20  # a minute and a half
_SQLITE_FULL: Final = ("database or disk is full", "attempt to write a readonly database")


def hopeless(error: Exception, tries: int) -> bool:
    """Whether no more tries will help."""
    if isinstance(error, MlflowException):
        if error.error_code in _REFUSALS:
            return True
        status = error.get_http_status_code()  # type: ignore[no-untyped-call]  # MLflow's
    elif isinstance(error, HTTPError) and error.response is not None:
        status = error.response.status_code
    else:
        return not isinstance(error, TrackingError | RequestException | SQLAlchemyError | OSError)
    # A proxy whose server restarts, and a database that is not quite there, say things like that too.
    doubtful = 400 <= status < 500 and status not in _PASSING  # noqa: PLR2004  # HTTP's
    return doubtful and tries >= _DOUBTFUL_TRIES


def in_a_line(error: Exception) -> str:
    """An error as it is said: its kind and first line, without passwords."""
    return without_passwords(f"{type(error).__name__}: {error}".partition("\n")[0])


def unwritable(error: Exception, home: Home) -> bool:
    """Whether this machine cannot write: no room, or no right to."""
    refused = isinstance(error, OSError) and error.errno in UNWRITABLE
    # SQLite's own words, which come through SQLAlchemy and MLflow.
    embedded = home.database is not None
    return refused or (embedded and any(text in str(error) for text in _SQLITE_FULL))
