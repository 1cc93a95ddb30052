"""Reads data sets: scikit-learn's digits, torchvision's, or a user's own arrays (npz)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from study.errors import DataError
from study.spec.sections import DatasetSpec


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Reads the arrays of an npz file by name; raises DataError if it is unreadable or has pickles."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, TypeError, AttributeError, BadZipFile) as error:
        raise DataError(f"cannot read the arrays in {path}: {error}") from error


def images_of(arrays: dict[str, NDArray[Any]], name: str) -> NDArray[np.uint8]:
    """The images in the array `name`, shape (count, channels, height, width), uint8.

    Accepts whole numbers in 0..255 of shape (count, features), (count, height, width) or (count,
    height, width, channels). Raises DataError for anything else.
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
    """The labels in the array `name`, whole numbers from 0, shape (count,), else raises DataError."""
    labels = arrays[name]
    if labels.dtype.kind not in "ui" or labels.ndim != 1 or labels.size == 0 or labels.min() < 0:
        raise DataError(
            f"{name} must hold one whole number from 0 up for each image, "
            f"got {labels.dtype} of shape {labels.shape}"
        )
    return labels.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Pool:
    """Images, shape (count, channels, height, width), uint8; labels, shape (count,), int64."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> "Pool":
        """The given rows, copied."""
        return Pool(self.images[rows], self.labels[rows])


# By name in a spec: torchvision's class, its extra arguments, the folder below root, the classes.
TORCHVISION: Final[dict[str, tuple[str, dict[str, str], str, int]]] = {
    "mnist": ("MNIST", {}, "MNIST/raw", 10),
    "fashion_mnist": ("FashionMNIST", {}, "FashionMNIST/raw", 10),
    "kmnist": ("KMNIST", {}, "KMNIST/raw", 10),
    "emnist_balanced": ("EMNIST", {"split": "balanced"}, "EMNIST/raw", 47),
    "cifar10": ("CIFAR10", {}, "cifar-10-batches-py", 10),
    "cifar100": ("CIFAR100", {}, "cifar-100-python", 100),
}


def check_files(spec: DatasetSpec) -> None:
    """Raises DataError if the files of the data set are not there, and may not be downloaded.

    Reads nothing, so it needs neither time nor libraries.
    """
    if spec.name == "npz" and spec.path is not None and not spec.path.is_file():
        raise DataError(f"cannot read the arrays in {spec.path}: there is no such file")
    if spec.name in TORCHVISION and not spec.download:
        _, _, folder, _ = TORCHVISION[spec.name]
        place = spec.root / folder
        if not place.is_dir():
            raise DataError(_absent(spec, place, folder))


def _absent(spec: DatasetSpec, place: Path, folder: str) -> str:
    return (
        f"the data set {spec.name} is not in {place} and may not be downloaded; "
        f"set dataset.download = true (or add --set dataset.download=true), "
        f"or set dataset.root to the folder that holds {folder}"
    )


def read_pools(spec: DatasetSpec) -> tuple[Pool, Pool | None, int]:
    """The training images, the test images if the data set has any, and the number of classes.

    Raises DataError if the data set is absent or invalid.
    """
    if spec.name == "digits":
        return _digits(), None, 10
    if spec.name == "npz":
        assert spec.path is not None  # noqa: S101  # StudySpec holds this
        return _npz(spec.path)
    return _torchvision(spec)


def _digits() -> Pool:
    from sklearn.datasets import load_digits  # noqa: PLC0415  # takes a second; needed here only

    images, labels = load_digits(return_X_y=True)
    scaled = np.rint(images * (255 / 16)).astype(np.uint8)
    return Pool(scaled.reshape(-1, 1, 8, 8), labels.astype(np.int64))


def _torchvision(spec: DatasetSpec) -> tuple[Pool, Pool, int]:
    from torchvision import datasets  # noqa: PLC0415  # takes two seconds; needed here only

    name, arguments, folder, classes = TORCHVISION[spec.name]
    source = getattr(datasets, name)
    try:
        train, test = (
            source(root=spec.root, train=train, download=spec.download, **arguments)
            for train in (True, False)
        )
    except (RuntimeError, OSError, ValueError, EOFError) as error:
        place = spec.root / folder
        if place.is_dir() and any(place.iterdir()):
            raise DataError(
                f"the data set {spec.name} in {place} cannot be read: {error}; remove the folder and "
                f"fetch it again (dataset.download = true)"
            ) from error
        if spec.download:
            raise DataError(
                f"the data set {spec.name} could not be fetched into {place}: {error}; "
                f"fetch it on a machine with a network and copy the folder to {place}"
            ) from error
        raise DataError(_absent(spec, place, folder)) from error
    return _pool(train, spec.name), _pool(test, spec.name), classes


def _pool(source: Any, name: str) -> Pool:  # noqa: ANN401  # torchvision has no types
    images = np.asarray(source.data, dtype=np.uint8)
    if name == "emnist_balanced":
        # The files hold every image transposed.
        images = images.transpose(0, 2, 1)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)  # noqa: PLR2004  # no channel axis
    return Pool(np.ascontiguousarray(images), np.asarray(source.targets, dtype=np.int64))


def _npz(path: Path) -> tuple[Pool, Pool | None, int]:
    try:
        arrays = read_arrays(path)
    except DataError as error:
        raise DataError(f"{error} (key dataset.path)") from error
    if set(arrays) not in ({"x", "y"}, {"x", "y", "x_test", "y_test"}):
        raise DataError(
            f"{path} must hold the arrays x and y, and may hold x_test and y_test, "
            f"got {', '.join(sorted(arrays)) or 'none'} (key dataset.path)"
        )
    train = Pool(images_of(arrays, "x"), labels_of(arrays, "y"))
    test = None
    if "x_test" in arrays:
        test = Pool(images_of(arrays, "x_test"), labels_of(arrays, "y_test"))
        if test.images.shape[1:] != train.images.shape[1:]:
            raise DataError(
                f"x and x_test must hold images of one shape, got {train.images.shape[1:]} and "
                f"{test.images.shape[1:]} (channels, height, width)"
            )
    highest = max(int(pool.labels.max()) for pool in (train, test) if pool is not None)
    for name, pool in (("y", train), ("y_test", test)):
        if pool is not None and len(pool.labels) != len(pool.images):
            raise DataError(
                f"{name.replace('y', 'x')} and {name} must have one length, "
                f"got {len(pool.images)} and {len(pool.labels)}"
            )
    return train, test, highest + 1
