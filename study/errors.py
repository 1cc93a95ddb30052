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
import math
import reprlib
from collections.abc import Iterable
from typing import ClassVar, Final, final

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


@final
class _Echo(reprlib.Repr):
    """Values in messages; of a long one the beginning and the end."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80
        self.maxlist = self.maxtuple = self.maxdict = 12

    def repr_int(self, x: int, level: int) -> str:
        """A whole number; Python writes none of more than 4,300 digits."""
        try:
            return super().repr_int(x, level)
        except ValueError:
            return f"a whole number of about {int(math.log10(abs(x))) + 1} digits"


_ECHO: Final = _Echo()
_LONGEST_ECHO: Final = 300
_LONGEST_KEY: Final = 80


def echo(value: object) -> str:
    """The value as a message shows what it got: as Python writes it, shortened."""
    text = _ECHO.repr(value)
    return text if len(text) <= _LONGEST_ECHO else f"{text[: _LONGEST_ECHO - 3]}..."


def echo_key(key: str) -> str:
    """The key as a message shows it: as it is, unless it is long or cannot be printed."""
    return key if key.isprintable() and len(key) <= _LONGEST_KEY else echo(key).strip("'\"")
