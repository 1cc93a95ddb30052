"""The errors for users, and the exit status of a command that each ends.

StudyError              exit 1, the study failed
    TrackingError       the tracking server did not answer, or did not take every record
    ClusterError        a job or its cluster failed
    BadInputError       exit 2, nothing was spent or written
        SpecError       a spec, or a value in it, breaks a rule
        DataError       a data set is absent, or differs from the spec
        NotFoundError   no such study or trial, or its weights were not kept
"""

import difflib
import errno
from collections.abc import Iterable
from typing import ClassVar, Final

UNWRITABLE: Final = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
)
"""The errors of the system for a disk that cannot be written; trying again is useless."""


class StudyError(Exception):
    """Base of all errors below: `except StudyError as error: print(error)`."""

    exit_status: ClassVar[int] = 1


class TrackingError(StudyError):
    """The tracking server refused a request, or did not answer."""


class ClusterError(StudyError):
    """A job, or the cluster that it should run on, failed."""


class BadInputError(StudyError):
    """An input breaks a rule; nothing was started and nothing was written."""

    exit_status: ClassVar[int] = 2


class SpecError(BadInputError):
    """A spec is not TOML, has an unknown key, or a value that breaks a rule."""


class DataError(BadInputError):
    """A data set is absent, may not be downloaded, or has the wrong shape or type."""


class NotFoundError(BadInputError):
    """There is no such study or trial, or its weights were not kept."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the known name nearest to the given one if any is near, and all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}"
