"""A study that runs in a process of its own, while a test listens to it and does things to it."""

import math
import re
import subprocess
import threading
import time
from contextlib import contextmanager

from processes import BIN, PATIENCE_S, ROOT, clean_environment, wait_until

_PROGRESS = re.compile(r"(\d+)/\d+ trials \| \d+ running \| ")


class Driver:
    """What the process has said by now is in `lines`."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def says(self, text):
        """Waits until it has said it."""
        wait_until(lambda: text in "".join(self._said()), self.process, every_s=0.02)

    def has_ended(self, trials, within_s=math.inf):
        """Waits until so many trials have ended and others run, or the seconds have passed."""
        over = time.monotonic() + within_s
        wait_until(
            lambda: self.ended >= trials or time.monotonic() > over, self.process, every_s=0.02
        )

    @property
    def ended(self):
        """How many trials have ended, as it has said; -1 before the first one runs."""
        found = filter(None, map(_PROGRESS.match, self._said()))
        return max((int(one[1]) for one in found), default=-1)

    def end(self):
        """Waits for its end; gives all that it said and its exit status."""
        status = self.process.wait(timeout=PATIENCE_S)
        return "".join(self._said()), status

    def _said(self):
        if self.process.poll() is not None:
            self._reader.join()
        return list(self.lines)


@contextmanager
def running(*arguments):
    """A study with these arguments; what is left of it is killed in the end."""
    with subprocess.Popen(
        [BIN / "study", "run", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=clean_environment(),
    ) as process:
        try:
            yield Driver(process)
        finally:
            process.kill()
