"""The errors that a user can meet, and the exit status that each ends a command with.

StudyError              exit 1, the study failed
    TrackingError       the tracking server took no answer, or not all that was measured
    ClusterError        a job or its cluster failed
    BadInputError       exit 2, nothing was spent or written
        SpecError       a spec, or a value in it, breaks a rule
        DataError       a data set is absent, or not what the spec says
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
"""What the system says when a place cannot be written, now or ever; trying again is no use."""


class StudyError(Exception):
    """Base of all errors below: `except StudyError as error: print(error)`."""

    exit_status: ClassVar[int] = 1


class TrackingError(StudyError):
    """The tracking server did not take or give what was asked."""


class ClusterError(StudyError):
    """A job, or the cluster that it should run on, failed."""


class BadInputError(StudyError):
    """What the user gave breaks a rule; nothing was started and nothing was written."""

    exit_status: ClassVar[int] = 2


class SpecError(BadInputError):
    """A spec is not TOML, has an unknown key, or a value that breaks a rule."""


class DataError(BadInputError):
    """A data set is absent, may not be downloaded, or has the wrong shape or type."""


class NotFoundError(BadInputError):
    """There is no such study or trial, or what is asked of it was not kept."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the known name nearest to the given one if any is near, and all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}"
