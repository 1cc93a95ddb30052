"""What is to be recorded, on disk in its order until the tracking store has it.

One file a segment, one line an event (`study.tracking.events`). The driver appends, the sender
(`study.tracking.sender`) reads; a line is whole or, where a driver was cut off, the last of its segment.
"""

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final, final

_ENDING: Final = ".jsonl"
_SEGMENT_BYTES: Final = 4_000_000  # sent segments are deleted, so that long studies stay small
_POSITION: Final = "position.json"


@final
class Spool:
    """The driver's end: appends, always to a segment of its own.

    A line is handed to the system when `append` returns, so it outlives the process; the sender
    syncs it to disk before it is sent. Raises OSError where it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._file, self._size = self._new_segment(), 0

    def append(self, event: str) -> None:
        """Adds an event, one line without its end."""
        line = event.encode() + b"\n"
        if self._file.write(line) != len(line):
            self._file.truncate(self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._folder))
        self._size += len(line)
        if self._size > _SEGMENT_BYTES:
            self.close()
            self._file, self._size = self._new_segment(), 0

    def close(self) -> None:
        """Nothing more is appended."""
        self._file.close()

    def _new_segment(self) -> FileIO:
        numbers = _segments(self._folder)
        number = numbers[-1] + 1 if numbers else read_position(self._folder).segment + 1
        # Unbuffered, so that a line that was written in part is known to be.
        return _file(self._folder, number).open("ab", buffering=0)


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where all is sent: bytes of a segment, and whatever came before it."""

    segment: int
    offset: int


def read_position(folder: Path) -> Position:
    """Up to where all is sent."""
    try:
        stored = json.loads((folder / _POSITION).read_text(encoding="utf-8"))
        return Position(stored["segment"], stored["offset"])
    except (FileNotFoundError, ValueError, KeyError):
        # None yet, or a power cut took it: what is sent once more is recorded once.
        return Position(0, 0)


def write_position(folder: Path, position: Position) -> None:
    """All is sent up to here: what came before is deleted.

    If this is lost, events are sent once more, which records nothing twice.
    """
    new = folder / f"{_POSITION}.new"
    with new.open("w", encoding="utf-8") as file:
        json.dump({"segment": position.segment, "offset": position.offset}, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / _POSITION)
    for number in _segments(folder):
        if number < position.segment:
            _file(folder, number).unlink()


def waiting(folder: Path) -> int:
    """How many events wait to be sent."""
    return sum(1 for _ in unsent(folder))


def unsent(folder: Path) -> Iterator[tuple[str, Position]]:
    """The lines that wait, each on disk for good, and the position after it."""
    start = read_position(folder)
    for number in _segments(folder):
        if number < start.segment:
            continue
        with _file(folder, number).open("rb") as file:
            os.fsync(file.fileno())
            file.seek(start.offset if number == start.segment else 0)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # it is being written, or never was to its end
                yield line.decode(errors="replace").rstrip("\n"), Position(number, file.tell())


def _segments(folder: Path) -> list[int]:
    return sorted(int(file.stem) for file in folder.glob(f"[0-9]*{_ENDING}"))


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:06}{_ENDING}"
