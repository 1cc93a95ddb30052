"""A study on a disk that fills up again and again, each time at another moment.

Run as a program, in a namespace of its own, with the folder that becomes the disk and one to keep what
is on it in the end. Prints a line of JSON for each run of the study.
"""

import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from rich.console import Console

from study import Home, StudySpec, environment
from study.cluster.ray_runtime import local_ray
from study.errors import StudyError
from study.runner import driver
from study.search.storage import SearchStorage
from tests.support.empty_store import put_empty_store

TRIALS, EPOCHS = 12, 2
MOMENTS = (
    ("*", 0),
    ("studies/full/spec.json", 0),
    ("studies/full/search.journal", 0),
    ("studies/full/spool/*.jsonl", 0),
    ("mlflow.db-wal", 0),
    ("mlflow.db-wal", 64),
    ("studies/full/trials", 0),
    ("studies/full/trials/*/*", 0),
    ("studies/full/trials/*/network", 0),
    ("studies/full/trials/*/network", 64),
)
"""When the disk is full: once a file that the pattern matches has changed, and how many kB fit then."""

SPEC = {
    "name": "full",
    "dataset": "digits",
    "families": ["vann"],
    "sampler": "random",
    "space": {"somata": [128, 256], "dendrites": [4, 8, 12, 16]},
    "budget": {"trials": TRIALS, "epochs": EPOCHS},
    "stopping": {"scheduler": "none"},
}


class Disk:
    """A file system in memory, in the place of a folder."""

    def __init__(self, folder):
        self._folder = folder
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)  # noqa: S607

    def set(self, option):
        """Whether it takes the option."""
        command = ["mount", "-o", f"remount,{option}", self._folder]
        done = subprocess.run(command, capture_output=True, check=False)
        return done.returncode == 0

    def leave(self, kilobytes):
        """Leaves room for so much more than there is now."""
        left = False
        while not left:  # something may be written between these lines
            state = os.statvfs(self._folder)
            used = (state.f_blocks - state.f_bfree) * state.f_frsize
            left = self.set(f"rw,size={used + 1024 * kilobytes}")

    @contextmanager
    def full_at(self, pattern, kilobytes):
        """A context in which it has room until a file that the pattern matches changes."""
        over = threading.Event()
        before = self._files(pattern)

        def fill():
            while not over.wait(0.005):
                if self._files(pattern) != before:
                    self.leave(kilobytes)
                    return

        self.leave(kilobytes if pattern == "*" else 1_000_000)
        thread = threading.Thread(target=fill)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _files(self, pattern):
        found = set()
        for file in Path(self._folder).glob(pattern):
            with suppress(FileNotFoundError):
                state = file.stat()
                found.add((file, state.st_mtime_ns, state.st_size))
        return found


def attempt(home):
    """Tells what became of a run of the study, and what is left of it."""
    spec, screen = StudySpec.from_dict(SPEC), io.StringIO()
    said = {"error": None, "text": "", "traceback": ""}
    try:
        driver.run(spec, home=home, console=Console(file=screen, width=200))
    except Exception as error:  # noqa: BLE001  # the test looks at it
        said["error"], said["text"] = type(error).__name__, str(error)
        if not isinstance(error, StudyError):
            said["traceback"] = traceback.format_exc()
    # Of copies, since a look may write, too.
    with tempfile.TemporaryDirectory() as folder:
        said |= {"integrity": integrity(home, Path(folder)), "ended": ended(home, Path(folder))}
    sys.stdout.write(json.dumps(said | {"screen": screen.getvalue()}) + "\n")
    sys.stdout.flush()


def integrity(home, folder):
    for file in home.folder.glob("mlflow.db*"):
        shutil.copy(file, folder)
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        return store.execute("pragma integrity_check").fetchone()[0]


def ended(home, folder):
    """The values of the trials that have ended, by number."""
    journal = home.study_folder("full").journal
    if not journal.exists():
        return {}
    shutil.copy(journal, folder / "journal")
    trials = SearchStorage(StudySpec.from_dict(SPEC), folder / "journal").trials()
    return {trial.number: trial.values for trial in trials if trial.state.is_finished()}


def main(folder, keep):
    environment.prepare()
    disk = Disk(folder)
    home = Home.find(folder)
    put_empty_store(home)
    assert disk.set("ro")
    attempt(home)
    with local_ray(1):
        for moment in MOMENTS:
            with disk.full_at(*moment):
                attempt(home)
        disk.leave(1_000_000)
        attempt(home)
    shutil.copytree(folder, keep)


if __name__ == "__main__":
    main(*sys.argv[1:])
