"""The errors for users, with the exit status of a command, and values in messages.

StudyError              exit 1, the study failed
    TrackingError       the tracking server did not respond, or did not accept every record
    ClusterError        a job or its cluster failed
    TrialFailedError    a training failed, as one that diverges, and would again
    StoppedError        exit 130 or 143, a signal stopped the study
    BadInputError       exit 2, nothing was spent or written
        SpecError       a spec, or a value in it, breaks a rule
        DataError       a data set is absent, or differs from the spec
        NotFoundError   no such study or trial, or its weights were not kept
"""

import difflib
import errno
import math
import reprlib
import signal
from collections.abc import Iterable
from typing import Final, final

UNWRITABLE: Final = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
)
"""The system's errors for a disk that cannot be written, for which repetition is useless."""


class StudyError(Exception):
    """Base class of all errors of this package: `except StudyError as error: print(error)`."""

    exit_status: int = 1


class TrackingError(StudyError):
    """The tracking server refused a request, or did not respond."""


class ClusterError(StudyError):
    """A job or its cluster failed."""


class TrialFailedError(StudyError):
    """A training failed, for example because it diverged; a repetition would fail in the same way."""


class StoppedError(StudyError):
    """A signal stopped a study, and something failed while it stopped; finished trials are kept."""

    def __init__(self, signal_number: int, error: Exception) -> None:
        name = signal.Signals(signal_number).name
        super().__init__(f"stopped: {name} was received; finished trials are kept ({error})")
        self.exit_status = 128 + signal_number  # a shell's


class BadInputError(StudyError):
    """An input breaks a rule; nothing was started and nothing was written."""

    exit_status = 2


class SpecError(BadInputError):
    """A spec is not TOML, has an unknown key, or a value that breaks a rule."""


class DataError(BadInputError):
    """A data set is absent, may not be downloaded, or has the wrong shape or type."""


class NotFoundError(BadInputError):
    """There is no such study or trial, or its weights were not kept."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the known name that is similar to the given one, if any, and all known names."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}"


@final
class _Echo(reprlib.Repr):
    """Values in messages, long ones with their beginning and end only."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 80
        self.maxlist = self.maxtuple = self.maxdict = 12

    def repr_int(self, x: int, level: int) -> str:
        """A whole number; Python does not convert those of more than 4,300 digits."""
        try:
            return super().repr_int(x, level)
        except ValueError:
            return f"a whole number of about {int(math.log10(abs(x))) + 1} digits"


_ECHO: Final = _Echo()
_LONGEST_ECHO: Final = 300
_LONGEST_KEY: Final = 80


def echo(value: object) -> str:
    """The value for a message: its representation, shortened."""
    text = _ECHO.repr(value)
    return text if len(text) <= _LONGEST_ECHO else f"{text[: _LONGEST_ECHO - 3]}..."


def echo_key(key: str) -> str:
    """The key for a message: unchanged, unless it is long or not printable."""
    return key if key.isprintable() and len(key) <= _LONGEST_KEY else echo(key).strip("'\"")
