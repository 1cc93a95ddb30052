"""Replaces a file at once: an interrupted command leaves the old content or the new, never a part."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Gives a path beside a file, whose folder is made; what the block writes there replaces it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    yield unfinished
    unfinished.replace(file)
