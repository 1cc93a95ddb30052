"""The journal of a search on disk: written in whole lines, repaired, and refused where it is damaged."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import LOCK_FILE_SUFFIX

from study.errors import StudyError


@final
class Journal(JournalFileBackend):
    """A journal in which no half line is left behind when the disk is full.

    Whatever was written after it would be unreadable, and with it the whole study.
    """

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal
        self._together: list[dict[str, Any]] | None = None

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        if self._together is not None:
            self._together += logs
            return
        size = self._journal.stat().st_size
        try:
            super().append_logs(logs)
        except OSError:
            os.truncate(self._journal, size)
            raise

    @contextmanager
    def together(self) -> Iterator[None]:
        """Appends at once, in the end, what is written meanwhile; nothing, if that raises.

        An append is a lock, a synced write and an unlock, each a round trip on shared storage.
        """
        self._together = []
        try:
            yield
            logs, self._together = self._together, None
            self.append_logs(logs)
        finally:
            self._together = None


@contextmanager
def intact(journal: Path) -> Iterator[None]:
    """Turns the errors of reading a journal that is damaged into StudyError, with the line.

    Optuna reads its lines without looking at what they are.
    """
    try:
        yield
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        RecursionError,
    ) as error:
        number = _damaged_line(journal)
        where = "it cannot be replayed" if number is None else f"line {number} is no entry of it"
        raise StudyError(
            f"the journal {journal} must hold the study's search, but {where}: restore it from a copy, "
            "or move the study's folder away, or give the study another name (--name NAME)"
        ) from error


def _damaged_line(journal: Path) -> int | None:
    """The number of the first line that is no entry of a journal; None if all of them are."""
    with journal.open("rb") as file:
        return next((number for number, line in enumerate(file, 1) if not _is_entry(line)), None)


def _is_entry(line: bytes) -> bool:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and "op_code" in entry


def repair(journal: Path) -> None:
    """Cuts off a last line that was not written to its end, as a full disk or a power cut leaves it.

    Also removes the lock that a killed driver left, for which Optuna would wait half a minute. Only
    for the process that has the study's lock: the last line may be another one's that is being written.
    """
    if not journal.exists():
        return
    journal.with_name(f"{journal.name}{LOCK_FILE_SUFFIX}").unlink(missing_ok=True)
    with journal.open("rb+") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        last = content.rfind(b"\n", 0, max(end - 1, 0)) + 1
        if end and not _is_entry(content[last:end]):
            end = last  # the blocks of a write reach the disk in any order
        if end < len(content):
            file.truncate(end)
