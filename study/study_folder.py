"""What a study keeps in its home beside the records: the spec, the search's journal, the driver's lock, and
a folder for each trial until all of it is recorded.
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from study.errors import BadInputError, SpecError
from study.spec.dimensions import Space
from study.spec.study_spec import StudySpec

# What may differ when a study is continued: how much is spent, and where; not what is searched.
_MAY_GROW: Final = ("budget.trials", "budget.total_epochs", "budget.minutes", "budget.stagnation")
_MAY_CHANGE: Final = (
    "claims",
    "resources",
    "dataset.root",
    "dataset.download",
    "diagnostics",
)

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


def check_continues(folder: Path, spec: StudySpec) -> None:
    """Raises SpecError, with the difference, if the folder holds a study with another spec."""
    file = spec_file(folder)
    if not file.exists():
        return
    table = json.loads(file.read_text(encoding="utf-8"))
    # What the version that stored it did not know yet has its default.
    table["space"] = Space().model_dump(mode="json") | table["space"]
    stored = _flat(table)
    wanted = _flat(spec.to_dict())
    differences = [
        f"  {key}: was {stored.get(key)!r}, is {wanted.get(key)!r}"
        for key in sorted(stored.keys() | wanted.keys())
        if stored.get(key) != wanted.get(key)
        and not key.startswith(_MAY_CHANGE)
        and not (key in _MAY_GROW and _grew(stored.get(key), wanted.get(key)))
    ]
    if differences:
        raise SpecError(
            f"a study {spec.name!r} exists with another spec; only its claims, its diagnostics, its "
            "resources and the place of its data may change, and its budget (trials, total_epochs, "
            "minutes, stagnation) may grow:\n"
            + "\n".join(differences)
            + "\ngive this one another name (--name NAME), or undo the change"
        )


def _grew(before: float | None, after: float | None) -> bool:
    """Whether a limit of the budget became no smaller; none is the largest."""
    return after is None or (before is not None and after >= before)


def store_spec(folder: Path, spec: StudySpec) -> None:
    """Writes the spec into the folder, which is made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(spec.to_dict(), indent=2) + "\n"
    (folder / "spec.json.new").write_text(text, encoding="utf-8")
    (folder / "spec.json.new").replace(spec_file(folder))


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


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if key == "objectives":
            # Their order is the order of the values in the search.
            flat[key] = list(value.items())
        elif isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def trial_folder(store: Path, number: int) -> Path:
    """The folder of a trial."""
    return store / f"trial-{number}"
