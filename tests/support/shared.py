"""What all workers of pytest-xdist share: made once a session, by the first test that asks for it.

Each thing has a name. Its description, JSON, lies in the session's folder, behind a lock. Run as a
program, with that folder, this ends the processes when its standard input does: however pytest's main
process ends, which holds the other end (`tests/conftest.py`).
"""

import atexit
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_LEFT = "left"  # the file in the session's folder: a line has a process group and a folder
_GRACE_S = 20


class Shared:
    """Things of a session, in a folder that all its workers see."""

    def __init__(self, folder):
        self._folder = folder

    @classmethod
    def of(cls, tmp_path_factory):
        folder = tmp_path_factory.getbasetemp()
        return cls(folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder)

    def get(self, name, make):
        """The description of a thing; if nobody has made it, `make` does, in an empty folder."""
        description = self._folder / f"{name}.json"
        with self._locked(name):
            if not description.exists():
                place = self._folder / name
                # It is there where another worker failed to make it: this one then says why, too.
                place.mkdir(exist_ok=True)
                description.write_text(json.dumps(make(place)), encoding="utf-8")
            return json.loads(description.read_text(encoding="utf-8"))

    def end_with_session(self, process, folder=None):
        """Notes a process, which leads a group of its own, and a folder outside the session's."""
        with self._locked(_LEFT), (self._folder / _LEFT).open("a") as file:
            file.write(json.dumps([process.pid, folder and str(folder)]) + "\n")
        # Python would warn of one that it forgets while it runs.
        atexit.register(setattr, process, "returncode", 0)

    def end(self):
        """Ends the processes, and then removes the folders."""
        file = self._folder / _LEFT
        left = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        for sent in (signal.SIGTERM, signal.SIGKILL):
            until = time.monotonic() + _GRACE_S
            for group, _ in left:
                with suppress(ProcessLookupError):
                    os.killpg(group, sent)
            while any(_lives(group) for group, _ in left) and time.monotonic() < until:
                time.sleep(0.1)
        for _, folder in left:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _locked(self, name):
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _lives(pid):
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


if __name__ == "__main__":
    sys.stdin.read()
    Shared(Path(sys.argv[1])).end()
