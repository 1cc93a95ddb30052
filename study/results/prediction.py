"""Classification of images and arrays in files by the network of a trial, without torch."""

import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.portable import Portable, softmax
from study.errors import DataError, nearest
from study.home import AnyHome, AnyStore, Home
from study.keywords import checked_keywords
from study.results.format import percent
from study.results.html_tables import Listing, html_facts, html_table
from study.results.network import FetchedNetwork
from study.results.reader import read_study
from study.training.npz_file import read_arrays
from study.training.pictures import EncodedPicture, decode, pixels
from study.training.pool import images_of, labels_of

if TYPE_CHECKING:
    from torch import Tensor


_SHOWN_CLASSES: Final = 10
_SHOWN_IMAGES: Final = 30
ImageSource: TypeAlias = "str | os.PathLike[str] | NDArray[Any] | Tensor"
"""A file, or images themselves."""


@dataclass(frozen=True, slots=True)
class Images:
    """Images, shape (count, channels, height, width), uint8, and labels, shape (count,), if any.

    Floats in 0..1 stay floats. `notice` describes a conversion to the shape of the network; `file` is
    where the images were read.
    """

    images: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.int64] | None = None
    notice: str | None = None
    file: Path | None = None


def read_images(
    source: "ImageSource",
    image_shape: tuple[int, ...],
    classes: int,
    class_names: Sequence[str] = (),
) -> Images:
    """Reads images in the shape (channels, height, width), which an npz and an array must have.

    Labels in an npz may be texts if the classes have names.

    An image file is converted to grey or RGB and scaled as needed. Raises DataError, with the rule, if
    a file cannot be read, or images have another shape or type.
    """
    if not isinstance(source, str | os.PathLike):
        return Images(_checked_array(np.asarray(source), image_shape))
    path = Path(source)
    if path.suffix == ".npz":
        return _from_arrays(path, image_shape, classes, class_names)
    return _from_picture(path, image_shape)


