"""Images and labels as a user's own arrays hold them, in a file of numpy's (npz)."""

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from study.errors import DataError


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file by name; raises DataError if it cannot be read, or holds pickles."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, BadZipFile) as error:
        raise DataError(f"cannot read the arrays in {path}: {error}") from error


def images_of(arrays: dict[str, NDArray[Any]], name: str) -> NDArray[np.uint8]:
    """The images of a name, shape (count, channels, height, width), uint8.

    Accepts (count, features), (count, height, width) and (count, height, width, channels), whole
    numbers in 0..255; raises DataError for anything else.
    """
    images = arrays[name]
    if images.dtype.kind not in "ui" or images.size == 0 or images.min() < 0 or images.max() > 255:  # noqa: PLR2004  # uint8
        raise DataError(
            f"`0 <= {name} <= 255` must hold for whole numbers, and {name} must not be empty, "
            f"got {images.dtype} of shape {images.shape}"
        )
    match images.ndim:
        case 2:
            images = images[:, None, None, :]
        case 3:
            images = images[:, None]
        case 4:
            images = images.transpose(0, 3, 1, 2)
        case _:
            raise DataError(
                f"{name} must have shape (count, features), (count, height, width) or "
                f"(count, height, width, channels), got {images.shape}"
            )
    return np.ascontiguousarray(images, dtype=np.uint8)


def labels_of(arrays: dict[str, NDArray[Any]], name: str) -> NDArray[np.int64]:
    """The labels of a name, shape (count,), from 0 up; raises DataError for anything else."""
    labels = arrays[name]
    if labels.dtype.kind not in "ui" or labels.ndim != 1 or labels.size == 0 or labels.min() < 0:
        raise DataError(
            f"{name} must hold one whole number from 0 up for each image, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    return labels.astype(np.int64)
