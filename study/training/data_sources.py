"""Reads data sets: scikit-learn's digits, torchvision's, or a user's own files."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.architecture import ImageShape
from study.errors import DataError
from study.spec.sections import DatasetSpec
from study.training.image_folder import read_image_folder
from study.training.npz_file import read_npz
from study.training.official_files import OFFICIAL, FilesRead, checksums, packed_folder, unpacked
from study.training.pictures import reshaped
from study.training.pool import Pool, Pools

# By name in a spec: torchvision's class, its extra arguments, the folder below root, the classes.
TORCHVISION: Final[dict[str, tuple[str, dict[str, str], str, int]]] = {
    "mnist": ("MNIST", {}, "MNIST/raw", 10),
    "fashion_mnist": ("FashionMNIST", {}, "FashionMNIST/raw", 10),
    "kmnist": ("KMNIST", {}, "KMNIST/raw", 10),
    "emnist_balanced": ("EMNIST", {"split": "balanced"}, "EMNIST/raw", 47),
    "cifar10": ("CIFAR10", {}, "cifar-10-batches-py", 10),
    "cifar100": ("CIFAR100", {}, "cifar-100-python", 100),
}


# Channels and side of the images that are not 1 x 28 x 28.
_SIZES: Final = {"digits": (1, 8), "cifar10": (3, 32), "cifar100": (3, 32)}


def known_shape(spec: DatasetSpec) -> tuple[ImageShape, int] | None:
    """The shape of the images of a published data set and its number of classes; None for own files."""
    if spec.path is not None:
        return None
    channels, side = _SIZES.get(spec.name, (1, 28))
    classes = TORCHVISION[spec.name][3] if spec.name in TORCHVISION else 10
    height, width = spec.resize or (side, side)
    return (1 if spec.grey else channels, height, width), classes


def check_files(spec: DatasetSpec) -> None:
    """Raises DataError if the files of the data set are not there, and may not be downloaded.

    Reads nothing, so it needs neither time nor libraries.
    """
    if spec.path is not None and not spec.path.exists():
        kind = "folder" if spec.name == "folder" else "file"
        raise DataError(f"cannot read the images in {spec.path}: there is no such {kind}")
    if spec.path is not None and spec.path.is_dir() != (spec.name == "folder"):
        raise DataError(
            f"the data set {spec.name} must be {'a folder' if spec.name == 'folder' else 'a file'}, "
            f"got {spec.path} (key dataset.path)"
        )
    if spec.name in TORCHVISION and not spec.download:
        _, _, folder, _ = TORCHVISION[spec.name]
        place = spec.root / folder
        if not place.is_dir() and packed_folder(spec.name) is None:
            raise DataError(_absent(spec, place, folder))


def _absent(spec: DatasetSpec, place: Path, folder: str) -> str:
    return (
        f"the data set {spec.name} is not in {place} and may not be downloaded; "
        f"set dataset.download = true (or add --set dataset.download=true), "
        f"or set dataset.root to the folder that holds {folder}"
        + (
            "; on Debian and Ubuntu, the package dataset-fashion-mnist has it, too"
            if spec.name == "fashion_mnist"
            else ""
        )
    )


def read_pools(spec: DatasetSpec) -> Pools:
    """The images of a data set, in the colours and the size of the spec.

    Raises DataError if the data set is absent or invalid.
    """
    if spec.path is not None:
        check_files(spec)
    if spec.path is not None and spec.name != "npz":
        from study.training.image_tables import read_tables, table_files  # noqa: PLC0415  # loads Arrow

        is_table = spec.name == "parquet" or table_files(spec.path)
        read = read_tables if is_table else read_image_folder
        return read(spec.path, grey=spec.grey, size=spec.resize)
    if spec.path is not None:
        pools = read_npz(spec.path)
    elif spec.name == "digits":
        pools = Pools(train=_digits(), test=None, classes=10)
    else:
        pools = _torchvision(spec)
    return in_shape(pools, spec)


def in_shape(pools: Pools, spec: DatasetSpec) -> Pools:
    """Images in arrays in the colours and the size of the spec."""

    def shaped(pool: Pool) -> Pool:
        return replace(pool, images=reshaped(pool.images, grey=spec.grey, size=spec.resize))

    test = None if pools.test is None else shaped(pools.test)
    return replace(pools, train=shaped(pools.train), test=test)


def _digits() -> Pool:
    from sklearn.datasets import load_digits  # noqa: PLC0415  # takes a second; needed here only

    images, labels = load_digits(return_X_y=True)
    scaled = np.rint(images * (255 / 16)).astype(np.uint8)
    return Pool(scaled.reshape(-1, 1, 8, 8), labels.astype(np.int64))


def _torchvision(spec: DatasetSpec) -> Pools:
    from torchvision import datasets  # noqa: PLC0415  # takes two seconds; needed here only

    name, arguments, folder, classes = TORCHVISION[spec.name]
    source = getattr(datasets, name)
    try:
        with _files(spec, folder) as (root, place):
            train, test = (
                source(root=root, train=train, download=spec.download, **arguments)
                for train in (True, False)
            )
            md5 = checksums(spec.name, root / folder)
    except (RuntimeError, OSError, ValueError, EOFError, zlib.error) as error:
        place = spec.root / folder
        if place.is_dir() and any(place.iterdir()):
            raise DataError(
                f"the data set {spec.name} in {place} cannot be read: {error}; remove the folder and "
                f"fetch it again (dataset.download = true)"
            ) from error
        packed = packed_folder(spec.name)
        if packed is not None:
            raise DataError(
                f"the data set {spec.name} in {packed} cannot be read: {error}; install its package "
                f"again, or set dataset.root to the folder that holds {folder}"
            ) from error
        if spec.download:
            raise DataError(
                f"the data set {spec.name} could not be fetched into {place}: {error}; "
                f"fetch it on a machine with a network and copy the folder to {place}"
            ) from error
        raise DataError(_absent(spec, place, folder)) from error
    return Pools(
        train=_pool(train, spec.name),
        test=_pool(test, spec.name),
        classes=classes,
        files=FilesRead(place, md5, OFFICIAL[spec.name]) if md5 else None,
    )


@contextmanager
def _files(spec: DatasetSpec, folder: str) -> Iterator[tuple[Path, Path]]:
    """The root for torchvision, and the folder in which the user has the files.

    Where torchvision's folder is absent, or empty as a failed download leaves it, the files of Debian's
    package are unpacked for the moment.
    """
    place, packed = spec.root / folder, packed_folder(spec.name)
    if packed is None or (place.is_dir() and any(place.iterdir())):
        yield spec.root, place
        return
    with unpacked(spec.name, packed, folder) as root:
        yield root, packed


def _pool(source: Any, name: str) -> Pool:  # noqa: ANN401  # torchvision has no types
    images = np.asarray(source.data, dtype=np.uint8)
    if name == "emnist_balanced":
        # The files hold every image transposed.
        images = images.transpose(0, 2, 1)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)  # noqa: PLR2004  # no channel axis
    return Pool(np.ascontiguousarray(images), np.asarray(source.targets, dtype=np.int64))