def _checked_array(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Images of the shape, or one of them; raises DataError for others."""
    if array.shape in (shape, shape[1:]):
        array = array[None]
    if shape[0] == 1 and array.shape[1:] == shape[1:]:
        array = array[:, None]
    if array.shape[1:] != shape or not len(array):
        raise DataError(
            f"images must have shape {shape} (channels, height, width) or (count, *{shape}), "
            f"got {array.shape}"
        )
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if not np.issubdtype(array.dtype, np.floating) or not (array.min() >= 0 and array.max() <= 1):
        raise DataError(
            f"images must be uint8 in 0..255 or floats in 0..1, got {array.dtype} in "
            f"{array.min()}..{array.max()}; `array / 255` and `array.astype('uint8')` give them"
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def _from_arrays(
    path: Path, image_shape: tuple[int, ...], classes: int, class_names: Sequence[str]
) -> Images:
    arrays = read_arrays(path)
    if "x" not in arrays:
        raise DataError(
            f"{path} must hold the array x, and may hold y, got {', '.join(arrays) or 'none'}"
        )
    try:
        images = images_of(arrays["x"], "x")
        labels = _labels_of(arrays["y"], class_names) if "y" in arrays else None
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
    return Images(images, labels, file=path)


def _labels_of(array: NDArray[Any], class_names: Sequence[str]) -> NDArray[np.int64]:
    """Labels as numbers; texts are the names of classes. Raises DataError for others."""
    if array.dtype.kind not in "UT" or array.ndim != 1 or not class_names:
        return labels_of(array, "y")
    numbers = {name: number for number, name in enumerate(class_names)}
    unknown = [str(one) for one in np.unique(array) if str(one) not in numbers]
    if unknown:
        raise DataError(
            f"y must hold names of classes of the study, got {unknown[0]!r}; "
            f"{nearest(unknown[0], list(numbers))}"
        )
    return np.array([numbers[str(one)] for one in array], dtype=np.int64)


def _from_picture(path: Path, image_shape: tuple[int, ...]) -> Images:
    channels, height, width = image_shape
    if channels not in (1, 3):
        raise DataError(
            f"a picture has 1 or 3 channels, but the network reads {channels}: use an npz instead of "
            f"{path}"
        )
    picture = decode(EncodedPicture(f"{path}", path))
    notice = None
    if picture.size != (width, height):
        notice = (
            f"{path} was scaled from {picture.size[0]} x {picture.size[1]} to {width} x {height} (width "
            "x height)"
        )
    image = pixels(picture, grey=channels == 1, size=(height, width))
    return Images(image[None], notice=notice, file=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The predictions of a network for the images of one file.

    `probabilities`: shape (images, classes), the mean over the replicates. `labels`, shape (images,),
    and `accuracies` of the replicates, shares in 0..1, if the file has labels. `notice` describes a
    conversion to the shape of the network. `class_names` are in order of the labels, empty if the
    classes of the study's data have no names.
    """

    trial: int
    file: Path | None
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    accuracies: NDArray[np.float64] | None
    notice: str | None
    class_names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """The prediction in a line; `probabilities` has all of it."""
        shown = ", ".join(map(str, self.classes[:_SHOWN_CLASSES]))
        more = ", ..." if len(self.classes) > _SHOWN_CLASSES else ""
        accuracy = "" if self.accuracy is None else f", accuracy={self.accuracy:.4f}"
        return (
            f"Prediction(trial={self.trial}, file={self.file}, classes=[{shown}{more}]{accuracy})"
        )

    def cells(self) -> dict[str, str]:
        """The texts of a table."""
        single = len(self.classes) == 1
        return {
            "file": "" if self.file is None else str(self.file),
            "images": str(len(self.classes)),
            "class": self._class_label(self.classes[0]) if single else "",
            "probability": f"{self.probabilities[0].max():.3f}" if single else "",
            "accuracy %": percent(self.accuracy, self.accuracy_sem),
            "notice": self.notice or "",
        }

    def _repr_html_(self) -> str:
        classes, shares = self.classes[:_SHOWN_IMAGES], self.probabilities[:_SHOWN_IMAGES]
        columns = {
            "image": [str(place) for place in range(len(classes))],
            "class": [self._class_label(label) for label in classes],
            "probability": [f"{share.max():.3f}" for share in shares],
        }
        if self.labels is not None:
            columns["label"] = [str(label) for label in self.labels[:_SHOWN_IMAGES]]
        return html_facts(self.cells()) + html_table(columns)

    def _class_label(self, label: int) -> str:
        return f"{label} {self.class_names[label]}" if self.class_names else str(label)

    @property
    def names(self) -> list[str | None]:
        """The name of the most probable class of each image, None if the classes have no names."""
        return [self.class_names[label] if self.class_names else None for label in self.classes]

    @property
    def classes(self) -> NDArray[np.int64]:
        """The most probable class of each image."""
        classes: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return classes

    @property
    def accuracy(self) -> float | None:
        """The mean of `accuracies`."""
        return None if self.accuracies is None else float(self.accuracies.mean())

    @property
    def accuracy_sem(self) -> float | None:
        """The standard error of `accuracy`; None for one replicate."""
        if self.accuracies is None or len(self.accuracies) == 1:
            return None
        return float(self.accuracies.std(ddof=1)) / math.sqrt(len(self.accuracies))

    def to_dict(self) -> dict[str, Any]:
        """The prediction as JSON types."""
        labels = [None] * len(self.classes) if self.labels is None else self.labels.tolist()
        return {
            "trial": self.trial,
            "file": None if self.file is None else str(self.file),
            "notice": self.notice,
            "accuracy": self.accuracy,
            "accuracy_sem": self.accuracy_sem,
            "images": [
                {
                    "class": int(shares.argmax()),
                    "name": name,
                    "probability": float(shares.max()),
                    "label": label,
                }
                for shares, name, label in zip(self.probabilities, self.names, labels, strict=True)
            ],
        }


@checked_keywords
def predict(  # noqa: PLR0913  # each option has a name of its own
    name: str,
    images: "ImageSource | Sequence[ImageSource]",
    trial: int | None = None,
    *,
    retrained: bool = False,
    home: AnyHome = None,
    tracking_uri: AnyStore = None,
) -> Listing[Prediction]:
    """Classifies images with the network of a trial.

    Each entry of `images` is a file (an image, or an npz with `x` and optionally `y`), or an array or
    tensor of the network's image shape, or with a first axis for several images, uint8 in 0..255 or
    floats in 0..1; a single entry needs no list. The trial is by default the best; with `retrained`, its
    last retraining is used. No noise is added, even for a trial with noise. Raises NotFoundError and
    TrackingError like `study.load_model`, DataError if a file cannot be read, or images have another
    shape or type.
    """
    study = read_study(name, Home.find(home, tracking_uri))
    sources: list[Any] = list(images) if isinstance(images, list | tuple) else [images]
    with tempfile.TemporaryDirectory() as folder:
        fetched = FetchedNetwork.of_trial(study, trial, Path(folder), retrained=retrained)
        with fetched.undamaged():
            network = Portable(fetched.folder)
    names = study.class_names if len(study.class_names) == network.classes else ()
    read = [read_images(one, network.image_shape, network.classes, names) for one in sources]
    with fetched.undamaged():
        predictions = [_predict(network, fetched.record.trial, one) for one in read]
    return Listing(replace(one, class_names=names) for one in predictions)


def _predict(network: Portable, trial: int, images: Images) -> Prediction:
    logits = network.logits(images.images)
    accuracies = None
    if images.labels is not None:
        accuracies = (logits.argmax(axis=-1) == images.labels).mean(axis=1)
    return Prediction(
        trial=trial,
        file=images.file,
        probabilities=softmax(logits).mean(axis=0),
        labels=images.labels,
        accuracies=accuracies,
        notice=images.notice,
    )
