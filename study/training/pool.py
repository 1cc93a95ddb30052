"""Images with their labels as arrays, before they are split; the arrays that users may give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import psutil
from numpy.typing import NDArray

from study.errors import DataError
from study.training.official_files import FilesRead

MOST_CLASSES: Final = 100_000
_LARGEST_BYTE: Final = 255
COLOURS: Final = (1, 3)
"""The numbers of channels of grey and of coloured images."""
_MOST_CHANNELS_LAST: Final = 4  # on the last axis; more are the width of images with channels first
_GIB: Final = 2**30
_ARRAYS: Final = ("x", "y", "x_test", "y_test")  # the names that messages use

Size: TypeAlias = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Images, shape (count, channels, height, width), uint8; labels, shape (count,), int64."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> "Pool":
        """The given rows, copied."""
        return Pool(self.images[rows], self.labels[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pools:
    """The images of a data set; `test` is None if it has no test images.

    `class_names` has the names of the classes in order of their labels, if they have names; `files` are
    those of a published data set whose checksums are known.
    """

    train: Pool
    test: Pool | None
    classes: int
    class_names: tuple[str, ...] = ()
    files: FilesRead | None = None

    def __post_init__(self) -> None:
        """Raises DataError for less than two classes."""
        if self.classes < 2:  # noqa: PLR2004  # as said
            raise DataError(f"a data set must have two classes or more, got {self.classes}")

    @classmethod
    def of_arrays(
        cls,
        train: tuple[NDArray[Any], NDArray[Any]],
        test: tuple[NDArray[Any], NDArray[Any]] | None,
    ) -> "Pools":
        """Converts arrays of images and labels. Raises DataError if they are invalid."""
        pairs = [train] if test is None else [train, test]
        images = [images_of(pair[0], name) for pair, name in zip(pairs, _ARRAYS[::2], strict=False)]
        _check_scale([pair[0] for pair in pairs], images[0])
        if images[-1].shape[1:] != images[0].shape[1:]:
            raise DataError(
                f"x and x_test must hold images of one shape, got {images[0].shape[1:]} "
                f"and {images[1].shape[1:]} (channels, height, width)"
            )
        labels, class_names = label_numbers([pair[1] for pair in pairs], _ARRAYS[1::2])
        for place, (one, other) in enumerate(zip(images, labels, strict=True)):
            if len(one) != len(other):
                raise DataError(
                    f"{_ARRAYS[2 * place]} and {_ARRAYS[2 * place + 1]} must have one length, "
                    f"got {len(one)} and {len(other)}"
                )
        pools = [Pool(one, other) for one, other in zip(images, labels, strict=True)]
        return cls(
            train=pools[0],
            test=pools[1] if len(pools) > 1 else None,
            classes=len(class_names) or number_of_classes(labels, _ARRAYS[1]),
            class_names=class_names,
        )


def _check_scale(arrays: Sequence[NDArray[Any]], train: NDArray[np.uint8]) -> None:
    """Raises DataError if arrays of images differ in scale, or those of training are all but black.

    Whole numbers are 0 to 255, as in a file, while floats and booleans are multiplied by 255.
    """
    if len({array.dtype.kind in "bf" for array in arrays}) > 1:
        kinds = " and ".join(str(array.dtype) for array in arrays)
        raise DataError(
            "x and x_test must both hold whole numbers in 0..255, or both floats in 0..1 or booleans, "
            f"got {kinds}"
        )
    if int(train.max()) <= 1:
        low, high = (float(one) for one in (arrays[0].min(), arrays[0].max()))
        scaled = "x * 255" if arrays[0].dtype.kind in "ui" else f"x / {high:g}"
        raise DataError(
            "x must hold images from black to white, which are 0 and 255, or 0.0 and 1.0 in floats, got "
            f"{arrays[0].dtype} in {low:g}..{high:g}" + (f"; {scaled} converts it" if high else "")
        )


def channels_first(shape: Sequence[int]) -> bool:
    """Whether images of this shape are read as (channels, height, width) rather than channels last."""
    return shape[0] in COLOURS and shape[-1] > _MOST_CHANNELS_LAST


def images_of(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """The images in an array, shape (count, channels, height, width), uint8.

    Accepts whole numbers in 0..255, floats in 0..1 and booleans, of shape (count, features), (count,
    height, width), (count, height, width, channels), or (count, channels, height, width) if 1 or 3
    channels are followed by more than four columns. Raises DataError for anything else.
    """
    images = _bytes_of(array, name)
    match images.ndim:
        case 2:
            images = images[:, None, None, :]
        case 3:
            images = images[:, None]
        case 4:
            if not channels_first(images.shape[1:]):
                images = images.transpose(0, 3, 1, 2)
        case _:
            raise DataError(
                f"{name} must have shape (count, features), (count, height, width) or "
                f"(count, height, width, channels), got {images.shape}"
            )
    return np.ascontiguousarray(images)


def _bytes_of(array: NDArray[Any], name: str) -> NDArray[np.uint8]:
    kind, remedy = array.dtype.kind, ""
    if array.size and kind in "buif":
        low, high = (float(one) for one in (array.min(), array.max()))
        if kind == "b":
            return array.astype(np.uint8) * _LARGEST_BYTE
        if kind in "ui" and low >= 0 and high <= _LARGEST_BYTE:
            return array.astype(np.uint8)
        if kind == "f" and low >= 0 and high <= 1:
            scaled: NDArray[np.uint8] = np.rint(array * _LARGEST_BYTE).astype(np.uint8)
            return scaled
        remedy = f" in {low:g}..{high:g}"
        if low >= 0 and high <= _LARGEST_BYTE / 2:
            remedy += f"; {name} / {high:g} converts it"
        elif low >= 0 and high <= _LARGEST_BYTE:
            remedy += f'; {name}.astype("uint8") converts it'
        elif np.isfinite([low, high]).all() and low < high:
            remedy += f"; ({name} - {low:g}) / {high - low:g} converts it"
        elif not np.isfinite([low, high]).all():
            remedy += "; replace what is not finite, such as with numpy.nan_to_num"
    raise DataError(
        f"{name} must hold images as whole numbers in 0..255 or floats in 0..1, got {array.dtype} of "
        f"shape {array.shape}{remedy}"
    )


def labels_of(array: NDArray[Any], name: str) -> NDArray[np.int64]:
    """The labels in an array, whole numbers from 0, shape (count,), else raises DataError."""
    labels, remedy = array, ""
    if labels.dtype.kind in "bui" and labels.ndim == 1 and labels.size:
        if labels.min() >= 0 and labels.max() < MOST_CLASSES:
            return labels.astype(np.int64)
        remedy = f" in {labels.min()}..{labels.max()}"
        remedy += f"; numpy.unique({name}, return_inverse=True)[1] numbers them from 0"
    elif labels.ndim == 2 and labels.shape[1] == 1:  # noqa: PLR2004  # a column
        remedy = f"; {name}.ravel() converts it"
    elif labels.ndim == 2:  # noqa: PLR2004  # one-hot
        remedy = f"; {name}.argmax(axis=1) converts one-hot labels"
    elif labels.dtype.kind == "f":
        remedy = f"; {name}.astype(int) converts whole numbers"
    raise DataError(
        f"{name} must hold one label for each image, a whole number from 0 up or a text, got "
        f"{labels.dtype} of shape {labels.shape}{remedy}"
    )


def label_numbers(
    arrays: Sequence[NDArray[Any]], names: Sequence[str]
) -> tuple[list[NDArray[np.int64]], tuple[str, ...]]:
    """The labels of each part as numbers from 0, and the names of the classes.

    Texts are numbered by their place among the sorted texts of the first part; whole numbers have no
    names. Raises DataError, with `names`, for other labels.
    """
    if any(array.dtype.kind not in "UT" or array.ndim != 1 or not array.size for array in arrays):
        return [labels_of(array, name) for array, name in zip(arrays, names, strict=False)], ()
    known = sorted({str(text) for text in np.unique(arrays[0])})
    for array, name in zip(arrays[1:], names[1:], strict=False):
        unknown = sorted({str(text) for text in np.unique(array)} - set(known))
        if unknown:
            raise DataError(
                f"{name} must hold labels of {names[0]} only, got {', '.join(unknown[:5])}"
            )
    if len(known) > MOST_CLASSES:
        raise DataError(
            f"`classes <= {MOST_CLASSES:,}` must hold, got {len(known):,} in {names[0]}"
        )
    return [np.searchsorted(known, array).astype(np.int64) for array in arrays], tuple(known)


def number_of_classes(labels: Sequence[NDArray[np.int64]], name: str) -> int:
    """The number of classes of labels that are numbers; `name` is that of the first part's.

    Raises DataError if the first part, of training, lacks one: a network would have an output for it.
    """
    count = 1 + max(int(one.max()) for one in labels)
    present = np.bincount(labels[0], minlength=count) > 0
    if not present.all():
        absent = np.flatnonzero(~present)
        raise DataError(
            f"{name} must hold every class from 0 to the largest label, {count - 1}, got none of "
            f"{', '.join(map(str, absent[:5]))}{', ...' if len(absent) > 5 else ''}; "  # noqa: PLR2004  # as shown
            f"numpy.unique({name}, return_inverse=True)[1] numbers the classes from 0"
        )
    return count


def check_memory(size: int, source: object) -> None:
    """Raises DataError if so many bytes exceed the memory that is available on this machine."""
    available = psutil.virtual_memory().available
    if size > available:
        raise DataError(
            f"the images in {source} need {size / _GIB:.1f} GiB of memory, and "
            f"{available / _GIB:.1f} GiB are available: resize them (dataset.resize), or use fewer"
        )
