"""Ends what a local Ray leaves behind if its driver is killed; a separate process, run with `-m`.

The kernel ends the processes that the driver started (gcs_server, raylet), but not the agents that the
raylet started. They notice that it died, and then try for a minute to report it to the gcs_server.
"""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

_GRACE_S: Final = 4.0  # in which workers end by themselves
_LOOK_EVERY_S: Final = 0.5
_ENDED: Final = b"ended"


@contextmanager
def cleaned_up(folder: Path) -> Iterator[None]:
    """A context in which a killed driver leaves no Ray processes and no folder."""
    with subprocess.Popen(  # noqa: S603  # our own interpreter, arguments as a list
        [sys.executable, "-m", __name__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Signals to the driver's group must not end it.
        start_new_session=True,
    ) as watcher:
        try:
            yield
        finally:
            with suppress(BrokenPipeError):
                watcher.communicate(_ENDED)


def end_own_processes(folder: Path) -> None:
    """Kills the children of this process that belong to the Ray in the folder, which did not start."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(str(folder) in argument for argument in process.cmdline()):
                process.kill()


def _end_all(folder: Path) -> None:
    """Kills the processes that have files in the folder after some seconds, and deletes it."""
    deadline = time.monotonic() + _GRACE_S
    while _processes(folder) and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)
    for process in _processes(folder):
        with suppress(psutil.Error):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def _processes(folder: Path) -> list[psutil.Process]:
    """The processes that have open files in the folder: agents and workers write their logs there."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it just ended, or is another user's
            if any(Path(file.path).is_relative_to(folder) for file in process.open_files()):
                found.append(process)
    return found


def main() -> None:
    """Waits for the end of standard input, which is that of the driver; the argument is the folder."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.buffer.read() != _ENDED:
        _end_all(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
