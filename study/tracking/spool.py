"""The spool: events on disk, in order, until they are in the tracking store.

Each file is a segment, each line an event (`study.tracking.events`). The driver appends, the sender
(`study.tracking.sender`) reads. Only the last line of a segment can be incomplete, if its driver was
killed.
"""

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final, final

from study.study_folder import replace_file

_ENDING: Final = ".jsonl"
_SEGMENT_BYTES: Final = 4_000_000  # sent segments are deleted, so that long studies stay small
_POSITION: Final = "position.json"


@final
class Spool:
    """Appends events, for the driver, to a new segment.

    A line written by `append` survives the process; the sender syncs it to disk before sending it.
    Raises OSError if the spool cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file, self._size = self._new_segment(), 0

    def append(self, event: str) -> None:
        """Appends an event, given as a line without a line break."""
        line = event.encode() + b"\n"
        if self._file.write(line) != len(line):
            self._file.truncate(self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))
        self._size += len(line)
        if self._size > _SEGMENT_BYTES:
            self.close()
            self._file, self._size = self._new_segment(), 0

    def close(self) -> None:
        """Closes the segment."""
        self._file.close()

    def _new_segment(self) -> FileIO:
        numbers = _segments(self._folder)
        number = numbers[-1] + 1 if numbers else read_position(self._folder).segment + 1
        # Unbuffered, to detect partial writes.
        return _file(self._folder, number).open("ab", buffering=0)


@dataclass(frozen=True, slots=True)
class Position:
    """A byte of a segment; everything before it, and all earlier segments, are sent."""

    segment: int
    offset: int


def read_position(folder: Path) -> Position:
    """Reads the position up to which everything is sent."""
    try:
        stored = json.loads((folder / _POSITION).read_text(encoding="utf-8"))
        segment, offset = stored["segment"], stored["offset"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        segment, offset = 0, 0
    numbers = _segments(folder)
    last = numbers[-1] if numbers else segment
    if type(segment) is type(offset) is int and 0 <= segment <= last and offset >= 0:
        return Position(segment, offset)
    # None yet, or damaged: events sent again are recorded only once.
    return Position(0, 0)


def write_position(folder: Path, position: Position) -> None:
    """Stores the position, and deletes the segments before it."""
    stored = {"segment": position.segment, "offset": position.offset}
    replace_file(folder / _POSITION, json.dumps(stored))
    for number in _segments(folder):
        if number < position.segment:
            _file(folder, number).unlink()


def waiting(folder: Path) -> int:
    """The number of unsent events."""
    return sum(1 for _ in unsent(folder))


def unsent(folder: Path) -> Iterator[tuple[str, Position]]:
    """Yields the unsent lines, synced to disk, each with the position after it."""
    start = read_position(folder)
    for number in _segments(folder):
        if number < start.segment:
            continue
        with _file(folder, number).open("rb") as file:
            os.fsync(file.fileno())
            file.seek(start.offset if number == start.segment else 0)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # incomplete
                yield line.decode(errors="replace").rstrip("\n"), Position(number, file.tell())


def _segments(folder: Path) -> list[int]:
    return sorted(int(file.stem) for file in folder.glob(f"[0-9]*{_ENDING}"))


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:06}{_ENDING}"
