"""Reads pictures from a folder for each class, the layout of torchvision's ImageFolder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from study.errors import DataError, nearest
from study.training.pictures import ENDINGS, EncodedPicture, read_pictures
from study.training.pool import Pool, Pools, Size

_TRAIN: Final = "train"
_TEST: Final = "test"
PARTS: Final = (_TRAIN, _TEST)
"""The folders of the parts, if there are any."""

VALIDATION: Final = ("val", "valid", "validation", "dev")
"""Names of parts with validation images."""

_LAYOUT: Final = (
    "a folder of images must have a folder for each class, as train/CLASS/*.png and, optionally, "
    "test/CLASS/*.png, or CLASS/*.png"
)


def read_image_folder(folder: Path, *, grey: bool, size: Size | None) -> Pools:
    """Reads the pictures in `train/CLASS/` and `test/CLASS/`, or in `CLASS/`; labels by sorted classes.

    `grey` and `size` are as in `read_pictures`. Raises DataError like it, and for another layout.
    """
    parts = [one.name for one in _folders(folder)]
    if _TRAIN not in parts:
        return _read({"": _by_class(folder)}, folder, grey=grey, size=size)
    unread = [name for name in parts if name in VALIDATION]
    if unread:
        raise DataError(
            f"validation images are drawn from those of training, got {folder / unread[0]}: move its "
            f"images to {folder / _TRAIN}, or rename it to {_TEST}"
        )
    chosen = [part for part in PARTS if part in parts]
    return _read({part: _by_class(folder / part) for part in chosen}, folder, grey=grey, size=size)


def _folders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))


def _by_class(folder: Path) -> dict[str, list[Path]]:
    """The pictures of each class, in order of their paths. Raises DataError if there are none."""
    classes = {one.name: sorted(_pictures_in(one)) for one in _folders(folder)}
    empty = [name for name, files in classes.items() if not files]
    if not classes or empty:
        got = f"no picture in {folder / empty[0]}" if empty else f"no folder in {folder}"
        raise DataError(f"{_LAYOUT}, got {got} (endings: {', '.join(sorted(ENDINGS))})")
    return classes


def _pictures_in(folder: Path) -> Iterable[Path]:
    return (
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in ENDINGS and not file.name.startswith(".")
    )


def _read(
    parts: dict[str, dict[str, list[Path]]], folder: Path, *, grey: bool, size: Size | None
) -> Pools:
    """Reads the pictures of each part; the first is that of training."""
    names = sorted(next(iter(parts.values())))
    for part, classes in parts.items():
        for name in classes:
            if name not in names:
                raise DataError(
                    f"the classes of {part} must be among those of training, got "
                    f"{folder / part / name}; {nearest(name, names)}"
                )
    # All at once, so that they get one shape.
    files = [
        (file, names.index(name))
        for classes in parts.values()
        for name, found in classes.items()
        for file in found
    ]
    images = read_pictures(
        [EncodedPicture(str(file), file) for file, _ in files], grey=grey, size=size
    )
    labels = np.array([label for _, label in files], dtype=np.int64)
    count = sum(map(len, next(iter(parts.values())).values()))
    return Pools(
        train=Pool(images[:count], labels[:count]),
        test=_rest(images, labels, count),
        classes=len(names),
        class_names=tuple(names),
    )


def _rest(images: NDArray[np.uint8], labels: NDArray[np.int64], count: int) -> Pool | None:
    return Pool(images[count:], labels[count:]) if count < len(labels) else None
