"""The folder of a study in its home: spec, journal, lock, and trials that are not recorded yet."""

import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO, final

from study.errors import BadInputError

NETWORK: Final = "network"
"""The folder of the stored network."""

EXAMPLE: Final = "example.npy"
"""Two example images for the network, uint8, (2, channels, height, width).

Written after the network: where this is, the network is whole.
"""

HISTORY: Final = "history.json"
"""The metrics of every epoch, those of every replicate too, and of every replicate at the end."""

DISTRIBUTIONS: Final = "diagnostics.json"
"""Histograms of the network's units and weights (`study.training.diagnostics`), by name."""

OUTCOMES: Final = "outcomes.safetensors"
"""Whether each replicate classifies each test image correctly, and its loss."""

CHECKPOINT: Final = "checkpoint.safetensors"
"""The state of a trial that is not done."""

LAYOUT: Final = "2"

_RETRAINING: Final = "retraining.json"
_ASKED_FOR_S: Final = 0.1  # far longer than whoever asks for a driver holds the lock


@final
@dataclass(frozen=True, slots=True)
class StudyFolder:
    """The paths in the folder of a study, and its lock."""

    path: Path
    name: str

    @property
    def journal(self) -> Path:
        """The file of Optuna's journal."""
        return self.path / "search.journal"

    @property
    def spec(self) -> Path:
        """The file of the spec, JSON."""
        return self.path / "spec.json"

    @property
    def data(self) -> Path:
        """The file of data that were given in memory, npz."""
        return self.path / "data.npz"

    @property
    def teachers(self) -> Path:
        """The file of the logits of teachers (`study.runner.teachers`), safetensors."""
        return self.path / "teachers.safetensors"

    @property
    def trials(self) -> Path:
        """The folder of the trials that are not recorded yet."""
        return self.path / "trials"

    @property
    def spool(self) -> Path:
        """The folder of the records that are not sent yet."""
        return self.path / "spool"

    def retraining(self) -> str | None:
        """The settings of the retrainings in this folder, a JSON list; None in that of a search."""
        file = self.path / _RETRAINING
        return file.read_text(encoding="utf-8") if file.exists() else None

    @property
    def tune(self) -> Path:
        """The folder of Ray's own files, while trials run."""
        return self.path / "tune"

    @property
    def refused(self) -> Path:
        """The file of records that the tracking store refused permanently, one JSON object per line."""
        return self.path / "refused.jsonl"

    def of_retraining(self, label: str) -> "StudyFolder":
        """The folder of a retraining of a trial, or of the confirmation of the front."""
        return StudyFolder(self.path / "retrained" / label, self.name)

    def retrainings(self) -> list["StudyFolder"]:
        """The folders of retrainings that are unfinished or not recorded."""
        files = sorted(self.path.glob(f"retrained/*/{_RETRAINING}"))
        return [self.of_retraining(file.parent.name) for file in files]

    def store_retrainings(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Marks the existing folder as that of retrainings, each with its own trial."""
        replace_file(self.path / _RETRAINING, json.dumps(list(settings)))

    @contextmanager
    def only_driver(self) -> Iterator[None]:
        """Locks the folder for this process; raises BadInputError, with the holder, if it is locked."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock_file.open("a+", encoding="utf-8") as file:
            if not (_locked(file) or _locked(file, after_s=_ASKED_FOR_S)):
                raise BadInputError(self._driven())
            file.truncate(0)
            started = datetime.now(UTC).isoformat(timespec="seconds")
            holder = {"host": socket.gethostname(), "process": os.getpid(), "started": started}
            json.dump(holder, file)
            file.flush()
            yield

    def check_not_driven(self) -> None:
        """Raises BadInputError, with the driver, if one runs the study; it may start later, too."""
        if self.is_driven():
            raise BadInputError(self._driven())

    def _driven(self) -> str:
        by = ""
        with suppress(OSError, ValueError, KeyError, TypeError):
            holder = json.loads(self._lock_file.read_text(encoding="utf-8"))
            by = f" by process {holder['process']} on {holder['host']}, since {holder['started']}"
        return f"the study in {self.path} is being run already{by}"

    def is_driven(self) -> bool:
        """Whether a driver of the study is running."""
        if not self._lock_file.exists():
            return False
        with self._lock_file.open("r+", encoding="utf-8") as file:  # for all kinds of NFS
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @property
    def _lock_file(self) -> Path:
        return self.path / "driver.json"


def _locked(file: TextIO, after_s: float = 0.0) -> bool:
    """Whether this process has locked the file for itself, after so many seconds."""
    time.sleep(after_s)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def trial_folder(trials: Path, number: int) -> Path:
    """The folder of a trial in the folder of all trials; a worker has only the latter."""
    return trials / f"trial-{number}"


def delete_files(folder: Path, *, keep_checkpoint: bool) -> None:
    """Deletes the folder of a trial, or all but its checkpoint; what it can of them.

    A checkpoint may still be on its way: its worker writes it beside its place, then moves it there.
    """
    if not keep_checkpoint:
        shutil.rmtree(folder, ignore_errors=True)
        return
    with suppress(OSError):
        for file in folder.iterdir():
            if file.is_dir():
                shutil.rmtree(file, ignore_errors=True)
            elif not file.name.startswith(CHECKPOINT):
                file.unlink(missing_ok=True)


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Gives a path beside a file; what the block writes there replaces the file, unless it raises."""
    new = file.with_name(f"{file.name}.new")
    yield new
    new.replace(file)


def replace_file(file: Path, data: str | bytes, *, durably: bool = True) -> None:
    """Replaces a file by one with this content, a text as UTF-8; `durably` also if the power is cut."""
    with replacing(file) as new, new.open("wb") as opened:
        opened.write(data.encode() if isinstance(data, str) else data)
        if durably:
            opened.flush()
            os.fsync(opened.fileno())
    if durably:
        _sync(file.parent)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems do not sync folders
            os.fsync(opened)
    finally:
        os.close(opened)
