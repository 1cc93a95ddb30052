"""Replaces a file at once: whoever reads it finds the old content or the new, never a part.

Apart from `study.study_folder` because files outside of a study are replaced so, too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
