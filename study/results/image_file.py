"""Reads what a network is to classify: an image, or an npz of many, as the network wants them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from study.errors import DataError
from study.training.data_sources import images_of, labels_of, read_arrays


@dataclass(frozen=True, slots=True)
class Images:
    """Images, shape (count, channels, height, width), uint8; labels, shape (count,), if there are any.

    `notice` says what was done to them to make them fit.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    notice: str | None = None


def read_images(path: Path, image_shape: tuple[int, ...], classes: int) -> Images:
    """The images in a file, of (channels, height, width); those of an npz must have that shape.

    An image is made grey or coloured and scaled as is needed. Raises DataError, with the rule, if the
    file cannot be read or does not fit.
    """
    if path.suffix == ".npz":
        return _from_arrays(path, image_shape, classes)
    return _from_picture(path, image_shape)


def _from_arrays(path: Path, image_shape: tuple[int, ...], classes: int) -> Images:
    arrays = read_arrays(path)
    if "x" not in arrays:
        raise DataError(
            f"{path} must hold the array x, and may hold y, got {', '.join(arrays) or 'none'}"
        )
    try:
        images = images_of(arrays, "x")
        labels = labels_of(arrays, "y") if "y" in arrays else None
    except DataError as error:
        raise DataError(f"{error} ({path})") from error
    if images.shape[1:] != image_shape:
        raise DataError(
            f"the images in {path} must have the network's shape {image_shape} (channels, height, "
            f"width), got {images.shape[1:]}"
        )
    if labels is not None and (len(labels) != len(images) or labels.max() >= classes):
        raise DataError(
            f"y must hold one label below {classes} for each of the {len(images)} images of x, got "
            f"{len(labels)} up to {labels.max()} ({path})"
        )
    return Images(images, labels)


def _from_picture(path: Path, image_shape: tuple[int, ...]) -> Images:
    from PIL import Image, ImageOps  # noqa: PLC0415  # for pictures only

    channels, height, width = image_shape
    if channels not in (1, 3):
        raise DataError(
            f"a picture has 1 or 3 channels, and the network reads {channels}: give an npz instead "
            f"of {path}"
        )
    try:
        with Image.open(path) as opened:
            picture: Any = ImageOps.exif_transpose(opened)
            mode, size = picture.mode, picture.size
            if mode.startswith(("I", "F")):
                raise DataError(f"{path} must have 8 bits a channel, got mode {mode}")
            picture = picture.convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(
            f"cannot read {path} as a picture (an npz must end in .npz): {reason}"
        ) from error
    notice = None
    if size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
        notice = (
            f"{path} was scaled from {size[0]} x {size[1]} to {width} x {height} (width x height)"
        )
    pixels = np.asarray(picture, dtype=np.uint8).reshape(height, width, channels)
    return Images(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]), notice=notice)
