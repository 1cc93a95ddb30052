"""The entry point of the command `study`: its exit status, its errors and Ctrl-C.

The exit status is 0 on success, 1 on failure, or if more than half of the trials failed or failures
stopped the study, 2 for bad input, 130 after Ctrl-C, 143 after SIGTERM.

Nothing else is imported with this file, so that Ctrl-C is handled while the commands are loaded.
"""

import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn, final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_STATUS: Final = 128 + signal.SIGINT
_RESUMED: Final = ("run", "submit", "retrain", "sync")
"""The commands that continue their work when they are repeated."""


def main() -> None:
    """Runs the command; an error for users ends it with one message and its exit status."""
    interruption = Interruption()
    try:
        status = _status()
    except BaseException:
        # Whatever Ctrl-C did to a library that was at work.
        if not interruption.received:
            raise
        status = _STATUS
    if interruption.received:
        interruption.end()
    sys.stdout.flush()
    # The end of the libraries, which takes a moment, is no place for an exception.
    signal.signal(signal.SIGINT, lambda *_: os._exit(_STATUS))
    sys.exit(status)


@final
class Interruption:
    """Handles Ctrl-C: `received` is then true, and KeyboardInterrupt is raised as by Python.

    A running study has a handler of its own (`study.runner.stopper`), which calls this one for a second
    Ctrl-C.
    """

    def __init__(self) -> None:
        self.received = False
        signal.signal(signal.SIGINT, self._handle)
        sys.unraisablehook = self._in_callback

    def _handle(self, *_: int | FrameType | None) -> NoReturn:
        self.received = True
        raise KeyboardInterrupt

    def _in_callback(self, unraisable: "UnraisableHookArgs") -> None:
        """Python cannot raise in a callback of a library, and would print the traceback and go on."""
        if self.received and unraisable.exc_type is KeyboardInterrupt:
            self.end()
        sys.__unraisablehook__(unraisable)

    def end(self) -> NoReturn:
        """Ends the process at once, with a message."""
        sys.stdout.flush()
        sys.stderr.write(f"{_message()}\n")
        sys.stderr.flush()
        os._exit(_STATUS)


def _message() -> str:
    if sys.argv[1:2] and sys.argv[1] in _RESUMED:
        from study.cli.options import command_line

        return f"interrupted; finished work is kept, continue with:\n  {command_line()}"
    return "interrupted"


def _status() -> int:
    from study import environment
    from study.errors import StudyError

    environment.prepare()
    try:
        _check_working_directory()
        from study.cli.app import app

        app()
    except StudyError as error:
        return _failed(str(error), error.exit_status)
    except OSError as error:
        if error.filename is None:
            raise
        return _failed(f"{error.filename} must be usable: {error.strerror}", StudyError.exit_status)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _check_working_directory() -> None:
    """Raises BadInputError if it was deleted: homes, data and specs are relative to it."""
    from pathlib import Path

    from study.errors import BadInputError

    try:
        Path.cwd()
    except FileNotFoundError:
        raise BadInputError(
            "the working directory must exist, but it was deleted: change to another one (cd)"
        ) from None


def _failed(message: str, status: int) -> int:
    from rich.console import Console

    # A file's name can hold bytes that are no text.
    text = f"error: {message}".encode(errors="backslashreplace").decode()
    Console(stderr=True).print(text, style="red", highlight=False, markup=False, soft_wrap=True)
    return status
