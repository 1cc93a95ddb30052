"""A study that runs in a process of its own, while a test listens to it and does things to it."""

import math
import multiprocessing
import os
import re
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from study.cli.main import main
from tests.support.command import read_token_again
from tests.support.processes import BIN, PATIENCE_S, ROOT, clean_environment, wait_until

_PROGRESS = re.compile(r"(\d+)/\d+ trials \| \d+ running")
_FORKS = multiprocessing.get_context("forkserver")
"""Its processes come from one that has loaded the libraries, and nothing else, so they start at once."""
_FORKS.set_forkserver_preload(
    [
        "tests.support.driven_study",
        "study.runner.driver",
        "study.results.answers",
        "study.cli.tables",
    ]
)


def _study(arguments, environment, output):
    """What the process does: the command, as if the system had started it."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(ROOT)
    written = os.open(output, os.O_WRONLY)
    os.dup2(written, 1)
    os.dup2(written, 2)
    sys.argv = [str(BIN / "study"), *arguments]
    read_token_again()
    main()


class Process:
    """The process, as `subprocess` would show it."""

    def __init__(self, arguments, environment, output):
        self.args = ["study", *arguments]
        self._process = _FORKS.Process(target=_study, args=(arguments, environment, str(output)))
        with patch.dict(os.environ, clean_environment(), clear=True):  # of the one that forks, too
            self._process.start()
        self.pid = self._process.pid

    def poll(self):
        return self._process.exitcode

    @property
    def returncode(self):
        return self._process.exitcode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self._process.kill()

    def wait(self, timeout=PATIENCE_S):
        self._process.join(timeout)
        assert self.poll() is not None, f"waited {timeout} s for the end of {self.args}"
        return self.returncode


class Driver:
    """What the process has said by now is in `lines`."""

    def __init__(self, process, output):
        self.process = process
        self.lines = []
        self._output = output
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self._output.open() as lines:
            for line in lines:
                self.lines.append(line)

    def says(self, text):
        """Waits until it has said it."""
        self._wait_until(lambda: text in "".join(self._said()), f"{text!r}")

    def has_ended(self, trials, within_s=math.inf):
        """Waits until so many trials have ended and others run, or the seconds have passed."""
        over = time.monotonic() + within_s
        self._wait_until(
            lambda: self.ended >= trials or time.monotonic() > over, f"the end of {trials} trials"
        )

    @property
    def ended(self):
        """How many trials have ended, as it has said; -1 before the first one runs."""
        found = filter(None, map(_PROGRESS.match, self._said()))
        return max((int(one[1]) for one in found), default=-1)

    def end(self):
        """Waits for its end; gives all that it said and its exit status."""
        status = self.process.wait()
        return "".join(self._said()), status

    def _wait_until(self, condition, what):
        try:
            wait_until(condition, what, self.process, every_s=0.02)
        except AssertionError as error:
            pytest.fail(f"{error}; it said:\n{''.join(self._said())}")

    def _said(self):
        if self.process.poll() is not None:
            self._reader.join()
        return list(self.lines)


@contextmanager
def running(*arguments, **environment):
    """`study run` with these arguments and settings; what is left of it is killed in the end."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        os.mkfifo(output)
        process = Process(["run", *map(str, arguments)], clean_environment(**environment), output)
        driver = Driver(process, output)
        try:
            yield driver
        finally:
            process.kill()
            process.wait()
