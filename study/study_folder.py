"""What a study keeps in its home beside the records.

That is the spec, the journal of the search, the lock of the driver, and a folder for each trial until
all of it is recorded.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from study.errors import BadInputError

NETWORK: Final = "network"
"""The folder of the stored network."""

EXAMPLE: Final = "example.npy"
"""Two images that the network can be tried on, uint8, (2, channels, height, width).

Written after the network: where this is, the network is whole.
"""

HISTORY: Final = "history.json"
"""The metrics of every epoch."""

DISTRIBUTIONS: Final = "diagnostics.json"
"""Histograms of the network's units and weights (`study.training.diagnostics`), by name."""

NOT_SHARED: Final = "the home must be on storage that every node of the cluster shares"
"""The rule that a node breaks which does not see where trials are kept."""

LAYOUT: Final = "2"


def journal(folder: Path) -> Path:
    """The file of Optuna's journal."""
    return folder / "search.journal"


def spec_file(folder: Path) -> Path:
    """The file of the spec, JSON."""
    return folder / "spec.json"


def trials(folder: Path) -> Path:
    """Where trials keep their checkpoints and networks."""
    return folder / "trials"


def spool(folder: Path) -> Path:
    """The folder of what waits to be recorded."""
    return folder / "spool"


def refused(folder: Path) -> Path:
    """The file of what the tracking store will never take, a JSON object a line."""
    return folder / "refused.jsonl"


@contextmanager
def only_driver(folder: Path) -> Iterator[None]:
    """Holds the folder for this process; raises BadInputError, with the holder, if it is held."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "driver.json").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BadInputError(
                f"the study in {folder} is being run already, by {file.read().strip()}"
            ) from None
        file.truncate(0)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        holder = {"host": socket.gethostname(), "process": os.getpid(), "started": started}
        json.dump(holder, file)
        file.flush()
        yield


def is_driven(folder: Path) -> bool:
    """Whether a process runs the study of the folder now."""
    file = folder / "driver.json"
    if not file.exists():
        return False
    with file.open("r+", encoding="utf-8") as holder:  # NFS locks only what may be written
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def trial_folder(store: Path, number: int) -> Path:
    """The folder of a trial."""
    return store / f"trial-{number}"
