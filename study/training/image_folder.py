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
_NAMES: Final = {"train": _TRAIN, "training": _TRAIN, "test": _TEST, "testing": _TEST}
"""The parts by the names of their folders, in lower case."""

VALIDATION: Final = ("val", "valid", "validation", "dev")
"""Names of parts with validation images, in lower case."""

_LAYOUT: Final = (
    "a folder of images must have a folder for each class, as train/CLASS/*.png and, optionally, "
    "test/CLASS/*.png, or CLASS/*.png"
)


def read_image_folder(folder: Path, *, grey: bool, size: Size | None) -> Pools:
    """Reads the pictures in `train/CLASS/` and `test/CLASS/`, or in `CLASS/`; labels by sorted classes.

    `grey` and `size` are as in `read_pictures`. Raises DataError like it, and for another layout.
    """
    parts = part_folders(folder)
    if not parts:
        return _read({folder: _by_class(folder)}, grey=grey, size=size)
    unread = [one for one in _folders(folder) if one.name.lower() in VALIDATION]
    if unread:
        raise DataError(
            f"validation images are drawn from those of training, got {unread[0]}: move its images to "
            f"{parts[_TRAIN]}, or rename it to {_TEST}"
        )
    return _read({one: _by_class(one) for one in parts.values()}, grey=grey, size=size)


def part_folders(folder: Path) -> dict[str, Path]:
    """The folders `train` and, if there is one, `test`; empty if the folder has classes, not parts.

    In capitals, and as `training` and `testing`, too. A class may have such a name, but has pictures,
    where a part has classes. Raises DataError for two folders of a part, and for parts without `train`
    or without classes.
    """
    found: dict[str, Path] = {}
    folders = _folders(folder)
    for one in folders:
        part = _NAMES.get(one.name.lower())
        if part is not None and _folders(one):
            if part in found:
                raise DataError(
                    f"the images of {part} must be in one folder, got {found[part]}, {one}"
                )
            found[part] = one
    if _TRAIN in found:
        return {part: found[part] for part in (_TRAIN, _TEST) if part in found}
    if found:
        raise DataError(f"{_LAYOUT}, got {found[_TEST]} and no classes in a folder {_TRAIN}")
    names = {one.name.lower() for one in folders}
    if names and names <= {*_NAMES, *VALIDATION}:
        raise DataError(f"{_LAYOUT}, got no folder in {folders[0]}")
    return {}


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


def _read(parts: dict[Path, dict[str, list[Path]]], *, grey: bool, size: Size | None) -> Pools:
    """Reads the pictures of each part; the first is that of training."""
    training, first = next(iter(parts.items()))
    names = sorted(first)
    if len(names) == 1:
        raise DataError(f"{_LAYOUT}, got the single class {training / names[0]}")
    for part, classes in parts.items():
        for name in classes:
            if name not in names:
                raise DataError(
                    f"the classes of {part.name} must be among those of training, got {part / name}; "
                    f"{nearest(name, names)}"
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
    count = sum(map(len, first.values()))
    return Pools(
        train=Pool(images[:count], labels[:count]),
        test=_rest(images, labels, count),
        classes=len(names),
        class_names=tuple(names),
    )


def _rest(images: NDArray[np.uint8], labels: NDArray[np.int64], count: int) -> Pool | None:
    return Pool(images[count:], labels[count:]) if count < len(labels) else None
